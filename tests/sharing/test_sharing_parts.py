"""The parts of sharing, one by one: what a group makes of reports, and that all of it can be kept as text."""

import hashlib
import random
from typing import Any

import attrs
import pytest
from simulator import LimitedServer, bulk, make_pacer, simulate

from legitmark_async._pacer import LAWS, Lane, Limits, Refusal, Turn
from legitmark_async._sharing import LAYOUT, Codec, Group, Switch
from legitmark_async._sharing._permit import UNNUMBERED, Answered, Lost, Permit, RefusedBy, Report, Uncounted
from legitmark_async._sharing._permit import Line as Waiting
from legitmark_async._sharing._plan import Wanting
from legitmark_async._sharing._share import Share
from legitmark_async.models import Limit, LimitType
from legitmark_async.sandbox import HeaderMode, WindowKind
from legitmark_async.sandbox import Limits as ServerLimits

CODEC = Codec(lambda: 0.0)
INTERACTIVE, BULK = Lane
NOW = 1000.0


def group(limit: int = 10) -> Group:
    """Make a group that knows a window of 10 s, begun now."""
    found = Group(Limits(lambda: 0.0))
    told = Limit(type=LimitType.PARTNER, limit=limit, remaining=limit - 1, resets_in=9.99, resets_at=NOW + 10)
    meet(found, report("seed", 1, answered(UNNUMBERED, NOW, told), leaves=True), NOW + 0.01)
    return found


def answered(number: int, at: float, *limits: Limit) -> Answered:
    """Make what a request tells that was admitted."""
    return Answered(number, BULK, "", at, at + 0.01, limits)


def refused(number: int, at: float, *, resets_in: float = 5.0) -> RefusedBy:
    """Make what a request tells that was refused."""
    return RefusedBy(number, BULK, "", at, at + 0.01, Refusal(LimitType.PARTNER, 10, resets_in))


def report(member: str, serial: int, *ended: Any, wants: float = 0, lane: Lane = BULK, leaves: bool = False) -> Report:  # noqa: ANN401  # any kind of end
    """Make a report."""
    lines = (Waiting(lane, "", wants),) if wants else ()
    return Report(member, serial, ended, lines, leaves=leaves)


def meet(met: Group, told: Report, now: float) -> list[Permit]:
    """Let a process meet the others, and return its permits."""
    return met.meet(told, now, CODEC.copy).permits


def used(met: Group) -> int:
    """Return how much of the window is used, as far as the group knows."""
    (meter,) = met.limits.known.values()
    return meter.law.used  # type: ignore[attr-defined, no-any-return]  # it is a window


