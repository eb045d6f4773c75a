"""The gate that all calls of a client share: it learns the rate limits from answers, and spends them.

`Gate` is the mind: pure state, advanced by `now`, by what was sent and by what was answered. `Pacer` is the thin
asyncio shell around it: a queue and one timer.
"""

from legitmark_async._pacer._gate import Gate
from legitmark_async._pacer._queue import Pacer, TooLateError

__all__ = ["Gate", "Pacer", "TooLateError"]
