"""The law before anything is known: whatever the gate lets pass. What it sees tells which law holds. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._budget import Budget
from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._history import History
from legitmark_async._pacer._law import INSTANT, UNKNOWN, Hold, Law, View
from legitmark_async._pacer._phase import Bounds, Phase, likely_period, longest_likely
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._turn import Lane, Reading, Refused, Turn
from legitmark_async._pacer._window import Window

# So many may fly at once, doubled each so long (s) so many times: the next refusal is one of them all.
_CAREFUL, _DOUBLING, _DOUBLINGS = 8, 1.0, 16
# More than the limit before the first refusal, by so much: some of it was granted in another window, or refilled.
_OVER = 1.01
# So much of the limit is as good as all of it. A bucket that is emptied at once grants up to so much, and one that is
# emptied slowly more than the other; between the two it may as well be a window that is gone.
_ENOUGH, _HARDLY, _SURELY = 0.98, 1.1, 1.4
# A hold that is so much shorter than what was before it, or so short a window (s): it refills all the time.
_MICRO, _SHORTEST = 0.1, 0.5
# Twice the same number, give or take so much, or so many: it is the limit of a window.
_ALIKE, _FEWEST = 0.02, 2
# Granted so much of what the window before did: it may well be another one like it.
_LIKELY = 0.9
# If so many should have been free already when none was, they became so all at once: at a reset.
_DUE = 4.0
# Closed again for less than this share of the time that it took to open first: so it was not until the next reset.
_SOONER = 0.75
# Retry-After is in whole seconds: it means the instant of the reset if it lies within one of it.
_SAME_INSTANT = 1.0
# Two resets that are further apart than this share of the first wait are those of two windows.
_WHOLE = 0.25


@define(eq=False)
class _Cycle:
    """From one opening to the next: when it began, what it granted, and until when it was certainly closed."""

    opened_at: float
    answered_at: float
    granted: int = 0
    exhausted_at: float = 0.0
    closed_until: float = 0.0
    ended_at: float = 0.0  # when the last answer came that is known of
    told: bool = False  # how long to wait
    resets_at: float | None = None
    late: int = 0  # of the granted, how many were answered after the first reset that was told
    told_at: tuple[float, float] | None = None  # when a reset was told first, and which
    flight: float = 0.0  # seconds that the refused request took


@define(eq=False)
class Discovery:
    """Counts what is granted between two refusals, until it is clear what kind of limit it is.

    Attributes:
        opened_at: When the first request left.
        answered_at: When its answer came.
        granted: Requests that were admitted since.
        history: When these were granted, and those before.
        limit: What the server tells.
        successor: The law that was found.
    """

    opened_at: float
    answered_at: float
    granted: int = 0
    history: History | None = None
    limit: int | None = field(default=None, init=False)
    successor: Law | None = field(default=None, init=False)
    _cycle: _Cycle = field(init=False)
    _before: _Cycle | None = field(default=None, init=False)
    _canaries: int = field(default=0, init=False)
    _counted: int = field(default=0, init=False)  # in the history, when this began

    def __attrs_post_init__(self) -> None:
        self._cycle = _Cycle(self.opened_at, self.answered_at, self.granted)
        self._counted = self.history.count if self.history else 0

    @property
    def kind(self) -> str:
        """Nobody knows yet."""
        return UNKNOWN

    @property
    def turns_at(self) -> float:
        """No window is known."""
        return math.inf

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told."""
        self.limit = limit

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Let it go, if not too many are in flight."""
        del lane, backlog  # nothing is known of what there is to share
        doublings = min(max((now - self._cycle.opened_at) // _DOUBLING, 0.0), _DOUBLINGS)
        ceiling = _CAREFUL * 2.0**doublings
        return 0.0 if in_flight < ceiling else math.inf

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""

    def passed(self, turn: Turn, now: float) -> None:
        """Note that a request was admitted."""
        cycle = self._cycle
        if turn.sent_at >= cycle.opened_at:
            cycle.granted += 1
            cycle.ended_at = max(cycle.ended_at, now)
            # What is answered after the reset may be of the next window, though it left before.
            cycle.late += cycle.told_at is not None and now >= cycle.told_at[1]

    def give_back(self, turn: Turn) -> None:
        """Note that a request was refused."""

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left, and return how long to wait."""
        cycle, resets_at = self._cycle, refused.resets_at
        cycle.told = refused.told.asked is not None
        cycle.closed_until = refused.turn.sent_at + max((refused.told.asked or 0.0) - 1, 0.0)
        if not refused.canary:
            cycle.exhausted_at = refused.turn.sent_at
            cycle.ended_at = max(cycle.ended_at, refused.now)
        self._canaries += refused.canary
        cycle.flight = refused.now - refused.turn.sent_at
        if resets_at is None:
            return self._guess(refused)
        window = self._refused_at_reset(resets_at) if refused.canary else None
        if window is not None:
            self.successor = window
            return window.refused(refused)
        cycle.resets_at, cycle.told_at = resets_at, cycle.told_at or (refused.now, resets_at)
        return self._until(refused, resets_at - refused.now)

    def opened(self, turn: Turn) -> None:
        """Note that a canary was admitted: one cycle is over."""
        now, cycle = turn.sent_at, self._cycle
        if self.limit is not None and cycle.resets_at is not None:
            self.successor = self._told(cycle, self.limit, cycle.resets_at)
        elif self._before is not None:
            self.successor = self._seen(self._before, cycle, now)
        self.history = None
        self._before, self._cycle, self._canaries = cycle, _Cycle(now, now + turn.rtt, 1), 0
        if self.successor is not None:
            self.successor.opened(turn)

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit."""
        earliest, latest = self._cycle.opened_at, self._cycle.answered_at
        if reading.resets_at > earliest:
            period = likely_period(reading.resets_at - latest, reading.resets_at - earliest)
            phase = Phase(reading.resets_at - period, period)
            self.successor = Window(phase, Budget(reading.limit), began=(earliest, latest))
            self.successor.note(reading)

    def ends_in(self, count: float, now: float) -> float:
        """Nobody knows: so no wait is known."""
        del count, now
        return 0.0

    def view(self, now: float) -> View:
        """Return what is known."""
        del now
        return View()

    def doubt(self) -> None:
        """Nothing is concluded from a single request."""

    def hold_still(self) -> None:
        """Nothing is tried but what is."""

    def part(self, parts: int, now: float) -> Law:
        """Nothing is known that could be parted."""
        del parts, now
        return self

    def _until(self, refused: Refused, exact: float) -> Hold:
        asked = refused.told.asked
        # What it asks for counts if it is far more, or less: then the reset is that of something else.
        if asked is not None and (asked - exact > _SAME_INSTANT or (asked < exact and not self._canaries)):
            return Hold(asked)
        return Hold(exact, exact=not refused.canary)

    def _refused_at_reset(self, resets_at: float) -> Window | None:
        # Refused at the very reset that was told, and another one is told: windows, though none that refill at once.
        cycle = self._cycle
        if self.limit is None or cycle.resets_at is None:
            return None
        period = resets_at - cycle.resets_at
        if period <= max(_WHOLE * (cycle.resets_at - cycle.opened_at), _SHORTEST):
            return None
        return Window(Phase(cycle.resets_at, period), Budget(self.limit))

    def _guess(self, refused: Refused) -> Hold:
        before, cycle, asked = self._before, self._cycle, refused.told.asked
        if before is not None and not self._canaries and cycle.granted >= _LIKELY * before.granted:
            # It looks like the window before: so it may take as long.
            wait = cycle.opened_at + (cycle.opened_at - before.opened_at) - refused.now
            if 0 < wait < (asked or math.inf):
                return Hold(wait, exact=True)
        return Hold(asked)

    def _told(self, cycle: _Cycle, limit: int, resets_at: float) -> Law:
        earliest, latest = self._since(cycle, limit)
        now, first = cycle.told_at or (cycle.exhausted_at, resets_at)
        span, wait = max(cycle.exhausted_at - earliest, INSTANT), first - now
        if first - earliest < _SHORTEST or wait < _MICRO * span:
            # 1. Refused for a moment only: it refills all the time, and the wait is that for one place.
            return self._refill(cycle, limit, wait)
        # 2. A window: it began between the first request and its answer, and another one begins at the reset.
        period = likely_period(resets_at - latest, resets_at - earliest)
        phase = Phase(resets_at - period, period, resets_at)
        return Window(phase, Budget(limit), granted=min(cycle.granted - cycle.late, limit), shown=False)

    def _refill(self, cycle: _Cycle, limit: int, wait: float) -> Law:
        # More than the limit: what came on top is what became free meanwhile. By the answers: a request may have waited
        # at the server.
        surely = cycle.granted - cycle.late
        if surely > _OVER * limit + 1 and not _HARDLY < surely / limit < _SURELY and self.granted >= self._counted:
            span = max(cycle.ended_at - cycle.answered_at, INSTANT)
            return Rate((cycle.granted - limit) / span, limit, cycle.ended_at)
        least = self.history.beyond(limit, cycle.ended_at) if self.history else 0.0
        return Rate.of_place(wait, limit, cycle.ended_at if least else cycle.exhausted_at, least=least)

    def _since(self, cycle: _Cycle, limit: int) -> tuple[float, float]:
        """Return when the first of the last requests that make a limit left, and when it was answered."""
        history, enough, granted = self.history, _ENOUGH * limit, cycle.granted - cycle.late
        if history is not None and history.count > _OVER * limit + 1 and not enough <= granted <= limit:
            # Some of them were answered after the refusal.
            after = granted - self.granted
            since = history.since_last(history.count - self._counted + max(math.floor(enough) - after, 1))
            if since is not None:
                return since - cycle.flight, since
        return cycle.opened_at, cycle.answered_at

    def _seen(self, before: _Cycle, cycle: _Cycle, now: float) -> Law:
        lengths = max(cycle.opened_at - before.opened_at, INSTANT), max(now - cycle.opened_at, INSTANT)
        if abs(cycle.granted - before.granted) <= max(_FEWEST, _ALIKE * cycle.granted):
            longest = min(lengths)
            shortest = min(max(one.closed_until - one.opened_at for one in (before, cycle)), longest)
            budget = Budget(min(cycle.granted, before.granted))
            return Window(Phase(cycle.opened_at, longest), budget, Bounds(shortest, longest))
        if self._came_at_once(before, cycle) and lengths[1] < _SOONER * lengths[0]:
            # Nothing became free until the first reset, and then evenly: what was used before it is still in view.
            shortest = before.closed_until - before.opened_at - lengths[0] / before.granted
            period = longest_likely(shortest, lengths[0])
            phase = Phase(before.opened_at + period, period)
            return Counter.of_window(phase, before.granted, cycle.granted, cycle.exhausted_at)
        return Rate(cycle.granted / lengths[1], max(before.granted, cycle.granted), cycle.exhausted_at, proven=False)

    def _came_at_once(self, before: _Cycle, cycle: _Cycle) -> bool:
        if not before.told or cycle.granted >= before.granted:
            return False
        pace = cycle.granted / max(cycle.exhausted_at - before.exhausted_at, INSTANT)
        return pace * (before.closed_until - before.exhausted_at) >= _DUE
