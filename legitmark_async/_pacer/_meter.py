"""One rate limit: its gate, and the law that was learned of it. Pure."""

import math
from enum import Enum, auto

from attrs import define, field

from legitmark_async._pacer._law import UNKNOWN, Hold, Law
from legitmark_async._pacer._turn import Lane, Reading, Refusal, Refused, Turn
from legitmark_async.errors import describe_limit
from legitmark_async.models import Limit
from legitmark_async.options import Random

# No wait for a window is longer than this (s); after it a canary asks.
_LONGEST_HOLD = 3600.0
# A gate that opens at an instant that is not exact adds up to so much to the wait (s, share), never less.
_JITTER, _JITTER_SHARE = 0.25, 0.02
# The wait after refused canaries if the server doesn't tell, or told too little, grows by the factor so many times.
_FACTOR, _GROWTHS = 1.4, 32
# A canary that has no answer after so long gets company (s): a stalled one must not stop everybody.
_PATIENCE = 5.0
_RTT, _RTT_GAIN = 0.01, 0.1


class State(Enum):
    """Of a gate: open by its law; closed until an instant; or half open, for one request that asks."""

    OPEN = auto()
    CLOSED = auto()
    HALF_OPEN = auto()


@define(eq=False)
class Meter:
    """One rate limit.

    Attributes:
        name: The server's name for it; empty if it gave none.
        endpoint: The only endpoint that it concerns; None if it concerns all.
        law: What was learned of it.
        limit: Requests that a window allows, as far as the server tells.
        state: Of its gate.
        opens_at: When it opens, if it is closed.
        source: What told of it first: `429` or `headers`.
        learned_at: When.
    """

    name: str
    endpoint: str | None
    law: Law
    random: Random
    limit: int | None = field(default=None, init=False)
    state: State = field(default=State.OPEN, init=False)
    opens_at: float = field(default=0.0, init=False)
    source: str = field(default="", init=False)
    learned_at: float = field(default=0.0, init=False)
    _rtt: float = field(default=_RTT, init=False)
    _left_at: float = field(default=0.0, init=False)
    _noted: int = field(default=0, init=False)
    _closed_after: int = field(default=0, init=False)
    _canaries: set[int] = field(factory=set[int], init=False)
    _canary_until: float | None = field(default=None, init=False)
    _refused_canaries: int = field(default=0, init=False)

    @property
    def known(self) -> bool:
        """Whether it is known how many may leave, and when."""
        return self.law.kind != UNKNOWN

    @property
    def heard_at(self) -> float | None:
        """When a canary is answered, as far as is known; None if there is none."""
        return None if self._canary_until is None else self._canary_until - _PATIENCE + self._rtt

    @property
    def reason(self) -> str:
        """Which limit it is, in words."""
        return describe_limit(self.name or None, self.limit)

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell."""
        if self.state is State.OPEN:
            if now < min(self.law.turns_at, self._left_at + _LONGEST_HOLD):
                delay = self.law.delay(now, lane, backlog, in_flight)
                return delay if delay == math.inf else min(delay, self._left_at + _LONGEST_HOLD - now)
            self.state = State.HALF_OPEN
        if self.state is State.CLOSED:
            if now < self.opens_at:
                return self.opens_at - now
            self.state = State.HALF_OPEN
        return 0.0 if self._canary_until is None else max(self._canary_until - now, 0.0)

    def wait(self, now: float, ahead: float) -> float:
        """Return the seconds until one more may leave after so many others, as far as is known."""
        if self.state is State.CLOSED:
            return max(self.opens_at - now, self.law.ends_in(ahead + 1, now), 0.0)
        return max(self.law.ends_in(ahead + 1, now), 0.0)

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        turn.rtt = self._rtt
        self._left_at = turn.sent_at
        if self.state is State.OPEN:
            self.law.take(turn)
            return
        self.state = State.HALF_OPEN
        if not self._canaries:
            self._closed_after = turn.number - 1
        self._canaries.add(turn.number)
        self._canary_until = turn.sent_at + _PATIENCE

    def passed(self, turn: Turn, now: float) -> None:
        """Note that a request was admitted."""
        self._rtt += _RTT_GAIN * (now - turn.sent_at - self._rtt)
        if turn.number not in self._canaries:
            self.law.passed(turn, now)
        else:
            self._open()
            self.law.opened(turn)
        self._succeed()

    def note(self, turn: Turn, now: float, sent: int, limit: Limit) -> None:
        """Take what an answer tells of the limit. Answers overtake each other: the one sent last knows best."""
        # A limit of 0 would let nobody leave ever: it means something else.
        if not limit.limit or limit.remaining is None or limit.resets_in is None or turn.number < self._noted:
            return
        self._noted = turn.number
        self._learn("headers", now)
        self.limit = limit.limit
        resets_at = now + limit.resets_in
        self.law.note(
            Reading(
                limit=limit.limit,
                remaining=limit.remaining,
                left=limit.remaining - (sent - turn.number),
                resets_at=resets_at,
                mark=resets_at if limit.resets_at is None else limit.resets_at,
                exact=limit.resets_at is not None,
                sent_at=turn.sent_at,
                now=now,
            )
        )
        self._succeed()

    def lost(self, turn: Turn) -> None:
        """Note that there will be no answer, or one that doesn't tell. A lost canary makes place for another one."""
        if turn.number in self._canaries:
            self._canaries.discard(turn.number)
            self._canary_until = None

    def give_back(self, turn: Turn) -> None:
        """Note that another limit refused the request, so that this one has not counted it."""
        if turn.number in self._canaries:
            self.lost(turn)
        else:
            self.law.give_back(turn)

    def refused(self, turn: Turn, now: float, sent: int, refusal: Refusal) -> bool:
        """Note a refusal; True if it closed the gate."""
        self._learn("429", now)
        canary = turn.number in self._canaries
        if not canary:
            self.law.give_back(turn)
        if refusal.limit:
            self.limit = refusal.limit
            self.law.relimit(refusal.limit)
        if turn.number <= self._closed_after:
            # An echo: it left before the gate closed, and teaches nothing new.
            return False
        self._refused_canaries = min(self._refused_canaries + 1, _GROWTHS) if canary else 0
        hold = self._length(self.law.refused(Refused(turn, now, refusal, canary)))
        self._succeed()
        self.opens_at = now + min(hold, _LONGEST_HOLD)
        self.state = State.CLOSED
        self._closed_after = sent
        self._canaries.clear()
        self._canary_until = None
        return True

    def part(self, parts: int, now: float) -> None:
        """Go on as one of so many processes that use the limit in equal parts, and number requests anew."""
        self.law = self.law.part(parts, now)
        self._canaries.clear()
        self._canary_until = None
        self._noted = self._closed_after = 0

    def _learn(self, source: str, now: float) -> None:
        if not self.source:
            self.source, self.learned_at, self._left_at = source, now, now

    def _length(self, hold: Hold) -> float:
        told = hold.seconds or 0.0
        if hold.exact:
            return told
        floor = min(hold.floor * _FACTOR**self._refused_canaries, hold.longest)
        wait = max(told, floor) if hold.seconds is None or self._refused_canaries else told
        return wait + self.random() * min(_JITTER, _JITTER_SHARE * wait)

    def _open(self) -> None:
        self.state = State.OPEN
        self._canaries.clear()
        self._canary_until = None
        self._refused_canaries = 0

    def _succeed(self) -> None:
        self.law = self.law.successor or self.law
