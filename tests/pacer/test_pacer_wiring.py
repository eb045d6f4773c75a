"""Who is told what: the gate, the governor, the limits, their meters and the queue, each beside a law that notes it."""

import asyncio
import gc
import itertools
import math
import weakref
from typing import Any, cast

import pytest
from attrs import define, field
from laws import BULK, INF, INTERACTIVE
from simulator import simulate

from legitmark_async._pacer import Gate, Lane, Pacer, Refusal, TooLateError, Turn
from legitmark_async._pacer._governor import Governor
from legitmark_async._pacer._law import Hold, Law, View
from legitmark_async._pacer._limits import Limits
from legitmark_async._pacer._meter import Meter, State
from legitmark_async._pacer._queue import Queue
from legitmark_async._pacer._turn import Reading, Refused
from legitmark_async.models import Limit, LimitType

NUMBERS = itertools.count(1)


@define(eq=False)
class Recorder:
    """A law that notes what it is told."""

    kind: str = "window"
    turns_at: float = INF
    waits: float = 0.0
    ends: float = 0.0
    hold: Hold = field(factory=lambda: Hold(10.0, exact=True))
    heard: list[tuple[Any, ...]] = field(factory=list[tuple[Any, ...]])
    successor: Law | None = None

    def relimit(self, limit: int) -> None:
        """Take a limit."""
        self.heard.append(("relimit", limit))

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Tell the wait."""
        self.heard.append(("delay", now, lane, backlog, in_flight))
        return self.waits

    def take(self, turn: Turn) -> None:
        """Note one that leaves."""
        self.heard.append(("take", turn))

    def passed(self, turn: Turn, now: float) -> None:
        """Note one that was admitted."""
        self.heard.append(("passed", turn, now))

    def give_back(self, turn: Turn) -> None:
        """Note one that was not counted."""
        self.heard.append(("give_back", turn))

    def refused(self, refused: Refused) -> Hold:
        """Note a refusal."""
        self.heard.append(("refused", refused))
        return self.hold

    def opened(self, turn: Turn) -> None:
        """Note a canary that was admitted."""
        self.heard.append(("opened", turn))

    def note(self, reading: Reading) -> None:
        """Take what is told."""
        self.heard.append(("note", reading))

    def ends_in(self, count: float, now: float) -> float:
        """Tell the end."""
        self.heard.append(("ends_in", count, now))
        return self.ends

    def view(self, now: float) -> View:
        """Tell nothing."""
        self.heard.append(("view", now))
        return View()

    def hold_still(self) -> None:
        """Note it."""
        self.heard.append(("hold_still",))

    def doubt(self) -> None:
        """Note it."""
        self.heard.append(("doubt",))

    def part(self, parts: int, now: float) -> Law:
        """Note it."""
        self.heard.append(("part", parts, now))
        return self

    def calls(self, name: str) -> list[tuple[Any, ...]]:
        """Return what it was told by one name."""
        return [call[1:] for call in self.heard if call[0] == name]


def make_turn(sent_at: float = 0.0, lane: Lane = BULK, endpoint: str = "", *, number: int | None = None) -> Turn:
    """Make a request."""
    return Turn(next(NUMBERS) if number is None else number, lane, endpoint, sent_at)


def make_meter(law: Recorder, endpoint: str | None = None) -> Meter:
    """Make a meter of a law, without chance."""
    return Meter("endpoint_level" if endpoint else "partner_level", endpoint, law, lambda: 0.0)


class TestMeter:
    """The gate of one limit."""

    @pytest.mark.parametrize(("resets_at", "mark", "exact"), [(None, 32.0, False), (1_000.5, 1_000.5, True)])
    def test_reading(self, resets_at: float | None, mark: float, *, exact: bool) -> None:
        """What an answer tells goes to the law by our clock; the server's own instant, if it is told, is the mark."""
        law = Recorder()
        told = Limit(type=LimitType.PARTNER, limit=100, remaining=60, resets_in=30.0, resets_at=resets_at)

        make_meter(law).note(make_turn(1.0, number=5), 2.0, 8, told)

        assert law.calls("note") == [(Reading(100, 60, 57, 32.0, mark, exact=exact, sent_at=1.0, now=2.0),)]

    def test_given_back(self) -> None:
        """A refused request is given back, and so is one that another limit refused; one that asks was not counted."""
        law = Recorder()
        meter, other, first = make_meter(law), make_turn(), make_turn()
        for one in (other, first):
            meter.take(one)

        meter.give_back(other)
        meter.refused(first, 0.5, first.number, Refusal())
        canary = make_turn(20.0)
        meter.take(canary)
        meter.refused(canary, 20.5, canary.number, Refusal())

        assert law.calls("give_back") == [(other,), (first,)]
        assert [refused.canary for (refused,) in law.calls("refused")] == [False, True]

    def test_part(self) -> None:
        """One of several processes numbers its requests anew, and waits for no canary of before."""
        law = Recorder()
        meter = make_meter(law)
        meter.refused(make_turn(number=900), 0.0, 950, Refusal())
        meter.take(make_turn(20.0, number=951))

        meter.part(3, 21.0)

        assert law.calls("part") == [(3, 21.0)]
        assert meter.heard_at is None
        assert meter.refused(make_turn(21.0, number=1), 21.1, 1, Refusal())

    def test_first_refused_canary(self) -> None:
        """The first canary that is refused makes the wait longer once, whatever passed before it."""
        law = Recorder(turns_at=10.0, hold=Hold(None, floor=1.0))
        meter = make_meter(law)
        for now in (10.0, 10.1):
            assert meter.delay(now, BULK, 1, 0) >= 0
        first = make_turn(10.0)
        meter.take(first)
        meter.passed(first, 10.1)
        assert meter.delay(10.2, BULK, 1, 0) == 0.0
        second = make_turn(10.2)
        meter.take(second)

        meter.refused(second, 10.3, second.number, Refusal())

        assert meter.opens_at - 10.3 == pytest.approx(1.4)

    @pytest.mark.parametrize(("now", "wait"), [(9.5, 0.5), (15.0, 0.0)])
    def test_wait(self, now: float, wait: float) -> None:
        """A closed gate is waited for, and a time that has gone by never."""
        meter = make_meter(Recorder(ends=-5.0))
        meter.refused(make_turn(), 0.0, 1_000, Refusal())

        assert meter.wait(now, 0.0) == wait

    def test_delay(self) -> None:
        """The law is asked for who asks, and if only an answer can tell no timer is set."""
        law = Recorder(waits=INF)

        assert make_meter(law).delay(1.0, INTERACTIVE, 7.0, 3) == INF
        assert law.calls("delay") == [(1.0, INTERACTIVE, 7.0, 3)]

    @pytest.mark.parametrize("closed", [True, False])
    def test_half_open(self, *, closed: bool) -> None:
        """When its time is over a gate is half open, whether it was closed or a window has ended."""
        meter = make_meter(Recorder(turns_at=10.0))
        if closed:
            meter.refused(make_turn(), 0.0, 1_000, Refusal())

        assert meter.delay(10.0, BULK, 1, 0) == 0.0
        assert meter.state is State.HALF_OPEN

    @pytest.mark.parametrize("late", [1, 2])
    def test_late_refusal(self, late: int) -> None:
        """A refusal of what left before one that asks, of the window before, closes nothing."""
        meter = make_meter(Recorder(turns_at=10.0))
        turns = [make_turn(9.9) for _ in range(3)]
        for one in turns:
            meter.take(one)
        meter.delay(10.0, BULK, 1, 3)
        canary = make_turn(10.0)
        meter.take(canary)

        assert not meter.refused(turns[late], 10.1, canary.number, Refusal())


