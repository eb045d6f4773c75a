"""Clients that share what they know of the rate limits, against the sandbox: through a file, and through Redis."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_servers import RedisServer

from legitmark_async import Created, Legitmark, ServiceRequestDraft
from legitmark_async.limits import LimitStore, RedisLimits, SqliteLimits
from legitmark_async.sandbox import Limits, Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]
# So low that a slow machine reaches it too.
LIMITS = Limits(partner=50, window=1.0)
RACERS = str(Path(__file__).parents[1] / "benchmarks" / "racers.py")


async def finish(client: Legitmark, drafts: list[ServiceRequestDraft]) -> None:
    """Let a client create drafts, and hold that it did."""
    async with client.sr.create_many(drafts) as run:
        assert [type(outcome) async for outcome in run] == [Created] * len(drafts)


async def create(sandbox: Sandbox, drafts: list[ServiceRequestDraft], limits: LimitStore) -> Legitmark:
    """Create drafts by a client of its own, and return it."""
    async with Legitmark(sandbox.api_key, base_url=sandbox.url, limits=limits) as client:
        await finish(client, drafts)
    return client


async def test_together(drafts: Drafts, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two clients share one limit: they are hardly refused, and each knows what both know."""
    everything = list(drafts(200))
    async with Sandbox(limits=LIMITS) as sandbox:
        clients = await asyncio.gather(
            *(create(sandbox, everything[half::2], SqliteLimits(tmp_path / "limits.db")) for half in range(2))
        )
        refused = sandbox.ledger.refused
        (known,) = clients[0].rate_limits

        # The next run begins with what this one has learned.
        await create(sandbox, list(drafts(50)), SqliteLimits(tmp_path / "limits.db"))

    assert (sandbox.ledger.unique, sandbox.ledger.over_limit) == (200, 0)
    if "can't be shared" not in caplog.text:  # as it is for a moment on a machine that stands still for half a second
        # The first refusal finds all that are in flight. Here one loop does it all, so news take long.
        assert refused <= 2 * 64 + 120
        assert sandbox.ledger.refused <= refused + 20
    assert (known.type, known.limit) == ("partner_level", 50)


async def test_service(drafts: Drafts, tmp_path: Path) -> None:
    """Single calls share as well; once the limit is known each has its permit without asking the file for it."""
    store = SqliteLimits(tmp_path / "limits.db")
    async with (
        Sandbox(limits=Limits(partner=50, window=0.5, headers="always")) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, limits=store) as client,
    ):
        for draft in drafts(60):
            await client.sr.create(draft)
        assert client.rate_limits[0].limit == 50
        assert (await store.load(client._shared.api.sharer.key)).version < 60  # type: ignore[union-attr]  # it has one

    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (60, 0)


def test_loops(drafts: Drafts, tmp_path: Path) -> None:
    """A client that shares may be opened in one event loop after the other, and leaves no task behind."""
    sandbox, store = Sandbox(limits=LIMITS), SqliteLimits(tmp_path / "limits.db")
    clients: list[Legitmark] = []

    async def run() -> None:
        async with sandbox:
            if not clients:
                clients.append(Legitmark(sandbox.api_key, base_url=sandbox.url, limits=store))
            async with clients[0] as client:
                await finish(client, list(drafts(20)))
                tasks = client._shared.api.sharer._tasks  # type: ignore[union-attr]  # it has one
                assert len(tasks) == 2
            assert all(task.done() for task in tasks)

    for _ in range(3):
        asyncio.run(run())
        assert sandbox.ledger.created == 20
        sandbox = Sandbox(limits=LIMITS, port=int(sandbox.url.rpartition(":")[2]))


async def test_redis_gone(drafts: Drafts, redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Redis goes and comes back: nothing fails, each says so once, and they are together again."""
    everything = list(drafts(300))
    async with Sandbox(limits=LIMITS) as sandbox:
        with caplog.at_level(logging.INFO, "legitmark_async"):
            runs = [
                asyncio.create_task(create(sandbox, everything[half::2], RedisLimits(redis.url))) for half in range(2)
            ]
            await asyncio.sleep(1.5)
            redis.stop()
            await asyncio.sleep(2.0)
            redis.start()
            await asyncio.gather(*runs)

    said = [record.getMessage() for record in caplog.records if record.name == "legitmark_async"]
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (300, 0)
    # Once an outage each; one that is done by then has nothing to say, and on a slow machine one may last longer.
    assert 1 <= sum("can't be shared for now" in text for text in said) <= 4
    assert 1 <= sum("shared again" in text for text in said) <= 4


async def test_no_redis(drafts: Drafts, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that was never there costs a moment, and a warning without the password."""
    nowhere = RedisServer(tmp_path).url.replace("redis://", "redis://:s3cret@")
    async with Sandbox() as sandbox:
        await create(sandbox, list(drafts(20)), RedisLimits(nowhere))

    ours = [record for record in caplog.records if record.name == "legitmark_async"]
    (warning,) = [record.getMessage() for record in ours if record.levelname == "WARNING"]
    assert sandbox.ledger.created == 20
    assert "can't be shared for now" in warning
    assert "s3cret" not in warning


async def test_processes(redis: RedisServer) -> None:
    """Four processes spend one limit through Redis as one would: in even parts, and hardly refused."""
    async with Sandbox(limits=Limits(partner=300, window=1.0)) as sandbox:
        order = {"client": "ours", "url": sandbox.url, "key": sandbox.api_key, "in_flight": 32, "limits": redis.url}
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, RACERS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            for _ in range(4)
        ]
        for process in processes:
            await process.stdout.readline()  # type: ignore[union-attr]  # it is a pipe
        outputs = await asyncio.gather(
            *(
                process.communicate(json.dumps({**order, "first": 450 * number, "count": 450}).encode() + b"\n")
                for number, process in enumerate(processes)
            )
        )
    created = [json.loads(output)[1:] for output, _ in outputs]
    first_done_at = min(instants[-1] for instants in created)
    shares = [sum(instant <= first_done_at for instant in instants) for instants in created]

    assert [len(instants) for instants in created] == [450] * 4
    assert (sandbox.ledger.created, sandbox.ledger.duplicates, sandbox.ledger.over_limit) == (1800, 0, 0)
    # The first refusal finds all that are in flight; after that one in each window asks for more. On a machine that
    # stands still for half a second each goes by its own for a moment; the simulation holds what it is without that.
    assert sandbox.ledger.refused <= 4 * 32 + 200
    assert min(shares) * 4 / sum(shares) >= 0.5