class TestGroup:
    """Reports and permits."""

    def test_free(self) -> None:
        """As long as nobody knows of any limit, nobody needs permits."""
        met = Group(Limits(lambda: 0.0))

        assert meet(met, report("a", 1, wants=5), NOW) == []
        assert met.limits.empty

    def test_fits(self) -> None:
        """What fits is given at once."""
        permits = meet(group(), report("a", 1, wants=3), NOW + 0.1)

        assert [(permit.number, permit.at, permit.ends) for permit in permits] == [
            (number, NOW + 0.1, NOW + 10) for number in (2, 3, 4)
        ]

    def test_even(self) -> None:
        """Two that want all there is get the same, whoever comes first."""
        met = group(21)
        first = meet(met, report("a", 1, wants=10), NOW + 0.1)
        meet(met, report("a", 2, wants=100), NOW + 0.2)
        for serial in range(1, 60):
            meet(met, report("a", 2 + serial, wants=100), NOW + 0.2 + 0.17 * serial)
            meet(met, report("b", serial, wants=100), NOW + 0.2 + 0.17 * serial)

        assert len(first) == 10
        assert met.members["a"].served == pytest.approx(met.members["b"].served, abs=5)

    def test_spread(self) -> None:
        """What doesn't fit is spread: what is given now is for the next moments alone."""
        permits = meet(group(100), report("a", 1, wants=1000), NOW + 0.1)

        assert 1 <= len(permits) <= 6
        assert all(NOW + 0.1 <= permit.at <= NOW + 0.5 for permit in permits)

    def test_twice(self) -> None:
        """A report that comes twice counts once."""
        met = group()
        (permit,) = meet(met, report("a", 1, wants=1), NOW + 0.1)
        told = report("a", 2, Uncounted(permit.number, BULK, "", permit.at, permit.at, permit.ends), wants=1)
        meet(met, told, NOW + 0.2)
        before = used(met)
        meet(met, told, NOW + 0.3)

        assert used(met) >= before

    def test_unused(self) -> None:
        """A permit that was not used is given back, if its window isn't over."""
        met = group()
        (permit,) = meet(met, report("a", 1, wants=1), NOW + 0.1)
        meet(met, report("a", 2, Uncounted(permit.number, BULK, "", permit.at, permit.at, permit.ends)), NOW + 0.2)

        assert used(met) == 1

        (permit,) = meet(met, report("a", 3, wants=1), NOW + 0.3)
        meet(met, report("a", 4, Uncounted(permit.number, BULK, "", permit.at, permit.at, NOW + 0.35)), NOW + 0.4)

        assert used(met) == 2

    def test_lost(self) -> None:
        """A request that nobody waited for may have been counted."""
        met = group()
        (permit,) = meet(met, report("a", 1, wants=1), NOW + 0.1)
        meet(met, report("a", 2, Lost(permit.number, BULK, "", NOW + 0.1, NOW + 0.2)), NOW + 0.2)

        assert used(met) == 2

    def test_revokes(self) -> None:
        """A refusal takes away all permits that were given, also those of the others; what follows is an echo."""
        met = group()
        (permit,) = meet(met, report("a", 1, wants=1), NOW + 0.1)
        meet(met, report("b", 1), NOW + 0.1)
        met.members["b"].lines = [Waiting(BULK, "", 2)]
        meet(met, report("a", 2), NOW + 0.15)
        given = [permit.number for permit in met.members["b"].permits]
        meeting = met.meet(report("a", 3, refused(permit.number, NOW + 0.2)), NOW + 0.3, CODEC.copy)

        assert len(given) == 2
        assert met.members["b"].permits == []
        assert met.revoked >= max(given)
        assert meeting.alarming

        (meter,) = met.limits.known.values()
        opens_at = meter.opens_at
        echo = met.meet(report("b", 2, refused(given[0], NOW + 0.25, resets_in=9.0)), NOW + 0.35, CODEC.copy)

        assert meter.opens_at == opens_at
        assert not echo.alarming

    def test_canary(self) -> None:
        """When a limit may be open again one request asks; its answer opens it for all."""
        met = group()
        permits = meet(met, report("a", 1, wants=9), NOW + 0.1)
        assert len(permits) == 9
        first = meet(
            met, report("a", 2, *[answered(permit.number, NOW + 0.2) for permit in permits], wants=5), NOW + 9.9
        )
        second = meet(met, report("b", 1, wants=5), NOW + 9.95)

        assert [permit.at for permit in first] == [NOW + 10]
        assert first[0].asks
        assert second == []

        meet(met, report("c", 1), NOW + 10.01)

        assert met.meet(report("a", 3, answered(first[0].number, NOW + 10), wants=4), NOW + 10.02, CODEC.copy).alarming

    @pytest.mark.parametrize(
        ("heard_at", "held", "asked_at"),
        [
            pytest.param(0.25, 0, 0.3, id="heard"),
            pytest.param(0.25, 4, 0.6, id="heard, and waits for answers"),
            pytest.param(None, 0, 0.6, id="never heard"),
        ],
    )
    def test_gathers(self, *, heard_at: float | None, held: int, asked_at: float) -> None:
        """After the first refusal nobody asks until all have told what was admitted, or half a second has passed."""
        met, now, serial = Group(Limits(lambda: 0.0)), 0.0, 1
        for member in "ab":
            meet(met, report(member, 1), NOW)
        meet(met, report("a", 2, refused(UNNUMBERED, NOW + 0.1, resets_in=0.001)), NOW + 0.12)

        permits = list[Permit]()
        while not permits and now < 1.0:
            now, serial = now + 0.05, serial + 1
            if now == heard_at:
                meet(met, Report("b", 2, (), (), held), NOW + now)
            permits = meet(met, report("a", serial + 1, wants=1), NOW + now)

        assert permits[0].at - NOW == pytest.approx(asked_at, abs=0.1)

    @pytest.mark.parametrize(("intervals", "given"), [(3.9, True), (4.1, False)])
    def test_silent(self, intervals: float, *, given: bool) -> None:
        """Nothing is planned for one that has been silent for four intervals, and may be back."""
        met = group()
        meet(met, report("a", 1), NOW + 0.1)
        met.members["a"].lines = [Waiting(BULK, "", 3)]

        meet(met, report("b", 1), NOW + 0.1 + intervals * met.interval)

        assert len(met.members["a"].permits) == (3 if given else 0)

    def test_gone(self) -> None:
        """Who hasn't come for some seconds is forgotten, with what it left there."""
        met = group()
        meet(met, report("a", 1), NOW + 0.1)
        met.members["a"].lines = [Waiting(BULK, "", 3)]
        meet(met, report("b", 1), NOW + 0.2)
        assert used(met) == 4
        meet(met, report("b", 2), NOW + 4.0)

        assert list(met.members) == ["b"]
        assert used(met) == 1

    def test_gone_with_old_permits(self) -> None:
        """What whoever is gone could have sent in a window that is over is not given back to the next one."""
        met = group()
        meet(met, report("a", 1), NOW + 0.1)
        met.members["a"].lines = [Waiting(BULK, "", 3)]
        meet(met, report("b", 1), NOW + 0.2)
        assert len(met.members["a"].permits) == 3

        meet(met, report("b", 2), NOW + 30.0)

        assert list(met.members) == ["b"]
        assert used(met) == 4

    def test_no_news(self) -> None:
        """Who has no news and gets nothing changes nothing, so that nobody has to store it."""
        met = group(1)
        meet(met, report("a", 1, wants=5), NOW + 0.1)

        assert not met.meet(report("a", 2, wants=5), NOW + 0.15, CODEC.copy).changed
        assert met.meet(report("a", 3, wants=6), NOW + 0.2, CODEC.copy).changed

    def test_endpoints(self) -> None:
        """Only where a limit concerns one endpoint alone it matters where a request goes."""
        met = group()

        assert met.line("/a") == ""

        told = Limit(type=LimitType.ENDPOINT, limit=5, remaining=4, resets_in=9.0, resets_at=NOW + 10)
        ended = Answered(UNNUMBERED, BULK, "/a", NOW, NOW + 0.1, (told,))
        meet(met, report("a", 1, ended), NOW + 0.2)

        assert met.line("/a") == "/a"
        assert met.line("/b") == ""