class TestLimits:
    """All limits of a client."""

    def make(self) -> tuple[Limits, Recorder, Meter]:
        """Make the limits of a client that knows one, of an endpoint."""
        limits, law = Limits(lambda: 0.0), Recorder(turns_at=50.0)
        meter = limits.known["endpoint_level /a"] = make_meter(law, "/a")
        return limits, law, meter

    def test_endpoint(self) -> None:
        """The limit of an endpoint hears of what goes there, and of nothing else."""
        limits, law, _ = self.make()
        ours, theirs = make_turn(endpoint="/a"), make_turn(endpoint="/b")

        for one in (ours, theirs):
            limits.take(one)
            limits.answered(one, 1.0)
            limits.give_back(one)
            limits.refused(one, 1.0, Refusal(LimitType.PARTNER))

        assert law.heard == [("take", ours), ("passed", ours, 1.0), ("give_back", ours), ("give_back", ours)]

    def test_what_is_known(self) -> None:
        """When a window begins, whether one asks, and when that is answered, is told for the endpoint."""
        limits, _, meter = self.make()
        known = [(limits.turns_at(where), limits.asks(where), limits.heard_at(where)) for where in ("/a", "/b")]
        meter.refused(make_turn(endpoint="/a"), 0.0, 1_000, Refusal())
        canary = make_turn(20.0, endpoint="/a")
        limits.take(canary)

        asking = [(limits.asks(where), limits.heard_at(where)) for where in ("/a", "/b")]
        limits.lost(canary)

        assert known == [(50.0, False, None), (INF, False, None)]
        assert asking == [(True, pytest.approx(20.01)), (False, None)]
        assert limits.heard_at("/a") is None

    def test_first_of_two(self) -> None:
        """Of two limits that are waited for as long, the one that is known longer is told."""
        limits = Limits(lambda: 0.0)
        for name in (LimitType.PARTNER, LimitType.USER):
            limits.refused(make_turn(), 0.0, Refusal(name, asked=5.0))

        assert limits.wait(0.0, "", 0.0) == (5.0, "partner limit")

    @pytest.mark.parametrize(
        ("kind", "closed", "opens_at"), [("unknown", True, 30.0), ("window", True, 10.0), ("unknown", False, 0.0)]
    )
    def test_linger(self, kind: str, *, closed: bool, opens_at: float) -> None:
        """A limit of which nothing is known, and that is closed, stays so for longer; no other one."""
        limits, law, meter = self.make()
        law.kind = kind
        if closed:
            meter.refused(make_turn(endpoint="/a"), 0.0, 1_000, Refusal())

        limits.linger(30.0)

        assert meter.opens_at == opens_at

    def test_part(self) -> None:
        """All limits are parted at an instant."""
        limits, law, _ = self.make()

        limits.part(2, 7.0, 30)

        assert (limits.sent, law.calls("part")) == (30, [(2, 7.0)])

    def test_told_after_light_work(self) -> None:
        """A limit that answers begin to tell after long light work is that of the last busy time."""
        limits = Limits(lambda: 0.0)
        for number in range(100):
            limits.answered(make_turn(10.0 * number), 10.0 * number + 0.1)
        burst = [make_turn(1000.0) for _ in range(50)]
        for one in burst:
            limits.answered(one, 1000.1)

        limits.answered(
            burst[-1], 1000.2, (Limit(type=LimitType.PARTNER, limit=100, remaining=40, resets_in=9.8),)
        )  # fmt: skip

        (meter,) = limits.known.values()
        assert meter.law.kind == "window"
        assert meter.law.turns_at == pytest.approx(1010.0)


