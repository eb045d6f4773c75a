"""What the pacer promises, held against model servers in virtual time: time over the optimum, and refusals."""

import asyncio
import itertools
import random

import pytest
from simulator import (
    CrowdedServer,
    Figures,
    LimitedServer,
    Lot,
    bulk,
    make_pacer,
    measure,
    ours,
    paced,
    race,
    simulate,
)

from legitmark_async._pacer import Lane
from legitmark_async.sandbox import HeaderMode, Limits, WindowKind

# Hundreds of thousands of requests; what they run through is covered by the tests of the parts.
pytestmark = pytest.mark.no_cover

# Windows of 2 s, of 500 requests; ten of them.
LIMIT, WINDOW, CREATES = 500, 2.0, 5000
# What each kind may cost: (N / L - 1) W is the optimum, and a sliding counter can't do better than 1.111 of it.
RATIOS: dict[WindowKind, float] = {"fixed": 1.05, "bucket": 1.05, "sliding": 1.12, "counter": 1.12}


def limits(kind: WindowKind, headers: HeaderMode = "on-429", *, partner: int = LIMIT, window: float = WINDOW) -> Limits:
    """Make limits of a kind."""
    return Limits(partner=partner, window=window, kind=kind, headers=headers)


def counts(instants: list[float], window: float, start: float = 0.0) -> list[int]:
    """Count the instants in each window."""
    found = [0] * (int((max(instants, default=start) - start) // window) + 1)
    for instant in instants:
        found[int((instant - start) // window)] += 1
    return found


@pytest.mark.parametrize("in_flight", [64, 512])
@pytest.mark.parametrize("kind", RATIOS)
def test_told_by_refusals_alone(kind: WindowKind, in_flight: int) -> None:
    """Ten windows are spent nearly as fast as can be, at one refusal a window after the first two."""
    figures = race(ours, limits(kind), CREATES, in_flight=in_flight)

    assert figures.admitted == CREATES
    assert figures.ratio <= RATIOS[kind]
    assert figures.at_first <= 64
    assert figures.after <= 1


@pytest.mark.parametrize("kind", RATIOS)
def test_told_by_every_answer(kind: WindowKind) -> None:
    """Where each answer tells what remains, hardly any request is refused."""
    figures = race(ours, limits(kind, "always"), CREATES)

    assert figures.admitted == CREATES
    assert figures.ratio <= RATIOS[kind]
    assert sum(figures.refusals) <= 4


@pytest.mark.parametrize(
    ("kind", "headers", "ratio"),
    [
        ("fixed", "retry-after", 1.20),
        ("bucket", "retry-after", 1.20),
        ("sliding", "retry-after", 1.20),
        ("counter", "retry-after", 1.50),
        ("fixed", "never", 1.20),
        ("bucket", "never", 1.20),
        ("sliding", "never", 1.25),
        ("counter", "never", 1.20),
    ],
)
def test_hardly_told(kind: WindowKind, headers: HeaderMode, ratio: float) -> None:
    """Retry-After alone, or nothing at all, costs a few refusals a window, and some time."""
    figures = race(ours, limits(kind, headers), CREATES)

    assert figures.admitted == CREATES
    assert figures.ratio <= ratio
    assert figures.at_first <= 64
    assert figures.after <= 3


@pytest.mark.parametrize(("kind", "ratio"), [("fixed", 1.03), ("bucket", 1.03), ("sliding", 1.06), ("counter", 1.06)])
def test_an_hour_of_minutes(kind: WindowKind, ratio: float) -> None:
    """Twenty windows of a minute are spent as well, at a refusal in every other one."""
    figures = race(ours, limits(kind, partner=1000, window=60.0), 20_000, latency=0.08)

    assert figures.admitted == 20_000
    assert figures.ratio <= ratio
    assert figures.after <= 0.5


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize(("partner", "window"), [(20, 60.0), (100, 60.0), (200, 60.0), (1000, 60.0), (1000, 3600.0)])
def test_slow_buckets(partner: int, window: float, latency: float) -> None:
    """A bucket that tells when its next place comes free, be it seconds later, is not taken for windows of that length.

    It would grant one request in each of them, and refuse all others.
    """
    slow = limits("bucket", partner=partner, window=window)

    figures = race(ours, slow, 5 * partner, latency=latency)

    assert figures.ratio <= 1.05
    assert figures.at_first <= 128
    assert figures.after <= 2


@pytest.mark.parametrize(
    ("kind", "partner", "window", "latency", "in_flight"),
    [
        pytest.param("bucket", 200, 60.0, 0.08, 64, id="a place comes free as often as answers do"),
        pytest.param("bucket", 1163, 300.0, 0.0166, 256, id="many in flight"),
        pytest.param("bucket", 366, 60.0, 0.0163, 16, id="few in flight"),
        pytest.param("bucket", 142, 10.0, 0.302, 256, id="far away"),
        pytest.param("bucket", 6, 1.0, 0.007, 64, id="some a second"),
        pytest.param("bucket", 11, 2.0, 0.26, 64, id="some a second, and far away"),
        pytest.param("fixed", 254, 2.0, 0.35, 256, id="a window that takes as long as it lasts"),
        pytest.param("sliding", 254, 2.0, 0.35, 256, id="a log that takes as long as it lasts"),
        pytest.param("sliding", 1163, 300.0, 0.0166, 256, id="a slow log"),
        pytest.param("sliding", 1246, 5.0, 0.0076, 256, id="a fast log"),
    ],
)
def test_odd_limits(kind: WindowKind, partner: int, window: float, latency: float, in_flight: int) -> None:
    """Whatever a limit, a network and a client are like, it is soon known, and nobody hammers."""
    creates = max(6 * partner, 120)

    figures = race(ours, limits(kind, partner=partner, window=window), creates, in_flight=in_flight, latency=latency)

    assert figures.admitted == creates
    assert figures.ratio <= 1.6
    assert sum(figures.refusals) <= 2 * in_flight + 40


@pytest.mark.parametrize("seed", range(60))
def test_by_lot(seed: int) -> None:
    """Limits, networks and clients that are drawn by lot: every run ends, in time, and without a storm of refusals."""
    ratio, refusals = Lot.draw(seed).run()

    # A counter of some requests can't do better than twice the optimum of a fixed window.
    assert ratio <= 2.5
    assert refusals <= 3.0


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("headers", ["on-429", "always", "retry-after", "never"])
@pytest.mark.parametrize(("kind", "ratio"), [("fixed", 1.4), ("bucket", 1.2), ("sliding", 1.7), ("counter", 1.6)])
def test_after_light_work(kind: WindowKind, ratio: float, headers: HeaderMode, *, known: bool) -> None:
    """A client that made a call now and then for an hour, and may know the limit, is fast when a bulk run begins."""

    async def main() -> Figures:
        rng = random.Random(1)
        server = LimitedServer(limits(kind, headers), 0.02, rng)
        pacer, clock = make_pacer(64, rng), asyncio.get_running_loop().time
        await bulk(pacer, server, 3 * LIMIT if known else 0, 64)
        while clock() < 3600:
            await paced(pacer, server, Lane.INTERACTIVE)
            await asyncio.sleep(rng.uniform(1, 3))
        before = len(server.admitted), len(server.refusals)
        await bulk(pacer, server, CREATES, 64)
        await pacer.aclose()
        return measure(server.admitted[before[0] :], server.refusals[before[1] :], LIMIT, WINDOW)

    figures = simulate(main())
    assert figures.admitted == CREATES
    assert figures.ratio <= ratio
    # Where no reset is told, to find out what the limit is costs more.
    assert sum(figures.refusals) <= (150 if headers in {"on-429", "always"} else 400)


@pytest.mark.parametrize(("kind", "headers"), [*((kind, "on-429") for kind in RATIOS), ("fixed", "always")])
def test_two_limits_at_once(kind: WindowKind, headers: HeaderMode) -> None:
    """The limit of the user is the tighter one, and is spent as if it were alone."""
    both = Limits(partner=2 * LIMIT, user=LIMIT, window=WINDOW, kind=kind, headers=headers)

    async def main() -> Figures:
        rng = random.Random(1)
        server = LimitedServer(both, 0.005, rng)
        await ours(server, CREATES, 64, rng)
        return measure(server.admitted, server.refusals, LIMIT, WINDOW)

    figures = simulate(main())
    assert figures.ratio <= RATIOS[kind]
    assert figures.after <= 1


@pytest.mark.parametrize("headers", ["on-429", "always"])
def test_four_processes(headers: HeaderMode) -> None:
    """Four clients that share a key without knowing of each other are as fast together, and none gets too little."""
    window, each = 5.0, CREATES // 4

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(limits("fixed", headers, window=window), 0.005, rng)
        ends = await asyncio.gather(*[process(server, each, 0.05 * number, rng) for number in range(4)])
        figures = measure(server.admitted, server.refusals, LIMIT, window)
        first_end = min(instants[-1] for instants in ends)
        shares = [sum(instant <= first_end for instant in instants) for instants in ends]

        assert figures.ratio <= 1.12
        assert min(shares) >= sum(shares) / 4 / 2
        assert max(figures.refusals[1:]) <= 4

    simulate(main())


async def process(server: LimitedServer, creates: int, starts_in: float, rng: random.Random) -> list[float]:
    """Run like a process of its own, and return when its requests were done."""
    await asyncio.sleep(starts_in)
    pacer, clock = make_pacer(16, rng), asyncio.get_running_loop().time
    done: list[float] = []
    items = iter(range(creates))

    async def work() -> None:
        for number in items:
            pacer.announce(starts_in, creates - number - 1)
            await paced(pacer, server)
            done.append(clock())

    await asyncio.gather(*[work() for _ in range(16)])
    await pacer.aclose()
    return done


@pytest.mark.parametrize("headers", ["on-429", "always"])
@pytest.mark.parametrize("kind", RATIOS)
def test_limit_changes(kind: WindowKind, headers: HeaderMode) -> None:
    """A halved limit is heeded within two windows, a doubled one within eight, or two if it is told."""
    limit = 200

    async def main() -> list[int]:
        rng = random.Random(1)
        server = LimitedServer(limits(kind, headers, partner=limit), 0.005, rng)
        pacer = make_pacer(64, rng)
        run = asyncio.create_task(bulk(pacer, server, 20 * CREATES, 64))
        await asyncio.sleep(5 * WINDOW)
        server.change(limits(kind, headers, partner=limit // 2))
        await asyncio.sleep(10 * WINDOW)
        server.change(limits(kind, headers, partner=limit))
        await asyncio.sleep(15 * WINDOW)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await pacer.aclose()
        return counts(server.admitted, WINDOW)

    granted = simulate(main())
    slow = sum(granted[8:14]) / 6
    fast = sum(granted[23:30]) / 7
    assert 0.9 * limit / 2 <= slow <= 1.1 * limit / 2
    assert fast >= 0.9 * limit


def test_outage() -> None:
    """While every answer is a 503 hardly anybody asks, and full speed is back within 5 s after it."""

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(Limits(partner=0, headers="never"), 0.02, rng, down=(1.0, 31.0))
        pacer = make_pacer(64, rng)
        run = asyncio.create_task(bulk(pacer, server, 10**6, 1000))
        await asyncio.sleep(45.0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await pacer.aclose()
        speed = counts(server.admitted, 1.0)

        assert server.failures <= 1100
        assert sum(speed[2:31]) == 0
        assert speed[36] >= 0.95 * 64 / 0.02

    simulate(main())


def test_burst_of_a_service() -> None:
    """A hundred calls at once into a fresh window of a thousand wait for nothing."""

    async def main(*, pace: bool) -> float:
        rng = random.Random(1)
        server = LimitedServer(limits("fixed", partner=1000, window=60.0), 0.02, rng)
        pacer, room = make_pacer(64, rng), asyncio.Semaphore(64)

        async def call() -> None:
            if pace:
                await paced(pacer, server, Lane.INTERACTIVE)
                return
            async with room:
                await server.answer()

        await asyncio.gather(*[call() for _ in range(100)])
        await pacer.aclose()
        return asyncio.get_running_loop().time()

    assert simulate(main(pace=True)) <= 1.2 * simulate(main(pace=False))


@pytest.mark.parametrize(
    ("kind", "headers"),
    [("fixed", "on-429"), ("bucket", "on-429"), ("sliding", "on-429"), ("fixed", "always")],
)
def test_interactive_before_bulk(kind: WindowKind, headers: HeaderMode) -> None:
    """A call that somebody awaits, in the midst of a bulk run, waits less than a tenth of what a bulk call does."""

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(limits(kind, headers), 0.005, rng)
        pacer = make_pacer(64, rng)
        run = asyncio.create_task(bulk(pacer, server, 2 * CREATES, 64))
        waits: list[float] = []
        await asyncio.sleep(2.25 * WINDOW)

        async def call() -> None:
            waits.append(await paced(pacer, server, Lane.INTERACTIVE))

        calls = []
        while not run.done():
            calls.append(asyncio.create_task(call()))
            await asyncio.sleep(rng.expovariate(5.0))
        await asyncio.gather(*calls)
        await pacer.aclose()
        bulk_waits = await run
        figures = measure(server.admitted, server.refusals, LIMIT, WINDOW)

        assert sorted(waits)[int(0.99 * len(waits))] <= sum(bulk_waits) / len(bulk_waits) / 10
        assert figures.ratio <= RATIOS[kind]

    simulate(main())


def test_bulk_is_not_starved() -> None:
    """However many calls are awaited, every fifth turn is a bulk call's."""

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(limits("bucket", partner=100), 0.005, rng)
        pacer = make_pacer(64, rng)
        order: list[Lane] = []

        async def call(lane: Lane) -> None:
            await paced(pacer, server, lane)
            order.append(lane)

        await asyncio.gather(*[call(lane) for lane in [Lane.BULK] * 100 + [Lane.INTERACTIVE] * 800])
        await pacer.aclose()

        assert order[:500].count(Lane.BULK) >= 90

    simulate(main())


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
def test_end_is_foretold(kind: WindowKind) -> None:
    """After two windows the time at which the last request leaves is known within a tenth."""

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(limits(kind), 0.005, rng)
        pacer = make_pacer(64, rng)
        run = asyncio.create_task(bulk(pacer, server, CREATES, 64))
        foretold: list[float] = []
        await asyncio.sleep(2.1 * WINDOW)
        while not run.done():
            left = CREATES - len(server.admitted) - pacer.gate.in_flight
            ends_in = pacer.ends_in("", left)
            assert ends_in is not None
            foretold.append(asyncio.get_running_loop().time() + ends_in)
            await asyncio.sleep(WINDOW)
        await pacer.aclose()
        assert foretold == pytest.approx([server.admitted[-1]] * len(foretold), rel=0.1)

    simulate(main())


def test_limit_on_requests_in_flight() -> None:
    """Where so many requests are admitted at the same time, that is found out, and no rate is made of it."""

    async def main() -> None:
        rng = random.Random(1)
        server = CrowdedServer(10, 0.02, rng)
        await ours(server, CREATES, 64, rng)

        # The last nine tenths are done by ten at a time, each for about 15 ms.
        last = server.admitted[-1] - server.admitted[CREATES // 10]
        assert len(server.admitted) == CREATES
        assert last <= 1.5 * 0.9 * CREATES / 10 * 0.015
        assert len(server.refusals) <= 100

    simulate(main())


@pytest.mark.parametrize(("kind", "headers"), [*((kind, "on-429") for kind in RATIOS), ("fixed", "always")])
def test_strangers_on_the_key(kind: WindowKind, headers: HeaderMode) -> None:
    """Somebody else uses a third of the key by a client of another make: what is left is spent, and nobody hammers."""

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(limits(kind, headers), 0.005, rng)
        pacer = make_pacer(64, rng)
        refused_strangers = 0

        async def strangers() -> None:
            nonlocal refused_strangers
            for number in itertools.count():
                due = number / (LIMIT / WINDOW / 3)
                await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0.0))
                before = len(server.refusals)
                try:
                    await server.answer()
                except Exception:  # noqa: BLE001  # a refusal: the stranger doesn't care
                    refused_strangers += len(server.refusals) - before

        others = asyncio.create_task(strangers())
        run = asyncio.create_task(bulk(pacer, server, CREATES, 64))
        await run
        others.cancel()
        await asyncio.gather(others, return_exceptions=True)
        await pacer.aclose()
        seconds = asyncio.get_running_loop().time()

        assert seconds <= 2.2 * (CREATES / LIMIT - 1) * WINDOW
        assert len(server.refusals) - refused_strangers <= 64 + 6 * seconds / WINDOW

    simulate(main())


def test_after_a_long_silence() -> None:
    """Who comes back after some windows of silence is not refused for it, and spends whole windows at once."""

    async def main() -> None:
        rng = random.Random(1)
        server = LimitedServer(limits("fixed"), 0.005, rng)
        pacer = make_pacer(64, rng)
        await bulk(pacer, server, 3 * LIMIT, 64)
        await asyncio.sleep(7.3 * WINDOW)
        server.refusals.clear()
        started = asyncio.get_running_loop().time()
        await bulk(pacer, server, LIMIT // 2, 64)
        await pacer.aclose()

        assert server.refusals == []
        assert asyncio.get_running_loop().time() - started <= 0.5

    simulate(main())
