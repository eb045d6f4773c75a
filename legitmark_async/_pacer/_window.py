"""The law of limits that count in windows: so many from one reset to the next. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._law import Hold, Law
from legitmark_async._pacer._phase import likely_period
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._resets import Move
from legitmark_async._pacer._spending import TRICKLE, Spending
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Reading, Refused, Turn
from legitmark_async._pacer._uses import Uses

# So much of a window sooner than thought a reset may be told, and is the window's all the same.
_SOONER = 0.15
# Who got so much of a window had it alone.
_OURS = 0.9
# What the last window leaves over tells a counter from strangers so early in the next, to such a share of the limit.
_EARLY, _ERROR = 0.5, 0.02
# Refusals in the midst of a window after which it is none.
_GRAZES = 3
# So many openings in a row that grant no more than this, nor than such a share of the limit, and are over so soon: a
# bucket was full at first, and what it tells is not when a window ends but when the next place comes free.
_TRICKLES, _SMALL, _AT_ONCE = 2, 0.1, 0.05
# So many windows in a row that are over with such a share of the limit: they are none either, or not ours at all.
_SCANT, _SCANTY = 3, 0.2
# No window is so short (s), if that is told so often one after the other.
_BRIEF, _ENDS = 0.5, 3
# Who was silent for so many windows may find them begun anew at another instant.
_IDLE = 1.5


@define(eq=False)
class Window(Spending):
    """Learns from refusals and answers when windows begin, how long they last, and whether they are windows at all."""

    _grazes: int = field(default=0, init=False)
    _trickles: int = field(default=0, init=False)
    _scant: int = field(default=0, init=False)
    _spent: bool = field(default=False, init=False)  # whether a refusal told that nothing is left of this one
    _parts: int = field(default=1, init=False)
    _ends: int = field(default=0, init=False)  # of windows that were too brief to be some, one after the other
    _doubted: Refused | None = field(default=None, init=False)  # a refusal whose reset may be no window's
    _left_off: float | None = field(default=None, init=False)  # a beginning of a window before a long silence

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left, and return how long to wait."""
        tried = refused.turn.number in self._trials
        if tried:
            self._settle(refills_at_once=False)
        resets_at = refused.resets_at
        if resets_at is None:
            return Hold(self._free_in(refused.now), exact=True) if tried else self._refused_vaguely(refused)
        self._count_trickle(refused, resets_at)
        if self._trickles >= _TRICKLES or self._scant >= _SCANT:
            self.successor = Rate.of_place(resets_at - refused.now, self.budget.limit, refused.now)
            return Hold(refused.told.resets_in, exact=True)
        if (refused.before_reset or not self._trickles) and self._left_by_last(refused.turn, resets_at):
            self.successor = Counter.of_window(self.phase, self.budget.limit, self.used, refused.turn.sent_at)
            return self.successor.refused(refused)
        return self._refused_until(refused, resets_at)

    def opened(self, turn: Turn) -> None:
        """Note that a canary was admitted."""
        now, doubted = turn.sent_at, self._doubted
        if doubted is not None and now < (doubted.resets_at or 0.0) - self._tolerance:
            # A place came free before the reset: so a part of the last window is in view.
            used = 0 if self.phase.advance(doubted.now) else self.used
            self._lengthen(doubted.resets_at or 0.0)
            self.successor = Counter.of_window(self.phase, self.budget.limit, used, doubted.now)
            self.successor.opened(turn)
            return
        self._doubted = None
        if now >= self.turns_at - self._tolerance:
            self._turn_over(max(now, self.turns_at))
        elif self.used >= self.budget.size:
            # It has begun long before it should.
            self._turn_over(now)
        self._opening = now, self._granted
        self._granted += 1
        self._use(turn)

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit."""
        self.relimit(reading.limit)
        move = self._resets.follow(reading, self.phase.period)
        if self._is_brief(reading):
            self.successor = Told.of_bucket(reading)
        elif self.refills_at_once is False:
            self._note_log(reading)
        elif move is Move.STAYS:
            self._note_window(reading)
        elif move is Move.CREEPS:
            self.successor = Told.of_bucket(reading)
        elif move is Move.SLIDES:
            self._settle(refills_at_once=False)
        else:
            self._note_turn(reading)

    def part(self, parts: int, now: float) -> Law:
        """Return what is known for one of so many processes that use the limit in equal parts."""
        del now
        self.budget.part(parts)
        self._parts *= parts
        self.used //= parts
        self._granted //= parts
        self._forget_trials()
        self._probe = None
        self._uses = Uses(self.budget.limit)
        return self

    @property
    def _pace(self) -> float:
        # What it granted in the last window, or in this one if it is the first.
        return max(self._granted_before or self._granted, 1) / self.phase.period

    def _refused_until(self, refused: Refused, resets_at: float) -> Hold:
        asked = refused.told.asked
        # 1. It asks us back before the reset: then that is no window's end, or Retry-After is rounded down.
        if asked is not None and asked < resets_at - refused.now and self._doubted is None:
            self._doubted = refused
            return Hold(asked)
        # 2. A window has begun, and nothing is left of it already.
        if refused.canary and abs(resets_at - self.turns_at - self.phase.period) <= self._tolerance:
            return self._begin_full(refused, resets_at)
        if self._is_ours(refused, resets_at):
            self._spend(refused.turn)
        else:
            # 3. One place becomes free before: a sliding log that was grazed, or no window at all.
            self._grazes += 1
            if self._grazes > _GRAZES:
                self.successor = self._as_shared(refused.now)
        return Hold(refused.told.resets_in, exact=True)

    def _is_ours(self, refused: Refused, resets_at: float) -> bool:
        """Whether the reset is that of our window; then it is learned."""
        # 1. The window is longer than thought, or began later.
        if resets_at > self.turns_at + self._tolerance:
            self.phase.shift(resets_at, resets_at - self.phase.start if refused.canary else self.phase.period)
        # 2. It ends as thought, or somewhat sooner.
        elif resets_at > self.turns_at - _SOONER * self.phase.period or refused.turn.number == self._probe:
            self.phase.learn(resets_at)
        # 3. The windows go on as they did before a long silence.
        elif self._goes_on(resets_at):
            self.phase.shift(resets_at, self.phase.period)
        else:
            return False
        return True

    def _lengthen(self, resets_at: float) -> None:
        if resets_at > self.turns_at + self._tolerance:
            period = resets_at - self.phase.start
            self.phase.shift(resets_at, likely_period(period, period))

    def _goes_on(self, resets_at: float) -> bool:
        if self._left_off is None:
            return False
        off = (resets_at - self._left_off) % self.phase.period
        return min(off, self.phase.period - off) <= self._tolerance

    def _count_trickle(self, refused: Refused, resets_at: float) -> None:
        """Count the openings that grant next to nothing before another reset is told, one after the other."""
        turn, (opened_at, before) = refused.turn, self._opening
        soon = turn.sent_at - opened_at < max(_AT_ONCE * self.phase.period, 2 * turn.rtt)
        few = self._granted - before <= min(TRICKLE, _SMALL * self.budget.limit)
        trickles = soon and few and resets_at - refused.now > self._tolerance and self.refills_at_once is not False
        self._trickles = self._trickles + 1 if trickles else 0

    def _left_by_last(self, turn: Turn, resets_at: float) -> bool:
        limit, passed = self.budget.limit, (turn.sent_at - self.phase.start) / self.phase.period
        if self.refills_at_once is False or passed > _EARLY or abs(resets_at - self.turns_at) > self._tolerance:
            return False
        left = limit - self._granted_before * (1 - passed)
        return self._granted_before >= _OURS * limit and abs(self.used - left) <= _ERROR * limit

    def _begin_full(self, refused: Refused, resets_at: float) -> Hold:
        ours = self._granted >= _OURS * self.budget.size
        self.phase.shift(resets_at, self.phase.period)
        if not ours:
            self._spend(refused.turn)
            return Hold(refused.told.resets_in, exact=True)
        # The last one was all ours: so it is that which is still in view.
        self.successor = Counter.of_window(self.phase, self.budget.limit, 0, refused.now)
        return self.successor.refused(refused)

    def _refused_vaguely(self, refused: Refused) -> Hold:
        short = self.used < self.budget.size
        if short and not refused.canary and (hold := self._refused_place(refused)) is not None:
            return hold
        if refused.canary and self.bounds is not None:
            self.phase.period = self.bounds.refuse(refused.turn.sent_at - self.phase.start)
        elif short and self.bounds is not None and self.budget.shortfalls:
            # Twice less than thought: it was no window at all.
            self.successor = self._as_shared(refused.now)
            return Hold(refused.told.asked)
        else:
            self._spend(refused.turn)
        return Hold(max(self.turns_at - refused.now, 0.0), exact=True)

    def _refused_place(self, refused: Refused) -> Hold | None:
        # Whatever kind of window it is: the use a limit ago was one of this window, so that it lasts longer than since.
        sent_at = refused.turn.sent_at
        age = self._uses.age(sent_at)
        if age is None or self.bounds is None or (period := self.bounds.refuse_place(age)) is None:
            return None
        self.phase.start, self.phase.period = sent_at - age, period
        self.used = self.budget.size
        return Hold(self.turns_at - refused.now, exact=True)

    def _as_shared(self, now: float) -> Law:
        limit, period = self.budget.limit, self.phase.period
        if self.told:
            return Told(limit / period, limit, 0.0, now, fills=False)
        return Rate.of_share(self._pace, limit, now, period)

    def _spend(self, turn: Turn) -> None:
        """Note that nothing is left of the current window."""
        if turn.number == self._probe:
            self.budget.refuse_probe()
        elif self.used < self.budget.size:
            self.budget.fall_short()
        self.used, self._spent = self.budget.size, True

    def _turn_over(self, now: float) -> None:
        if self.bounds is not None:
            self.phase.period = self.bounds.pass_(now - self.phase.start)
            self.phase.start = now
        elif now < self.turns_at or (self._last is not None and now - self._last.sent_at > _IDLE * self.phase.period):
            self._left_off, self.phase.start = self.phase.start, now
        else:
            self.phase.advance(now)
        if self._granted > _SCANTY * self.budget.limit / self._parts:
            self._scant = 0
        elif self._spent:
            self._scant += 1
        self._spent = False
        self.budget.close(self._granted, told=self.told)
        self._reserve.close()
        self._forget_trials()
        self.began = self._probe = None
        # Where answers tell what is left, those in flight will too; else they are few.
        self.used = self._in_flight if self.told else 0
        self._granted_before, self._granted = self._granted, 0
        self._grazes = 0

    def _is_brief(self, reading: Reading) -> bool:
        """Whether it ends again and again as soon as it has begun: then it is a bucket that is nearly full."""
        if reading.resets_at - reading.now >= _BRIEF or self.phase.period >= _BRIEF:
            self._ends = 0
        elif self._resets.by > 0:
            self._ends += 1
        return self._ends >= _ENDS

    def _note_window(self, reading: Reading) -> None:
        self.used = self.budget.size - reading.left
        if self.began is not None:
            earliest, latest = self.began
            self.phase.period = likely_period(reading.resets_at - latest, reading.resets_at - earliest)
        start = reading.resets_at - self.phase.period
        # The network makes it later; so the earliest is the best, unless it is another one.
        close = abs(start - self.phase.start) <= self._tolerance
        self.phase.start = min(start, self.phase.start) if close else start

    def _note_turn(self, reading: Reading) -> None:
        by, period, left = self._resets.by, self.phase.period, reading.resets_at - reading.now
        measured = by / max(round(by / period), 1)
        # Else they are no windows that follow each other: others begin with the first request after the last.
        if abs(measured - period) <= self._tolerance:
            period = measured
        self.phase.shift(reading.resets_at, left if left > period + self._tolerance else period)
        self.used = self.budget.size - reading.left
        if reading.left < self.budget.limit / 2:
            # It has only begun, and isn't empty: a part of the last one is still in view.
            self.successor = Counter.of_window(self.phase, self.budget.limit, 1, reading.sent_at)

    def _note_log(self, reading: Reading) -> None:
        # Our own uses tell when places come free; if none is free although they say so, others have taken them.
        if reading.left < 1 and not self._uses.complete:
            self.successor = Told.of_shared(reading, self.phase.period)
        self._uses.closed_until = reading.resets_at if reading.left <= 0 else -math.inf