class TestGovernor:
    """How many may be in flight."""

    def make(self) -> Governor:
        """Make a governor that has discovered a limit."""
        governor = Governor(100, lambda: 1.0)
        governor.discovered()
        return governor

    def test_discovered_once(self) -> None:
        """What is known of a limit takes back no care for the server."""
        governor = self.make()
        for number in range(10):
            governor.failed(number, number, 0.0)

        governor.discovered()

        assert governor.ceiling == 70.0

    def test_nothing_to_discover(self) -> None:
        """When a limit is known, answers make no ceiling lower."""
        governor = self.make()

        for number in range(200):
            governor.answered(number, 0.0)

        assert governor.ceiling == 100

    def test_half_of_all_fail(self) -> None:
        """Answers between failures forgive no more than their share."""
        governor = self.make()

        for number in range(0, 60, 2):
            governor.failed(number, number, 0.01 * number)
            governor.answered(number + 1, 0.01 * number)

        assert governor.ceiling < 100

    @pytest.mark.parametrize("limit", [None, 1, 300])
    def test_no_crowd(self, limit: int | None) -> None:
        """A limit on requests in flight is told, and neither one nor hundreds."""
        governor = self.make()
        for number in range(2_000):
            governor.answered(number, 0.0)

        assert not governor.crowded(Refusal(LimitType.PARTNER, limit, asked=1.0), 500)

    @pytest.mark.parametrize(("before", "now", "many"), [(0, 48, False), (0, 49, True), (1, 48, True)])
    def test_far_more(self, before: int, now: int, *, many: bool) -> None:
        """Far more than a limit of ten, in the last seconds, shows that it is one on requests in flight."""
        governor = self.make()
        for number, at in enumerate([-5.0] * 3 + [10.0] * before + [11.0] * now):
            governor.answered(number, at)

        assert governor.crowded(Refusal(LimitType.PARTNER, 10, asked=1.0), 10) == many


