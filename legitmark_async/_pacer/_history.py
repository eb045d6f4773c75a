"""What was granted before a limit was met: how many, and when. Pure."""

import math

from attrs import define, field

# So many steps are kept, and the older ones become longer for it; none is shorter (s).
_MOST, _SHORTEST = 128, 0.02
# The last busy time: no slower than this share of the greatest pace until now, of so many at least, over so long (s).
_BUSY, _FEWEST, _SPAN = 0.5, 20, 0.25


@define(eq=False)
class History:
    """Counts what is granted in steps of time, finer the later they are: a client may be at work for days.

    Attributes:
        count: Requests that were granted.
    """

    count: int = field(default=0, init=False)
    _steps: list[tuple[float, int]] = field(factory=list[tuple[float, int]], init=False)

    def add(self, now: float) -> None:
        """Note that a request was granted."""
        self.count += 1
        steps = self._steps
        if steps and now < steps[-1][0] + _SHORTEST:
            at, granted = steps[-1]
            steps[-1] = at, granted + 1
            return
        steps.append((now, 1))
        if len(steps) > _MOST:
            half = _MOST // 2
            older = zip(steps[:half:2], steps[1:half:2], strict=True)
            self._steps = [(at, granted + more) for (at, granted), (_, more) in older] + steps[half:]

    def since_last(self, count: int) -> float | None:
        """Return when the first of the last so many was granted; None if there were not so many."""
        until = math.inf
        for at, granted in reversed(self._steps):
            count -= granted
            if count <= 0:
                # Within a step they are taken to be even.
                return at if until == math.inf else at - count / granted * (until - at)
            until = at
        return None

    def beyond(self, limit: float, until: float) -> float:
        """Return how many a second became free until an instant, at least, if no more than a limit can gather."""
        found, granted, last = 0.0, 0, None
        for at, count in reversed(self._steps):
            if at <= until:
                last = at if last is None else last
                granted += count
                found = max(found, (granted - limit) / max(last - at, _SHORTEST))
        return found

    def busy(self) -> tuple[float, int]:
        """Return when the last busy time began, and how many were granted in it."""
        now = self._steps[-1][0] if self._steps else 0.0
        ends, granted = list[tuple[float, int, float]](), 0
        for at, count in reversed(self._steps):
            granted += count
            ends.append((at, granted, granted / max(now - at, _SPAN)))
        greatest = max((pace for _, count, pace in ends if count >= _FEWEST), default=0.0)
        at, granted, _ = next((end for end in reversed(ends) if end[2] >= _BUSY * greatest), (now, 0, 0.0))
        return at, granted
