"""The law of limits that refill all the time and tell it by refusals alone: a bucket, or what has no windows. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._law import INSTANT, Hold, Law
from legitmark_async._pacer._refill import BURST, Refill
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Lane, Reading, Refused, Turn

# Of the limit so much is left untouched, at least so many: our figures are not exact.
_CUSHION, _SMALLEST_CUSHION = 0.01, 2.0
# What has gathered is spent within this share of the time of a refill, at least so long (s).
_CATCH_UP, _SHORTEST_CATCH_UP = 0.1, 0.2
# With nothing left, it goes on at this share of the rate.
_SLOWEST = 0.1
# A measurement needs so many requests, over at least this share of the time of a refill, or so long (s) the first time.
_FEWEST, _SHARE, _SOONEST = 20, 0.5, 0.5
# Two measurements that differ by less mean the same, and their mean counts, each by its time; no more than that many
# times that of a refill counts of what was measured before.
_MORE, _MEMORY = 1.1, 2.0
# As long as nothing is measured, it goes faster by the factor each time so long (s), and at least the time of so many
# requests, has passed without a refusal.
_RAMP, _RAMP_FACTOR, _RAMP_REQUESTS = 0.25, 1.5, 2
# After so much of a refill, and up to that many times more, without a refusal it goes faster, by these shares of the
# limit's rate one after the other. The first lasts longer: whatever was left must be spent by it, for the next ones
# are refused by the dozen.
_QUIET, _LONGEST_QUIET, _FIRST_STEP, _STEPS = 0.45, 8, 2, (0.04, 0.1, 0.2, 0.4)
# A refusal before anything could be measured: so much less, the least if it was measured already, but not more often
# than in this share of a refill.
_LESS_MEASURED, _LESS, _LESS_UNPROVEN, _SELDOM = 0.98, 0.9, 0.7, 0.1
# It was full if it granted so much of the limit from then on.
_OVERFLOWS = 0.9
# With more left than so many times the cushion, it goes as fast as it can, and no faster because it is told to.
_BEHIND = 3.0
# How long it takes until the next place is free is told at any moment of that time; the longest of so many is about it.
_TELLING = 4
# Before that is known: as if everything refilled in so long (s), or faster if the next place is told to be free so soon
# that a place takes about twice as long; nothing shorter is told with any precision (s).
_FIRST_REFILL, _TWICE, _PRECISE = 10.0, 2.0, 0.02


@define(eq=False)
class Rate(Refill):
    """Keeps the level of the server's bucket: what it refills, less what was sent.

    Between two moments with nothing left, what was granted is what became free: so the rate is measured, whatever the
    limit is, and whoever else uses the key.

    Attributes:
        at: When it was empty last.
        proven: Whether the rate was measured; else it is a guess.
        window: Seconds in which everything refills, if that is known.
        level: Requests that are free at `at`.
    """

    at: float
    proven: bool = field(default=True, kw_only=True)
    window: float | None = field(default=None, kw_only=True)
    level: float = field(default=0.0, init=False)
    _backlog: float = field(default=0.0, init=False)
    _base: float = field(init=False)  # the rate before it went faster
    _steps: int = field(default=0, init=False)
    _quiet_since: float = field(init=False)
    _quiet_after: int = field(default=1, init=False)
    _empty_at: float = field(init=False)
    _granted: int = field(default=0, init=False)  # since then
    _since_full: float = field(default=-math.inf, init=False)  # granted since it was full, if it was
    _measured_for: float = field(default=0.0, init=False)  # seconds that the rate is the mean of
    _lessened_at: float = field(default=-math.inf, init=False)
    _token: float = field(default=0.0, init=False)  # the longest wait for the next place that was told
    _tokens: int = field(default=0, init=False)  # how many were told

    def __attrs_post_init__(self) -> None:
        self._empty_at = self._quiet_since = self.at
        self._base = self.rate

    @classmethod
    def of_share(cls, rate: float, limit: float, at: float, window: float) -> "Rate":
        """Make one of what we got of a limit that others use too."""
        return cls(rate, limit, at, proven=False, window=window)

    @classmethod
    def of_place(cls, wait: float, limit: float, at: float, least: float = 0.0) -> "Rate":
        """Make one of how long it takes until the next place is free (s), at no less than a rate."""
        fast = 1 / (_TWICE * max(wait, _PRECISE))
        rate = min(max(limit / _FIRST_REFILL, fast), 1 / max(wait, INSTANT))
        return cls(max(rate, least), limit, at, proven=False)

    @property
    def refill(self) -> float:
        """Seconds in which everything refills."""
        if self.window is not None:
            return self.window
        return self.limit / max(self.rate, 1 / self._token if self._tokens >= _TELLING else 0.0)

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told."""
        if limit == self.limit:
            return
        self.rate = self._base = self._base * limit / self.limit
        self._steps = 0
        self.limit = limit

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell."""
        self._backlog = backlog
        level = self._level(now)
        if lane is Lane.INTERACTIVE:
            return max(1 - level, 0.0) / self.rate
        if backlog <= level - self._cushion:
            return 0.0 if in_flight < BURST else math.inf
        return self._slots.wait(now)

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        self._use(turn.sent_at)
        self._slots.take(turn, 1 / self._speed(turn.sent_at))
        self._grow(turn.sent_at)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was refused: the server has not counted it."""
        if turn.sent_at > self._empty_at:
            self._granted -= 1

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left, and return how long to wait."""
        now, told = refused.now, refused.told
        # What went just too fast is refused just before the next place is free: that is never the longest.
        if told.resets_in and not self._steps:
            self._token, self._tokens = max(self._token, told.resets_in), self._tokens + 1
        self._measure(refused)
        self.level, self.at = 0.0, now
        self._quiet_since = now
        pace = self._nominal if self.proven or not self._tokens else max(self._nominal, 1 / self._token)
        return Hold.of_refill(told, pace, max(self.refill, self.limit / self._nominal))

    def opened(self, turn: Turn) -> None:
        """Note that a canary was admitted."""
        self._use(turn.sent_at)
        if self._tokens and not self.proven:
            # It was held until the next place was free, as told: that this one passed is no proof that there is more.
            self._quiet_since = max(self._quiet_since, turn.sent_at)

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit: then nothing has to be guessed any more."""
        self.successor = Told.of_shared(reading, self.refill)

    def hold_still(self) -> None:
        """Don't try whether there is more: what leaves from now on is but planned, and no answer will come."""
        self._quiet_since = math.inf

    def part(self, parts: int, now: float) -> Law:
        """Return what is known for one of so many processes that use the limit in equal parts."""
        part = Rate.of_share(self._nominal / parts, self.limit, now, self.refill)
        part.level = self._level(now) / parts
        return part

    @property
    def _cushion(self) -> float:
        return max(_CUSHION * self.limit, _SMALLEST_CUSHION)

    @property
    def _catch_up(self) -> float:
        return max(_CATCH_UP * self.refill, _SHORTEST_CATCH_UP)

    def _level(self, now: float) -> float:
        return min(self.level + self.rate * max(now - self.at, 0.0), self.limit)

    def _use(self, now: float) -> None:
        level = self._level(now)
        self._since_full = 0 if level >= self.limit else self._since_full + 1
        self.level, self.at = level - 1, max(now, self.at)
        self._granted += 1

    def _speed(self, now: float) -> float:
        cushion, level = self._cushion, self._level(now)
        if level >= cushion:
            return self.rate + (level - cushion) / self._catch_up
        # No slower than it takes until enough is left.
        return self.rate * max(level / cushion, _SLOWEST, 1 / (cushion - level + 1))

    def _measure(self, refused: Refused) -> None:
        grown, more, now = self._steps > 0, False, refused.now
        elapsed = max(now - self._empty_at, INSTANT)
        pace = self._granted / elapsed
        # Was it full, it has granted all that; then what became free meanwhile is lost, and measures nothing.
        lost = self._since_full >= _OVERFLOWS * self.limit
        enough = self._granted >= _FEWEST and (self._is_like(pace) or elapsed >= self._soonest)
        if enough and not lost:
            more = self._adopt(pace, elapsed)
            # What left after the request that was refused is a part of what is measured next, refused or not.
            self._empty_at = refused.turn.sent_at
            self._granted = round(pace * (now - self._empty_at))
        elif grown:
            self.rate = self._base
        elif not lost and now - self._lessened_at > _SELDOM * self.refill:
            self.rate *= self._less
            self._lessened_at = now
        if lost:
            self._empty_at, self._granted = now, 0
        self._since_full = -math.inf
        if grown:
            self._quiet_after = 1 if more else min(2 * self._quiet_after, _LONGEST_QUIET)
        self._base, self._steps = self.rate, 0

    def _adopt(self, measured: float, elapsed: float) -> bool:
        """Take a rate that was measured for so long (s), and tell whether it is more than before."""
        more = measured > _MORE * self._base
        if not self._is_like(measured):
            self._measured_for = 0.0
        self.rate = (measured * elapsed + self._base * self._measured_for) / (elapsed + self._measured_for)
        self._measured_for = min(elapsed + self._measured_for, _MEMORY * self.refill)
        self.proven = True
        return more

    def _is_like(self, measured: float) -> bool:
        """Tell whether it is about what was measured before."""
        return self._measured_for > 0 and 1 / _MORE < measured / self._base < _MORE

    @property
    def _soonest(self) -> float:
        """Seconds that a measurement takes at least, if it is to count alone."""
        return _SHARE * self.refill if self.proven else _SOONEST

    @property
    def _less(self) -> float:
        if self._measured_for:
            return _LESS_MEASURED
        return _LESS if self.proven else _LESS_UNPROVEN

    @property
    def _patience(self) -> int:
        """How many times the usual it stays as it is."""
        if not self._steps:
            return self._quiet_after
        return _FIRST_STEP if self._steps == 1 else 1

    def _grow(self, now: float) -> None:
        quiet, spent, much = (
            now - self._quiet_since,
            self._level(now) <= _BEHIND * self._cushion,
            self._backlog >= self.limit / 2,
        )
        if not self.proven:
            # If it isn't the rate that holds anybody up, that nobody is refused doesn't show that there is more.
            if (spent or much) and quiet >= max(_RAMP, _RAMP_REQUESTS / self.rate):
                self.rate *= _RAMP_FACTOR
                self._base, self._quiet_since = self.rate, now
        # If much is to come only: a refusal at the end of a run costs more than it can tell.
        elif spent and much and quiet >= _QUIET * self.refill * self._patience:
            if self._steps >= len(_STEPS):
                self._base = self.rate
            self.rate = self._base + _STEPS[min(self._steps, len(_STEPS) - 1)] * self.limit / self.refill
            self._steps += 1
            self._quiet_since = now
