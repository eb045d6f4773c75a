"""The pacer: who waits, in which order, and one timer."""

import asyncio
import math
import random
from contextlib import closing
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from simulator import VirtualLoop

from legitmark_async import ConfigurationError
from legitmark_async._pacer import Gate, Lane, Pacer, Refusal, TooLateError
from legitmark_async.models import Limit, LimitType

PARTNER = "partner_level"


class FakeTime:
    """A clock and a sleep of the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Sleep until the test lets so much time pass."""
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, sleeper))
        await sleeper

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and everybody who wakes do what they do."""
        self.now += seconds
        for wakes_at, sleeper in self._sleepers:
            if wakes_at <= self.now and not sleeper.done():
                sleeper.set_result(None)
        await settle()

    @property
    def sleeping(self) -> int:
        """How many sleep."""
        return sum(not sleeper.done() for _, sleeper in self._sleepers)


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(6):
        await asyncio.sleep(0)


def make_pacer(time: FakeTime, capacity: int = 64) -> Pacer:
    """Make a pacer in fake time."""
    return Pacer(Gate(capacity, random=lambda: 0.0), clock=time.clock, sleep=time.sleep)


def close(pacer: Pacer, hold: float = 10.0) -> None:
    """Close a pacer's gate by a refusal."""
    turn = pacer.try_acquire(0.0)
    assert turn is not None
    assert pacer.refused(turn, Refusal(PARTNER, resets_in=hold))


def test_timer_that_ends_at_once() -> None:
    """A wait too short for the clock to tell does not keep the loop busy at one and the same instant for ever."""

    class AlmostOpen(Gate):
        def delay(self, now: float, lane: Lane, endpoint: str, backlog: float) -> float:
            return super().delay(now, lane, endpoint, backlog) if now > 4000.0 else 1e-14

    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        turn = await Pacer(AlmostOpen(4, lambda: 0.5), clock=loop.time, sleep=asyncio.sleep).acquire()
        return turn.number, loop.time()

    loop = VirtualLoop()
    loop.now = 4000.0
    with closing(loop):
        number, now = loop.run_until_complete(main())

    assert number == 1
    assert 4000.0 < now < 4000.001


async def test_turn_at_once() -> None:
    """As long as the gate is open nobody waits."""
    pacer = make_pacer(FakeTime())

    first = pacer.try_acquire(0.0)

    assert first is not None
    assert (first.number, (await pacer.acquire()).number) == (1, 2)


async def test_first_come_first_served() -> None:
    """Turns are given in the order in which they were asked for."""
    pacer = make_pacer(FakeTime(), capacity=1)
    served: list[int] = []

    async def call(number: int) -> None:
        turn = await pacer.acquire()
        served.append(number)
        pacer.answered(turn)

    held = pacer.try_acquire(0.0)
    assert held is not None
    calls = [asyncio.create_task(call(number)) for number in range(50)]
    await settle()
    pacer.answered(held)
    await asyncio.gather(*calls)

    assert served == list(range(50))


async def test_retry_goes_first() -> None:
    """A call that had its turn goes before those that never had one."""
    pacer = make_pacer(FakeTime(), capacity=1)
    held = pacer.try_acquire(0.0)
    assert held is not None
    new = asyncio.create_task(pacer.acquire())
    await settle()

    again = asyncio.create_task(pacer.acquire(first=True))
    await settle()
    pacer.answered(held)
    await settle()

    assert again.done()
    assert not new.done()
    pacer.answered(await again)
    pacer.answered(await new)


async def test_one_timer_for_all() -> None:
    """Any number of calls wait for the window by one timer, and closing the pacer stops it."""
    time = FakeTime()
    pacer = make_pacer(time)
    close(pacer)

    calls = [asyncio.create_task(pacer.acquire()) for _ in range(100)]
    await settle()

    assert time.sleeping == 1
    assert pacer.waiting == 100
    await pacer.aclose()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {ConfigurationError}
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("lane", Lane)
async def test_too_late_is_told_at_once(lane: Lane) -> None:
    """A call whose deadline comes before the window opens is told so, with the wait and its reason."""
    pacer = make_pacer(FakeTime())
    close(pacer, hold=30.0)

    with pytest.raises(TooLateError) as caught:
        await pacer.acquire(lane, deadline=5.0)

    assert caught.value.wait == pytest.approx(30.0)
    assert caught.value.reason == "partner limit"
    assert pacer.waiting == 0


