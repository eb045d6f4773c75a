"""The law of limits without windows that tell on every answer what is left: a bucket, or what others use too. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._law import Hold, Law
from legitmark_async._pacer._refill import BURST, Refill
from legitmark_async._pacer._turn import Lane, Reading, Refused, Turn

# It goes at the limit's rate with this share of the limit left, slower with less and faster with more, within bounds.
_CUSHION, _SMALLEST_CUSHION = 0.04, 2.0
_SLOWEST, _FASTEST = 0.1, 3.0
# A rate that is told is taken if so much is missing, and counts so much; no time until all is free is shorter (s).
_FEWEST, _GAIN, _SHORTEST = 20, 0.1, 0.001
# What is told late is not exact, and counts so much.
_LATE_GAIN = 0.2


@define(eq=False)
class Told(Refill):
    """Follows what answers tell to be left.

    Whoever is told the same does the same: so several processes of one key share it without knowing of each other.

    Attributes:
        level: Requests that are left at `at`.
        at: When the last answer told it.
        fills: Whether it refills evenly, and the reset tells when it is full: a bucket.
    """

    level: float
    at: float
    fills: bool
    _free_at: float = field(default=-math.inf, init=False)

    @classmethod
    def of_bucket(cls, reading: Reading) -> "Told":
        """Make one of what a bucket tells: what is missing, and when it will be full again."""
        seconds = max(reading.resets_at - reading.now, _SHORTEST)
        rate = max(reading.limit - reading.remaining, 1) / seconds
        return cls(rate, reading.limit, reading.left, reading.now, fills=True)

    @classmethod
    def of_shared(cls, reading: Reading, period: float) -> "Told":
        """Make one of what a sliding window tells of which others use a part."""
        return cls(reading.limit / period, reading.limit, reading.left, reading.now, fills=False)

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told."""
        if limit == self.limit:
            return
        self.rate *= limit / self.limit
        self.limit = limit

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell."""
        level = self._level(now)
        if level < 1:
            return self._next(now, level, in_flight)
        if lane is Lane.INTERACTIVE:
            return 0.0
        if backlog <= level - self._cushion:
            return 0.0 if in_flight < BURST else math.inf
        return self._slots.wait(now)

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        self.opened(turn)
        speed = self.rate * min(max(self.level / self._cushion, _SLOWEST), _FASTEST)
        self._slots.take(turn, 1 / speed)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was refused: the next answer tells what is left."""

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left, and return how long to wait."""
        self.level, self.at = 0.0, refused.now
        return Hold.of_refill(refused.told, self.rate, self.limit / self.rate)

    def opened(self, turn: Turn) -> None:
        """Note that a canary was admitted."""
        self.level, self.at = self._level(turn.sent_at) - 1, turn.sent_at

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit."""
        self.relimit(reading.limit)
        if self.fills:
            self._fill(reading)
            self._correct(reading)
        else:
            # It refills unevenly: what is free shows by the answers alone.
            self.level = reading.left
            self._free_at = reading.resets_at if reading.remaining <= 0 else reading.now
        self.at = max(self.at, reading.now)

    def part(self, parts: int, now: float) -> Law:
        """Return what is known for one of so many processes that use the limit in equal parts."""
        del now
        self.rate /= parts
        return self

    @property
    def _cushion(self) -> float:
        return max(_CUSHION * self.limit, _SMALLEST_CUSHION)

    def _level(self, now: float) -> float:
        return min(self.level + self.rate * max(now - self.at, 0.0), self.limit) if self.fills else self.level

    def _correct(self, reading: Reading) -> None:
        late = self.at - reading.now
        if late <= 0:
            self.level = min(self._level(reading.now), float(reading.left))
        else:
            # Others bring it late: what it told has refilled since, by about so much.
            self.level += _LATE_GAIN * (reading.left + self.rate * late - self.level)

    def _next(self, now: float, level: float, in_flight: int) -> float:
        if self.fills:
            return (1 - level) / self.rate
        # One at a time asks.
        return max(self._free_at - now, 0.0) if in_flight == 0 or now < self._free_at else math.inf

    def _fill(self, reading: Reading) -> None:
        missing, seconds = reading.limit - reading.remaining, reading.resets_at - reading.now
        if missing >= _FEWEST and seconds > 0:
            self.rate += _GAIN * (missing / seconds - self.rate)
