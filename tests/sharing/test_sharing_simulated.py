"""What processes that share a limit reach together, held against model servers in virtual time."""

import asyncio
import logging

import pytest
from sharing_simulator import Scene, play, run_together

from legitmark_async.sandbox import Limits, WindowKind

pytestmark = pytest.mark.no_cover

LIMIT, WINDOW, CREATES = 500, 2.0, 3000
# (N / L - 1) W is the optimum, and neither a sliding window nor a counter lets anybody come near it: see the pacer.
RATIOS: dict[WindowKind, float] = {"fixed": 1.05, "bucket": 1.05, "sliding": 1.25, "counter": 1.4}


def limits(kind: WindowKind = "fixed", **others: object) -> Limits:
    """Make limits of a kind."""
    return Limits(partner=LIMIT, window=WINDOW, kind=kind, **others)  # type: ignore[arg-type]  # as they are named


@pytest.mark.parametrize("kind", RATIOS)
def test_told_by_refusals_alone(kind: WindowKind) -> None:
    """Four processes spend a limit as one would, hardly ever refused after the first window, and in even parts."""
    scene, (least, _) = run_together(limits(kind), CREATES)

    assert scene.figures.admitted == CREATES
    assert scene.figures.ratio <= RATIOS[kind]
    assert sum(scene.figures.refusals[1:]) <= 10
    assert max(scene.figures.refusals[1:]) <= 5
    assert least >= 0.9


@pytest.mark.parametrize("power", [650, 800, 1200])
def test_slow_server(power: float) -> None:
    """Requests that queue at the server, which can do hardly more than the limit allows, mislead nobody."""
    scene, (least, _) = run_together(limits("bucket"), CREATES, power=power * LIMIT / 1000)

    assert scene.figures.admitted == CREATES
    assert scene.figures.ratio <= RATIOS["bucket"]
    # When it is found can be in any of the first windows.
    assert sum(scene.figures.refusals) - max(scene.figures.refusals) <= 10
    assert least >= 0.9


@pytest.mark.parametrize("kind", RATIOS)
def test_told_by_every_answer(kind: WindowKind) -> None:
    """Where each answer tells what remains, it is the same with fewer refusals."""
    scene, (least, _) = run_together(limits(kind, headers="always"), CREATES)

    assert scene.figures.admitted == CREATES
    # What a counter has left is told late, and moves meanwhile.
    assert scene.figures.ratio <= (1.7 if kind == "counter" else RATIOS[kind])
    assert sum(scene.figures.refusals[1:]) <= (40 if kind == "counter" else 12)
    assert least >= 0.9


@pytest.mark.parametrize("headers", ["retry-after", "never"])
def test_hardly_told(headers: str) -> None:
    """Where refusals tell next to nothing, all is done, in even parts."""
    scene, (least, _) = run_together(limits(headers=headers), CREATES)

    assert scene.figures.admitted == CREATES
    assert scene.figures.ratio <= 1.6
    assert least >= 0.9


def test_many() -> None:
    """Twenty processes come more seldom each, and still spend the limit."""
    scene, (least, _) = run_together(Limits(partner=600, window=2.0), 2400, processes=20, in_flight=8)

    assert scene.figures.ratio <= 1.15
    assert sum(scene.figures.refusals[1:]) <= 10
    assert least >= 0.8
    assert scene.store.loads <= 20 * 8 * 12


def test_no_limit() -> None:
    """Without any limit nobody waits for permits, and the store is asked a few times a second."""

    async def act(scene: Scene) -> None:
        await asyncio.gather(*[process.bulk(scene.server, 4000, 64) for process in scene.processes])

    scene = play(act, Limits(partner=0))
    span = scene.server.admitted[-1] - scene.server.admitted[0]

    # 64 at a time, 20 ms each, after a burst that is held down as long as nothing is known.
    assert span <= 1.5 * 4000 / 64 * 0.02
    assert scene.store.loads <= 4 * (6 * span + 4)