async def test_waiting_call_is_told_too() -> None:
    """A call that already waits is told as soon as the gate closes for longer than it can wait."""
    pacer = make_pacer(FakeTime(), capacity=1)
    held = pacer.try_acquire(0.0)
    assert held is not None
    short = asyncio.create_task(pacer.acquire(deadline=5.0))
    patient = asyncio.create_task(pacer.acquire())
    await settle()

    pacer.refused(held, Refusal(PARTNER, resets_in=30.0))
    await settle()

    assert isinstance(short.exception(), TooLateError)
    assert not patient.done()
    patient.cancel()
    await asyncio.wait([patient])
    await pacer.aclose()


class Recording(Gate):
    """A gate that notes what it is asked."""

    asked: ClassVar[list[tuple[Lane, str, float]]] = []

    def delay(self, now: float, lane: Lane, endpoint: str, backlog: float) -> float:
        """Note it, and answer as always."""
        self.asked.append((lane, endpoint, backlog))
        return super().delay(now, lane, endpoint, backlog)


async def test_what_the_gate_is_asked() -> None:
    """The gate hears who asks, whereto, and how many wait beside it: for bulk calls also those to come."""
    time, asked = FakeTime(), Recording.asked
    asked.clear()
    pacer = Pacer(Recording(2, random=lambda: 0.0), clock=time.clock, sleep=time.sleep)
    turns = [pacer.try_acquire(0.0, Lane.BULK, "/a"), pacer.try_acquire(0.0)]
    for source, count in (("one", 5.0), ("two", 1.0), ("one", 5.0), ("three", 1.0), ("three", 0.0), ("four", 0.0)):
        pacer.announce(source, count)

    calls = [asyncio.create_task(pacer.acquire(lane, "/b")) for lane in (Lane.BULK, Lane.BULK, Lane.INTERACTIVE)]
    await settle()
    demand = pacer.demand()
    assert pacer.try_acquire(0.0) is None
    pacer.serve()

    assert asked[:2] == [(Lane.BULK, "/a", 1), (Lane.INTERACTIVE, "", 1)]
    assert asked[-2:] == [(Lane.INTERACTIVE, "/b", 1), (Lane.BULK, "/b", 3 + 6.0)]
    assert demand == ({(Lane.BULK, "/b"): 2, (Lane.INTERACTIVE, "/b"): 1}, 6.0)
    assert [(turn.lane, turn.endpoint) for turn in turns if turn] == [(Lane.BULK, "/a"), (Lane.INTERACTIVE, "")]
    for turn in turns:
        assert turn is not None
        pacer.answered(turn)
    await settle()
    assert [(call.result().lane, call.result().endpoint) for call in calls if call.done()] == [
        (Lane.BULK, "/b"),
        (Lane.INTERACTIVE, "/b"),
    ]
    calls[1].cancel()
    await settle()
    assert (pacer.waiting, pacer.demand()) == (0, ({}, 6.0))
    await pacer.aclose()


async def test_owed_call_asks_as_others_do() -> None:
    """A bulk call that interactive ones have held up long enough asks as one of them, and is counted as what it is."""
    time, asked = FakeTime(), Recording.asked
    pacer = Pacer(Recording(1, random=lambda: 0.0), clock=time.clock, sleep=time.sleep)
    held = pacer.try_acquire(0.0)
    assert held is not None
    lanes = [Lane.BULK, *[Lane.INTERACTIVE] * 5]
    calls = [asyncio.create_task(pacer.acquire(lane)) for lane in lanes]
    await settle()
    served = [held]
    for _ in range(4):
        pacer.answered(served[-1])
        await settle()
        served += [call.result() for call in calls if call.done()]
        calls = [call for call in calls if not call.done()]
    assert {turn.lane.name for turn in served} == {"INTERACTIVE"}

    asked.clear()
    pacer.answered(served[-1])
    await settle()

    assert asked[0] == (Lane.INTERACTIVE, "", 2.0)
    assert [call.result().lane.name for call in calls if call.done()] == ["BULK"]
    await pacer.aclose()
    await asyncio.wait(calls)


