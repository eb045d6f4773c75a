"""How a limit that counts in windows is spent, as far as they are known. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._budget import Budget, Reserve
from legitmark_async._pacer._law import Law, View
from legitmark_async._pacer._phase import Bounds, Phase
from legitmark_async._pacer._resets import Resets
from legitmark_async._pacer._slots import Slots
from legitmark_async._pacer._turn import Lane, Turn
from legitmark_async._pacer._uses import Uses

# What doesn't fit at once is spread over this share of a window; where no reset is told that may end sooner.
_SPREAD, _VAGUE_SPREAD = 0.9, 0.5
# So long (s) a request may take to the server where much goes on: if it comes after the end, the next window counts it.
_LATE = 0.4
# Places come free as they were used, and none for so long a part of a window: so long interactive calls must get along.
_GAP = 0.25
# By so much of the budget more may wait than fits, and what fits still goes at once: the rest has to wait for the next
# window either way, and processes that share a limit don't know to the last request what waits and what fits.
_ROUGHLY = 0.1
# So often in a window it is looked again whether anything is left beside what is kept.
_RECHECK = 0.02
# So many may fly at once while it is tried whether a window refills at once, or whether it is one: then it grants more
# than so many before the next refusal.
_TRIALS, TRICKLE = 3, 2
# So many that leave ahead of their places must pass: one place may be free that we think is used.
_PROOFS = 2
# Two instants that differ by less, as a share of the period and in seconds, are the same.
_SAME, _SAME_SECONDS = 0.03, 0.02
# After this part of a window nobody asks for more: it might already be the next one that answers.
_PROBED = 0.95


@define(eq=False)
class Spending:
    """Spends a budget in each window: spread if more waits than fits, else at once.

    Attributes:
        phase: When the current window began, and after how long the next one is expected.
        budget: Requests that we allow ourselves in a window.
        bounds: Of the period, if nobody tells the resets to the instant.
        began: Between which instants the first window began, if that is known; then a told reset gives the period.
        used: Requests of the current window, those in flight included.
        refills_at_once: Whether everything is free again at the reset (a fixed window), or one place at a time, as it
            was used (a sliding log); None if it isn't known.
        shown: Whether it has granted more at a time than what refills evenly would.
        successor: Another law, if the answers prove this one wrong.
    """

    phase: Phase
    budget: Budget
    bounds: Bounds | None = None
    began: tuple[float, float] | None = None
    shown: bool = field(default=True, kw_only=True)
    used: int = field(default=0, init=False)
    refills_at_once: bool | None = field(default=None, init=False)
    successor: Law | None = field(default=None, init=False)
    _uses: Uses = field(init=False)
    _slots: Slots = field(factory=Slots, init=False)
    _resets: Resets = field(factory=Resets, init=False)
    _reserve: Reserve = field(factory=Reserve, init=False)
    _trials: dict[int, float] = field(factory=dict[int, float], init=False)  # who left ahead of the uses, by how much
    _passed_trials: int = field(default=0, init=False)
    _probe: int | None = field(default=None, init=False)
    _last: Turn | None = field(default=None, init=False)
    _in_flight: int = field(default=0, init=False)
    _granted: int = field(default=0, kw_only=True, alias="granted")  # in the current window
    _granted_before: int = field(default=0, init=False)
    _opening: tuple[float, int] = field(default=(-math.inf, 0), init=False)  # when a canary left, granted before it

    def __attrs_post_init__(self) -> None:
        self._uses = Uses(self.budget.limit)

    @property
    def turns_at(self) -> float:
        """When the next window is expected; a canary asks."""
        return self.phase.end

    @property
    def kind(self) -> str:
        """How it counts."""
        return "sliding window" if self.refills_at_once is False else "window"

    @property
    def told(self) -> bool:
        """Whether answers tell what is left."""
        return self._resets.told

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told."""
        if limit != self.budget.limit:
            self.budget.relimit(limit)
            self._uses.relimit(limit)

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell."""
        self._in_flight = in_flight
        left = self.budget.size - self.used
        if left <= 0:
            return self._closed(now, in_flight)
        if not self.shown and in_flight >= _TRIALS:
            return math.inf
        if lane is Lane.BULK:
            left -= self._reserve.size((self.turns_at - now) / self.phase.period)
            if left <= 0:
                # What is kept for interactive calls becomes less by and by.
                return min(_RECHECK * self.phase.period, self.turns_at - now)
        if lane is Lane.INTERACTIVE or backlog <= left + _ROUGHLY * self.budget.size:
            return self._at_once(now, in_flight)
        return max(self._slots.wait(now, self._gap(now)), self._free_in(now, self._reserve.size(_GAP)))

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        now, left = turn.sent_at, self.budget.size - self.used
        self._slots.take(turn, self._gap(now))
        if left <= 0:
            self._probe = turn.number
        elif self.refills_at_once is None and (ahead := self._free_in(now)) > 0:
            self._trials[turn.number] = ahead
        self._use(turn)

    def passed(self, turn: Turn, now: float) -> None:
        """Note that a request was admitted."""
        del now  # it counts where it left
        if turn.sent_at < self.phase.start:
            self._granted_before += 1
            return
        self._granted += 1
        self.shown = self.shown or self._granted - self._opening[1] > TRICKLE
        if self._trials and self._trials.get(turn.number, 0.0) > self._proof(turn):
            self._passed_trials += 1
            if self._passed_trials >= _PROOFS:
                self._settle(refills_at_once=True)
        if turn.number == self._probe:
            self.budget.pass_probe()
            self._uses.relimit(self.budget.limit)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was refused: the server has not counted it."""
        del turn  # any will do
        self.used = max(self.used - 1, 0)
        self._uses.take_back()

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

    def doubt(self) -> None:
        """Note that some of what left may not have left at all: what passes now is no proof that there is more."""
        self.budget.probing, self._probe = False, None
        self._forget_trials()

    def hold_still(self) -> None:
        """A window has one trial, and that may be planned."""

    @property
    def _spread(self) -> float:
        if self.bounds is not None:
            return _VAGUE_SPREAD
        return min(_SPREAD, max(1 - _LATE / self.phase.period, _VAGUE_SPREAD))

    def _gap(self, now: float) -> float:
        """Return the seconds between two, if what is left is spread over the rest of the window."""
        left = max(self.budget.size - self.used, 1)
        return max(self.phase.start + self._spread * self.phase.period - now, 0.0) / left

    @property
    def _tolerance(self) -> float:
        return min(_SAME * self.phase.period + _SAME_SECONDS, self.phase.period / 4)

    def _proof(self, turn: Turn) -> float:
        # Ahead by more than we may err: then no log would have let it pass.
        return 2 * turn.rtt + (0.0 if self.bounds is None else self.phase.period - self.bounds.shortest)

    def _settle(self, *, refills_at_once: bool) -> None:
        self.refills_at_once = refills_at_once
        self._forget_trials()

    def _forget_trials(self) -> None:
        self._trials.clear()
        self._passed_trials = 0

    def _use(self, turn: Turn) -> None:
        self.used += 1
        self._uses.add(turn.sent_at + turn.rtt)
        self._last = turn
        if turn.lane is Lane.INTERACTIVE:
            self._reserve.use()

    def _closed(self, now: float, in_flight: int) -> float:
        if not self._may_probe(now):
            return self.turns_at - now
        return 0.0 if in_flight == 0 else math.inf

    def _may_probe(self, now: float) -> bool:
        if self.bounds is not None and not self.bounds.settled:
            return False
        return self.budget.probing and self._probe is None and now < self.phase.start + _PROBED * self.phase.period

    def _at_once(self, now: float, in_flight: int) -> float:
        wait = self._free_in(now)
        if wait > 0 and self.refills_at_once is None:
            return 0.0 if in_flight < _TRIALS else math.inf
        return wait

    def _free_in(self, now: float, spare: int = 0) -> float:
        return 0.0 if self.refills_at_once else self._uses.free_in(now, self.phase.period, spare)
