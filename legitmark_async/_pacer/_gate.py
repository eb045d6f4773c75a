"""When the next request may leave: pure state, no clock, no loop.

- **Open**: requests leave as long as fewer than `ceiling` are in flight.
- **Closed**: a 429, or an answer that says nothing remains, closes the gate for everyone until the window opens anew.
- **Half open**: then one request, the canary, leaves alone. If it passes, the gate is open and the ceiling grows with
  each answer, so that there is no herd; if it is refused, the gate closes for twice as long.

The gate lets as many pass after it opened as the limit says, or as passed after it opened before, whatever is less, and
then asks by a canary whether there is more: so a window that is spent costs one refusal, told limit or not.
"""

import math
from enum import Enum, auto

from attrs import define, field

from legitmark_async.errors import describe_limit
from legitmark_async.models import Limit
from legitmark_async.options import Random

# No wait for a window is longer than this (s); after it a canary asks.
_LONGEST_HOLD = 3600.0
# A gate that opens adds up to so much to the wait (s, share), never less: the processes of a key don't come at once.
_JITTER, _JITTER_SHARE = 0.25, 0.02
# The floor of the wait after refused canaries (doubled each time), and after openings that let few requests pass (s).
_FLOOR, _SHORT_FLOOR, _UNTOLD, _LONGEST_FLOOR = 0.25, 1.0, 1.0, 60.0
_FEW, _FEWEST = 8, 2
# A canary that has no answer after so long gets company (s): a stalled one must not stop everybody.
_PATIENCE = 5.0
# As many leave at once before anything is known of the limits; doubled each second without a refusal.
_FIRST_CEILING = 64
_DOUBLING = 1.0


class _State(Enum):
    OPEN = auto()
    CLOSED = auto()
    HALF_OPEN = auto()


@define(eq=False)
class _Room:
    """What the newest answer said of one limit."""

    asked_by: int  # number of the request whose answer said it
    remaining: int
    opens_at: float
    reason: str


