"""When the next request may leave: the rate limits and the governor together. Pure state, no clock, no loop."""

import math

from attrs import Factory, define, field

from legitmark_async._pacer._governor import Governor
from legitmark_async._pacer._limits import Limiter, Limits
from legitmark_async._pacer._turn import Lane, Refusal, Turn
from legitmark_async.models import Limit
from legitmark_async.options import Random

# What a turn waits for if it is no limit of the server's.
FAILURES, IN_FLIGHT = "failures of the server", "requests in flight"


@define(eq=False)
class Gate:
    """Decides when a request may leave.

    Requests are numbered as they leave. Whoever let one leave must end it: by `answered`, `failed`, `refused` or
    `lost`.

    Attributes:
        capacity: Requests in flight at most.
        random: Gives a number from 0 to 1.
        limits: What is known of the rate limits.
        in_flight: Requests that left and have not ended.
        sent: Number of the request that left last.
    """

    capacity: int
    random: Random
    limits: Limiter = field(default=Factory(lambda gate: Limits(gate.random), takes_self=True))
    in_flight: int = field(default=0, init=False)
    sent: int = field(default=0, init=False)
    _governor: Governor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._governor = Governor(self.capacity, self.random)

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
        wait = self.limits.delay(now, lane, endpoint, backlog, self.in_flight)
        return max(wait, governor.delay(now)) if governor.paused else wait

    def admit(self, now: float, lane: Lane, endpoint: str) -> Turn:
        """Let one request leave. Its `delay` must be 0."""
        self.sent += 1
        self.in_flight += 1
        turn = Turn(self.sent, lane, endpoint, now)
        if self._governor.paused:
            self._governor.admit(turn.number, now)
        self.limits.take(turn)
        return turn

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...] = ()) -> None:
        """Take note of an answer that is neither a refusal nor a failure, and of what it tells of the limits."""
        self.in_flight -= 1
        self._governor.answered(turn.number, now)
        self.limits.answered(turn, now, limits)
        if not self.limits.empty:
            self._governor.discovered()

    def failed(self, turn: Turn, now: float) -> None:
        """Take note of a failure that is no refusal: a 5xx, a timeout, a connection that broke."""
        self.in_flight -= 1
        self._governor.failed(turn.number, self.sent, now)
        self.limits.lost(turn)

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Take note of a refusal (429); True if that closed the gate."""
        self.in_flight -= 1
        if self._governor.crowded(refusal, self.in_flight + 1):
            self.limits.give_back(turn)
            return False
        self._governor.lost(turn.number, now)
        self._governor.discovered()
        return self.limits.refused(turn, now, refusal)

    def lost(self, turn: Turn, now: float) -> None:
        """Take note that nobody waits for the answer any more."""
        self.in_flight -= 1
        self._governor.lost(turn.number, now)
        self.limits.lost(turn)

    def wait(self, now: float, endpoint: str, ahead: float = 0.0) -> tuple[float, str]:
        """Return how long one more has to wait for the limits, as far as is known, and for which of them (s, words).

        Args:
            now: The instant.
            endpoint: Where it is to go.
            ahead: Requests that leave before it.
        """
        longest, reason = self.limits.wait(now, endpoint, ahead)
        pause = self._governor.delay(now)
        return (pause, FAILURES) if pause and pause >= longest else (longest, reason)

    def held(self, now: float) -> tuple[str, int, float] | None:
        """Return what else holds calls up than the limits: words, how many may fly, and for how long (s)."""
        governor = self._governor
        if governor.paused:
            return FAILURES, 1, governor.delay(now)
        return (IN_FLIGHT, int(governor.ceiling), 0.0) if self.in_flight >= governor.ceiling else None

    def ends_in(self, now: float, endpoint: str, count: int) -> float | None:
        """Return the seconds until so many more have left, or None if nobody knows."""
        if not self.limits.knows(endpoint):
            return None
        return self.wait(now, endpoint, count - 1)[0] if count else 0.0
