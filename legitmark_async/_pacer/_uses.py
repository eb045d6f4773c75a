"""When requests were counted, for limits that give each place back a window after it was used. Pure."""

import math
from collections import deque
from collections.abc import Iterable

from attrs import define, field

# Of a larger limit no uses are kept: the windows alone are known. Some more are kept, for those that are taken back.
_MOST, _MORE = 10_000, 64


@define(eq=False)
class Uses:
    """The last uses, as many as the limit allows.

    As long as each use comes a window after the one `limit` before it, no window of any kind grants too much: not a
    fixed one, whatever its phase, not a sliding one, and no bucket either.

    Attributes:
        limit: Requests that a window allows.
        closed_until: Nothing is free before this instant, whatever we used: others did.
    """

    limit: int
    closed_until: float = field(default=-math.inf, init=False)
    _instants: deque[float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._instants = deque(maxlen=min(self.limit, _MOST) + _MORE)

    @property
    def instants(self) -> Iterable[float]:
        """When each was, in order."""
        return self._instants

    @property
    def complete(self) -> bool:
        """Whether a whole limit of them is known."""
        return self.limit <= _MOST and len(self._instants) >= self.limit

    def relimit(self, limit: int) -> None:
        """Take another limit."""
        self.limit = limit
        self._instants = deque(self._instants, maxlen=min(limit, _MOST) + _MORE)

    def add(self, instant: float) -> None:
        """Note a use."""
        self._instants.append(instant)

    def take_back(self) -> None:
        """Forget the last use: it was refused."""
        if self._instants:
            self._instants.pop()

    def age(self, now: float) -> float | None:
        """Return the age (s) of the use whose place the next request takes; None if it takes a place of its own."""
        return now - self._instants[-self.limit] if self.complete else None

    def free_in(self, now: float, period: float, spare: int = 0) -> float:
        """Return the seconds until a place is free, by our own uses, and as many more as are to be spared."""
        closed = max(self.closed_until - now, 0.0)
        taken = len(self._instants) - max(self.limit - spare, 1)
        return closed if taken < 0 or self.limit > _MOST else max(self._instants[taken] + period - now, closed)
