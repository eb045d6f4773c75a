"""A simulator of rate-limited runs: the real pacer on a virtual clock, against model servers, without sockets.

A run of an hour takes seconds, and the same seed gives the same run. Only the time is made up: the pacer, its queue and
its timer are those of the client, on an event loop whose clock jumps to whatever is due next.

    python tests/simulator.py [--creates 5000] [--limit 500] [--window 2] [--in-flight 64] [--latency 0.005]
    python tests/simulator.py --lots 2000
"""

import argparse
import asyncio
import math
import random
import selectors
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar, get_args

from attrs import define, evolve, field, frozen

from legitmark_async._pacer import Gate, Lane, Pacer, Refusal
from legitmark_async.models import Limit, LimitType
from legitmark_async.sandbox import HeaderMode, Limits, WindowKind
from legitmark_async.sandbox._limits import NANOSECONDS, Gauge, Limiter

T = TypeVar("T")

# No run needs so many rounds of the loop at one and the same instant.
_MOST_ROUNDS = 100_000
_TYPES = {"partner": LimitType.PARTNER, "user": LimitType.USER}


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is left to do, its clock jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        """Return the virtual time (s)."""
        return self.now


class _Jump(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._rounds, self._rounds_since = 0, 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer is set: the run hangs")
        self._loop.now += max(timeout, 0.0)
        self._rounds = self._rounds + 1 if self._loop.now == self._rounds_since else 0
        self._rounds_since = self._loop.now
        if self._rounds > _MOST_ROUNDS:
            raise RuntimeError("something goes round and round at one instant: the run hangs")
        return []


def simulate(main: Coroutine[Any, Any, T], start: float = 0.0) -> T:
    """Run a coroutine in virtual time, and return its result."""
    loop = VirtualLoop()
    loop.now = start
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


class RefusedError(Exception):
    """A 429.

    Attributes:
        refusal: What it tells.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class FailedError(Exception):
    """A 503."""


class Server(Protocol):
    """A model of the API: it takes requests one by one, and keeps count of them."""

    refusals: list[float]
    admitted: list[float]

    async def answer(self) -> tuple[Limit, ...]:
        """Admit a request and tell the limits that the answer tells, or raise `RefusedError` or `FailedError`."""
        ...


@define(eq=False)
class LimitedServer:
    """Admits requests under the limits of the sandbox, on the loop's clock.

    Attributes:
        limits: As the sandbox has them.
        latency: Seconds of a round trip, give or take 40 %.
        rng: For the latency.
        down: From when until when every answer is a 503.
        power: Requests that it can look at each second, one after the other.
        refusals: Instants of the 429s.
        admitted: Instants of the requests that were admitted.
        failures: How many answers were a 503.
    """

    limits: Limits
    latency: float
    rng: random.Random
    down: tuple[float, float] = (0.0, 0.0)
    power: float = math.inf
    refusals: list[float] = field(factory=list[float])
    admitted: list[float] = field(factory=list[float])
    failures: int = 0
    _limiter: Limiter = field(init=False)
    _busy_until: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._limiter = Limiter(self.limits)

    def change(self, limits: Limits) -> None:
        """Set other limits from now on, and begin to count anew."""
        self.limits = limits
        self._limiter = Limiter(limits)

    async def answer(self) -> tuple[Limit, ...]:
        """Answer one request, after a round trip."""
        await self._travel()
        await self._queue()
        try:
            return self._judge(asyncio.get_running_loop().time())
        finally:
            await self._travel()

    def _judge(self, now: float) -> tuple[Limit, ...]:
        if self.down[0] <= now < self.down[1]:
            self.failures += 1
            raise FailedError
        instant = round(now * NANOSECONDS)
        admitted = self._limiter.admit(instant)
        gauges = self._limiter.gauges(instant, refused=not admitted)
        if admitted:
            self.admitted.append(now)
            return tuple(_told(gauge, instant) for gauge in gauges) if self.limits.headers == "always" else ()
        self.refusals.append(now)
        raise RefusedError(self._refusal(max(gauges, key=lambda gauge: gauge.opens_at), instant))

    def _refusal(self, gauge: Gauge, now: int) -> Refusal:
        if self.limits.headers == "never":
            return Refusal()
        asked = float(max(1, -((now - gauge.opens_at) // NANOSECONDS)))
        if self.limits.headers == "retry-after":
            return Refusal(asked=asked)
        resets_in = (gauge.resets_at - now) / NANOSECONDS
        return Refusal(_TYPES[gauge.dimension], gauge.limit, resets_in=resets_in, asked=asked)

    async def _travel(self) -> None:
        await asyncio.sleep(self.latency / 2 * self.rng.uniform(0.6, 1.4))

    async def _queue(self) -> None:
        if self.power < math.inf:
            now = asyncio.get_running_loop().time()
            self._busy_until = max(self._busy_until, now) + 1 / self.power
            await asyncio.sleep(self._busy_until - now)


def _told(gauge: Gauge, now: int) -> Limit:
    resets_in = (gauge.resets_at - now) / NANOSECONDS
    return Limit(
        type=_TYPES[gauge.dimension],
        limit=gauge.limit,
        remaining=max(gauge.limit - gauge.used, 0),
        resets_in=resets_in,
        resets_at=gauge.resets_at / NANOSECONDS,
    )


@define(eq=False)
class CrowdedServer:
    """Admits so many requests at the same time, whatever their rate."""

    limit: int
    latency: float
    rng: random.Random
    refusals: list[float] = field(factory=list[float])
    admitted: list[float] = field(factory=list[float])
    _inside: int = 0

    async def answer(self) -> tuple[Limit, ...]:
        """Answer one request, after a round trip."""
        await asyncio.sleep(self.latency / 4)
        if self._inside >= self.limit:
            self.refusals.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self.latency / 4)
            raise RefusedError(Refusal(LimitType.PARTNER, self.limit, asked=1.0))
        self._inside += 1
        await asyncio.sleep(self.latency / 2 * self.rng.uniform(0.6, 1.4))
        self._inside -= 1
        self.admitted.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.latency / 4)
        return ()


def make_pacer(capacity: int, rng: random.Random) -> Pacer:
    """Make the pacer of a client whose timers are up to a millisecond late, as real ones are."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds + rng.uniform(0.0, 0.001))

    return Pacer(Gate(capacity, rng.random), clock=asyncio.get_running_loop().time, sleep=sleep)


async def paced(pacer: Pacer, server: Server, lane: Lane = Lane.BULK) -> float:
    """Send one request by the pacer until it is admitted, and return how long it waited for its turns (s)."""
    clock = asyncio.get_running_loop().time
    waited, first = 0.0, False
    while True:
        asked_at = clock()
        turn = pacer.try_acquire(asked_at, lane) or await pacer.acquire(lane, first=first)
        waited += clock() - asked_at
        try:
            limits = await server.answer()
        except RefusedError as refused:
            pacer.refused(turn, refused.refusal)
        except FailedError:
            pacer.failed(turn)
            await asyncio.sleep(0.5)
        else:
            pacer.answered(turn, limits)
            return waited
        first = True


async def bulk(pacer: Pacer, server: Server, count: int, in_flight: int) -> list[float]:
    """Send requests as a bulk run does, by so many workers, and return how long each waited."""
    left = count
    waits: list[float] = []

    async def work() -> None:
        nonlocal left
        while left:
            left -= 1
            pacer.announce(work, left)
            waits.append(await paced(pacer, server))

    await asyncio.gather(*[work() for _ in range(in_flight)])
    return waits


Client = Callable[[Server, int, int, random.Random], Awaitable[None]]


async def ours(server: Server, count: int, in_flight: int, rng: random.Random) -> None:
    """Run by the pacer."""
    pacer = make_pacer(in_flight, rng)
    await bulk(pacer, server, count, in_flight)
    await pacer.aclose()


@define(eq=False)
class Naive:
    """A way to live with refusals: every task sleeps by itself, for longer and longer."""

    rng: random.Random

    async def turn(self) -> None:
        """Wait until a request may leave."""

    async def refused(self, refusal: Refusal, before: int) -> None:
        """Wait after a refusal; so many came before it."""
        del refusal
        await asyncio.sleep(self.rng.uniform(0.0, min(60.0, 0.5 * 2.0**before)))


class OwnRetryAfter(Naive):
    """Every task sleeps by itself, for as long as its own refusal says."""

    async def refused(self, refusal: Refusal, before: int) -> None:
        """Wait after a refusal."""
        del before
        await asyncio.sleep((refusal.asked or 1.0) + self.rng.uniform(0.0, 0.01))


@define(eq=False)
class OneGate(Naive):
    """A refusal stops all tasks for as long as it says."""

    opens_at: float = 0.0

    async def turn(self) -> None:
        """Wait until a request may leave."""
        wait = self.opens_at - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
            await self.turn()

    async def refused(self, refusal: Refusal, before: int) -> None:
        """Close the gate."""
        del before
        now = asyncio.get_running_loop().time()
        self.opens_at = now + (refusal.asked or 1.0) + self.rng.uniform(0.0, 0.001)


@define(eq=False)
class Aimd(OneGate):
    """One gate, and behind it a rate that a refusal halves and each second without one raises by 5 %."""

    slot: float = 0.0
    rate: float = 1000.0
    raised_at: float = 0.0

    async def turn(self) -> None:
        """Wait for a slot."""
        now = asyncio.get_running_loop().time()
        if now - self.raised_at > 1.0:
            self.rate, self.raised_at = self.rate * 1.05, now
        self.slot = max(self.slot, now, self.opens_at) + 1 / self.rate
        await asyncio.sleep(self.slot - now + self.rng.uniform(0.0, 0.001))

    async def refused(self, refusal: Refusal, before: int) -> None:
        """Close the gate, and go on at half the rate."""
        now = asyncio.get_running_loop().time()
        if now > self.opens_at:
            self.rate, self.raised_at = self.rate / 2, now
            await super().refused(refusal, before)
            self.slot = self.opens_at


def naive(way: Callable[[random.Random], Naive]) -> Client:
    """Make a client of so many tasks, each with one request after the other."""

    async def client(server: Server, count: int, in_flight: int, rng: random.Random) -> None:
        items, policy = deque(range(count)), way(rng)

        async def work() -> None:
            while items:
                items.popleft()
                refusals = 0
                while not await _tried(policy, server, refusals):
                    refusals += 1

        await asyncio.gather(*[work() for _ in range(in_flight)])

    return client


async def _tried(policy: Naive, server: Server, refusals: int) -> bool:
    await policy.turn()
    try:
        await server.answer()
    except RefusedError as error:
        await policy.refused(error.refusal, refusals)
        return False
    return True


CLIENTS: dict[str, Client] = {
    "each task: exponential backoff": naive(Naive),
    "each task: its own Retry-After": naive(OwnRetryAfter),
    "one gate for all, on Retry-After": naive(OneGate),
    "one gate, AIMD on the rate": naive(Aimd),
    "legitmark_async": ours,
}


@frozen
class Figures:
    """What became of a run.

    Attributes:
        ratio: Time from the first request to the last admission, over the optimum.
        refusals: Of the 429s, how many came in each window, on the phase of the first request.
        admitted: Requests that were admitted.
    """

    ratio: float
    refusals: tuple[int, ...]
    admitted: int

    @property
    def at_first(self) -> int:
        """Refusals of the first two windows."""
        return sum(self.refusals[:2])

    @property
    def after(self) -> float:
        """Refusals per window after the first two."""
        return sum(self.refusals[2:]) / max(len(self.refusals) - 2, 1)


def measure(admitted: list[float], refusals: list[float], limit: int, window: float) -> Figures:
    """Hold a run against what a client that knows everything would need: `(N / L - 1) * W`."""
    optimum = (-(-len(admitted) // limit) - 1) * window
    span = admitted[-1] - admitted[0]
    counts = [0] * (int(span // window) + 1)
    for instant in refusals:
        counts[min(int((instant - admitted[0]) // window), len(counts) - 1)] += 1
    return Figures(span / optimum, tuple(counts), len(admitted))


def race(
    client: Client, limits: Limits, creates: int, *, in_flight: int = 64, latency: float = 0.005, seed: int = 1
) -> Figures:
    """Let a client create so many under limits, and measure it."""

    async def main() -> Figures:
        rng = random.Random(seed)
        server = LimitedServer(limits, latency, rng)
        await client(server, creates, in_flight, rng)
        return measure(server.admitted, server.refusals, limits.partner, limits.window)

    return simulate(main())


@frozen
class Lot:
    """A run of which everything is drawn by lot: the limit, the network and the client.

    Attributes:
        limits: Of 5 to 1,600 requests in one second to one hour, of any kind, told in any way.
        latency: Seconds of a round trip, 2 ms to half a second.
        in_flight: Requests at a time.
        creates: Six windows of them, or what is practical.
        seed: What it was drawn by.
    """

    limits: Limits
    latency: float
    in_flight: int
    creates: int
    seed: int

    @classmethod
    def draw(cls, seed: int) -> "Lot":
        """Draw one."""
        rng = random.Random(seed)
        headers: HeaderMode = rng.choice(("on-429", "on-429", "on-429", "always", "retry-after", "never"))
        limits = Limits(
            partner=round(10 ** rng.uniform(0.7, 3.2)),
            window=rng.choice((1.0, 2.0, 5.0, 10.0, 60.0, 60.0, 300.0, 3600.0)),
            kind=rng.choice(get_args(WindowKind)),
            headers=headers,
        )
        creates = max(min(max(6 * limits.partner, 60), 4000), 3 * limits.partner)
        return cls(limits, 10 ** rng.uniform(-2.7, -0.3), rng.choice((8, 16, 64, 64, 256)), creates, seed)

    def run(self) -> tuple[float, float]:
        """Return the time over the optimum, and the refusals over what is fair: 2 at a time and 6 in each window."""
        figures = race(ours, self.limits, self.creates, in_flight=self.in_flight, latency=self.latency, seed=self.seed)
        windows = self.creates / self.limits.partner
        optimum = (math.ceil(windows) - 1) * self.limits.window
        slowest = max(optimum, self.creates * self.latency / self.in_flight)
        return figures.ratio * optimum / slowest, sum(figures.refusals) / (2 * self.in_flight + 6 * windows)


def print_lots(count: int) -> None:
    """Print what became of so many runs that were drawn by lot, and the worst of them."""
    runs = [(lot, lot.run()) for lot in map(Lot.draw, range(count))]
    for place, name in enumerate(("time over the optimum", "refusals over what is fair")):
        found = sorted(((figures[place], str(lot)) for lot, figures in runs), reverse=True)
        median, hundredth = found[count // 2][0], found[count // 100][0]
        sys.stdout.write(f"{name}: median {median:.3f}, of a hundred one over {hundredth:.3f}\n")
        for figure, lot in found[:3]:
            sys.stdout.write(f"  {figure:.3f} {lot}\n")


def main() -> None:
    """Print the table: for each client and kind of limit, time over the optimum and refusals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--creates", type=int, default=5000)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.005)
    parser.add_argument("--headers", choices=get_args(HeaderMode), default="on-429")
    parser.add_argument("--lots", type=int, default=0)
    asked = parser.parse_args()
    if asked.lots:
        print_lots(asked.lots)
        return
    limits = Limits(partner=asked.limit, window=asked.window, headers=asked.headers)
    kinds = get_args(WindowKind)
    sys.stdout.write(f"| client | {' | '.join(kinds)} |\n| --- |{' --- |' * len(kinds)}\n")
    for name, client in CLIENTS.items():
        cells = []
        for kind in kinds:
            figures = race(
                client, evolve(limits, kind=kind), asked.creates, in_flight=asked.in_flight, latency=asked.latency
            )
            cells.append(f"{figures.ratio:.3f} / {sum(figures.refusals):,}")
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
