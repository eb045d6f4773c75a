"""The clients that race, in a process of their own: our client, and the ways one writes first.

It says `ready`, takes an order from stdin (the fields of `Order`, as a line of JSON), and prints a list of instants:
when it began, and when each create succeeded. They are monotonic: one clock for all processes.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
from attrs import frozen

from legitmark_async import Created, Item, Legitmark, ServiceRequestDraft, Skipped
from legitmark_async.limits import RedisLimits, SqliteLimits
from legitmark_async.testing import BAG, CROSSBODY

# Sends the create of that number, and returns the seconds that its refusal asks for, or None if it was created.
Send = Callable[[int], Awaitable[float | None]]
# What each task does with the numbers, which all share.
Work = Callable[[Send, Iterator[int]], Awaitable[None]]


@frozen
class Order:
    """What a process is to create, and how; `limits` is the Redis or the file by which it shares what it knows."""

    client: str
    url: str
    key: str
    first: int
    count: int
    in_flight: int
    limits: str = ""

    @property
    def numbers(self) -> range:
        """Numbers of the creates."""
        return range(self.first, self.first + self.count)


def alone(pause: Callable[[int, float], float]) -> Work:
    """Let every task sleep by itself when it is refused."""

    async def work(send: Send, numbers: Iterator[int]) -> None:
        for number in numbers:
            refusals = 0
            while (asked := await send(number)) is not None:
                await asyncio.sleep(pause(refusals, asked))
                refusals += 1

    return work


def backoff(refusals: int, _: float) -> float:
    """Return a pause with full jitter (s)."""
    return random.uniform(0.0, min(30.0, 0.5 * 2.0**refusals))


def own_retry_after(_: int, asked: float) -> float:
    """Return what the refusal asked for, a little spread (s)."""
    return asked + random.uniform(0.0, 0.01)


class OneGate:
    """A refusal stops all tasks for as long as its Retry-After says."""

    def __init__(self) -> None:
        self._opens_at = 0.0

    async def work(self, send: Send, numbers: Iterator[int]) -> None:
        """Send what is left, as long as the gate is open."""
        for number in numbers:
            await self._wait()
            while (asked := await send(number)) is not None:
                self._opens_at = time.monotonic() + asked + random.uniform(0.0, 0.001)
                await self._wait()

    async def _wait(self) -> None:
        # It may close again meanwhile.
        while True:
            wait = self._opens_at - time.monotonic()
            if wait <= 0:
                return
            await asyncio.sleep(wait)


class Aimd:
    """One gate, and behind it a rate that a refusal halves and each second without one raises by 5 %."""

    def __init__(self) -> None:
        self._rate = 1000.0
        self._raised_at = time.monotonic()
        self._opens_at = self._slot = 0.0

    async def work(self, send: Send, numbers: Iterator[int]) -> None:
        """Send what is left, one in each slot."""
        for number in numbers:
            await self._wait()
            while (asked := await send(number)) is not None:
                self._refused(time.monotonic(), asked)
                await self._wait()

    async def _wait(self) -> None:
        now = time.monotonic()
        if now - self._raised_at > 1.0:
            self._rate, self._raised_at = self._rate * 1.05, now
        self._slot = max(self._slot, now, self._opens_at) + 1 / self._rate
        await asyncio.sleep(self._slot - now + random.uniform(0.0, 0.001))

    def _refused(self, now: float, asked: float) -> None:
        if now > self._opens_at:
            self._rate, self._raised_at = self._rate / 2, now
            self._opens_at = self._slot = now + asked


NAIVE: dict[str, Callable[[], Work]] = {
    "backoff": lambda: alone(backoff),
    "retry-after": lambda: alone(own_retry_after),
    "gate": lambda: OneGate().work,
    "aimd": lambda: Aimd().work,
}


async def by_hand(order: Order) -> list[float]:
    """Create by bare aiohttp; return when it began, and when each create succeeded."""
    headers = {"Authorization": f"Bearer {order.key}"}
    timeout = aiohttp.ClientTimeout(total=30.0)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(order.url, headers=headers, timeout=timeout, connector=connector) as session:
        instants = [time.monotonic()]

        async def send(number: int) -> float | None:
            payload = {"reference_id": f"ITEM-{number}", "item": {"category": BAG, "type": CROSSBODY}}
            async with session.post("/api/v2/sr", json=payload) as answer:
                if answer.status == 429:
                    await answer.read()
                    return float(answer.headers.get("Retry-After", "1"))
                answer.raise_for_status()
                assert (await answer.json())["sr"]["uuid"]
                instants.append(time.monotonic())
                return None

        work, numbers = NAIVE[order.client](), iter(order.numbers)
        await asyncio.gather(*[work(send, numbers) for _ in range(order.in_flight)])
    return instants


async def by_ours(order: Order) -> list[float]:
    """Create by `sr.create_many`; return when it began, and when each create succeeded."""
    item = Item(category=BAG, type=CROSSBODY)
    drafts = [ServiceRequestDraft(f"ITEM-{number}", item) for number in order.numbers]
    shared = (
        None if not order.limits else RedisLimits(order.limits) if "://" in order.limits else SqliteLimits(order.limits)
    )
    async with Legitmark(order.key, base_url=order.url, concurrency=order.in_flight, limits=shared) as client:
        instants = [time.monotonic()]
        async with client.sr.create_many(drafts, max_failures=0) as run:
            async for outcome in run:
                if isinstance(outcome, Created):
                    instants.append(time.monotonic())
                elif not isinstance(outcome, Skipped):
                    sys.stderr.write(f"{outcome.error}\n")
    return instants


def main() -> None:
    """Carry out one order."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    order = Order(**json.loads(sys.stdin.readline()))
    instants = asyncio.run(by_hand(order) if order.client in NAIVE else by_ours(order))
    sys.stdout.write(json.dumps(instants))


if __name__ == "__main__":
    main()
