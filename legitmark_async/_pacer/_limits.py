"""The rate limits that are known, and what each of them has to be told. Pure."""

from collections.abc import Iterable
from typing import Protocol

from attrs import define, field

from legitmark_async._pacer._discovery import Discovery
from legitmark_async._pacer._meter import Meter
from legitmark_async._pacer._turn import Lane, Refusal, Turn
from legitmark_async.models import Limit, LimitType
from legitmark_async.options import Random


class Limiter(Protocol):
    """Says when the rate limits let a request leave: those that one client has learned, or its share of all's."""

    @property
    def empty(self) -> bool:
        """Whether nothing is known of any limit."""
        ...

    def delay(self, now: float, lane: Lane, endpoint: str, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if that is not known yet."""
        ...

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        ...

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...]) -> None:
        """Note that a request was admitted, and what its answer tells."""
        ...

    def give_back(self, turn: Turn) -> None:
        """Note that a request was not counted."""
        ...

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Note a refusal; True if it closed the gate for all."""
        ...

    def lost(self, turn: Turn) -> None:
        """Note that there will be no answer, or one that doesn't tell."""
        ...

    def wait(self, now: float, endpoint: str, ahead: float) -> tuple[float, str]:
        """Return how long one more has to wait after so many others, as far as is known, and for what (s, words)."""
        ...

    def knows(self, endpoint: str) -> bool:
        """Whether it is known how many may leave, and when."""
        ...

    def meters(self, now: float) -> tuple[float, Iterable[Meter]]:
        """Return the limits that are known, and what their clock shows now."""
        ...


@define(eq=False)
class Limits:
    """The limits that were learned. A request has to pass every one that concerns it.

    Nothing is known of any limit until an answer speaks of it; then it has a meter.

    Attributes:
        random: Gives a number from 0 to 1.
        sent: Number of the request that left last.
    """

    random: Random
    sent: int = field(default=0, init=False)
    known: dict[str, Meter] = field(factory=dict[str, Meter], init=False)
    _first_at: float = field(default=0.0, init=False)
    _answered_at: float = field(default=0.0, init=False)
    _granted: int = field(default=0, init=False)

    @property
    def empty(self) -> bool:
        """Whether nothing is known of any limit."""
        return not self.known

    def meters(self, now: float) -> tuple[float, Iterable[Meter]]:
        """Return the limits that are known, and what their clock shows now."""
        return now, self.known.values()

    def knows(self, endpoint: str) -> bool:
        """Whether it is known how many may leave, and when."""
        return any(meter.known and meter.endpoint in (None, endpoint) for meter in self.known.values())

    def delay(self, now: float, lane: Lane, endpoint: str, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell.

        Args:
            now: The instant.
            lane: Who asks.
            endpoint: Where it is to go.
            backlog: Requests that wait in this lane and the ones before it, or are announced.
            in_flight: Requests that left and have not ended.
        """
        wait = 0.0
        for meter in self.known.values():
            if meter.endpoint is None or meter.endpoint == endpoint:
                wait = max(wait, meter.delay(now, lane, backlog, in_flight))
        return wait

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        if not self.sent:
            self._first_at = turn.sent_at
        self.sent = turn.number
        for meter in self._concerned(turn):
            meter.take(turn)

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...] = ()) -> None:
        """Note that a request was admitted, and what its answer tells."""
        if not self._granted:
            self._answered_at = now
        self._granted += 1
        for meter in self._concerned(turn):
            meter.passed(turn, now)
        for limit in limits:
            self._meter(limit.type, turn.endpoint, now).note(turn, now, self.sent, limit)

    def lost(self, turn: Turn) -> None:
        """Note that there will be no answer, or one that doesn't tell."""
        for meter in self._concerned(turn):
            meter.lost(turn)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was not counted."""
        for meter in self._concerned(turn):
            meter.give_back(turn)

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Note a refusal; True if it closed the gate for all."""
        refuser = self._meter(refusal.type or "", turn.endpoint, now)
        for meter in self._concerned(turn):
            if meter is not refuser:
                meter.give_back(turn)
        return refuser.refused(turn, now, self.sent, refusal)

    def wait(self, now: float, endpoint: str, ahead: float) -> tuple[float, str]:
        """Return how long one more has to wait after so many others, as far as is known, and for what (s, words)."""
        longest, reason = 0.0, ""
        for meter in self.known.values():
            if meter.endpoint is None or meter.endpoint == endpoint:
                wait = meter.wait(now, ahead)
                if wait > longest:
                    longest, reason = wait, meter.reason
        return longest, reason

    def _concerned(self, turn: Turn) -> Iterable[Meter]:
        if not self.known:
            return ()
        return [meter for meter in self.known.values() if meter.endpoint is None or meter.endpoint == turn.endpoint]

    def _meter(self, name: str, endpoint: str, now: float) -> Meter:
        key = f"{name} {endpoint}" if name == LimitType.ENDPOINT else name
        meter = self.known.get(key)
        if meter is None:
            # A refusal may overtake the answers to those that were admitted before it.
            answered_at = self._answered_at if self._granted else now
            law = Discovery(self._first_at, answered_at, self._granted)
            meter = Meter(name, endpoint if name == LimitType.ENDPOINT else None, law, self.random)
            self.known[key] = meter
        return meter
