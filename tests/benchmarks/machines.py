"""Jobs on worker processes, over a RabbitMQ and a Redis of their own, on loopback.

`race`: items a second without a limit, beside one process with `create_many` in the same run; and under a limit the
time over the optimum, refusals in each window, and the shares of the processes. `memory`: what a million enqueued items
cost the submitting process, and the ledger before and after they are created.

    export PYTHONPATH=tests
    python tests/benchmarks/machines.py race [--items 10000] [--processes 4] [--limit 1000] [--window 2]
    python tests/benchmarks/machines.py memory [--items 1000000]
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from attrs import frozen
from local_servers import RabbitServer, RedisServer
from race import Track, obey, ratio, say, together, worker  # type: ignore[import-not-found]  # its neighbour, as a script

from legitmark_async import ServiceRequestDraft
from legitmark_async.distributed import Job, Ledger, _scripts, rabbitmq_broker, submit_job
from legitmark_async.distributed._ledger import within
from legitmark_async.distributed._records import Record, digest_text
from legitmark_async.sandbox import Limits
from legitmark_async.testing import make_item

HERE = Path(__file__).parent
BAG = make_item()
UUID = "6a2df1d6-4c4c-4a3c-a8b2-9c6d2bb2b5b0"
BATCH = 100


def drafts(count: int) -> Iterator[ServiceRequestDraft]:
    """Make so many drafts, one after the other."""
    return (ServiceRequestDraft(f"ITEM-{number}", BAG) for number in range(count))


@frozen
class Servers:
    """The servers of a run."""

    rabbit: RabbitServer
    redis: RedisServer


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Start them, and stop them."""
    with tempfile.TemporaryDirectory() as folder:
        started = Servers(RabbitServer(Path(folder)), RedisServer(Path(folder), durable=True))
        started.rabbit.start()
        started.redis.start()
        try:
            yield started
        finally:
            started.rabbit.stop()
            started.redis.stop()


@contextlib.asynccontextmanager
async def workers(there: Servers, track: Track, count: int, notes: str) -> AsyncIterator[None]:
    """Let so many processes work, and end them."""
    around = os.environ | {
        "LEGITMARK_AMQP_URL": there.rabbit.url,
        "LEGITMARK_REDIS_URL": there.redis.url,
        "LEGITMARK_API_KEY": track.sandbox.api_key,
        "LEGITMARK_BASE_URL": track.sandbox.url,
        "NOTES": notes,
        "PYTHONPATH": str(HERE),
    }
    options = ("--workers", str(count), "--max-async-tasks", "4", "--log-level", "WARNING")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "taskiq", "worker", "machines_app:broker", *options, env=around
    )
    try:
        # They are there when the last of them has looked at the ledger.
        await asyncio.sleep(4.0)
        yield
    finally:
        process.terminate()
        await process.wait()


