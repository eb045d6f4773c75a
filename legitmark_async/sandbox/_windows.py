"""How requests are counted against one limit: four kinds, pure, in whole nanoseconds.

Whole numbers make the arithmetic exact: at the very instant a window names, it admits.
The caller passes `now`, which never goes back.
"""

import abc
from collections import deque


class Window(abc.ABC):
    """Counts admitted requests against a limit."""

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit
        self._window = window

    @abc.abstractmethod
    def opens_at(self, now: int) -> int:
        """The instant from which one more request is admitted: `now` if that is at once."""

    @abc.abstractmethod
    def admit(self, now: int) -> None:
        """Counts one request; the caller has seen `opens_at(now) == now`."""

    @abc.abstractmethod
    def used(self, now: int) -> int:
        """How much of the limit is spent, rounded up."""

    @abc.abstractmethod
    def resets_at(self, now: int) -> int:
        """The reset that an admitted request is told."""

    def refused_until(self, now: int) -> int:
        """The reset that a refused request is told."""
        return self.resets_at(now)


class FixedWindow(Window):
    """So many from one multiple of the window to the next, on the phase of the first request."""

    def __init__(self, limit: int, window: int) -> None:
        super().__init__(limit, window)
        self._opened: int | None = None
        self._count = 0

    def _advance(self, now: int) -> int:
        if self._opened is None:
            self._opened = now
        elif (past := now - self._opened) >= self._window:
            self._opened += past - past % self._window
            self._count = 0
        return self._opened

    def opens_at(self, now: int) -> int:
        opened = self._advance(now)
        return now if self._count < self._limit else opened + self._window

    def admit(self, now: int) -> None:
        self._advance(now)
        self._count += 1

    def used(self, now: int) -> int:
        self._advance(now)
        return self._count

    def resets_at(self, now: int) -> int:
        return self._advance(now) + self._window


class SlidingLog(Window):
    """So many in any trailing window; every admitted instant is kept."""

    def __init__(self, limit: int, window: int) -> None:
        super().__init__(limit, window)
        self._log: deque[int] = deque()

    def _expire(self, now: int) -> None:
        log, horizon = self._log, now - self._window
        while log and log[0] <= horizon:
            log.popleft()

    def opens_at(self, now: int) -> int:
        self._expire(now)
        return now if len(self._log) < self._limit else self._log[0] + self._window

    def admit(self, now: int) -> None:
        self._log.append(now)

    def used(self, now: int) -> int:
        self._expire(now)
        return len(self._log)

    def resets_at(self, now: int) -> int:
        self._expire(now)
        return self._log[0] + self._window if self._log else now


class SlidingCounter(Window):
    """A trailing window estimated from two counts: what of the last is still in view, and this one's."""

    def __init__(self, limit: int, window: int) -> None:
        super().__init__(limit, window)
        self._opened: int | None = None
        self._previous = 0
        self._current = 0

    def _advance(self, now: int) -> int:
        if self._opened is None:
            self._opened = now
        elif (windows := (now - self._opened) // self._window) > 0:
            self._opened += windows * self._window
            self._previous = self._current if windows == 1 else 0
            self._current = 0
        return self._opened

    def opens_at(self, now: int) -> int:
        opened, window = self._advance(now), self._window
        if self._current >= self._limit:
            # A full window becomes the previous one: one place is free once a limit-th of it has slid out.
            return opened + 2 * window - (self._limit - 1) * window // self._current
        spare = (self._limit - self._current - 1) * window
        if self._previous * (opened + window - now) <= spare:
            return now
        return opened + window - spare // self._previous

    def admit(self, now: int) -> None:
        self._advance(now)
        self._current += 1

    def used(self, now: int) -> int:
        left = self._advance(now) + self._window - now
        return self._current - (-self._previous * left // self._window)

    def resets_at(self, now: int) -> int:
        return self._advance(now) + self._window


class TokenBucket(Window):
    """A burst of the whole limit, refilled evenly over the window.

    Kept as one instant at which the bucket is full again (the generic cell rate algorithm), in units of
    1/limit nanosecond so that a token's worth of time, `window`, is a whole number.
    """

    def __init__(self, limit: int, window: int) -> None:
        super().__init__(limit, window)
        self._full_at: int | None = None

    def _missing(self, now: int) -> int:
        return 0 if self._full_at is None else max(0, self._full_at - now * self._limit)

    def opens_at(self, now: int) -> int:
        over = self._missing(now) - (self._limit - 1) * self._window
        return now if over <= 0 else now - (-over // self._limit)

    def admit(self, now: int) -> None:
        self._full_at = now * self._limit + self._missing(now) + self._window

    def used(self, now: int) -> int:
        return -(-self._missing(now) // self._window)

    def resets_at(self, now: int) -> int:
        return now - (-self._missing(now) // self._limit)

    def refused_until(self, now: int) -> int:
        return self.opens_at(now)
