"""One way of creating, in a process of its own, which tells what it took as a line of JSON.

python tests/benchmarks/others_ways.py WAY URL KEY CREATES
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

IN_FLIGHT = 16
BAG, CROSSBODY = "cc30b104-7c47-11ef-a623-02595575faeb", "95e42d6b-7c4f-11ef-a623-02595575faeb"


def payload(number: int) -> dict[str, Any]:
    """Make the JSON of a create."""
    return {"reference_id": f"ITEM-{number}", "item": {"category": BAG, "type": CROSSBODY}}


class Tally:
    """What became of the creates."""

    def __init__(self, count: int) -> None:
        self.created = self.failed = 0
        self.numbers: Iterator[int] = iter(range(count))

    def note(self, *, created: bool) -> None:
        """Count one."""
        self.created += created
        self.failed += not created


async def _beside(work: Callable[[], Any]) -> None:
    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])


async def bare_aiohttp(url: str, key: str, tally: Tally) -> None:
    """By aiohttp alone, as one writes it by hand: no retries."""
    import aiohttp  # noqa: PLC0415  # its import is timed

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def work() -> None:
            for number in tally.numbers:
                async with session.post(f"{url}/api/v2/sr", json=payload(number)) as answer:
                    told = await answer.json()
                    tally.note(created=answer.ok and bool(told["sr"]["uuid"]))

        await _beside(work)


async def one_by_one(url: str, key: str, tally: Tally) -> None:
    """By `sr.create` of our client."""
    from legitmark_async import Item, Legitmark, LegitmarkError, ServiceRequestDraft  # noqa: PLC0415  # the same

    item = Item(BAG, CROSSBODY)
    async with Legitmark(key, base_url=url) as client:

        async def work() -> None:
            for number in tally.numbers:
                try:
                    await client.sr.create(ServiceRequestDraft(f"ITEM-{number}", item))
                except LegitmarkError:
                    tally.note(created=False)
                else:
                    tally.note(created=True)

        await _beside(work)


async def in_bulk(url: str, key: str, tally: Tally) -> None:
    """By `sr.create_many` of our client."""
    from legitmark_async import Created, Item, Legitmark, ServiceRequestDraft  # noqa: PLC0415  # the same

    item = Item(BAG, CROSSBODY)
    drafts = [ServiceRequestDraft(f"ITEM-{number}", item) for number in tally.numbers]
    async with Legitmark(key, base_url=url) as client, client.sr.create_many(drafts, concurrency=IN_FLIGHT) as run:
        async for outcome in run:
            tally.note(created=isinstance(outcome, Created))


async def by_httpx(url: str, key: str, tally: Tally) -> None:
    """By httpx, with the retries of its transport, which are for connections alone."""
    import httpx  # noqa: PLC0415  # the same

    transport = httpx.AsyncHTTPTransport(retries=3)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, transport=transport, timeout=30) as client:

        async def work() -> None:
            for number in tally.numbers:
                try:
                    answer = await client.post(f"{url}/api/v2/sr", json=payload(number))
                    tally.note(created=answer.is_success and bool(answer.json()["sr"]["uuid"]))
                except httpx.HTTPError:
                    tally.note(created=False)

        await _beside(work)


async def by_openai(url: str, key: str, tally: Tally) -> None:
    """By the base client of the openai SDK, with its default retries, which heed Retry-After."""
    import openai  # noqa: PLC0415  # the same

    async with openai.AsyncOpenAI(api_key=key, base_url=url) as client:

        async def work() -> None:
            for number in tally.numbers:
                try:
                    told: Any = await client.post("/api/v2/sr", body=payload(number), cast_to=object)
                    tally.note(created=bool(told["sr"]["uuid"]))
                except openai.OpenAIError:
                    tally.note(created=False)

        await _beside(work)


def by_requests(url: str, key: str, tally: Tally) -> None:
    """By `requests.post`, as the API's page shows it, in threads; no retries."""
    import requests  # noqa: PLC0415  # the same

    def work() -> None:
        for number in tally.numbers:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            answer = requests.post(f"{url}/api/v2/sr", json=payload(number), headers=headers, timeout=30)
            tally.note(created=answer.ok and bool(answer.json()["sr"]["uuid"]))

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for done in [pool.submit(work) for _ in range(IN_FLIGHT)]:
            done.result()


WAYS: dict[str, tuple[Callable[[str, str, Tally], Any], str]] = {
    "aiohttp": (bare_aiohttp, "aiohttp"),
    "create": (one_by_one, "legitmark_async.client"),
    "create_many": (in_bulk, "legitmark_async.client"),
    "httpx": (by_httpx, "httpx"),
    "openai": (by_openai, "openai"),
    "requests": (by_requests, "requests"),
}


def _run(way: Callable[[str, str, Tally], Any], url: str, key: str, tally: Tally) -> None:
    made = way(url, key, tally)
    if asyncio.iscoroutine(made):
        asyncio.run(made)


def _peak_memory() -> float:
    # Of this program alone: getrusage tells of the one that started it too.
    told = Path("/proc/self/status").read_text(encoding="ascii")
    return int(told.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Do it, and tell."""
    name, url, key, creates = sys.argv[1:]
    way, module = WAYS[name]
    began = time.perf_counter()
    __import__(module)
    imported = time.perf_counter()
    tally, count = Tally(int(creates)), int(creates)
    cpu = time.process_time()
    _run(way, url, key, tally)
    ended = time.perf_counter()
    told = {
        "import_seconds": imported - began,
        "cpu_us": (time.process_time() - cpu) / count * 1e6,
        "seconds": ended - imported,
        "memory_mib": _peak_memory(),
        "created": tally.created,
        "failed": tally.failed,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
