"""The law of limits that count in windows: so many from one reset to the next. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._budget import Budget, Reserve
from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._law import Hold, Law, View
from legitmark_async._pacer._phase import Bounds, Phase, likely_period
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._resets import Move, Resets
from legitmark_async._pacer._slots import Slots
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Lane, Reading, Refused, Turn
from legitmark_async._pacer._uses import Uses

# What doesn't fit into a window at once is spread over this share of it; the rest absorbs stalls. Where the reset is
# not known to the instant, the window may end sooner than thought.
_SPREAD, _VAGUE_SPREAD = 0.9, 0.5
# So many may fly at once while it is tried whether a window refills at once.
_TRIALS = 3
# Two instants that differ by less, as a share of the period and in seconds, are the same.
_SAME, _SAME_SECONDS = 0.03, 0.02
# So much of a window sooner than thought a reset may be told, and is the window's all the same.
_SOONER = 0.15
# After this part of a window nobody asks for more: it might already be the next one that answers.
_PROBED = 0.95
# Refusals in the midst of a window after which it is none.
_GRAZES = 3
# Who was silent for so many windows may find them begun anew at another instant.
_IDLE = 1.5


@define(eq=False)
class Window:
    """Spends a budget in each window: spread if more waits than fits, else at once.

    Attributes:
        phase: When the current window began, and after how long the next one is expected.
        budget: Requests that we allow ourselves in a window.
        bounds: Of the period, if nobody tells the resets to the instant.
        began: Between which instants the first window began, if that is known; then a told reset gives the period.
        used: Requests of the current window, those in flight included.
        refills_at_once: Whether everything is free again at the reset (a fixed window), or one place at a time, as it
            was used (a sliding log); None if it isn't known.
        successor: Another law, if the answers prove this one wrong.
    """

    phase: Phase
    budget: Budget
    bounds: Bounds | None = None
    began: tuple[float, float] | None = None
    used: int = field(default=0, init=False)
    refills_at_once: bool | None = field(default=None, init=False)
    successor: Law | None = field(default=None, init=False)
    _uses: Uses = field(init=False)
    _slots: Slots = field(factory=Slots, init=False)
    _resets: Resets = field(factory=Resets, init=False)
    _reserve: Reserve = field(factory=Reserve, init=False)
    _trials: dict[int, float] = field(factory=dict[int, float], init=False)  # who left ahead of the uses, by how much
    _probe: int | None = field(default=None, init=False)
    _last: Turn | None = field(default=None, init=False)
    _in_flight: int = field(default=0, init=False)
    _granted: int = field(default=0, init=False)
    _granted_before: int = field(default=0, init=False)
    _grazes: int = field(default=0, init=False)
    _doubted: Refused | None = field(default=None, init=False)  # a refusal whose reset may be no window's

    def __attrs_post_init__(self) -> None:
        self._uses = Uses(self.budget.limit)

    @property
    def kind(self) -> str:
        """How it counts."""
        return "sliding window" if self.refills_at_once is False else "window"

    @property
    def turns_at(self) -> float:
        """When the next window is expected; a canary asks."""
        return self.phase.end

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told anew."""
        self.budget.relimit(limit)
        self._uses.relimit(limit)

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell."""
        self._in_flight = in_flight
        left = self.budget.size - self.used
        if lane is Lane.BULK:
            left -= self._reserve.size((self.turns_at - now) / self.phase.period)
        if left <= 0:
            if self._may_probe(now):
                return 0.0 if in_flight == 0 else math.inf
            return self.turns_at - now
        if lane is Lane.INTERACTIVE or backlog <= left:
            return self._at_once(now, in_flight)
        return max(self._slots.wait(now), self._free_in(now))

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        now, left = turn.sent_at, self.budget.size - self.used
        spread = _SPREAD if self.bounds is None else _VAGUE_SPREAD
        self._slots.take(now, max(self.phase.start + spread * self.phase.period - now, 0.0) / max(left, 1))
        if left <= 0:
            self._probe = turn.number
        elif self.refills_at_once is None and (ahead := self._free_in(now)) > 0:
            self._trials[turn.number] = ahead
        self._use(turn)

    def passed(self, turn: Turn) -> None:
        """Note that a request was admitted."""
        if turn.sent_at < self.phase.start:
            self._granted_before += 1
            return
        self._granted += 1
        if self._trials and self._trials.get(turn.number, 0.0) > self._proof(turn):
            self._settle(refills_at_once=True)
        if turn.number == self._probe:
            self.budget.pass_probe()
            self._uses.relimit(self.budget.limit)

    def give_back(self) -> None:
        """Note that a request was refused: the server has not counted it."""
        self.used = max(self.used - 1, 0)
        self._uses.take_back()

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left, and return how long to wait."""
        tried = refused.turn.number in self._trials
        if tried:
            self._settle(refills_at_once=False)
        resets_at = refused.resets_at
        if resets_at is not None:
            return self._refused_until(refused, resets_at)
        return Hold(self._free_in(refused.now), exact=True) if tried else self._refused_vaguely(refused)

    def opened(self, turn: Turn) -> None:
        """Note that a canary was admitted."""
        now, doubted = turn.sent_at, self._doubted
        if doubted is not None and now < (doubted.resets_at or 0.0) - self._tolerance:
            # A place came free before the reset: so a part of the last window is in view.
            used = 0 if doubted.canary else self.used
            self.successor = Counter.of_window(self.phase, self.budget.limit, used, doubted.now)
            self.successor.opened(turn)
            return
        self._doubted = None
        if now >= self.turns_at:
            self._turn_over(now)
        self._granted += 1
        self._use(turn)

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit."""
        if reading.limit != self.budget.limit:
            self.relimit(reading.limit)
        move = self._resets.follow(reading, self.phase.period)
        if self.refills_at_once is False:
            self._note_log(reading)
        elif move is Move.STAYS:
            self._note_window(reading)
        elif move is Move.CREEPS:
            self.successor = Told.of_bucket(reading)
        elif move is Move.SLIDES:
            self._settle(refills_at_once=False)
        else:
            self._note_turn(reading)

    def ends_in(self, count: float, now: float) -> float:
        """Return the seconds until so many more have left, if nothing changes."""
        left = max(self.budget.size - self.used, 0)
        if count <= left:
            return 0.0
        windows, rest = divmod(count - left - 1, self.budget.size)
        spread = _SPREAD * (rest + 1) / self.budget.size if self.refills_at_once is False else 0.0
        return self.turns_at - now + (windows + spread) * self.phase.period

    def view(self, now: float) -> View:
        """Return what is known."""
        left = max(self.budget.size - self.used, 0) if now < self.turns_at else self.budget.size
        return View(left, self.budget.size / self.phase.period, self.turns_at)

    @property
    def _tolerance(self) -> float:
        return min(_SAME * self.phase.period + _SAME_SECONDS, self.phase.period / 4)

    @property
    def _pace(self) -> float:
        # What it granted in the last window, or in this one if it is the first.
        return max(self._granted_before or self._granted, 1) / self.phase.period

    def _proof(self, turn: Turn) -> float:
        # Ahead by more than we may err: then no log would have let it pass.
        return 2 * turn.rtt + (0.0 if self.bounds is None else self.phase.period - self.bounds.shortest)

    def _settle(self, *, refills_at_once: bool) -> None:
        self.refills_at_once = refills_at_once
        self._trials.clear()

    def _may_probe(self, now: float) -> bool:
        return self.budget.probing and self._probe is None and now < self.phase.start + _PROBED * self.phase.period

    def _at_once(self, now: float, in_flight: int) -> float:
        wait = self._free_in(now)
        if wait > 0 and self.refills_at_once is None:
            return 0.0 if in_flight < _TRIALS else math.inf
        return wait

    def _free_in(self, now: float) -> float:
        return 0.0 if self.refills_at_once else self._uses.free_in(now, self.phase.period)

    def _refused_until(self, refused: Refused, resets_at: float) -> Hold:
        hold = Hold(refused.told.resets_in, exact=True)
        asked = refused.told.asked
        # 1. It asks us back before the reset: then that is no window's end, or Retry-After is rounded down.
        if asked is not None and asked < resets_at - refused.now and self._doubted is None:
            self._doubted = refused
            return Hold(asked)
        # 2. The window is longer than thought, or began later.
        if resets_at > self.turns_at + self._tolerance:
            self.phase.shift(resets_at, resets_at - self.phase.start if refused.canary else self.phase.period)
        # 3. It ends as thought, or somewhat sooner.
        elif resets_at > self.turns_at - _SOONER * self.phase.period or refused.turn.number == self._probe:
            self.phase.learn(resets_at)
        # 4. One place becomes free before: a sliding log that was grazed, or no window at all.
        else:
            self._grazes += 1
            if self._grazes > _GRAZES:
                self.successor = self._as_shared(refused.now)
            return hold
        self._spend(refused.turn)
        return hold

    def _refused_vaguely(self, refused: Refused) -> Hold:
        if refused.canary and self.bounds is not None:
            self.phase.period = self.bounds.refuse(refused.turn.sent_at - self.phase.start)
        else:
            self._spend(refused.turn)
        return Hold(max(self.turns_at - refused.now, 0.0), exact=True)

    def _as_shared(self, now: float) -> Law:
        limit, period = self.budget.limit, self.phase.period
        if self._resets.told:
            return Told(limit / period, limit, 0.0, now, fills=False)
        return Rate.of_share(self._pace, limit, now, period)

    def _spend(self, turn: Turn) -> None:
        """Note that nothing is left of the current window."""
        if turn.number == self._probe:
            self.budget.refuse_probe()
        elif self.used < self.budget.size:
            self.budget.fall_short()
        self.used = self.budget.size

    def _turn_over(self, now: float) -> None:
        if self.bounds is not None:
            self.phase.period = self.bounds.pass_(now - self.phase.start)
            self.phase.start = now
        elif self._last is not None and now - self._last.sent_at > _IDLE * self.phase.period:
            self.phase.start = now
        else:
            self.phase.advance(now)
        self.budget.close(self._granted, told=self._resets.told)
        self._reserve.close()
        self._trials.clear()
        self.began = self._probe = None
        # Where answers tell what is left, those in flight will too; else they are few.
        self.used = self._in_flight if self._resets.told else 0
        self._granted_before, self._granted = self._granted, 0
        self._grazes = 0

    def _note_window(self, reading: Reading) -> None:
        self.used = self.budget.size - reading.left
        if self.began is not None:
            earliest, latest = self.began
            self.phase.period = likely_period(reading.resets_at - latest, reading.resets_at - earliest)
        self.phase.start = reading.resets_at - self.phase.period

    def _note_turn(self, reading: Reading) -> None:
        self.phase.shift(reading.resets_at, self._resets.by)
        self.used = self.budget.size - reading.left
        if reading.left < self.budget.limit / 2:
            # It has only begun, and isn't empty: a part of the last one is still in view.
            self.successor = Counter.of_window(self.phase, self.budget.limit, 1, reading.sent_at)

    def _note_log(self, reading: Reading) -> None:
        # Our own uses tell when places come free; if none is free although they say so, others have taken them.
        if reading.left < 1 and not self._uses.complete:
            self.successor = Told.of_shared(reading, self.phase.period)
        self._uses.closed_until = reading.resets_at if reading.left <= 0 else -math.inf

    def _use(self, turn: Turn) -> None:
        self.used += 1
        self._uses.add(turn.sent_at + turn.rtt)
        self._last = turn
        if turn.lane is Lane.INTERACTIVE:
            self._reserve.use()
