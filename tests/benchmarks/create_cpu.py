"""Client CPU of a create, against a bare aiohttp loop in the same run.

Each round measures every way once, in turn, over the same number of creates with 16 in flight; the ratio of each
round is taken against bare aiohttp in that round, and the median of the rounds is printed as a table.

    python tests/benchmarks/create_cpu.py [--rounds 9] [--creates 3000]

A bulk run keeps a few answers until its consumer takes them. Above asyncio's receive buffers of 256 KiB that is enough
to make glibc give memory back to the system and fetch it again all the time: some 15 to 20 us a create. With
`MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456` in the environment it keeps the memory.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
from canned_server import canned_server  # type: ignore[import-not-found]  # its neighbour, when run as a script

from legitmark_async import Created, Item, Legitmark, ServiceRequestDraft
from legitmark_async.testing import BAG, CROSSBODY

IN_FLIGHT = 16
KEY = "leo_benchmark"

Way = Callable[[int], Awaitable[None]]


def drafts(count: int) -> Iterator[ServiceRequestDraft]:
    """Make drafts one by one."""
    item = Item(category=BAG, type=CROSSBODY)
    return (ServiceRequestDraft(f"ITEM-{number}", item) for number in range(count))


async def bare_aiohttp(session: aiohttp.ClientSession, url: str, count: int) -> None:
    """Create as one writes it by hand: no retries, no limits, no models."""
    numbers = iter(range(count))
    headers = {"Authorization": f"Bearer {KEY}"}

    async def work() -> None:
        for number in numbers:
            payload = {"reference_id": f"ITEM-{number}", "item": {"category": BAG, "type": CROSSBODY}}
            async with session.post(f"{url}/api/v2/sr", json=payload, headers=headers) as answer:
                answer.raise_for_status()
                assert (await answer.json())["sr"]["uuid"]

    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])


async def one_by_one(client: Legitmark, count: int) -> None:
    """Create by tasks that call `sr.create`."""
    source = drafts(count)

    async def work() -> None:
        for draft in source:
            assert (await client.sr.create(draft)).uuid

    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])


async def in_bulk(client: Legitmark, count: int) -> None:
    """Create by `sr.create_many`."""
    created = 0
    async with client.sr.create_many(drafts(count), concurrency=IN_FLIGHT) as run:
        async for outcome in run:
            created += isinstance(outcome, Created)
    assert created == count


@contextlib.asynccontextmanager
async def ways(url: str) -> AsyncIterator[dict[str, Way]]:
    """Open a bare session and a client."""
    async with aiohttp.ClientSession() as session, Legitmark(KEY, base_url=url) as client:
        yield {
            "bare aiohttp": lambda count: bare_aiohttp(session, url, count),
            "sr.create": lambda count: one_by_one(client, count),
            "sr.create_many": lambda count: in_bulk(client, count),
        }


async def measure(url: str, rounds: int, creates: int) -> dict[str, list[float]]:
    """Return CPU microseconds a create, by way and round."""
    figures: dict[str, list[float]] = {}
    async with ways(url) as every:
        for way in every.values():
            await way(creates // 4)
        for _ in range(rounds):
            for name, way in every.items():
                gc.collect()
                before = time.process_time()
                await way(creates)
                figures.setdefault(name, []).append((time.process_time() - before) / creates * 1e6)
    return figures


def main() -> None:
    """Run it, and print the table and a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--creates", type=int, default=3000)
    asked = parser.parse_args()
    with canned_server() as url:
        figures = asyncio.run(measure(url, asked.rounds, asked.creates))
    bare = figures["bare aiohttp"]
    ratios = {
        name: [ours / theirs for ours, theirs in zip(every, bare, strict=True)] for name, every in figures.items()
    }
    for name, every in figures.items():
        low, middle, high = min(ratios[name]), statistics.median(ratios[name]), max(ratios[name])
        sys.stdout.write(f"{name:16} {statistics.median(every):7.1f} us   {middle:.2f} ({low:.2f} to {high:.2f})\n")
    sys.stdout.write(json.dumps({name: round(statistics.median(every), 3) for name, every in ratios.items()}) + "\n")


if __name__ == "__main__":
    main()
