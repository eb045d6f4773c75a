"""All processes that share a key: what they have learned of its limits, and who may let how many leave, when. Pure.

Whoever comes brings what became of its requests, hands out the permits of the next moments to everybody, and takes its
own along. So nobody leads, and whoever dies is missed by nobody: its permits lapse.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable

from attrs import define, field, frozen

from legitmark_async._pacer import Limits, State, Turn
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
from legitmark_async._sharing._plan import Kind, Plan, Wanting

# A process comes each so long (s), or less often if there are many: so many of them in that time.
_INTERVAL, _MANY = 0.2, 16
# Permits are given for so many intervals to come; who hasn't come for so many gets none, and then is gone.
_AHEAD, _ABSENT, _GONE = 1.5, 4.0, 15.0
# A permit that was not used for so many intervals is given back.
_KEPT = 8.0
# After the first refusal everybody has so long (s) to tell what was admitted, by which the kind of a limit is told; and
# so long at most, if somebody has not been heard yet, or waits for answers; who waits for that comes so often (s).
_GATHERING, _LONGEST_GATHERING, _ASKED_AGAIN = 0.1, 0.5, 0.05


@define(eq=False)
class Member:
    """One process.

    Attributes:
        seen_at: When it came last.
        serial: Of its last report.
        lines: Who waits there.
        held: Its requests in flight, and permits.
        served: Permits that it got; whoever begins to wait begins with the least that any other has.
        permits: Those that it has not taken along.
    """

    seen_at: float
    serial: int = 0
    lines: list[Line] = field(factory=list[Line])
    held: int = 0
    served: float = 0.0
    permits: list[Permit] = field(factory=list[Permit])


@frozen
class Meeting:
    """What came of it that a process met the others.

    Attributes:
        permits: Those of who came.
        changed: Whether anything has changed that others have to know.
        alarming: Whether a limit has closed or opened.
    """

    permits: list[Permit]
    changed: bool
    alarming: bool


@define(eq=False)
class Group:
    """The limits and the processes of a key.

    Attributes:
        limits: What all of them have learned.
        members: The processes that have work, by name.
        planned: Permits of moments to come: the limits don't know of them yet.
        revoked: No permit up to this number holds any more.
        numbered: The last number of a permit.
        next_at: When it is of use to come again for those who got no permit; infinity if nobody knows.
    """

    limits: Limits
    members: dict[str, Member] = field(factory=dict[str, Member])
    planned: list[Permit] = field(factory=list[Permit])
    revoked: int = 0
    numbered: int = UNNUMBERED
    next_at: float = math.inf
    _in_a_row: int = 0
    _gathering_since: float = -math.inf

    def __attrs_post_init__(self) -> None:
        self.limits.sent = max(self.limits.sent, UNNUMBERED)

    @property
    def interval(self) -> float:
        """Seconds after which each process is to come again."""
        return _INTERVAL * max(1.0, len(self.members) / _MANY)

    @property
    def sharers(self) -> int:
        """How many processes have work; at least one."""
        return max(sum(bool(member.lines) for member in self.members.values()), 1)

    @property
    def patience(self) -> float:
        """Seconds for which a permit may lie unused."""
        return _KEPT * self.interval

    def line(self, endpoint: str) -> str:
        """Return the endpoint if it makes a difference to any limit."""
        return endpoint if any(meter.endpoint == endpoint for meter in self.limits.known.values()) else ""

    def meet(self, report: Report, now: float, copy: Callable[[Limits], Limits]) -> Meeting:
        """Take a report in, and hand out what is free.

        Args:
            report: What it has to tell.
            now: The instant.
            copy: Copies limits, to plan by them.
        """
        open_before, revoked_before, numbered_before = self._open, self.revoked, self.numbered
        # Whoever sends has met the others before.
        self.limits.begin(now)
        self._commit(now)
        self._sweep(now)
        changed = report.leaves or bool(report.ended) or self._differs(report, now)
        self._hear(report, now)
        alarming = self.revoked > revoked_before or (self._open and not open_before)
        if report.leaves:
            self._drop(report.member, now)
            return Meeting([], changed, alarming)
        member = self._admit(report, now)
        if self._gathers(now):
            self.next_at = now + _ASKED_AGAIN
        elif not self.limits.empty:
            self._hand_out(report.member, now, copy(self.limits))
        permits, member.permits = member.permits, []
        member.lines = list(_less(member.lines, permits))
        return Meeting(permits, changed or bool(permits) or self.numbered > numbered_before, alarming)

    @property
    def _open(self) -> bool:
        return all(meter.state is State.OPEN for meter in self.limits.known.values())

    @property
    def _in_flight(self) -> int:
        return sum(member.held for member in self.members.values())

    def _gathers(self, now: float) -> bool:
        """Tell whether a limit may be open before everybody has said what was admitted, by which its kind is told."""
        since, unknown = self._gathering_since, [meter for meter in self.limits.known.values() if not meter.known]
        if now >= since + _LONGEST_GATHERING or all(meter.opens_at > since + _GATHERING for meter in unknown):
            return False
        return any(member.held or member.seen_at < since for member in self.members.values())

    def _commit(self, now: float) -> None:
        due = [permit for permit in self.planned if permit.at <= now]
        self.planned = [permit for permit in self.planned if permit.at > now]
        self._take(self.limits, due)

    def _take(self, limits: Limits, permits: Iterable[Permit]) -> None:
        backlog = sum(line.count for member in self.members.values() for line in member.lines)
        in_flight = self._in_flight
        for permit in permits:
            # Limits open and close when they are asked, and take note of what waits.
            limits.delay(permit.at, permit.lane, permit.endpoint, backlog, in_flight)
            limits.take(Turn(permit.number, permit.lane, permit.endpoint, permit.at, planned=True))

    def _sweep(self, now: float) -> None:
        for name, member in list(self.members.items()):
            if not 0 <= now - member.seen_at <= _GONE * self.interval:
                self._drop(name, now)
                # What it has taken along, nobody knows whether it was sent.
                self.limits.doubt()

    def _drop(self, name: str, now: float) -> None:
        member = self.members.pop(name, None)
        if member is not None:
            self._take_back(member.permits, now)

    def _take_back(self, permits: list[Permit], now: float) -> None:
        numbers = {permit.number for permit in permits}
        for permit in permits:
            if permit.at <= now < permit.ends:
                self.limits.give_back(Turn(permit.number, permit.lane, permit.endpoint, permit.at))
        self.planned = [permit for permit in self.planned if permit.number not in numbers]
        permits.clear()

    def _hear(self, report: Report, now: float) -> None:
        known = self.members.get(report.member)
        if known is not None and known.serial >= report.serial:
            return
        # What was not used first, so that a refusal finds the right count.
        for ended in sorted(report.ended, key=lambda ended: not isinstance(ended, Uncounted)):
            self._end(ended, now)

    def _end(self, ended: Ended, now: float) -> None:
        turn = Turn(ended.number, ended.lane, ended.endpoint, ended.sent_at)
        match ended:
            case Answered():
                self.limits.answered(turn, ended.ended_at, ended.limits)
            case RefusedBy():
                self._refuse(turn, ended, now)
            case Uncounted():
                self.planned = [permit for permit in self.planned if permit.number != ended.number]
                if ended.number > self.revoked and ended.sent_at <= now < ended.ends:
                    self.limits.give_back(turn)
            case Lost():  # pragma: no branch  # there is no other
                self.limits.lost(turn)

    def _refuse(self, turn: Turn, refused: RefusedBy, now: float) -> None:
        if turn.number <= self.revoked:
            self.limits.refused(turn, refused.ended_at, refused.refusal)
            return
        # Whatever was to leave after the refusal would be refused too.
        for member in self.members.values():
            member.held -= len(member.permits)
            self._take_back(member.permits, now)
        self.planned.clear()
        # To the limits all permits that were given have left: their refusals will be echoes.
        self.limits.sent = self.numbered
        # One that was numbered after all that is revoked is no echo.
        if self.limits.refused(turn, refused.ended_at, refused.refusal):  # pragma: no branch  # for the type's sake
            self.revoked = self.numbered
            self.limits.linger(now + _GATHERING)
            self._gathering_since = now

    def _differs(self, report: Report, now: float) -> bool:
        known = self.members.get(report.member)
        if known is None or now - known.seen_at >= self.interval:
            return True
        return known.lines != self._lines(report) or known.held != report.held + len(known.permits)

    def _lines(self, report: Report) -> list[Line]:
        counts: dict[Kind, float] = {}
        for line in report.lines:
            kind = line.lane, self.line(line.endpoint)
            counts[kind] = counts.get(kind, 0.0) + line.count
        return [Line(*kind, count) for kind, count in counts.items()]

    def _admit(self, report: Report, now: float) -> Member:
        busy = [other.served for other in self.members.values() if other.lines]
        member = self.members.get(report.member)
        if member is None:
            member = self.members[report.member] = Member(now)
        if busy and not member.lines:
            member.served = max(member.served, min(busy))
        member.seen_at, member.serial = now, report.serial
        member.held = report.held + len(member.permits)
        member.lines = self._lines(report)
        return member

    def _hand_out(self, name: str, now: float, limits: Limits) -> None:
        # A plan tries nothing beyond what is known: no answer would tell it to stop.
        limits.hold_still()
        self._take(limits, self.planned)
        plan = Plan(
            limits,
            now,
            self.interval,
            now + _AHEAD * self.interval,
            numbered=self.numbered,
            in_flight=self._in_flight,
            in_a_row=self._in_a_row,
            wanting=self._wanting(now),
        )
        for receiver, permit in plan.hand_out(name):
            self._give(self.members[receiver], permit, now)
        self.numbered, self.next_at, self._in_a_row = plan.numbered, plan.next_at, plan.in_a_row

    def _wanting(self, now: float) -> dict[Kind, Wanting]:
        wanting: dict[Kind, Wanting] = {}
        for name, member in self.members.items():
            if now - member.seen_at <= _ABSENT * self.interval:
                for line in _less(member.lines, member.permits):
                    wanting.setdefault((line.lane, line.endpoint), Wanting()).add(name, member.served, line.count)
        return wanting

    def _give(self, member: Member, permit: Permit, now: float) -> None:
        if permit.at > now:
            self.planned.append(permit)
        else:
            self._take(self.limits, [permit])
        member.permits.append(permit)
        member.held += 1
        member.served += 1


def _less(lines: Iterable[Line], permits: Iterable[Permit]) -> Iterable[Line]:
    """Give the lines without those for whom there are permits."""
    given = Counter((permit.lane, permit.endpoint) for permit in permits)
    for line in lines:
        left = line.count - given[line.lane, line.endpoint]
        if left > 0:
            yield Line(line.lane, line.endpoint, left)