class TestGate:
    """All limits together, and the governor."""

    def make(self) -> Gate:
        """Make a gate without chance."""
        return Gate(64, lambda: 0.0)

    def break_down(self, gate: Gate) -> None:
        """Let so many fail that only one may ask."""
        while gate.delay(0.0, INTERACTIVE, "", 1) == 0.0:
            gate.failed(gate.admit(0.0, INTERACTIVE, ""), 0.0)

    def test_old_failures(self) -> None:
        """What left before the trouble was seen, and fails after it is over, begins no other pause."""
        gate = self.make()
        old = [gate.admit(0.0, INTERACTIVE, "") for _ in range(40)]
        self.break_down(gate)
        gate.answered(gate.admit(5.0, INTERACTIVE, ""), 5.1)

        for one in old:
            gate.failed(one, 5.2)

        assert gate.delay(5.3, INTERACTIVE, "", 1) == 0.0

    def test_refused_canary(self) -> None:
        """One that asks whether the trouble is over, and is refused by a limit, makes place for another one at once."""
        gate = self.make()
        self.break_down(gate)
        canary = gate.admit(5.0, INTERACTIVE, "")

        gate.refused(canary, 5.1, Refusal(asked=0.0))

        assert gate.held(5.1) == ("failures of the server", 1, 0.0)

    @pytest.mark.parametrize(("flying", "closes"), [(9, True), (10, False)])
    def test_crowd(self, flying: int, *, closes: bool) -> None:
        """A limit of ten that refuses the tenth in flight is one on those, and the ninth one of another kind."""
        gate = self.make()
        for _ in range(60):
            gate.answered(gate.admit(0.0, INTERACTIVE, ""), 0.0)
        turns = [gate.admit(0.0, INTERACTIVE, "") for _ in range(flying)]

        assert gate.refused(turns[-1], 0.1, Refusal(LimitType.PARTNER, 10, asked=1.0)) == closes

    def test_wait(self) -> None:
        """Who comes next has nobody ahead, and for nobody nothing is waited for."""
        gate = self.make()
        law = Recorder(ends=3.0)
        cast("Limits", gate.limits).known["partner_level"] = make_meter(law)

        found = gate.wait(0.0, ""), gate.ends_in(0.0, "", 5), gate.ends_in(0.0, "", 0)

        assert found == ((3.0, "partner limit"), 3.0, 0.0)
        assert law.calls("ends_in") == [(1.0, 0.0), (5.0, 0.0)]

    def test_delay(self) -> None:
        """The limits hear who asks, and how many are in flight."""
        gate = self.make()
        law = Recorder()
        cast("Limits", gate.limits).known["partner_level"] = make_meter(law)
        gate.admit(0.0, BULK, "")

        gate.delay(1.0, INTERACTIVE, "", 9.0)

        assert law.calls("delay") == [(1.0, INTERACTIVE, 9.0, 1)]


class TestQueue:
    """The lines of those who wait."""

    def join(self, queue: Queue[str], who: str, endpoint: str, *, first: bool = False) -> None:
        """Let somebody wait."""
        queue.join(who, INTERACTIVE, endpoint, deadline=math.inf, first=first)

    @pytest.mark.parametrize(
        ("joins", "order"),
        [
            pytest.param(["a/x", "b/y", "c/x", "d/y"], "abcd", id="as they came"),
            pytest.param(["a/x", "b/y", "c/y", "!d/y"], "dabc", id="first goes before all lines"),
            pytest.param(["!a/x", "!b/y", "c/z"], "bac", id="the last of those who go first"),
        ],
    )
    def test_across_lines(self, joins: list[str], order: str) -> None:
        """Lines of several endpoints are served as one, by who came first."""
        queue: Queue[str] = Queue()
        for join in joins:
            who, _, endpoint = join.lstrip("!").partition("/")
            self.join(queue, who, endpoint, first=join.startswith("!"))

        assert "".join(queue.pop(*queue.heads()[0]) for _ in joins) == order


