"""The law of a sliding counter: this window's count, and what of the last one's is still in view. Pure."""

from attrs import define, field

from legitmark_async._pacer._law import Hold
from legitmark_async._pacer._phase import Phase
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Reading, Refusal, Refused, Turn

# What is left untouched at the end of a window is missing in the next one too; so little must do.
_CUSHION = 1.3
# What has gathered is spent within about this share of a window: what is left at its end is lost.
_CATCH_UP = 0.04
# From the first part of a window to the second it is tried, so much faster, whether there is more: a refusal then costs
# no time of the next window. That comes after so many windows without a refusal, up to so many.
_PROBE_STARTS, _PROBE_ENDS, _PROBE_SPEED = 0.1, 0.3, 1.5
_QUIET, _LONGEST_QUIET = 2, 8
# So many requests more or less than we thought are an error of ours. So many less, at least such a share of the limit,
# so often: others use the key, and the counts are not ours alone.
_ERROR, _STRAY, _STRAYS = 5.0, 0.03, 2
# So many refusals in one window: the counts are not the server's.
_REFUSALS = 5
# So much of the limit should have been free, and nothing was.
_MOST = 0.5
# So many windows in a row that refuse after such a share of the limit: they are none, or not ours at all.
_SCANT, _SCANTY = 3, 0.2
# What is told is rounded, and the answer to the last request is not the last that counts.
_ROUNDED, _LATE = 1.0, 0.5


@define(eq=False)
class Counter(Rate):
    """Keeps the server's own two counts: `limit - last count * share of the window left - this count` is free.

    Attributes:
        phase: When the current window began, and how long one lasts.
        used: Requests of the current window.
        before: Requests of the window before.
    """

    phase: Phase = field(kw_only=True)
    used: float = field(kw_only=True)
    before: float = field(kw_only=True)
    _probing: bool = field(default=False, init=False)
    _quiet_after: int = field(default=_QUIET, init=False)
    _trials: set[int] = field(factory=set[int], init=False)  # who left although nothing should have been free
    _strays: int = field(default=0, init=False)
    _refusals: int = field(default=0, init=False)  # of this window
    _sent: int = field(default=0, init=False)  # in this window, and not refused
    _scant: int = field(default=0, init=False)
    _told: bool = field(default=False, init=False)

    @classmethod
    def of_window(cls, phase: Phase, limit: int, used: int, at: float) -> "Counter":
        """Make one of a window that was used so far when nothing was left at an instant."""
        left = max(1 - (at - phase.start) / phase.period, 0.1)
        before = min((limit - used) / left, limit)
        return cls(limit / phase.period, limit, at, phase=phase, used=used, before=before)

    @property
    def kind(self) -> str:
        """How it counts."""
        return "sliding counter"

    @property
    def refill(self) -> float:
        """Seconds in which everything refills."""
        return self.phase.period

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told."""
        if limit == self.limit:
            return
        self.before, self.used = self.before * limit / self.limit, self.used * limit / self.limit
        self.limit = limit
        self._strays = -1

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        super().take(turn)
        if self._probing:
            ahead = -self._level(turn.sent_at) / self.rate - 2 * turn.rtt
            if ahead > _ERROR / self.rate:
                self._trials.add(turn.number)

    def passed(self, turn: Turn, now: float) -> None:
        """Note that a request was admitted."""
        del now  # it counts where it left
        if turn.number in self._trials:
            self.limit *= 2
            self._end_probe(quiet_after=1)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was refused: the server has not counted it."""
        super().give_back(turn)
        self.used -= 1
        self._sent -= 1

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left: whatever we thought was free has been used by others."""
        now, resets_at = refused.now, refused.resets_at
        # The counts go on to the window of now before another beginning of it is learned.
        self._level(now)
        if resets_at is not None:
            self.phase.learn(resets_at)
        stray = self._level(now)
        self.used += stray + _LATE
        if self._probing:
            self._end_probe(quiet_after=min(2 * self._quiet_after, _LONGEST_QUIET))
        elif self._scant >= _SCANT or (stray > _MOST * self.limit and self._told_place(refused.told)):
            self.successor = Rate.of_place(refused.told.resets_in or self.phase.period, self.limit, now)
        elif self._count_refusal(stray, now) and not self._told:
            pace = max(self._granted, 1) / max(self.at - self._empty_at, 0.1 * self.phase.period)
            self.successor = Rate.of_share(pace, self.limit, now, self.phase.period)
        return super().refused(refused)

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit."""
        self._told = True
        self.relimit(reading.limit)
        if reading.now < self.phase.start:
            # Others bring it late: it tells of a window that is over.
            return
        # The level first: it goes on to the window of now.
        stray = self._level(reading.now) - reading.left - _ROUNDED
        self.used += max(stray, 0.0) + min(stray + _ERROR, 0.0)
        if self._count_stray(stray):
            self.successor = Told.of_shared(reading, self.phase.period)

    @property
    def _nominal(self) -> float:
        return self.limit / self.phase.period

    @property
    def _cushion(self) -> float:
        return _CUSHION

    @property
    def _catch_up(self) -> float:
        return _CATCH_UP * self.phase.period

    def _told_place(self, told: Refusal) -> bool:
        """Whether a refusal early in a window tells that nothing comes free before the next one.

        Then that is no window's end, but when the next place of a bucket comes free.
        """
        wait, asked = told.resets_in, told.asked
        return wait is not None and asked is not None and asked >= wait > self.phase.period / 2

    def _end_probe(self, *, quiet_after: int) -> None:
        self._probing, self._quiet_after = False, quiet_after
        self._trials.clear()

    def _count_refusal(self, stray: float, now: float) -> bool:
        self._refusals += 1
        often = self._count_stray(stray) or self._refusals >= _REFUSALS
        if self._refusals == 1 and not often:
            self._empty_at, self._granted = now, 0
        return often

    def _count_stray(self, stray: float) -> bool:
        self._strays += stray > max(_STRAY * self.limit, _ERROR)
        return self._strays >= _STRAYS

    def _level(self, now: float) -> float:
        windows = self.phase.advance(now)
        if windows >= 1:
            self._scant = self._scant + 1 if self._refusals and self._sent <= _SCANTY * self.limit else 0
            self._sent = 0
            self.before = self.used if windows == 1 else 0.0
            self.used = 0.0
            self._strays = self._refusals = 0
            self.rate = max(self.before, 1.0) / self.phase.period
        return self.limit - self.before * (1 - (now - self.phase.start) / self.phase.period) - self.used

    def _use(self, now: float) -> None:
        # It is one of the window of now.
        self._level(now)
        self._granted += 1
        self._sent += 1
        self.used += 1
        self.level, self.at = self._level(now), max(now, self.at)

    def _speed(self, now: float) -> float:
        if self._probing and now - self.phase.start < _PROBE_ENDS * self.phase.period:
            return self._nominal * _PROBE_SPEED
        return super()._speed(now)

    def _measure(self, refused: Refused) -> None:
        """The counts say it all."""

    def _grow(self, now: float) -> None:
        early = now - self.phase.start < _PROBE_STARTS * self.phase.period
        quiet = now - self._quiet_since >= self._quiet_after * self.phase.period
        if early and quiet and not self._told and self._backlog >= self.limit:
            self._probing = True