async def test_hurried_are_counted() -> None:
    """Those who wait with a deadline are looked at when the gate closes; without one nobody has to be."""
    pacer = make_pacer(FakeTime())
    spend(pacer)
    patient = asyncio.create_task(pacer.acquire())
    await settle()
    none = pacer._hurried
    hurried = [asyncio.create_task(pacer.acquire(deadline=50.0)) for _ in range(2)]
    await settle()
    two = pacer._hurried
    hurried[0].cancel()
    await settle()
    one = pacer._hurried
    await pacer.aclose()
    await asyncio.wait([patient, *hurried])

    assert (none, two, one, pacer._hurried) == (0, 2, 1, 0)


async def test_lost_canary_makes_place() -> None:
    """If nobody waits any more for the one that asks whether the server has recovered, another one asks at once."""
    time = FakeTime()
    pacer = make_pacer(time)
    while (turn := pacer.try_acquire(time.now)) is not None:
        pacer.failed(turn)
    time.now = 5.0
    canary = pacer.try_acquire(time.now)
    assert canary is not None
    assert pacer.try_acquire(time.now) is None

    pacer.lost(canary)

    assert pacer.try_acquire(time.now) is not None


async def test_all_who_may_leave() -> None:
    """If places for several come free at once, several leave at once."""
    pacer = make_pacer(FakeTime(), capacity=2)
    turns = [pacer.try_acquire(0.0) for _ in range(2)]
    calls = [asyncio.create_task(pacer.acquire()) for _ in range(3)]
    await settle()

    for turn in turns:
        assert turn is not None
        pacer.gate.answered(turn, 0.0)
    pacer.serve()
    await settle()

    assert [call.done() for call in calls] == [True, True, False]
    await pacer.aclose()
    await asyncio.wait(calls)


async def test_first_in_line_by_one() -> None:
    """A call that goes first has the first place of the next window, and the next call only that of the one after."""
    pacer = make_pacer(FakeTime())
    turn = pacer.try_acquire(0.0)
    assert turn is not None
    pacer.answered(turn, (Limit(type=LimitType.PARTNER, limit=1, remaining=0, resets_in=10.0, resets_at=10.0),))
    call = asyncio.create_task(pacer.acquire())
    await settle()

    first = asyncio.create_task(pacer.acquire(first=True, deadline=10.0))
    await settle()
    with pytest.raises(TooLateError):
        await pacer.acquire(deadline=19.0)

    assert not first.done()
    assert pacer.wait() == (10.0, "partner limit of 1")
    await pacer.aclose()
    await asyncio.wait([call, first])


def spend(pacer: Pacer, endpoint: str = "") -> None:
    """Let a pacer learn of a limit of 3 in windows of 10 s, of which the first is spent."""
    turn = pacer.try_acquire(0.0, Lane.BULK, endpoint)
    assert turn is not None
    kind = LimitType.ENDPOINT if endpoint else LimitType.PARTNER
    pacer.answered(turn, (Limit(type=kind, limit=3, remaining=0, resets_in=10.0, resets_at=10.0),))


@pytest.mark.parametrize(
    ("waiting", "lane", "first", "wait"),
    [
        pytest.param((2, 1), Lane.INTERACTIVE, False, 10.0, id="bulk calls come later"),
        pytest.param((2, 1), Lane.BULK, False, 20.0, id="all others come first"),
        pytest.param((0, 3), Lane.BULK, False, 20.0, id="so do other bulk calls"),
        pytest.param((3, 0), Lane.INTERACTIVE, False, 20.0, id="the first in line come first"),
        pytest.param((3, 0), Lane.INTERACTIVE, True, 10.0, id="but not before one that has had its turn"),
        pytest.param((3, 3), Lane.BULK, True, 10.0, id="also if it is a bulk call"),
    ],
)
async def test_too_late_by_the_line(*, waiting: tuple[int, int], lane: Lane, first: bool, wait: float) -> None:
    """Whether a call has a chance depends on who goes before it; one whose turn comes just in time has."""
    pacer = make_pacer(FakeTime())
    spend(pacer)
    lanes = [each for each, count in zip(Lane, waiting, strict=True) for _ in range(count)]
    calls = [asyncio.create_task(pacer.acquire(each)) for each in lanes]
    await settle()

    with pytest.raises(TooLateError) as caught:
        await pacer.acquire(lane, first=first, deadline=wait - 0.1)
    calls.append(asyncio.create_task(pacer.acquire(lane, first=first, deadline=wait)))
    await settle()

    assert caught.value.args == (caught.value.wait, caught.value.reason) == (wait, "partner limit of 3")
    assert pacer.waiting == len(calls)
    await pacer.aclose()
    assert [str(call.exception()) for call in calls] == [
        "the client was closed while the call waited for its turn"
    ] * len(calls)


