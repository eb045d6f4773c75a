"""The gate that all calls of a client share: it learns the rate limits from answers, and spends them.

From the bottom up, all pure but the last, advanced by `now`, by what was sent and by what was answered:

- the laws, one for each kind of limit: `Discovery` while nothing is known, then `Window`, `Rate` or `Counter`;
- `Meter`, one limit: its law, behind a gate that a refusal closes and a canary opens;
- `Governor`, how many may be in flight;
- `Gate`, all of them together, and `Queue`, who goes next;
- `Pacer`, the thin asyncio shell around them: futures and one timer.
"""

from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._discovery import Discovery
from legitmark_async._pacer._gate import IN_FLIGHT, Gate
from legitmark_async._pacer._history import History
from legitmark_async._pacer._law import Law
from legitmark_async._pacer._limits import Limiter, Limits
from legitmark_async._pacer._meter import Meter, State
from legitmark_async._pacer._pacer import Pacer, TooLateError
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Lane, Refusal, Turn
from legitmark_async._pacer._uses import Uses
from legitmark_async._pacer._window import Window

# Every kind of law there is.
LAWS: tuple[type[Law], ...] = (Counter, Discovery, Rate, Told, Window)

__all__ = [
    "IN_FLIGHT",
    "LAWS",
    "Gate",
    "History",
    "Lane",
    "Law",
    "Limiter",
    "Limits",
    "Meter",
    "Pacer",
    "Refusal",
    "State",
    "TooLateError",
    "Turn",
    "Uses",
]
