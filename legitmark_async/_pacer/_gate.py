"""When the next request may leave: the rate limits and the governor together. Pure state, no clock, no loop."""

import math
from collections.abc import Iterable

from attrs import define, field

from legitmark_async._pacer._discovery import Discovery
from legitmark_async._pacer._governor import Governor
from legitmark_async._pacer._meter import Meter
from legitmark_async._pacer._turn import Lane, Refusal, Turn
from legitmark_async.models import Limit, LimitType
from legitmark_async.options import Random


@define(eq=False)
class Gate:
    """Decides when a request may leave.

    Requests are numbered as they leave. Whoever let one leave must end it: by `answered`, `failed`, `refused` or
    `lost`. A request has to pass every limit that concerns it. Nothing is known of any limit until an answer speaks of
    it; then it has a meter.

    Attributes:
        capacity: Requests in flight at most.
        random: Gives a number from 0 to 1.
        in_flight: Requests that left and have not ended.
        sent: Number of the request that left last.
    """

    capacity: int
    random: Random
    in_flight: int = field(default=0, init=False)
    sent: int = field(default=0, init=False)
    _governor: Governor = field(init=False)
    _meters: dict[str, Meter] = field(factory=dict[str, Meter], init=False)
    _first_at: float = field(default=0.0, init=False)
    _answered_at: float = field(default=0.0, init=False)
    _granted: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._governor = Governor(self.capacity, self.random)

    @property
    def meters(self) -> Iterable[Meter]:
        """The limits that are known."""
        return self._meters.values()

    def delay(self, now: float, lane: Lane, endpoint: str, backlog: float) -> float:
        """Return the seconds until the next request may leave; infinity if only an answer can tell.

        Args:
            now: The instant.
            lane: Who asks.
            endpoint: Where it is to go.
            backlog: Requests that wait in this lane and the ones before it, or are announced.
        """
        governor = self._governor
        if self.in_flight >= governor.ceiling:
            return math.inf
        wait = governor.delay(now) if governor.paused else 0.0
        for meter in self._meters.values():
            if meter.endpoint is None or meter.endpoint == endpoint:
                wait = max(wait, meter.delay(now, lane, backlog, self.in_flight))
        return wait

    def admit(self, now: float, lane: Lane, endpoint: str) -> Turn:
        """Let one request leave. Its `delay` must be 0."""
        if not self.sent:
            self._first_at = now
        self.sent += 1
        self.in_flight += 1
        turn = Turn(self.sent, lane, endpoint, now)
        if self._governor.paused:
            self._governor.admit(turn.number, now)
        for meter in self._concerned(turn):
            meter.take(turn)
        return turn

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...] = ()) -> None:
        """Take note of an answer that is neither a refusal nor a failure, and of what it tells of the limits."""
        self.in_flight -= 1
        if not self._granted:
            self._answered_at = now
        self._granted += 1
        self._governor.answered(turn.number, now)
        for meter in self._concerned(turn):
            meter.passed(turn, now)
        for limit in limits:
            self._meter(limit.type, turn.endpoint, now).note(turn, now, self.sent, limit)

    def failed(self, turn: Turn, now: float) -> None:
        """Take note of a failure that is no refusal: a 5xx, a timeout, a connection that broke."""
        self.in_flight -= 1
        self._governor.failed(turn.number, self.sent, now)
        for meter in self._concerned(turn):
            meter.lost(turn)

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Take note of a refusal (429); True if that closed the gate."""
        self.in_flight -= 1
        if self._governor.crowded(refusal, self.in_flight + 1):
            self._give_back(turn, None)
            return False
        self._governor.lost(turn.number, now)
        meter = self._meter(refusal.type or "", turn.endpoint, now)
        self._give_back(turn, meter)
        return meter.refused(turn, now, self.sent, refusal)

    def lost(self, turn: Turn, now: float) -> None:
        """Take note that nobody waits for the answer any more."""
        self.in_flight -= 1
        self._governor.lost(turn.number, now)
        for meter in self._concerned(turn):
            meter.lost(turn)

    def wait(self, now: float, endpoint: str, ahead: float = 0.0) -> tuple[float, str]:
        """Return how long one more has to wait for the limits, as far as is known, and for which of them (s, words).

        Args:
            now: The instant.
            endpoint: Where it is to go.
            ahead: Requests that leave before it.
        """
        longest = self._governor.delay(now)
        reason = "failures of the server" if longest else ""
        for meter in self._meters.values():
            if meter.endpoint is None or meter.endpoint == endpoint:
                wait = meter.wait(now, ahead)
                if wait > longest:
                    longest, reason = wait, meter.reason
        return longest, reason

    def ends_in(self, now: float, endpoint: str, count: int) -> float | None:
        """Return the seconds until so many more have left, or None if nobody knows."""
        known = [meter for meter in self._meters.values() if meter.known and meter.endpoint in (None, endpoint)]
        if not known:
            return None
        return self.wait(now, endpoint, count - 1)[0] if count else 0.0

    def _concerned(self, turn: Turn) -> Iterable[Meter]:
        if not self._meters:
            return ()
        return [meter for meter in self._meters.values() if meter.endpoint is None or meter.endpoint == turn.endpoint]

    def _give_back(self, turn: Turn, but: Meter | None) -> None:
        for meter in self._concerned(turn):
            if meter is not but:
                meter.give_back(turn)

    def _meter(self, name: str, endpoint: str, now: float) -> Meter:
        key = f"{name} {endpoint}" if name == LimitType.ENDPOINT else name
        meter = self._meters.get(key)
        if meter is None:
            self._governor.discovered()
            # A refusal may overtake the answers to those that were admitted before it.
            answered_at = self._answered_at if self._granted else now
            law = Discovery(self._first_at, answered_at, self._granted)
            meter = Meter(name, endpoint if name == LimitType.ENDPOINT else None, law, self.random)
            self._meters[key] = meter
        return meter