async def test_too_late_at_another_endpoint() -> None:
    """A limit of one endpoint is no reason to refuse calls to another, or to foretell their end."""
    time = FakeTime()
    pacer = make_pacer(time)
    spend(pacer, "/slow")

    with pytest.raises(TooLateError):
        await pacer.acquire(Lane.BULK, "/slow", deadline=5.0)
    pacer.answered(await pacer.acquire(Lane.BULK, "/quick", deadline=5.0))

    assert [pacer.ends_in(endpoint, 3) for endpoint in ("/slow", "/quick")] == [10.0, None]
    assert pacer.ends_in("/slow", 0) == 0.0
    assert [limit.endpoint for limit in pacer.rate_limits(wall=0.0)] == ["/slow"]


async def test_expelled_by_the_line() -> None:
    """When the gate closes for longer, those are told whose turn can't come in time any more, and only they."""
    pacer = make_pacer(FakeTime())
    held = pacer.try_acquire(0.0)
    assert held is not None
    spend(pacer)
    lanes = [Lane.INTERACTIVE, Lane.INTERACTIVE, Lane.INTERACTIVE, Lane.BULK]
    deadlines = [math.inf, math.inf, 12.0, 20.0]
    calls = [
        asyncio.create_task(pacer.acquire(lane, deadline=deadline))
        for lane, deadline in zip(lanes, deadlines, strict=True)
    ]
    await settle()

    pacer.refused(held, Refusal(PARTNER, 3, resets_in=12.0))
    await settle()

    assert [call.done() for call in calls] == [False, False, False, True]
    late = calls[-1].exception()
    assert isinstance(late, TooLateError)
    assert (late.wait, late.reason) == (22.0, "partner limit of 3")
    await pacer.aclose()
    await asyncio.wait(calls)


async def test_cancelled_with_a_turn_in_hand() -> None:
    """A call that is cancelled in the moment it gets its turn gives the turn to the next one."""
    pacer = make_pacer(FakeTime(), capacity=1)
    held = pacer.try_acquire(0.0)
    assert held is not None
    first, second = asyncio.create_task(pacer.acquire()), asyncio.create_task(pacer.acquire())
    await settle()

    pacer.answered(held)
    first.cancel()
    turn = await second

    assert first.cancelled() or first.cancelling()
    pacer.answered(turn)
    assert pacer.gate.in_flight == 0


async def test_cancelled_as_the_pacer_closes() -> None:
    """A call that is cancelled just before its pacer is closed ends as cancelled."""
    pacer = make_pacer(FakeTime())
    close(pacer)
    call = asyncio.create_task(pacer.acquire())
    await settle()

    call.cancel()
    await pacer.aclose()

    assert call.cancelled()
    assert pacer.waiting == 0


async def test_cancelled_timer_is_set_again() -> None:
    """Something that cancels every task of the loop but the calls doesn't leave them waiting for ever."""
    time = FakeTime()
    pacer = make_pacer(time)
    close(pacer)
    call = asyncio.create_task(pacer.acquire())
    await settle()

    (timer,) = asyncio.all_tasks() - {asyncio.current_task(), call}
    timer.cancel()
    await settle()
    await time.pass_by(10.0)

    pacer.answered(await call)
    await pacer.aclose()