@define(eq=False)
class Gate:
    """Decides when a request may leave.

    Requests are numbered as they leave. Whoever let one leave must end it: by `answered`, `refused` or `lost`.

    Attributes:
        capacity: Requests in flight at most.
        random: Gives a number from 0 to 1.
        in_flight: Requests that left and have not ended.
        sent: Number of the request that left last.
        opens_at: When it opens, if it is closed.
        reason: Why it closed last.
    """

    capacity: int
    random: Random
    in_flight: int = field(default=0, init=False)
    sent: int = field(default=0, init=False)
    opens_at: float = field(default=0.0, init=False)
    reason: str = field(default="", init=False)
    _state: _State = field(default=_State.OPEN, init=False)
    _ceiling: int = field(init=False)
    _doubled_at: float | None = field(default=None, init=False)
    _closed_after: int = field(default=0, init=False)
    _canary_until: float | None = field(default=None, init=False)
    _canary: int | None = field(default=None, init=False)
    _limit: int | None = field(default=None, init=False)
    _learned: int | None = field(default=None, init=False)
    _granted: int = field(default=0, init=False)
    _passed: int = field(default=0, init=False)
    _refused_canaries: int = field(default=0, init=False)
    _short_openings: int = field(default=0, init=False)
    _rooms: dict[str, _Room] = field(factory=dict[str, _Room], init=False)

    def __attrs_post_init__(self) -> None:
        self._ceiling = min(self.capacity, _FIRST_CEILING)

    @property
    def closed(self) -> bool:
        """Whether nobody may leave before `opens_at`."""
        return self._state is _State.CLOSED

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may leave; infinity if only an answer can tell."""
        if self.in_flight >= self._ceiling:
            return math.inf
        if self._state is _State.OPEN:
            return math.inf if self._window_spent() and self.in_flight else 0.0
        if self._state is _State.CLOSED:
            return max(self.opens_at - now, 0.0)
        return 0.0 if self._canary_until is None else max(self._canary_until - now, 0.0)

    def admit(self, now: float) -> int:
        """Let one request leave, and return its number. `delay(now)` must be 0."""
        self.sent += 1
        self.in_flight += 1
        if self._state is not _State.OPEN or self._window_spent():
            self._state = _State.HALF_OPEN
            self._canary = self.sent
            self._canary_until = now + _PATIENCE
        self._granted += 1
        if self._rooms:
            self._close_if_spent(now)
        return self.sent

    def answered(self, number: int, now: float, limits: tuple[Limit, ...] = ()) -> None:
        """Take note of an answer that was no refusal."""
        self.in_flight -= 1
        if number > self._closed_after:
            self._passed += 1
        elif self._state is _State.CLOSED and self._learned is not None:
            # It left in the opening that has just been counted, and its answer was late.
            self._learned += 1
        if self._state is _State.OPEN:
            self._grow(now)
        elif self._state is _State.HALF_OPEN and number > self._closed_after:
            self._open()
        if limits:
            self._note(number, now, limits)

    def refused(self, number: int, now: float, hold: float | None, limit: int | None, reason: str) -> None:
        """Take note of a refusal (429).

        Args:
            number: The request that was refused.
            now: The instant of the answer.
            hold: Seconds until the window opens anew, if the server tells.
            limit: Requests that the window allows, if the server tells.
            reason: Why, in words.
        """
        self.in_flight -= 1
        self._limit = limit or self._limit
        if number > self._closed_after:
            self._learned = max(self._passed, _FEWEST) if self._passed else self._learned
            self._refused_canaries = self._refused_canaries + 1 if self._opened_in_vain(number) else 0
            self._close(now, hold, reason)
        elif self.closed and hold is not None:
            # An echo: it left before the gate closed. It teaches nothing but that the wait may be longer.
            self.opens_at = max(self.opens_at, now + min(hold, _LONGEST_HOLD))

    def lost(self, number: int) -> None:
        """Take note that there will be no answer. A lost canary makes place for another one."""
        self.in_flight -= 1
        if number == self._canary:
            self._canary = self._canary_until = None

    def _limit_spent(self) -> bool:
        return self._limit is not None and self._granted >= self._limit

    def _window_spent(self) -> bool:
        return self._limit_spent() or (self._learned is not None and self._granted >= self._learned)

    def _opened_in_vain(self, number: int) -> bool:
        # A canary that asks for more after a spent window is refused as expected: that is no sign of trouble.
        return number == self._canary and self._granted == 1

    def _open(self) -> None:
        self._state = _State.OPEN
        self._canary = self._canary_until = None
        self._refused_canaries = 0
        if self._limit is not None and self._granted > self._limit:
            # More than a window allows: so this is the next one, or the limit was raised.
            self._granted = 1
        elif self._learned is not None and self._granted > self._learned:
            self._learned = 2 * self._granted
        self._ceiling = min(self.capacity, 2)

    def _grow(self, now: float) -> None:
        if self._ceiling >= self.capacity:
            return
        # 1. After an opening: one more with each answer, which doubles it in each round trip.
        if self._closed_after:
            self._ceiling += 1
        # 2. At the start, while nothing is known of a limit: slowly.
        elif self._doubled_at is None:
            self._doubled_at = now
        elif now >= self._doubled_at + _DOUBLING:
            self._doubled_at = now
            self._ceiling = min(self._ceiling * 2, self.capacity)

    def _close(self, now: float, hold: float | None, reason: str) -> None:
        if not self._refused_canaries:
            short = self._granted < _FEW and not self._limit_spent()
            self._short_openings = self._short_openings + 1 if short else 0
        wait = min(max(hold or 0.0, self._floor(told=bool(hold))), _LONGEST_HOLD)
        self.opens_at = now + wait + self.random() * min(_JITTER, _JITTER_SHARE * wait)
        self.reason = reason
        self._state = _State.CLOSED
        self._canary = self._canary_until = None
        self._granted = self._passed = 0
        self._ceiling = self.capacity
        self._closed_after = self.sent
        self._rooms.clear()

    def _floor(self, *, told: bool) -> float:
        # 1. The server doesn't say how long, or says 0.
        if not told:
            return min(_UNTOLD * 2.0**self._refused_canaries, _LONGEST_FLOOR)
        # 2. What it said was too short: Retry-After may be rounded down.
        if self._refused_canaries:
            return min(_FLOOR * 2.0**self._refused_canaries, _LONGEST_FLOOR)
        # 3. A rolling limit frees one place at a time; waiting for some of them saves a refusal for each.
        if self._short_openings:
            return min(_FLOOR * 2.0**self._short_openings, _SHORT_FLOOR)
        return 0.0

    def _note(self, number: int, now: float, limits: tuple[Limit, ...]) -> None:
        for limit in limits:
            if limit.remaining is None or limit.resets_in is None or number <= self._closed_after:
                continue
            # Answers overtake each other: the request that left last knows best.
            known = self._rooms.get(limit.type)
            if known is None or number > known.asked_by:
                reason = describe_limit(limit.type, limit.limit)
                self._rooms[limit.type] = _Room(number, limit.remaining, now + limit.resets_in, reason)
        self._close_if_spent(now)

    def _close_if_spent(self, now: float) -> None:
        if self._state is not _State.OPEN:
            return
        for limit_type, room in list(self._rooms.items()):
            if now >= room.opens_at:
                del self._rooms[limit_type]
            elif room.remaining <= self.sent - room.asked_by:
                self._close(now, room.opens_at - now, room.reason)
                return