async def race(there: Servers, kind: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Let workers create together, and return the figures."""
    limits = Limits(partner=0) if kind == "none" else Limits(partner=asked.limit, window=asked.window, kind=kind)  # type: ignore[arg-type]  # argparse has checked it
    track, ledger = Track(limits, 0.0, asked.latency), Ledger(there.redis.url)
    broker = rabbitmq_broker(there.rabbit.url)
    await broker.startup()
    with tempfile.TemporaryDirectory() as notes:
        async with track.sandbox, workers(there, track, asked.processes, notes):
            job = await submit_job(broker, drafts(asked.items), ledger, job_id=kind)
            async with asyncio.timeout(asked.within):
                await job.wait(poll=0.2)
        runs = [sorted(json.loads(file.read_text())) for file in Path(notes).glob("*.json")]
    await broker.shutdown()
    await ledger.aclose()
    began = min(run[0] for run in runs)
    told: dict[str, Any] = {
        "kind": kind,
        "created": track.sandbox.ledger.created,
        "refused": track.sandbox.ledger.refused,
    }
    told["duplicates"] = track.sandbox.ledger.duplicates
    if kind == "none":
        told["per_second"] = round(asked.items / (max(run[-1] for run in runs) - began))
        told["one_process_per_second"] = await alone(asked)
        return told
    runs = [[began, *run] for run in runs]
    told |= {"ratio": ratio(runs, limits, asked.items), "refusals": track.refusals}
    told |= together(runs, track.refusals)
    return told


async def alone(asked: argparse.Namespace) -> int:
    """Return how many a second one process creates by `create_many`."""
    track = Track(Limits(partner=0), 0.0, asked.latency)
    async with track.sandbox as sandbox, worker() as process:
        order = {"client": "ours", "url": sandbox.url, "key": sandbox.api_key, "first": 0, "count": asked.items}
        (began, *created) = await obey(process, {**order, "in_flight": 64})
    per_second: float = asked.items / (created[-1] - began)
    return round(per_second)


async def memory(there: Servers, asked: argparse.Namespace) -> dict[str, Any]:
    """Enqueue a million, then enter as many outcomes, and return what it took."""
    ledger, broker, began = Ledger(there.redis.url), rabbitmq_broker(there.rabbit.url), time.monotonic()
    await broker.startup()
    resident: list[int] = []

    def watched() -> Iterator[ServiceRequestDraft]:
        for number, draft in enumerate(drafts(asked.items)):
            if number % (asked.items // 10) == 0:
                resident.append(resident_kib())
            yield draft

    empty = await used(ledger)
    job = await submit_job(broker, watched(), ledger, job_id="memory", total=asked.items)
    seconds = time.monotonic() - began
    await broker.shutdown()
    queued, on_disk = await used(ledger), folder_bytes(there.rabbit.folder)
    await enter_outcomes(ledger, job, asked.items)
    created = await used(ledger)
    told = {
        "items": asked.items,
        "seconds": round(seconds, 1),
        "resident_kib": resident,
        "redis_bytes_an_item_queued": round((queued - empty) / asked.items, 1),
        "redis_bytes_an_item_created": round((created - empty) / asked.items, 1),
        "rabbit_disk_bytes_an_item": round(on_disk / asked.items),
        "created": (await job.progress()).created,
    }
    await ledger.aclose()
    return told


async def enter_outcomes(ledger: Ledger, job: Job, items: int) -> None:
    """Enter an outcome for each item, by the script that workers use, as fast as Redis takes them."""
    keys = ledger.keys(job.id)
    buckets = int(await ledger.ask(lambda redis: redis.hget(keys.common[0], "buckets"), within()))
    slots = asyncio.Semaphore(8)

    async def enter(number: int) -> None:
        arguments: list[object] = [f"1-{number + 1}", "1"]
        names = []
        for draft in drafts_from(number * BATCH, min(BATCH, items - number * BATCH)):
            record = Record(
                state="C", owner=f"1-{number + 1}.1", digest=digest_text(draft), uuid=UUID, micro_id="998906"
            )
            arguments += ("R", draft.reference_id, record.encode())
            names.append(keys.bucket_of(draft.reference_id, buckets))
        async with slots:
            await ledger.run(_scripts.NOTE, [*keys.common, *names], arguments, within())

    async with asyncio.TaskGroup() as group:
        for number in range(math.ceil(items / BATCH)):
            if number % 64 == 0:
                await asyncio.sleep(0)
            group.create_task(enter(number))


def drafts_from(first: int, count: int) -> Iterator[ServiceRequestDraft]:
    """Make drafts from a number on."""
    return (ServiceRequestDraft(f"ITEM-{number}", BAG) for number in range(first, first + count))


async def used(ledger: Ledger) -> int:
    """Return the bytes that Redis uses."""
    told = await ledger.ask(lambda redis: redis.info("memory"), within())
    return int(told["used_memory"])


def resident_kib() -> int:
    """Return what this process has in memory, in KiB."""
    told = Path("/proc/self/status").read_text()
    return int(told.split("VmRSS:")[1].split()[0])


def folder_bytes(folder: Path) -> int:
    """Return what the files of RabbitMQ in a folder take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "appendonly" not in str(file))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("race", "memory"))
    parser.add_argument("--items", type=int, default=0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--within", type=float, default=120.0)
    parser.add_argument(
        "--kind",
        nargs="+",
        choices=("none", "fixed", "bucket", "sliding", "counter"),
        default=("none", "fixed", "bucket"),
    )
    asked = parser.parse_args()
    asked.items = asked.items or (10_000 if asked.what == "race" else 1_000_000)
    with servers() as there:
        if asked.what == "memory":
            say(json.dumps(asyncio.run(memory(there, asked))))
            return
        for kind in asked.kind:
            say(json.dumps(asyncio.run(race(there, kind, asked))))


if __name__ == "__main__":
    main()