async def test_timer_is_moved_forward() -> None:
    """A timer that was set for later doesn't keep the gate closed when it may open sooner."""
    time = FakeTime()
    pacer = make_pacer(time)
    close(pacer)
    call = asyncio.create_task(pacer.acquire())
    another = asyncio.create_task(pacer.acquire())
    await settle()
    await time.pass_by(10.0)
    canary = await call

    pacer.refused(canary, Refusal(PARTNER, resets_in=2.0))
    await settle()
    await time.pass_by(2.1)

    assert another.done()
    pacer.answered(await another)
    await pacer.aclose()


async def test_interactive_goes_before_bulk() -> None:
    """Calls that somebody awaits go before those of bulk runs, but the fifth turn is a bulk call's."""
    pacer = make_pacer(FakeTime(), capacity=1)
    order: list[Lane] = []

    async def call(lane: Lane) -> None:
        turn = await pacer.acquire(lane, "/api/v2/sr")
        order.append(lane)
        pacer.answered(turn)

    held = pacer.try_acquire(0.0)
    assert held is not None
    calls = [asyncio.create_task(call(lane)) for lane in [Lane.BULK] * 3 + [Lane.INTERACTIVE] * 8]
    await settle()
    pacer.answered(held)
    await asyncio.gather(*calls)

    assert [lane is Lane.BULK for lane in order] == [False] * 4 + [True] + [False] * 4 + [True, True]


async def test_one_endpoint_is_closed_alone() -> None:
    """A limit of one endpoint lets the calls to others pass those that wait for it."""
    pacer = make_pacer(FakeTime())
    turn = pacer.try_acquire(0.0, Lane.BULK, "/slow")
    assert turn is not None
    pacer.refused(turn, Refusal(LimitType.ENDPOINT, resets_in=10.0))
    slow = asyncio.create_task(pacer.acquire(Lane.BULK, "/slow"))
    await settle()

    quick = asyncio.create_task(pacer.acquire(Lane.BULK, "/quick"))
    await settle()

    assert quick.done()
    assert not slow.done()
    assert pacer.wait("/slow") == (10.0, "endpoint limit")
    assert pacer.wait("/quick") == (0.0, "")
    pacer.answered(await quick)
    await pacer.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await slow


async def test_a_spent_window_is_waited_for_in_time_only() -> None:
    """A call whose place in line comes after its deadline is told so, although the gate is open."""
    time = FakeTime()
    pacer = make_pacer(time)
    told = Limit(type=LimitType.PARTNER, limit=10, remaining=2, resets_in=30.0, resets_at=30.0)
    turn = pacer.try_acquire(0.0)
    assert turn is not None
    time.now = 0.1

    pacer.answered(turn, (told,))
    for _ in range(2):
        await pacer.acquire(deadline=5.0)
    with pytest.raises(TooLateError) as caught:
        await pacer.acquire(deadline=5.0)

    assert caught.value.wait == pytest.approx(30.0)
    assert caught.value.reason == "partner limit of 10"


async def test_what_is_known() -> None:
    """What was learned of a limit can be looked up: whence, what is left, and who waits."""
    time = FakeTime()
    pacer = make_pacer(time)
    assert pacer.rate_limits(wall=1000.0) == ()
    turns = [pacer.try_acquire(0.0) for _ in range(3)]
    time.now = 1.0
    for turn in turns[:2]:
        assert turn is not None
        pacer.answered(turn)
    assert turns[2] is not None
    pacer.refused(turns[2], Refusal(PARTNER, 2, resets_in=9.0, asked=9.0))
    call = asyncio.create_task(pacer.acquire())
    await settle()

    (known,) = pacer.rate_limits(wall=1000.0)

    assert (known.type, known.endpoint, known.limit, known.kind) == (LimitType.PARTNER, None, 2, "unknown")
    assert (known.source, known.learned_at) == ("429", datetime.fromtimestamp(1000.0, UTC))
    assert (known.opens_in, known.remaining, known.resets_at, known.waiting) == (9.0, None, None, 1)
    await time.pass_by(9.0)
    pacer.answered(await call)
    (known,) = pacer.rate_limits(wall=1009.0)
    assert (known.kind, known.remaining, known.opens_in) == ("window", 1, 0.0)
    assert known.per_second == pytest.approx(0.2)
    assert known.resets_at is not None
    assert known.resets_at.timestamp() == pytest.approx(1019.0)
    await pacer.aclose()