def test_favoured() -> None:
    """Who got least goes first, but for who is here, if it matters."""
    wanting = Wanting()
    for name, served in (("a", 2.0), ("b", 0.0), ("c", 1.0)):
        wanting.add(name, served, 2)

    assert [wanting.pop(None) for _ in range(3)] == ["b", "b", "c"]
    assert wanting.pop("a") == "a"
    assert wanting.count == 2


class TestShare:
    """What a process does with its permits."""

    def test_stale(self) -> None:
        """A permit whose time is over is given back, and another one asked for."""
        woken: list[None] = []
        share = Share("a", group(), lambda: woken.append(None))
        told = share.report(NOW, {(BULK, ""): 1.0}, 0)
        share.meet(share.group, told, [Permit(2, BULK, "", NOW, NOW + 1, asks=False)])

        assert share.delay(NOW + 0.5, BULK, "", 1, 0) == 0
        assert share.delay(NOW + 1.5, BULK, "", 1, 0) == float("inf")
        assert woken
        assert isinstance(share.report(NOW + 1.5, {}, 0).ended[0], Uncounted)

    def test_halted(self) -> None:
        """At an alarm nothing leaves before the group was met; its permits may still hold."""
        share = Share("a", group(), lambda: None)
        permits = [Permit(2, BULK, "", NOW, NOW + 9, asks=False)]
        share.meet(share.group, share.report(NOW, {(BULK, ""): 1.0}, 0), permits)
        share.halted = True

        assert share.delay(NOW, BULK, "", 1, 0) == float("inf")

        share.meet(share.group, share.report(NOW, {(BULK, ""): 1.0}, 0), [])

        assert share.delay(NOW, BULK, "", 1, 0) == 0

    def test_surplus(self) -> None:
        """Permits that nobody waits for any more are given back at the next meeting, the latest first."""
        share = Share("a", group(), lambda: None)
        permits = [Permit(number, BULK, "", NOW + number, NOW + 9, asks=False) for number in (2, 3, 4)]
        share.meet(share.group, share.report(NOW, {(BULK, ""): 3.0}, 0), permits)

        told = share.report(NOW, {(BULK, ""): 1.0}, 0)

        assert [ended.number for ended in told.ended] == [4, 3]
        assert told.held == 1
        assert told.lines == ()

    def test_told_again(self) -> None:
        """If it isn't known whether a report arrived, the same is told again; what ended since waits for the next."""
        share = Share("a", group(), lambda: None)
        share.lost(Turn(1, BULK, "", NOW))
        first = share.report(NOW, {}, 0)
        share.lost(Turn(2, BULK, "", NOW))
        again = share.report(NOW, {}, 0)
        share.meet(share.group, again, [])
        following = share.report(NOW, {}, 0)

        assert (again.serial, again.ended) == (first.serial, first.ended)
        assert (following.serial, len(following.ended)) == (first.serial + 1, 1)


