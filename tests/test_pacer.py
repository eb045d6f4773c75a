"""The gate as pure state, and the queue around it."""

import asyncio
import itertools
import math
import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from legitmark_async import ConfigurationError
from legitmark_async._pacer import Gate, Pacer, TooLateError
from legitmark_async.models import Limit, LimitType


def make_gate(capacity: int = 64) -> Gate:
    """Make a gate without jitter."""
    return Gate(capacity, random=lambda: 0.0)


def partner(remaining: int, resets_in: float, limit: int = 100) -> tuple[Limit, ...]:
    """Say what an answer may say of the partner's limit."""
    return (Limit(type=LimitType.PARTNER, limit=limit, remaining=remaining, resets_in=resets_in),)


def refuse(gate: Gate, turn: int, now: float, hold: float | None = 10.0, limit: int | None = None) -> None:
    """Refuse a request."""
    gate.refused(turn, now, hold, limit, "partner limit")


def pass_on(gate: Gate, now: float) -> tuple[int, int]:
    """Let requests pass one by one; tell how many did before one asks alone, and which one that is."""
    for passed in itertools.count():
        turn = gate.admit(now)
        if passed and turn == gate._canary:
            return passed, turn
        gate.answered(turn, now)
    raise AssertionError


class TestGate:
    """Pure state: `now` is a number of the test's."""

    def test_open_up_to_capacity(self) -> None:
        """Requests leave at once until as many are in flight as may be."""
        gate = make_gate(3)

        turns = [gate.admit(0.0) for _ in range(3)]

        assert gate.delay(0.0) == math.inf
        gate.answered(turns[0], 0.1)
        assert gate.delay(0.1) == 0.0

    def test_refusal_closes_for_all(self) -> None:
        """A 429 closes the gate for everyone until the window opens again."""
        gate = make_gate()
        turn, _ = gate.admit(0.0), gate.admit(0.0)

        refuse(gate, turn, 1.0, hold=10.0)

        assert gate.delay(1.0) == 10.0
        assert gate.delay(10.9) == pytest.approx(0.1)
        assert gate.delay(11.0) == 0.0

    def test_canary_goes_alone(self) -> None:
        """When the window opens one request leaves, and nobody else before its answer."""
        gate = make_gate()
        refuse(gate, gate.admit(0.0), 0.0)

        canary = gate.admit(10.0)

        assert gate.delay(10.0) > 0
        gate.answered(canary, 10.1)
        assert gate.delay(10.1) == 0.0

    def test_no_herd_after_opening(self) -> None:
        """After the canary the number in flight grows by one with each answer."""
        gate = make_gate()
        refuse(gate, gate.admit(0.0), 0.0)
        gate.answered(gate.admit(10.0), 10.1)

        widths = []
        for _ in range(4):
            turns = []
            while gate.delay(10.2) == 0.0:
                turns.append(gate.admit(10.2))
            widths.append(len(turns))
            for turn in turns:
                gate.answered(turn, 10.3)

        assert widths == [2, 4, 8, 16]

    def test_known_window_is_not_overrun(self) -> None:
        """Where the limit is known, so many leave after an opening, and then one asks alone."""
        gate = make_gate()
        refuse(gate, gate.admit(0.0), 0.0, limit=20)

        granted = 0
        gate.answered(gate.admit(10.0), 10.0)
        for granted in itertools.count(1):
            if granted == 20:
                break
            gate.answered(gate.admit(10.0), 10.0)
        probe = gate.admit(10.0)

        assert granted == 20
        assert gate.delay(10.0) > 0
        refuse(gate, probe, 10.1, hold=5.0, limit=20)
        assert gate.delay(10.1) == 5.0

    def test_learned_window_is_not_overrun(self) -> None:
        """Where no limit is told, as many leave after an opening as passed after the last one, and then one asks."""
        gate = make_gate()
        turns = [gate.admit(0.0) for _ in range(40)]
        for turn in turns[:20]:
            gate.answered(turn, 0.1)
        for turn in turns[22:]:
            refuse(gate, turn, 0.2)
        for turn in turns[20:22]:
            gate.answered(turn, 0.3)

        passed, asks = pass_on(gate, 20.0)
        refuse(gate, asks, 20.0)

        assert passed == 22
        assert pass_on(gate, 40.0)[0] == 22

    def test_more_is_asked_for(self) -> None:
        """When the one that asks passes, twice as many may leave before the next one asks."""
        gate = make_gate()
        turns = [gate.admit(0.0) for _ in range(11)]
        for turn in turns[:10]:
            gate.answered(turn, 0.1)
        refuse(gate, turns[10], 0.1)

        passed, asks = pass_on(gate, 20.0)
        gate.answered(asks, 20.0)

        assert passed == 10
        assert pass_on(gate, 20.0)[0] == 22 - 11

    def test_echoes_teach_nothing(self) -> None:
        """Refusals of requests that left before the gate closed don't close it again."""
        gate = make_gate()
        first, second, third = (gate.admit(0.0) for _ in range(3))
        refuse(gate, first, 0.1, hold=1.0)
        gate.answered(gate.admit(1.2), 1.3)

        refuse(gate, second, 1.4, hold=50.0)

        assert gate.delay(1.4) == 0.0
        gate.answered(third, 1.5)
        assert gate.in_flight == 0

    def test_echo_may_lengthen_the_wait(self) -> None:
        """While the gate is closed, an echo of another limit that opens later counts."""
        gate = make_gate()
        first, second = gate.admit(0.0), gate.admit(0.0)
        refuse(gate, first, 0.0, hold=1.0)

        refuse(gate, second, 0.5, hold=60.0)

        assert gate.delay(0.5) == 60.0

    def test_refused_canaries_wait_longer(self) -> None:
        """A server whose waits are too short, or none, is asked less and less often."""
        gate = make_gate()
        refuse(gate, gate.admit(0.0), 0.0, hold=0.0)

        waits, now = [], 0.0
        for _ in range(10):
            waits.append(gate.delay(now))
            now += waits[-1]
            refuse(gate, gate.admit(now), now, hold=0.0)

        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]

    def test_lost_canary_is_replaced(self) -> None:
        """A canary that has no answer makes place for another one."""
        gate = make_gate()
        refuse(gate, gate.admit(0.0), 0.0)
        canary = gate.admit(10.0)

        gate.lost(canary)

        assert gate.delay(10.0) == 0.0

    def test_stalled_canary_gets_company(self) -> None:
        """A canary without an answer doesn't stop everybody for as long as it takes."""
        gate = make_gate()
        refuse(gate, gate.admit(0.0), 0.0)
        gate.admit(10.0)

        assert gate.delay(10.0) == 5.0
        second = gate.admit(15.0)
        gate.answered(second, 15.1)
        assert gate.delay(15.1) == 0.0

    def test_spent_window_closes_before_a_refusal(self) -> None:
        """An answer that says nothing remains closes the gate until the reset it tells."""
        gate = make_gate()

        gate.answered(gate.admit(0.0), 1.0, partner(0, 7.0))

        assert gate.delay(1.0) == 7.0
        assert gate.reason == "partner limit of 100"

    def test_remaining_counts_what_left_since(self) -> None:
        """Requests that left after the one whose answer told what remains are taken off."""
        gate = make_gate()
        first, second = gate.admit(0.0), gate.admit(0.0)

        gate.answered(first, 1.0, partner(2, 7.0))
        assert gate.delay(1.0) == 0.0
        gate.admit(1.0)

        assert gate.delay(1.0) == 7.0
        gate.answered(second, 1.1, partner(1, 7.0))
        assert gate.delay(1.1) == pytest.approx(6.9)

    def test_late_answers_know_less(self) -> None:
        """An answer that was overtaken by that of a later request changes nothing."""
        gate = make_gate()
        first, second = gate.admit(0.0), gate.admit(0.0)
        gate.answered(second, 1.0, partner(50, 7.0))

        gate.answered(first, 1.1, partner(0, 0.2))

        assert gate.delay(1.1) == 0.0

    def test_reset_in_the_past_is_forgotten(self) -> None:
        """When the window has passed, what remained of it counts no more."""
        gate = make_gate()
        gate.answered(gate.admit(0.0), 1.0, partner(1, 2.0))

        assert gate.delay(4.0) == 0.0
        gate.admit(4.0)

        assert gate.delay(4.0) == 0.0

    def test_wait_is_bounded(self) -> None:
        """No server makes the gate wait for more than an hour without asking again."""
        gate = make_gate()

        refuse(gate, gate.admit(0.0), 0.0, hold=80_000.0)

        assert gate.delay(0.0) == 3600.0

    def test_jitter_only_adds(self) -> None:
        """The gate never opens before the server said."""
        gate = Gate(64, random=lambda: 1.0)

        refuse(gate, gate.admit(0.0), 0.0, hold=10.0)

        assert gate.delay(0.0) == pytest.approx(10.2)

    def test_start_is_not_a_flood(self) -> None:
        """A client of a thousand begins with 64 in flight, and doubles that each second without a refusal."""
        gate = make_gate(1000)

        def fill(now: float) -> int:
            while gate.delay(now) == 0.0:
                gate.admit(now)
            return gate.in_flight

        assert fill(0.0) == 64
        gate.answered(1, 0.1)
        assert fill(0.1) == 64
        gate.answered(2, 1.2)
        assert fill(1.2) == 128
        gate.answered(3, 2.3)
        assert fill(2.3) == 256