async def test_what_else_is_waited_for() -> None:
    """While calls wait for other calls of the client, or for the server to recover, that is told among the limits."""
    time = FakeTime()
    pacer = make_pacer(time, capacity=2)
    turns = [pacer.try_acquire(0.0) for _ in range(2)]
    assert pacer.rate_limits(wall=1000.0) == ()
    call = asyncio.create_task(pacer.acquire())
    await settle()

    (full,) = pacer.rate_limits(wall=1000.0)
    for turn in turns:
        assert turn is not None
        pacer.answered(turn)
    while (failing := pacer.try_acquire(0.0)) is not None:
        pacer.failed(failing)
    waiting = asyncio.create_task(pacer.acquire())
    await settle()
    (failed,) = pacer.rate_limits(wall=1000.0)

    assert (full.type, full.kind, full.source) == ("requests in flight", "in flight", "client")
    assert (full.limit, full.remaining, full.opens_in, full.waiting) == (2, 0, 0.0, 1)
    assert (failed.type, failed.limit, failed.remaining, failed.waiting) == ("failures of the server", 1, 0, 1)
    assert 0.0 < failed.opens_in <= 4.0
    assert failed.learned_at == datetime.fromtimestamp(1000.0, UTC)
    pacer.answered(await call)
    await pacer.aclose()
    await asyncio.wait([waiting])


async def test_end_is_foretold_by_what_is_known() -> None:
    """As long as nothing is known of a limit there is no foretelling; then it counts windows."""
    time = FakeTime()
    pacer = make_pacer(time)
    assert pacer.ends_in("", 10) is None
    turn = pacer.try_acquire(0.0)
    assert turn is not None
    pacer.answered(turn, (Limit(type=LimitType.PARTNER, limit=10, remaining=9, resets_in=60.0, resets_at=60.0),))

    assert pacer.ends_in("", 0) == 0.0
    assert pacer.ends_in("", 9) == 0.0
    assert pacer.ends_in("", 10) == pytest.approx(60.0)
    assert pacer.ends_in("", 20) == pytest.approx(120.0)


async def test_failures_stop_all_but_one() -> None:
    """When the server only fails, one request at a time asks whether it still does, and the others wait for it."""
    time = FakeTime()
    pacer = make_pacer(time)
    while (turn := pacer.try_acquire(time.now)) is not None:
        pacer.failed(turn)
        assert turn.number < 30

    assert pacer.wait()[1] == "failures of the server"
    calls = [asyncio.create_task(pacer.acquire()) for _ in range(5)]
    await time.pass_by(5.0)
    assert [call.done() for call in calls] == [True, False, False, False, False]
    pacer.answered(calls[0].result())
    await settle()
    pacer.lost(await calls[1])
    pacer.lost(await calls[2])
    for call in calls[3:]:
        pacer.answered(await call)


@settings(max_examples=1000, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32), capacity=st.integers(1, 20), hold=st.floats(1.0, 100.0))
def test_half_of_the_waiting_are_cancelled(seed: int, capacity: int, hold: float) -> None:
    """Of 200 calls at the gate half are cancelled at random: the rest get their turns, in order, and nothing leaks."""

    async def scene() -> None:
        chance = random.Random(seed)
        time = FakeTime()
        pacer = make_pacer(time, capacity)
        close(pacer, hold)
        served: list[int] = []
        calls = [asyncio.create_task(_call(pacer, number, served)) for number in range(200)]
        await settle()
        cancelled = set(chance.sample(range(200), 100))
        before = {number for number in cancelled if chance.random() < 0.5}

        for number in before:
            calls[number].cancel()
        await time.pass_by(hold * 1.1)
        for number in cancelled - before:
            calls[number].cancel()
        await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), timeout=20)

        assert set(range(200)) - cancelled <= set(served)
        assert served == sorted(served)
        assert pacer.gate.in_flight == pacer.waiting == 0
        await pacer.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    # A loop of its own, which leaves the one of the test runner, and its debug mode, alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop, debug=False) as runner:
        runner.run(scene())


async def _call(pacer: Pacer, number: int, served: list[int]) -> None:
    turn = await pacer.acquire()
    served.append(number)
    try:
        await asyncio.sleep(0)
    except BaseException:
        pacer.lost(turn)
        raise
    pacer.answered(turn)
