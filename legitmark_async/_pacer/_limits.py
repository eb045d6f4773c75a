"""The rate limits that are known, and what each of them has to be told. Pure."""

import math
from collections.abc import Iterable
from typing import Protocol

from attrs import define, field

from legitmark_async._pacer._discovery import Discovery
from legitmark_async._pacer._history import History
from legitmark_async._pacer._meter import Meter, State
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
    _first_at: float = field(default=math.inf, init=False)
    _answered_at: float = field(default=0.0, init=False)
    _history: History = field(factory=History, init=False)

    @property
    def empty(self) -> bool:
        """Whether nothing is known of any limit."""
        return not self.known

    def meters(self, now: float) -> tuple[float, Iterable[Meter]]:
        """Return the limits that are known, and what their clock shows now."""
        return now, self.known.values()

    def knows(self, endpoint: str) -> bool:
        """Whether it is known how many may leave, and when."""
        return any(meter.known for meter in self._of(endpoint))

    def turns_at(self, endpoint: str) -> float:
        """Return when the next window of any of the limits begins; infinity if none does."""
        return min((meter.law.turns_at for meter in self._of(endpoint)), default=math.inf)

    def asks(self, endpoint: str) -> bool:
        """Whether the next request is to ask if a limit is open again."""
        return any(meter.state is not State.OPEN for meter in self._of(endpoint))

    def heard_at(self, endpoint: str) -> float | None:
        """Return when a request that asks is answered, as far as is known; None if there is none."""
        return max((meter.heard_at for meter in self._of(endpoint) if meter.heard_at is not None), default=None)

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
        for meter in self._of(endpoint):
            wait = max(wait, meter.delay(now, lane, backlog, in_flight))
        return wait

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        self._first_at = min(self._first_at, turn.sent_at)
        self.sent = max(self.sent, turn.number)
        for meter in self._of(turn.endpoint):
            meter.take(turn)

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...] = ()) -> None:
        """Note that a request was admitted, and what its answer tells."""
        if not self._history.count:
            self._first_at, self._answered_at = min(self._first_at, turn.sent_at), now
        self._history.add(now)
        for meter in self._of(turn.endpoint):
            meter.passed(turn, now)
        for limit in limits:
            self._meter(limit.type, turn, now).note(turn, now, self.sent, limit)

    def lost(self, turn: Turn) -> None:
        """Note that there will be no answer, or one that doesn't tell."""
        for meter in self._of(turn.endpoint):
            meter.lost(turn)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was not counted."""
        for meter in self._of(turn.endpoint):
            meter.give_back(turn)

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Note a refusal; True if it closed the gate for all."""
        refuser = self._meter(refusal.type or "", turn, now)
        for meter in self._of(turn.endpoint):
            if meter is not refuser:
                meter.give_back(turn)
        return refuser.refused(turn, now, self.sent, refusal)

    def wait(self, now: float, endpoint: str, ahead: float) -> tuple[float, str]:
        """Return how long one more has to wait after so many others, as far as is known, and for what (s, words)."""
        longest, reason = 0.0, ""
        for meter in self._of(endpoint):
            wait = meter.wait(now, ahead)
            if wait > longest:
                longest, reason = wait, meter.reason
        return longest, reason

    def begin(self, now: float) -> None:
        """Note that no request has left before an instant."""
        self._first_at = min(self._first_at, now)

    def linger(self, until: float) -> None:
        """Let no request ask before an instant whether a limit is open again of which nothing is known yet."""
        for meter in self.known.values():
            if meter.state is State.CLOSED and not meter.known:
                meter.opens_at = max(meter.opens_at, until)

    def hold_still(self) -> None:
        """Don't try whether there is more: what leaves from now on is but planned, and no answer will come."""
        for meter in self.known.values():
            meter.law.hold_still()

    def doubt(self) -> None:
        """Note that some of what left may not have left at all: what passes now is no proof that there is more."""
        for meter in self.known.values():
            meter.law.doubt()

    def part(self, parts: int, now: float, sent: int) -> None:
        """Go on as one of so many processes that use the limits in equal parts, and by numbers of one's own.

        Args:
            parts: How many there are.
            now: The instant.
            sent: Number of the request that left last: a refusal may be of one that left before.
        """
        self.sent = sent
        for meter in self.known.values():
            meter.part(parts, now)

    def _of(self, endpoint: str) -> Iterable[Meter]:
        if not self.known:
            return ()
        return [meter for meter in self.known.values() if meter.endpoint is None or meter.endpoint == endpoint]

    def _meter(self, name: str, turn: Turn, now: float) -> Meter:
        key, endpoint = (f"{name} {turn.endpoint}", turn.endpoint) if name == LimitType.ENDPOINT else (name, None)
        meter = self.known.get(key)
        if meter is None:
            meter = self.known[key] = Meter(name, endpoint, self._discovery(turn, now), self.random)
        return meter

    def _discovery(self, turn: Turn, now: float) -> Discovery:
        busy_since, granted = self._history.busy()
        if granted < self._history.count:
            return Discovery(busy_since - (now - turn.sent_at), busy_since, granted, self._history)
        # A refusal may overtake the answers to those that were admitted before it.
        answered_at = self._answered_at if granted else now
        return Discovery(min(self._first_at, answered_at), answered_at, granted, self._history)
