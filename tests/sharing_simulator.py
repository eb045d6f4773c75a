"""A simulator of processes that share a limit: real pacers and sharers on a virtual clock, around a store in memory.

python tests/sharing_simulator.py [--processes 4] [--creates 10000] [--limit 1000] [--kind fixed ...]
"""

import argparse
import asyncio
import math
import random
import sys
from collections.abc import Awaitable, Callable
from typing import get_args

from attrs import define, field
from simulator import Figures, LimitedServer, Server, measure, paced, simulate

from legitmark_async._pacer import Gate, Lane, Pacer
from legitmark_async._sharing import Sharer, Stored, Switch
from legitmark_async.sandbox import HeaderMode, Limits, WindowKind

# What the store's clock shows at the start (s).
EPOCH = 1_700_000_000.0


@define(eq=False)
class MemoryLimits:
    """A store without sockets: a millisecond away, give or take 40 %, and at times out of order.

    Attributes:
        rng: For the latency.
        down: From when until when it answers nothing.
        kept: Document and version by key.
        loads: How often it was asked.
        conflicts: How often a change came too late.
        largest: Characters of the largest document.
    """

    rng: random.Random
    latency: float = 0.001
    down: tuple[float, float] = (0.0, 0.0)
    kept: dict[str, tuple[str, int]] = field(factory=dict[str, tuple[str, int]])
    loads: int = 0
    conflicts: int = 0
    largest: int = 0
    _listening: list[asyncio.Future[int]] = field(factory=list[asyncio.Future[int]])

    async def load(self, key: str) -> Stored:
        """Return what is stored, and the time."""
        await self._travel()
        self.loads += 1
        document, version = self.kept.get(key, (None, 0))
        now = asyncio.get_running_loop().time() + EPOCH
        await self._travel()
        return Stored(document, version, now)

    async def save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        """Store a text if that version is the last one."""
        await self._travel()
        _, last = self.kept.get(key, (None, 0))
        saved = version == last
        self.conflicts += not saved
        if saved:
            self.kept[key] = document, version + 1
            self.largest = max(self.largest, len(document))
            if alarm:
                self._ring(version + 1)
        await self._travel()
        return saved

    async def alarm(self, key: str) -> int:
        """Wait for an alarm."""
        del key  # there is but one
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._listening.append(listening)
        version = await listening
        await self._travel()
        return version

    async def aclose(self) -> None:
        """Nothing is open."""

    def _ring(self, version: int) -> None:
        for listening in self._listening:
            if not listening.done():
                listening.set_result(version)
        self._listening.clear()

    async def _travel(self) -> None:
        await asyncio.sleep(self.latency / 2 * self.rng.uniform(0.6, 1.4))
        if self.down[0] <= asyncio.get_running_loop().time() < self.down[1]:
            raise ConnectionError("down")


@define(eq=False)
class Process:
    """One process: a pacer that goes by its share.

    Attributes:
        pacer: Of its calls.
        sharer: What carries its reports.
        done: Requests that were admitted.
    """

    pacer: Pacer
    sharer: Sharer
    done: int = 0

    @classmethod
    def of(cls, store: MemoryLimits, capacity: int, rng: random.Random) -> "Process":
        """Make one whose timers are up to a millisecond late, as real ones are."""

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds + rng.uniform(0.0, 0.001))

        clock, switch = asyncio.get_running_loop().time, Switch()
        pacer = Pacer(Gate(capacity, rng.random, switch), clock=clock, sleep=sleep)
        process = cls(pacer, Sharer(store, "key", switch, pacer, clock, rng.random, lambda: f"{rng.getrandbits(64):x}"))
        process.sharer.start()
        return process

    async def bulk(self, server: Server, count: int, in_flight: int) -> None:
        """Send requests as a bulk run does."""
        left = count

        async def work() -> None:
            nonlocal left
            while left:
                left -= 1
                self.pacer.announce(work, left)
                await paced(self.pacer, server)
                self.done += 1

        await asyncio.gather(*[work() for _ in range(in_flight)])

    async def call(self, server: Server) -> float:
        """Send an interactive request, and return how long it waited (s)."""
        waited = await paced(self.pacer, server, Lane.INTERACTIVE)
        self.done += 1
        return waited

    async def aclose(self) -> None:
        """Leave the others."""
        await self.sharer.aclose()
        await self.pacer.aclose()

    async def kill(self) -> None:
        """Be gone without a word."""
        for task in self.sharer._tasks:
            task.cancel()
        await self.pacer.aclose()


@define(eq=False)
class Scene:
    """What a simulated run is made of."""

    rng: random.Random
    server: LimitedServer
    store: MemoryLimits
    processes: list[Process]

    @property
    def figures(self) -> Figures:
        """What became of the run."""
        limits = self.server.limits
        return measure(self.server.admitted, self.server.refusals, limits.partner, limits.window)

    @property
    def shares(self) -> tuple[float, float]:
        """The least and the most that a process did, over its fair part."""
        done = [process.done for process in self.processes]
        return min(done) * len(done) / sum(done), max(done) * len(done) / sum(done)


def play(
    act: Callable[[Scene], Awaitable[None]],
    limits: Limits,
    *,
    processes: int = 4,
    in_flight: int = 64,
    latency: float = 0.02,
    seed: int = 1,
) -> Scene:
    """Set a scene with so many processes, and let something happen in it."""

    async def main() -> Scene:
        rng = random.Random(seed)
        store = MemoryLimits(rng)
        everybody = [Process.of(store, in_flight, rng) for _ in range(processes)]
        scene = Scene(rng, LimitedServer(limits, latency, rng), store, everybody)
        await act(scene)
        for process in everybody:
            await process.aclose()
        return scene

    return simulate(main())


def run_together(
    limits: Limits,
    creates: int,
    *,
    processes: int = 4,
    in_flight: int = 64,
    power: float = math.inf,
    seed: int = 1,
) -> tuple[Scene, tuple[float, float]]:
    """Let processes create so many in equal parts, and tell how even they were when the first was done."""
    shares: list[tuple[float, float]] = []

    async def act(scene: Scene) -> None:
        scene.server.power = power

        async def create(process: Process) -> None:
            await process.bulk(scene.server, creates // processes, in_flight)
            shares.append(scene.shares)

        await asyncio.gather(*map(create, scene.processes))

    return play(act, limits, processes=processes, in_flight=in_flight, seed=seed), shares[0]


def main() -> None:
    """Print a line for each kind of limit: time over the optimum, refusals in each window, and shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--creates", type=int, default=10_000)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--headers", choices=get_args(HeaderMode), default="on-429")
    parser.add_argument("--kind", nargs="+", choices=get_args(WindowKind), default=get_args(WindowKind))
    parser.add_argument("--power", type=float, default=math.inf)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    for kind in asked.kind:
        limits = Limits(partner=asked.limit, window=asked.window, kind=kind, headers=asked.headers)
        for seed in range(1, asked.seeds + 1):
            scene, shares = run_together(limits, asked.creates, processes=asked.processes, power=asked.power, seed=seed)
            figures, store = scene.figures, scene.store
            even = f"{shares[0]:.3f} to {shares[1]:.3f}"
            sys.stdout.write(f"{kind} {figures.ratio:.3f} {figures.refusals} {even}, {store.loads} loads\n")


if __name__ == "__main__":
    main()
