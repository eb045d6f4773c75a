"""The gate that all calls of a client share: it learns the rate limits from answers, and spends them.

From the bottom up, all pure but the last, advanced by `now`, by what was sent and by what was answered:

- the laws, one for each kind of limit: `Discovery` while nothing is known, then `Window`, `Rate` or `Counter`;
- `Meter`, one limit: its law, behind a gate that a refusal closes and a canary opens;
- `Governor`, how many may be in flight;
- `Gate`, all of them together, and `Queue`, who goes next;
- `Pacer`, the thin asyncio shell around them: futures and one timer.
"""

from legitmark_async._pacer._gate import Gate
from legitmark_async._pacer._pacer import Pacer, TooLateError
from legitmark_async._pacer._turn import Lane, Refusal, Turn

__all__ = ["Gate", "Lane", "Pacer", "Refusal", "TooLateError", "Turn"]
