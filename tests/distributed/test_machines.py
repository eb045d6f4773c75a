"""Jobs on real servers and real worker processes, which die: nothing is lost, nothing is created twice."""

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest
from local_servers import RabbitServer, RedisServer, Workers
from taskiq import AsyncBroker
from waiting import until

from legitmark_async import ServiceRequestDraft
from legitmark_async.distributed import Job, JobProgress, Ledger, submit_job
from legitmark_async.journal import Status
from legitmark_async.sandbox import Limits, Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]
Work = Callable[..., Workers]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def finished(job: Job, seconds: float = 120.0) -> JobProgress:
    """Wait until a job is finished."""
    async with asyncio.timeout(seconds):
        return await job.wait(poll=0.2)


async def reached(job: Job, created: int) -> None:
    """Wait until so many are created."""

    async def there() -> bool:
        return (await job.progress()).created >= created

    await until(there, 60.0, every=0.05)


async def check_complete(job: Job, sandbox: Sandbox, count: int) -> None:
    """Check that each item was created once, and that the ledger has each of them with its id."""
    progress = await finished(job)
    entries = [entry async for entry in job.results()]
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (count, 0)
    assert (progress.created, progress.left, progress.failed, progress.unknown, progress.dead) == (count, 0, 0, 0, 0)
    assert {entry.status for entry in entries} == {Status.CREATED}
    assert len({entry.reference_id for entry in entries}) == len({entry.uuid for entry in entries}) == count


async def test_workers_are_killed(drafts: Drafts, broker: AsyncBroker, ledger: Ledger, work: Work) -> None:
    """Workers are killed five times at random, and all of them with the last items in hand."""
    chance = random.Random(5)
    async with Sandbox(limits=Limits(partner=400, window=1.0), latency=0.02) as sandbox:
        workers = work(sandbox, "--processes", "4")
        job = await submit_job(broker, drafts(4000), ledger)
        for kill in range(5):
            await reached(job, 200 + 600 * kill + chance.randrange(300))
            workers.kill(chance.choice(workers.pids))
        await reached(job, 3_900)
        for pid in workers.pids:
            workers.kill(pid)

        await check_complete(job, sandbox, 4000)
        assert workers.end() == 0


async def test_redis_stops(drafts: Drafts, broker: AsyncBroker, ledger: Ledger, redis: RedisServer, work: Work) -> None:
    """Redis is killed and comes back 5 s later: what is in flight is noted then, and all goes on."""
    async with Sandbox(limits=Limits(partner=400, window=1.0), latency=0.02) as sandbox:
        work(sandbox, "--processes", "2")
        job = await submit_job(broker, drafts(2000), ledger)
        await reached(job, 300)
        redis.stop()
        await asyncio.sleep(5.0)
        redis.start()

        await check_complete(job, sandbox, 2000)


async def test_rabbit_is_killed(
    drafts: Drafts, broker: AsyncBroker, ledger: Ledger, rabbit: RabbitServer, work: Work
) -> None:
    """RabbitMQ is killed and started again: its chunks are delivered once more, and done once."""
    async with Sandbox(limits=Limits(partner=400, window=1.0), latency=0.02) as sandbox:
        workers = work(sandbox, "--processes", "2")
        job = await submit_job(broker, drafts(3000), ledger)
        await reached(job, 300)
        rabbit.kill()
        await asyncio.to_thread(rabbit.start)

        await check_complete(job, sandbox, 3000)
        assert workers.end() == 0


async def test_workers_are_stopped(drafts: Drafts, broker: AsyncBroker, ledger: Ledger, work: Work) -> None:
    """Workers that are asked to end in the middle give back what they have, and others go on with it at once."""
    async with Sandbox(limits=Limits(partner=200, window=2.0), latency=0.02) as sandbox:
        workers = work(sandbox, "--processes", "2")
        job = await submit_job(broker, drafts(3000), ledger)
        await reached(job, 300)
        assert await asyncio.to_thread(workers.end) == 0
        created = sandbox.ledger.created
        assert created < 3000
        assert (await job.progress()).created == created
        sandbox.set_limits(Limits(partner=0))

        others = work(sandbox, "--processes", "2")
        await check_complete(job, sandbox, 3000)
        assert await asyncio.to_thread(others.end) == 0
