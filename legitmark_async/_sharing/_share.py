"""One process's share of limits that several know: its permits, and what it has to tell the others. Pure.

It stands where `Limits` stands in a client that is alone, and is advanced in the same way, on the clock of the group.
What it can't answer by itself it asks for by `wake`: then somebody is to carry its report to the group.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from attrs import define, field

from legitmark_async._pacer import Lane, Meter, Refusal, Turn
from legitmark_async._sharing._group import Group
from legitmark_async._sharing._permit import (
    UNNUMBERED,
    Answered,
    Ended,
    Line,
    Lost,
    Permit,
    RefusedBy,
    Report,
    Uncounted,
)
from legitmark_async._sharing._plan import Kind
from legitmark_async.models import Limit

# Of the interactive calls between two reports so many times as many are expected before the next, and some more; what
# is expected becomes less by the factor, until it is hardly anything.
_EXPECTED, _SPARE, _FORGET, _HARDLY = 2.0, 1, 0.8, 0.05


@define(eq=False)
class Share:
    """Says when a request may leave, by the permits that the group gave.

    As long as nobody knows of any limit, requests leave without one.

    Attributes:
        member: Its name in the group.
        group: As it was when last met; before that, what is thought of it.
        wake: Called when the group has to be asked.
        closed: Whether nobody may leave before the group is met.
        halted: The same, but that its permits may still hold.
        starved: Whether the group had too little the last time: then it is asked again when there will be some.
    """

    member: str
    group: Group
    wake: Callable[[], None]
    closed: bool = field(default=True, init=False)
    halted: bool = field(default=False, init=False)
    starved: bool = field(default=False, init=False)
    _serial: int = field(default=1, init=False)
    _told: int | None = field(default=None, init=False)  # of what has ended, as long as no answer came
    _stock: dict[str, deque[Permit]] = field(factory=dict[str, "deque[Permit]"], init=False)
    _out: dict[int, Permit] = field(factory=dict[int, Permit], init=False)
    _ended: list[Ended] = field(factory=list[Ended], init=False)
    _used: dict[str, int] = field(factory=dict[str, int], init=False)  # by interactive calls since the last report
    _habit: dict[str, float] = field(factory=dict[str, float], init=False)

    @property
    def empty(self) -> bool:
        """Whether nothing is known of any limit."""
        return self.group.limits.empty

    @property
    def idle(self) -> bool:
        """Whether there is nothing to tell, and no permit left."""
        return not self._ended and not self._out and not any(self._stock.values())

    def meters(self, now: float) -> tuple[float, Iterable[Meter]]:
        """Return the limits that are known, and what their clock shows now."""
        return self.group.limits.meters(now)

    def knows(self, endpoint: str) -> bool:
        """Whether it is known how many may leave, and when."""
        return self.group.limits.knows(endpoint)

    def wait(self, now: float, endpoint: str, ahead: float) -> tuple[float, str]:
        """Return how long one more has to wait after so many others, as far as is known, and for what (s, words)."""
        # The others that have work go in between.
        return self.group.limits.wait(now, endpoint, ahead * self.group.sharers)

    def delay(self, now: float, lane: Lane, endpoint: str, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if that is not known yet."""
        del lane, backlog, in_flight  # the group has heard of all these
        if not (self.closed or self.halted):
            if self.empty:
                return 0.0
            stock = self._stock.get(self.group.line(endpoint))
            self._drop_stale(stock, now)
            if stock:
                return max(stock[0].at - now, 0.0)
        if not (self.starved or self.halted):
            self.wake()
        return math.inf

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        if self.empty:
            return
        line = self.group.line(turn.endpoint)
        self._out[turn.number] = self._stock[line].popleft()
        if turn.lane is Lane.INTERACTIVE:
            self._used[line] = self._used.get(line, 0) + 1

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...]) -> None:
        """Note that a request was admitted, and what its answer tells."""
        permit = self._out.get(turn.number)
        self._ended.append(Answered(self._number(turn), turn.lane, turn.endpoint, turn.sent_at, now, limits))
        if (limits and self.empty) or (permit is not None and permit.asks):
            # Others wait to hear of it.
            self.wake()

    def give_back(self, turn: Turn) -> None:
        """Note that a request was not counted."""
        permit = self._out.pop(turn.number, None)
        if permit is not None:
            self._return(permit)

    def lost(self, turn: Turn) -> None:
        """Note that there will be no answer, or one that doesn't tell."""
        self._ended.append(Lost(self._number(turn), turn.lane, turn.endpoint, turn.sent_at, turn.sent_at))

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Note a refusal; True if it closed the gate for all."""
        number = self._number(turn)
        self._ended.append(RefusedBy(number, turn.lane, turn.endpoint, turn.sent_at, now, refusal))
        if self.closed or number <= self.group.revoked:
            return False
        self.closed = True
        self.wake()
        return True

    def report(self, now: float, waiting: Mapping[Kind, float], in_flight: int, *, leaves: bool = False) -> Report:
        """Return what is to be told to the group: what has ended, and who waits for more permits than there are."""
        for stock in self._stock.values():
            while stock and (self.closed or leaves):
                self._return(stock.popleft())
            self._drop_stale(stock, now)
        wanted = self._wanted(waiting)
        self._return_surplus(wanted)
        held = in_flight + sum(len(stock) for stock in self._stock.values())
        if self._told is None:
            self._told = len(self._ended)
        # If it isn't known whether the last report arrived, the very same is told again: it counts once.
        ended = tuple(self._ended[: self._told])
        return Report(self.member, self._serial, ended, tuple(self._lines(wanted)), held, leaves)

    def meet(self, group: Group, report: Report, permits: list[Permit]) -> None:
        """Take what the group answered to a report."""
        del self._ended[: len(report.ended)]
        self._serial, self._told = self._serial + 1, None
        self._used.clear()
        self.group, self.halted = group, False
        # A refusal may have come in the meantime.
        refused = [ended for ended in self._ended if isinstance(ended, RefusedBy) and ended.number > group.revoked]
        self.closed = report.leaves or bool(refused)
        self.starved = bool(report.lines) and not (permits or self.empty or report.leaves)
        for permit in permits:
            self._stock.setdefault(permit.endpoint, deque()).append(permit)

    def _wanted(self, waiting: Mapping[Kind, float]) -> dict[Kind, float]:
        """Return how many are to leave, those that are expected among them."""
        for line in {*self._habit, *self._used}:
            habit = max(self._used.get(line, 0), _FORGET * self._habit.get(line, 0.0))
            self._habit[line] = habit if habit > _HARDLY else 0.0
        wanted: dict[Kind, float] = {}
        for (lane, endpoint), count in waiting.items():
            kind = lane, self.group.line(endpoint)
            wanted[kind] = wanted.get(kind, 0.0) + count
        for line, habit in self._habit.items():
            kind = Lane.INTERACTIVE, line
            wanted[kind] = wanted.get(kind, 0.0) + (math.ceil(_EXPECTED * habit) + _SPARE if habit else 0)
        return wanted

    def _lines(self, wanted: Mapping[Kind, float]) -> Iterable[Line]:
        """Give those for whom there is no permit."""
        stocked = {line: len(stock) for line, stock in self._stock.items()}
        for (lane, line), count in sorted(wanted.items()):
            kept = min(stocked.get(line, 0), count)
            stocked[line] = stocked.get(line, 0) - int(kept)
            if count > kept:
                yield Line(lane, line, count - kept)

    def _return_surplus(self, wanted: Mapping[Kind, float]) -> None:
        """Return permits that nobody waits for: others may."""
        counts: dict[str, float] = {}
        for (_, line), count in wanted.items():
            counts[line] = counts.get(line, 0.0) + count
        for line, stock in self._stock.items():
            while len(stock) > counts.get(line, 0.0):
                self._return(stock.pop())

    def _number(self, turn: Turn) -> int:
        permit = self._out.pop(turn.number, None)
        return UNNUMBERED if permit is None else permit.number

    def _drop_stale(self, stock: "deque[Permit] | None", now: float) -> None:
        while stock and self._stale(stock[0], now):
            self._return(stock.popleft())

    def _stale(self, permit: Permit, now: float) -> bool:
        return permit.number <= self.group.revoked or now > min(permit.ends, permit.at + self.group.patience)

    def _return(self, permit: Permit) -> None:
        self._ended.append(Uncounted(permit.number, permit.lane, permit.endpoint, permit.at, permit.at, permit.ends))