class GateMachine(RuleBasedStateMachine):
    """Anything may happen to a gate in any order."""

    turns = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.gate = make_gate(8)
        self.now = 0.0
        self.out: set[int] = set()
        self.last = 0

    @rule(seconds=st.floats(0.0, 20.0))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @precondition(lambda self: self.gate.delay(self.now) == 0.0)
    @rule(target=turns)
    def admit(self) -> int:
        """A request leaves, with a number of its own, and never while the gate is closed."""
        was_closed = self.gate.closed
        turn = self.gate.admit(self.now)
        assert not (was_closed and self.now < self.gate.opens_at)
        assert turn == self.last + 1
        self.last = turn
        self.out.add(turn)
        return turn

    @rule(turn=consumes(turns), remaining=st.none() | st.integers(0, 20), resets_in=st.floats(0.0, 30.0))
    def answer(self, turn: int, remaining: int | None, resets_in: float) -> None:
        """A request is answered."""
        self.out.discard(turn)
        self.gate.answered(turn, self.now, () if remaining is None else partner(remaining, resets_in))

    @rule(turn=consumes(turns), hold=st.none() | st.floats(0.0, 1e6), limit=st.none() | st.integers(1, 20))
    def refuse(self, turn: int, hold: float | None, limit: int | None) -> None:
        """A request is refused."""
        self.out.discard(turn)
        self.gate.refused(turn, self.now, hold, limit, "limit")

    @rule(turn=consumes(turns))
    def lose(self, turn: int) -> None:
        """A request has no answer."""
        self.out.discard(turn)
        self.gate.lost(turn)

    @invariant()
    def counts(self) -> None:
        """The gate knows how many are in flight, and lets out no more than it may."""
        assert self.gate.in_flight == len(self.out) <= 8

    @invariant()
    def never_stuck(self) -> None:
        """With nothing in flight, a bounded wait always ends in a turn."""
        if not self.out:
            delay = self.gate.delay(self.now)
            assert delay <= 3601.0
            assert self.gate.delay(self.now + delay + 1e-6) == 0.0


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


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
    return Pacer(make_gate(capacity), clock=time.clock, sleep=time.sleep)


def close(pacer: Pacer, hold: float = 10.0) -> None:
    """Close a pacer's gate by a refusal."""
    turn = pacer.try_acquire(0.0)
    assert turn is not None
    assert pacer.refused(turn, hold, None, "partner limit")


async def test_turn_at_once() -> None:
    """As long as the gate is open nobody waits."""
    pacer = make_pacer(FakeTime())

    assert pacer.try_acquire(0.0) == 1
    assert await pacer.acquire() == 2


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


async def test_too_late_is_told_at_once() -> None:
    """A call whose deadline comes before the window opens is told so, with the wait and its reason."""
    pacer = make_pacer(FakeTime())
    close(pacer, hold=30.0)

    with pytest.raises(TooLateError) as caught:
        await pacer.acquire(deadline=5.0)

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

    pacer.refused(held, 30.0, None, "partner limit")
    await settle()

    assert isinstance(short.exception(), TooLateError)
    assert not patient.done()
    patient.cancel()
    await asyncio.wait([patient])
    await pacer.aclose()


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

    pacer.refused(canary, 2.0, None, "partner limit")
    await settle()
    await time.pass_by(2.1)

    assert another.done()
    pacer.answered(await another)
    await pacer.aclose()


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
        await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), timeout=2)

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