class TestPacer:
    """Turns for calls."""

    def make(self) -> Pacer:
        """Make a pacer on the loop's clock, without chance."""
        return Pacer(Gate(64, lambda: 0.0), clock=asyncio.get_running_loop().time, sleep=asyncio.sleep)

    def refuse(self, pacer: Pacer, asked: float, endpoint: str | None = None) -> None:
        """Let one leave, and be refused by the limit of its endpoint, or the partner's."""
        turn = pacer.try_acquire(0.0, INTERACTIVE, endpoint or "")
        assert turn is not None
        pacer.refused(turn, Refusal(LimitType.PARTNER if endpoint is None else LimitType.ENDPOINT, asked=asked))

    def test_short_wait(self) -> None:
        """A gate that opens in a moment is closed."""

        async def main() -> Turn | None:
            pacer = self.make()
            self.refuse(pacer, asked=0.5)
            return pacer.try_acquire(0.0)

        assert simulate(main()) is None

    def test_backlog_of_a_call(self) -> None:
        """An interactive call hears of those before it, and not of a bulk run's."""

        async def main() -> list[tuple[Any, ...]]:
            pacer, law = self.make(), Recorder()
            cast("Limits", pacer.gate.limits).known["partner_level"] = make_meter(law)
            pacer.announce("run", 1_000)
            for lane in Lane:
                pacer.try_acquire(0.0, lane)
            return law.calls("delay")

        assert simulate(main()) == [(0.0, INTERACTIVE, 1, 0), (0.0, BULK, 1_001, 1)]

    def test_endpoint_of_a_call(self) -> None:
        """The wait for an endpoint is told for that one, and a call there that would be too late is told so."""

        async def main() -> tuple[float, float, BaseException | None]:
            pacer = self.make()
            turns = [pacer.try_acquire(0.0, INTERACTIVE, "/a") for _ in range(64)]
            waits = asyncio.create_task(pacer.acquire(INTERACTIVE, "/a", deadline=30.0))
            await asyncio.sleep(0)
            assert turns[0] is not None
            pacer.refused(turns[0], Refusal(LimitType.ENDPOINT, asked=50.0))
            await asyncio.wait([waits])
            self.refuse(pacer, asked=7.0, endpoint="")
            found = pacer.wait("/b")[0], pacer.wait()[0], waits.exception()
            await pacer.aclose()
            return found

        other, own, error = simulate(main())
        assert (other, own) == (0.0, 7.0)
        assert isinstance(error, TooLateError)

    def test_cancelled_as_it_is_sent_away(self) -> None:
        """A call that is cancelled in the moment in which it is told to be too late is cancelled."""

        async def main() -> bool:
            pacer = self.make()
            turns = [pacer.try_acquire(0.0) for _ in range(64)]
            waits = asyncio.create_task(pacer.acquire(deadline=30.0))
            await asyncio.sleep(0)
            assert turns[0] is not None
            pacer.refused(turns[0], Refusal(asked=50.0))
            waits.cancel()
            await asyncio.wait([waits])
            await pacer.aclose()
            return waits.cancelled()

        assert simulate(main())

    def test_no_timer_for_answers(self) -> None:
        """Where only an answer can tell when the next may leave, no timer is set."""

        async def main() -> int:
            pacer = self.make()
            turns = [pacer.try_acquire(0.0) for _ in range(64)]
            waits = asyncio.create_task(pacer.acquire())
            await asyncio.sleep(0)
            tasks = len(asyncio.all_tasks())
            assert turns[0] is not None
            pacer.answered(turns[0])
            await waits
            return tasks

        assert simulate(main()) == 2

    def test_run_that_has_ended(self) -> None:
        """A run of which nothing more is to come is not kept."""

        class Run:
            """Somebody who announces."""

        async def main() -> tuple[float, bool]:
            pacer, run = self.make(), Run()
            gone = weakref.ref(run)
            pacer.announce(run, 5)
            pacer.announce(run, 0)
            del run
            gc.collect()
            return pacer.demand()[1], gone() is None

        assert simulate(main()) == (0, True)

    def test_closed_pacer(self) -> None:
        """A pacer that was closed has no timer, and can be used again."""

        async def main() -> tuple[int, int]:
            pacer = self.make()
            self.refuse(pacer, asked=5.0)
            waits = asyncio.create_task(pacer.acquire())
            await asyncio.sleep(0)
            await pacer.aclose()
            await asyncio.wait([waits])
            assert waits.exception() is not None
            turn = await pacer.acquire()
            return turn.number, round(asyncio.get_running_loop().time())

        assert simulate(main()) == (2, 5)