def test_killed() -> None:
    """Whoever is gone without a word is not waited for: within seconds the others have all there is."""

    async def act(scene: Scene) -> None:
        tasks = [asyncio.create_task(process.bulk(scene.server, 10_000, 64)) for process in scene.processes]
        await asyncio.sleep(7.0)
        for task, process in zip(tasks[:3], scene.processes[:3], strict=True):
            task.cancel()
            await process.kill()
        await asyncio.sleep(11.0)
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    scene = play(act, limits())
    late = [instant for instant in scene.server.admitted if 12.0 <= instant < 16.0]

    assert len(late) >= 0.98 * 2 * LIMIT
    assert sum(instant > 2.0 for instant in scene.server.refusals) <= 8


def test_store_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Without the store each goes on by its part of what was known, says so once, and joins again."""

    async def act(scene: Scene) -> None:
        scene.store.down = 5.0, 9.0
        await asyncio.gather(*[process.bulk(scene.server, CREATES // 3, 64) for process in scene.processes])

    with caplog.at_level(logging.INFO, "legitmark_async"):
        scene = play(act, limits())
    said = [record.levelname for record in caplog.records]

    assert len(scene.server.admitted) == 4 * (CREATES // 3)
    assert scene.figures.ratio <= 1.35
    # What each still may spend of the window when the store goes isn't known to the others.
    assert sum(instant > 2.0 for instant in scene.server.refusals) <= 300
    assert said.count("WARNING") == said.count("INFO") == len(scene.processes)


def test_store_never_there(caplog: pytest.LogCaptureFixture) -> None:
    """A store that can't be reached holds nobody up for longer than it takes to notice."""

    async def act(scene: Scene) -> None:
        scene.store.down = 0.0, 1e9
        await asyncio.gather(*[process.bulk(scene.server, 100, 64) for process in scene.processes])

    scene = play(act, Limits(partner=0))

    assert scene.server.admitted[-1] <= 1.0
    assert len(caplog.records) == len(scene.processes)


def test_learned_by_the_last_run() -> None:
    """A run after the last one knows the limit: its first window costs no refusal."""

    async def act(scene: Scene) -> None:
        first, second = scene.processes
        await first.bulk(scene.server, 2 * LIMIT, 64)
        await asyncio.sleep(60.0)
        await second.bulk(scene.server, 2 * LIMIT, 64)

    scene = play(act, limits(), processes=2)

    # In the next one it may be tried whether there is more.
    assert not [instant for instant in scene.server.refusals if 60.0 < instant < 62.0]
    assert len([instant for instant in scene.server.refusals if instant >= 62.0]) <= 1


def test_limit_raised() -> None:
    """When the limit is doubled, one finds out, and all have it."""

    async def act(scene: Scene) -> None:
        tasks = [asyncio.create_task(process.bulk(scene.server, 20_000, 64)) for process in scene.processes]
        await asyncio.sleep(9.0)
        scene.server.change(Limits(partner=2 * LIMIT, window=WINDOW))
        await asyncio.sleep(18.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    scene = play(act, limits(), latency=0.005)
    late = [instant for instant in scene.server.admitted if 22.0 <= instant < 26.0]

    assert len(late) >= 0.95 * 2 * 2 * LIMIT
    least, _ = scene.shares
    assert least >= 0.9


def test_service_beside_bulk() -> None:
    """Calls of a service go before the drafts of another process's bulk run."""
    waits: list[float] = []

    async def act(scene: Scene) -> None:
        service, worker = scene.processes
        bulk = asyncio.create_task(worker.bulk(scene.server, 10_000, 64))
        await asyncio.sleep(5.0)
        for _ in range(60):
            waits.append(await service.call(scene.server))
            await asyncio.sleep(0.05)
        bulk.cancel()
        await asyncio.gather(bulk, return_exceptions=True)

    play(act, limits(), processes=2)
    waits.sort()

    # The first windows teach how much to leave for them.
    assert waits[30] <= 0.01
    assert waits[54] <= 0.6


def test_idle() -> None:
    """Who has nothing to do holds no share, and asks the store for nothing."""
    loads: list[int] = []

    async def act(scene: Scene) -> None:
        idle, busy = scene.processes
        await idle.bulk(scene.server, 10, 4)
        await busy.bulk(scene.server, 2 * LIMIT, 64)
        await asyncio.sleep(5.0)
        loads.append(scene.store.loads)
        await asyncio.sleep(60.0)
        loads.append(scene.store.loads)
        await idle.call(scene.server)
        assert not busy.sharer._share.group.members

    play(act, limits(), processes=2)

    assert loads[0] == loads[1]
