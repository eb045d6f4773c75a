"""Connections to a real Redis, which are closed while somebody uses them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
from local_servers import RedisServer
from waiting import until

from legitmark_async._redis import Connections
from legitmark_async.limits import RedisLimits


@pytest.fixture
async def connections(redis: RedisServer) -> AsyncIterator[Connections]:
    """Connections to that Redis."""
    connections = Connections(redis.url, "A test", 5.0, 8)
    yield connections
    await connections.aclose()


async def ask(connections: Connections) -> list[str]:
    """Ask Redis who is connected."""
    async with connections.redis() as redis:
        return [client["id"] for client in await redis.client_list()]


@pytest.fixture
async def alone(redis: RedisServer) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Tell whether nobody else is connected to that Redis."""
    observer = Connections(redis.url, "A test", 5.0, 1)
    (ours,) = await ask(observer)

    async def look() -> bool:
        return await ask(observer) == [ours]

    yield look
    await observer.aclose()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closed_in_use(
    connections: Connections, alone: Callable[[], Awaitable[bool]], *, cancelled: bool
) -> None:
    """Whatever a question is at when the connections are closed, none stays, and the next question is answered."""
    answered = set[bool]()
    for turns in range(1, 60):
        asking = await at_turn(turns, ask(connections), cancelled=cancelled)
        await connections.aclose()
        answer: object = (await asyncio.gather(asking, return_exceptions=True))[0]
        answered.add(isinstance(answer, list))

        await until(alone, every=0.01)  # the server may be slow to notice
    assert len(await ask(connections)) == 2
    assert answered == {True, False}


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closed_while_listening(
    redis: RedisServer, alone: Callable[[], Awaitable[bool]], *, cancelled: bool
) -> None:
    """Whoever listens, and gives up before his store is closed or afterwards, leaves nothing, and may listen again."""
    store = RedisLimits(redis.url)
    for turns in range(1, 60):
        listening = await at_turn(turns, store.alarm("a"), cancelled=cancelled)
        await store.aclose()
        while not listening.done():  # Redis's library may miss that it was cancelled
            listening.cancel()
            await asyncio.wait([listening], timeout=0.2)

        await until(alone, every=0.01)
    listening = asyncio.create_task(store.alarm("a"))
    while not listening.done():
        await store.save("a", "text", (await store.load("a")).version, alarm=True)
    await listening
    await store.aclose()


async def at_turn(turns: int, work: Coroutine[Any, Any, Any], *, cancelled: bool) -> asyncio.Task[Any]:
    """Begin something, and leave it at a turn of the event loop."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    if cancelled:
        task.cancel()
    return task
