"""What really happened: counts, and a check of the limiter that shares no state with it."""

from collections import deque

import attrs

from legitmark_async.sandbox._limits import NANOSECONDS, Limits


@attrs.frozen
class Ledger:
    """A snapshot of the sandbox's counts since its start or last reset.

    Attributes:
        created: Service requests made.
        unique: Distinct reference ids among them.
        duplicates: `created - unique`.
        requests: API requests received, whatever came of them.
        refused: 429s given.
        max_in_window: Most requests admitted in one window: of fixed windows, else in any trailing window.
        over_limit: Requests admitted beyond what the limits allow; 0 unless the limiter is wrong.
        in_flight_peak: Most API requests being handled at once.
        submitted: Submissions accepted; those of one service request count each.
        intents: Upload intents answered.
        photos: Photos stored; each version counts.
    """

    created: int
    unique: int
    duplicates: int
    requests: int
    refused: int
    max_in_window: int
    over_limit: int
    in_flight_peak: int
    submitted: int = 0
    intents: int = 0
    photos: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts under their names, as `GET /_sandbox/ledger` answers them."""
        return attrs.asdict(self)


class _Calendar:
    """Counts per window on the phase of the first instant; the last two are kept."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._first: int | None = None
        self._index = 0
        self.previous = 0
        self.current = 0
        self.elapsed = 0

    def add(self, now: int) -> None:
        if self._first is None:
            self._first = now
        index, self.elapsed = divmod(now - self._first, self._window)
        if index != self._index:
            self.previous = self.current if index == self._index + 1 else 0
            self.current = 0
            self._index = index
        self.current += 1


class _Trail:
    """How many instants lie in the window that ends now."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._instants: deque[int] = deque()

    def add(self, now: int) -> int:
        instants, horizon = self._instants, now - self._window
        instants.append(now)
        while instants[0] <= horizon:
            instants.popleft()
        return len(instants)


class Audit:
    """Recounts what the limiter admitted and judges it by the strictest limit that is on."""

    def __init__(self, limits: Limits) -> None:
        self._kind = limits.kind
        self._limit = min(limit for limit in (limits.partner, limits.user) if limit)
        self._window = round(limits.window * NANOSECONDS)
        self._calendar = _Calendar(self._window)
        self._trail = _Trail(self._window)

    def add(self, now: int) -> tuple[int, bool]:
        """Counts one admitted request: how many the window now holds, and whether that is one too many."""
        if self._kind == "fixed":
            self._calendar.add(now)
            return self._calendar.current, self._calendar.current > self._limit
        held = self._trail.add(now)
        if self._kind == "counter":
            return held, self._estimate_exceeds(now)
        # A bucket may give its burst and, in the same window, all that is refilled meanwhile.
        return held, held > (2 * self._limit if self._kind == "bucket" else self._limit)

    def _estimate_exceeds(self, now: int) -> bool:
        calendar = self._calendar
        calendar.add(now)
        still_in_view = calendar.previous * (self._window - calendar.elapsed)
        return still_in_view + calendar.current * self._window > self._limit * self._window


class Tally:
    """The running counts behind a `Ledger`; the server's request handler alone changes them."""

    def __init__(self) -> None:
        self._audit: Audit | None = None
        self._in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Counts from nothing; requests still being handled stay in flight."""
        self.requests = 0
        self.refused = 0
        self.max_in_window = 0
        self.over_limit = 0
        self.in_flight_peak = self._in_flight

    def audit(self, limits: Limits) -> None:
        """Judges from now on by these limits."""
        self._audit = Audit(limits) if limits.partner or limits.user else None

    def begin(self) -> None:
        """A request arrived."""
        self.requests += 1
        self._in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self._in_flight)

    def end(self) -> None:
        """A request is done with, answered or not."""
        self._in_flight -= 1

    def admitted(self, now: int) -> None:
        """The limiter let a request pass."""
        if self._audit is None:
            return
        held, over = self._audit.add(now)
        self.max_in_window = max(self.max_in_window, held)
        self.over_limit += over

    def snapshot(self, created: int, unique: int) -> Ledger:
        """The counts as they stand, with those of the records."""
        return Ledger(
            created=created,
            unique=unique,
            duplicates=created - unique,
            requests=self.requests,
            refused=self.refused,
            max_in_window=self.max_in_window,
            over_limit=self.over_limit,
            in_flight_peak=self.in_flight_peak,
        )
