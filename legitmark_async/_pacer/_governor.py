"""How many requests may be in flight: while nothing is known, and when the server is in trouble. Pure.

It never reacts to a rate limit, and what is learned of the limits never depends on it.
"""

import math

from attrs import define, field

from legitmark_async._pacer._turn import Refusal
from legitmark_async.options import Random

# At first so many are in flight; after so many requests fewer, doubled each so long (s): the first limit that is met
# refuses all that are in flight, and a small burst shall not wait for it.
_FIRST, _FIRST_REQUESTS, _THEN, _DOUBLING = 64, 128, 32, 1.0
# How much one answer counts in the share of failures.
_GAIN = 0.03
# From this share on there are fewer in flight, by the factor, once in so long (s).
_MANY, _FEWER, _SELDOM, _FEWEST = 0.2, 0.7, 1.0, 2.0
# From this share on only a canary leaves, after a pause that doubles so many times, up to the longest (s).
_MOST, _PAUSE, _PAUSES, _LONGEST_PAUSE = 0.5, 0.5, 3, 4.0
# A canary that has no answer after so long gets company (s).
_PATIENCE = 5.0
# A limit on requests in flight: so small, so short a wait, and far more than that were answered in the last seconds.
_CROWD, _SHORT, _SPAN, _TIMES, _MORE = range(2, 201), 1.0, 1.0, 4, 8


@define(eq=False)
class Governor:
    """The ceiling of requests in flight, and a breaker that lets one ask whether the trouble is over.

    Attributes:
        capacity: Requests in flight at most, by choice.
        ceiling: Requests in flight at most, at this moment.
        crowd: How many the server allows at the same time, if it has such a limit.
        paused: Whether the breaker is open, so that only a canary leaves.
    """

    capacity: int
    random: Random
    ceiling: float = field(init=False)
    crowd: int | None = field(default=None, init=False)
    paused: bool = field(default=False, init=False)
    _discovering: bool = field(default=True, init=False)
    _doubled_at: float = field(default=0.0, init=False)
    _answers: int = field(default=0, init=False)
    _failures: float = field(default=0.0, init=False)
    _lowered_at: float = field(default=-math.inf, init=False)
    _opens_at: float = field(default=0.0, init=False)
    _pauses: int = field(default=0, init=False)
    _canary: int | None = field(default=None, init=False)
    _paused_after: int = field(default=0, init=False)
    _span_ends_at: float = field(default=0.0, init=False)
    _in_span: int = field(default=0, init=False)
    _in_last_span: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.ceiling = min(self.capacity, _FIRST)

    def delay(self, now: float) -> float:
        """Return the seconds until the next canary may leave, if the breaker is open."""
        return max(self._opens_at - now, 0.0) if self.paused else 0.0

    def admit(self, number: int, now: float) -> None:
        """Note that a request leaves while the breaker is open: it is the canary."""
        self._canary = number
        self._opens_at = now + _PATIENCE

    def discovered(self) -> None:
        """A limit is known: from now on that says how many may leave."""
        if self._discovering:
            self._discovering = False
            self.ceiling = self._limit

    def answered(self, number: int, now: float) -> None:
        """Note an answer that is no failure."""
        self._failures -= _GAIN * self._failures
        self._count(now)
        if self.paused:
            if number == self._canary:
                self.paused, self._canary = False, None
                self._pauses, self._failures = 0, 0.0
        elif self._discovering:
            self._discover(now)
        elif self.ceiling < self._limit:
            self.ceiling = min(self.ceiling + 1.0, self._limit)

    def failed(self, number: int, sent: int, now: float) -> None:
        """Note a failure that is no refusal: a 5xx, a timeout, a connection that broke."""
        self._failures += _GAIN * (1 - self._failures)
        if self.paused:
            if number == self._canary:
                self._pause(sent, now)
        elif number > self._paused_after and self._failures > _MOST:
            self._pause(sent, now)
        elif self._failures > _MANY and now - self._lowered_at > _SELDOM:
            self._discovering = False
            self._lowered_at = now
            self.ceiling = max(self.ceiling * _FEWER, _FEWEST)

    def lost(self, number: int, now: float) -> None:
        """Note that nobody waits for the answer any more. A lost canary makes place for another one."""
        if self.paused and number == self._canary:
            self._canary, self._opens_at = None, now

    def crowded(self, refusal: Refusal, in_flight: int) -> bool:
        """Tell whether a refusal shows a limit on requests in flight, and heed it.

        Args:
            refusal: What it tells.
            in_flight: Requests that were in flight, with the refused one.
        """
        limit = refusal.limit
        if limit is None or limit not in _CROWD:
            return False
        if self.crowd is not None and in_flight < min(self.crowd, limit):
            # Refused with room to spare: so it was none.
            self.crowd = None
            self.ceiling = self._limit
            return False
        hold = refusal.asked if refusal.resets_in is None else refusal.resets_in
        many = self._in_span + self._in_last_span > _TIMES * limit + _MORE
        if in_flight < limit or hold is None or hold > _SHORT or not (many or self.crowd):
            return False
        self.discovered()
        self.crowd = limit
        self.ceiling = self._limit
        return True

    @property
    def _limit(self) -> int:
        return self.capacity if self.crowd is None else min(self.capacity, self.crowd)

    def _pause(self, sent: int, now: float) -> None:
        self.discovered()
        self.paused, self._canary = True, None
        self._paused_after = sent
        wait = min(_PAUSE * 2.0**self._pauses, _LONGEST_PAUSE)
        self._opens_at = now + wait * (1 + self.random()) / 2
        self._pauses = min(self._pauses + 1, _PAUSES)
        self.ceiling = _FEWEST

    def _discover(self, now: float) -> None:
        self._answers += 1
        if self._answers == _FIRST_REQUESTS:
            self.ceiling = min(self.capacity, _THEN)
            self._doubled_at = now
        elif self._answers > _FIRST_REQUESTS and now >= self._doubled_at + _DOUBLING:
            self._doubled_at = now
            self.ceiling = min(self.ceiling * 2, self.capacity)

    def _count(self, now: float) -> None:
        if now >= self._span_ends_at:
            self._in_last_span = self._in_span if now < self._span_ends_at + _SPAN else 0
            self._in_span, self._span_ends_at = 0, now + _SPAN
        self._in_span += 1