def test_switch() -> None:
    """However a request ends, the share hears of it on the group's clock; its permit counts unless it is given back."""
    share, switch = Share("a", group(), lambda: None), Switch()
    switch.current, switch.offset = share, NOW
    permits = [Permit(number, BULK, "", NOW, NOW + 9, asks=False) for number in (2, 3, 4)]
    share.meet(share.group, share.report(NOW, {(BULK, ""): 3.0}, 0), permits)
    turns = [Turn(number, BULK, "", number / 10) for number in (1, 2, 3)]

    for turn in turns:
        switch.take(turn)
    switch.answered(turns[0], 0.2, ())
    switch.lost(turns[1])
    switch.give_back(turns[2])
    share.give_back(Turn(9, BULK, "", NOW))  # which had no permit
    ended = share.report(NOW + 1, {}, 0).ended

    assert switch.knows("")
    assert [(type(one), one.number) for one in ended] == [(Answered, 2), (Lost, 3), (Uncounted, 4)]
    assert [one.sent_at - NOW for one in ended] == pytest.approx([0.1, 0.2, 0.0])


async def _learned(limits: ServerLimits, creates: int) -> Limits:
    rng = random.Random(1)
    server = LimitedServer(limits, 0.01, rng)
    pacer = make_pacer(32, rng)
    await bulk(pacer, server, creates, 32)
    await pacer.aclose()
    assert isinstance(pacer.gate.limits, Limits)
    return pacer.gate.limits


class TestCodec:
    """A group as text."""

    @pytest.mark.parametrize("headers", ["always", "on-429", "retry-after", "never"])
    @pytest.mark.parametrize("kind", ["fixed", "sliding", "counter", "bucket"])
    @pytest.mark.parametrize("creates", [110, 450])
    def test_round_trip(self, kind: WindowKind, headers: HeaderMode, creates: int) -> None:
        """Whatever was learned is the same after it was text, and goes on in the same way."""
        limits = simulate(_learned(ServerLimits(partner=100, window=1.0, kind=kind, headers=headers), creates))
        text = CODEC.encode(Group(limits, planned=[Permit(7, BULK, "/a", 1.5, float("inf"), asks=True)]))
        read = CODEC.decode(text)

        assert read is not None
        assert CODEC.encode(read) == CODEC.encode(CODEC.decode(CODEC.encode(read)) or read)
        assert read.planned == [Permit(7, BULK, "/a", 1.5, float("inf"), asks=True)]
        for lane in Lane:
            theirs = CODEC.copy(limits).delay(100.0, lane, "", 1e6, 0)
            assert read.limits.delay(100.0, lane, "", 1e6, 0) == pytest.approx(theirs, abs=1e-3)

    @pytest.mark.parametrize("text", ["", "null", "[]", '{"limits": {}}', '{"limits": {"known": 3}}', "\x00"])
    def test_none_of_ours(self, text: str) -> None:
        """A text that is no group is none, whatever it is."""
        assert CODEC.decode(text) is None

    def test_part(self) -> None:
        """One that goes on alone has its part of what was known."""
        met = group(100)
        alone = CODEC.copy(met.limits)
        alone.part(4, NOW + 1, 0)
        (meter,) = alone.known.values()

        assert meter.law.view(NOW + 1).remaining == 25

    def test_part_of_what_is_in_flight(self) -> None:
        """Of what is in flight when one goes on alone the first refusal closes the gate, and only that."""
        alone = CODEC.copy(group(100).limits)
        alone.part(4, NOW + 1, 164)
        refusal = Refusal(LimitType.PARTNER, 100, 5.0)

        closed = [alone.refused(Turn(number, BULK, "", NOW + 0.9), NOW + 1.1, refusal) for number in (100, 101, 164)]

        assert closed == [True, False, False]

    def test_layout(self) -> None:
        """Whoever changes a class that is kept has to count the layout up: old and new ones must not meet."""
        kept = hashlib.sha256("\n".join(sorted(_fields(Group))).encode()).hexdigest()

        assert (LAYOUT, kept[:8]) == (2, "00b8e09d")


def _fields(*classes: type) -> set[str]:
    """Return the names and types of all that is kept."""
    found: dict[type, list[str]] = {}
    todo: list[type] = [*classes, *LAWS]
    while todo:
        cls = todo.pop()
        if cls not in found and attrs.has(cls):
            attrs.resolve_types(cls)
            found[cls] = [f"{cls.__name__}.{each.name}: {each.type}" for each in attrs.fields(cls)]
            todo += [part for each in attrs.fields(cls) for part in _types(each.type)]
    return {line for lines in found.values() for line in lines}


def _types(kind: Any) -> list[type]:  # noqa: ANN401  # annotations are of many types
    inner = getattr(kind, "__args__", ())
    return (
        [kind, *(part for each in inner for part in _types(each))]
        if not inner or attrs.has(kind)
        else [part for each in inner for part in _types(each)]
    )
