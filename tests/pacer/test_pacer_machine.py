"""Anything may happen to a pacer, in any order: nobody hangs, no turn is lost or given twice, and order is kept."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from simulator import LimitedServer, VirtualLoop, bulk, make_pacer, simulate

from legitmark_async import ConfigurationError
from legitmark_async._pacer import Gate, Lane, Pacer, Refusal, Turn
from legitmark_async._pacer._window import Window
from legitmark_async.models import Limit, LimitType
from legitmark_async.sandbox import HeaderMode, Limits

pytestmark = pytest.mark.no_cover

CAPACITY = 8
LANES = st.sampled_from(Lane)
ENDPOINTS = st.sampled_from(["/a", "/b"])
TYPES = st.sampled_from([None, "partner_level", "user_level", "endpoint_specific", "tenant_level"])
SECONDS = st.floats(0.0, 100.0)
COUNTS = st.integers(1, 20)

Call = asyncio.Task[Turn]


class PacerMachine(RuleBasedStateMachine):
    """The real pacer, on a loop whose time passes only when it is told to."""

    calls = Bundle("calls")
    turns = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.pacer = Pacer(Gate(CAPACITY, lambda: 0.5), clock=self.loop.time, sleep=asyncio.sleep)
        self.waiting: dict[Call, tuple[Lane, str, bool]] = {}
        self.out: dict[int, Turn] = {}
        self.numbers: set[int] = set()
        self.used: dict[Window, int] = {}

    def run_for(self, seconds: float) -> None:
        """Let time pass, and take the turns that were given."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.loop.run_until_complete(asyncio.sleep(0))
        served = [call for call in self.waiting if call.done() and not call.cancelled() and call.exception() is None]
        # In each line those who came first went first; whoever went before all others is not counted.
        for line in {self.waiting[call][:2] for call in served}:
            ordinary = [
                call for call, (lane, endpoint, first) in self.waiting.items() if (lane, endpoint) == line and not first
            ]
            done = [call in served for call in ordinary]
            assert done == sorted(done, reverse=True)
        for call in served:
            del self.waiting[call]
            turn = call.result()
            assert turn.number not in self.numbers
            self.numbers.add(turn.number)
            self.out[turn.number] = turn

    def tell(self, what: Callable[[], object]) -> None:
        """Tell the pacer something from within the loop, and take the turns that were given."""

        async def main() -> None:
            what()

        self.loop.run_until_complete(main())
        self.run_for(0.0)

    def take(self) -> Turn | None:
        """Take any request that is out."""
        return self.out.pop(min(self.out)) if self.out else None

    @rule(target=calls, lane=LANES, endpoint=ENDPOINTS, first=st.booleans())
    def acquire(self, lane: Lane, endpoint: str, *, first: bool) -> Call:
        """A call asks for its turn."""
        call = self.loop.create_task(self.pacer.acquire(lane, endpoint, first=first))
        self.waiting[call] = lane, endpoint, first
        self.run_for(0.0)
        return call

    @rule(call=consumes(calls))
    def cancel(self, call: Call) -> None:
        """A call is cancelled, waiting or not."""
        call.cancel()
        self.waiting.pop(call, None)
        self.run_for(0.0)

    @rule(seconds=SECONDS)
    def jump(self, seconds: float) -> None:
        """The clock jumps, and only then the loop gets to run."""
        self.loop.now += seconds
        self.run_for(0.0)

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.run_for(seconds)

    @rule(count=st.sampled_from([0.0, 3.0, 1000.0, float("inf")]))
    def announce(self, count: float) -> None:
        """A bulk run tells what is to come."""
        self.pacer.announce(self, count)

    @precondition(lambda self: self.out)
    @rule(limit=st.none() | COUNTS, remaining=st.integers(0, 20), resets_in=SECONDS, kind=st.sampled_from(LimitType))
    def answer(self, limit: int | None, remaining: int, resets_in: float, kind: LimitType) -> None:
        """A request is answered, and the answer may tell of a limit."""
        turn = self.take()
        assert turn is not None
        told = Limit(
            type=kind, limit=limit, remaining=remaining, resets_in=resets_in, resets_at=self.loop.now + resets_in
        )
        self.tell(lambda: self.pacer.answered(turn, () if limit is None else (told,)))

    @precondition(lambda self: self.out)
    @rule(kind=TYPES, limit=st.none() | COUNTS, resets_in=st.none() | st.floats(0.0, 1e5), asked=st.none() | SECONDS)
    def refuse(self, kind: str | None, limit: int | None, resets_in: float | None, asked: float | None) -> None:
        """A request is refused, and the refusal may tell anything."""
        turn = self.take()
        assert turn is not None
        self.tell(lambda: self.pacer.refused(turn, Refusal(kind, limit, resets_in, asked)))

    @precondition(lambda self: self.out)
    @rule(lost=st.booleans())
    def fail(self, *, lost: bool) -> None:
        """A request fails, or nobody waits for its answer any more."""
        turn = self.take()
        assert turn is not None
        self.tell(lambda: self.pacer.lost(turn) if lost else self.pacer.failed(turn))

    @rule()
    def close(self) -> None:
        """The client is closed: whoever waits is told so."""
        self.loop.run_until_complete(self.pacer.aclose())
        self.loop.run_until_complete(asyncio.sleep(0))
        assert all(isinstance(call.exception(), ConfigurationError) for call in self.waiting)
        self.waiting.clear()

    @invariant()
    def no_turn_is_lost(self) -> None:
        """What is out is what the gate thinks, and no more than may be."""
        # A call that was cancelled with its turn in hand has given it back, or its turn is out.
        assert self.pacer.gate.in_flight == len(self.out) <= CAPACITY
        assert self.pacer.waiting == len(self.waiting)

    @invariant()
    def budgets_are_kept(self) -> None:
        """No window gives more than its budget, and one request that asks for more."""
        for meter in self.pacer.gate.limits.meters(0.0)[1]:
            law = meter.law
            if isinstance(law, Window) and not law.told:
                # A limit that is lowered may already be used up by far: then nothing comes on top.
                assert law.used <= max(law.budget.size + 1, self.used.get(law, 0))
                self.used[law] = law.used

    def teardown(self) -> None:
        """Nobody hangs: once all that are out have ended, everybody gets a turn in bounded time."""
        try:
            for _ in itertools.count():
                while (turn := self.take()) is not None:
                    self.tell(partial(self.pacer.answered, turn))
                if not self.out and not self.waiting:
                    break
                if not self.out:
                    self.run_for(3700.0)
                    assert self.out
            self.loop.run_until_complete(self.pacer.aclose())
        finally:
            self.loop.close()


TestPacerMachine = PacerMachine.TestCase
TestPacerMachine.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    limit=st.integers(3, 100),
    window=st.floats(0.5, 60.0),
    latency=st.floats(0.001, 0.05),
    in_flight=st.integers(1, 64),
    headers=st.sampled_from(["on-429", "always"]),
    seed=st.integers(0, 99),
)
def test_window_is_never_overrun(
    limit: int, window: float, latency: float, in_flight: int, headers: HeaderMode, seed: int
) -> None:
    """Once its windows are known, a limit gets its requests in each of them, and a few more at most that ask."""

    async def main() -> None:
        rng = random.Random(seed)
        server = LimitedServer(Limits(partner=limit, window=window, headers=headers), latency * window, rng)
        pacer = make_pacer(in_flight, rng)
        await bulk(pacer, server, 6 * limit, in_flight)
        await pacer.aclose()
        start = server.admitted[0]
        sent = Counter(int((instant - start) // window) for instant in server.admitted + server.refusals)

        assert len(server.admitted) == 6 * limit
        assert max((count for number, count in sent.items() if number >= 3), default=0) <= limit + 8

    simulate(main())
