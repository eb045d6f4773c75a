"""Webhooks that come in over sockets: handled once, and answered in time."""

import asyncio
import base64
import io
import json
import logging
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Mount

from legitmark_async import ConfigurationError, Legitmark, ServiceRequestDraft, webhooks
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import VirtualClock
from legitmark_async.webhooks import (
    AsgiApp,
    Claimed,
    Deduplicator,
    Event,
    Listener,
    MemoryDeduplicator,
    Receiver,
    SqliteDeduplicator,
    StateChange,
    UnknownEvent,
    WebhookError,
    aiohttp_handler,
    sign,
)

SECRET = f"whsec_{base64.b64encode(b'a secret').decode()}"
BODY = json.dumps({"event_type": "state_change", "sr_uuid": "u", "state": {"primary": "QC"}}).encode()

OnEvent = Callable[[Event], Awaitable[object]]


class Events:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    async def __call__(self, event: Event) -> None:
        """Keep it."""
        self.seen.append(event)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true that nobody tells of."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def aiohttp_service(receiver: Receiver) -> AsyncIterator[str]:
    """A service with aiohttp."""
    app = web.Application()
    app.router.add_post("/hooks", aiohttp_handler(receiver))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def starlette_service(receiver: Receiver) -> AsyncIterator[str]:
    """A service with Starlette, under uvicorn."""
    app = Starlette(routes=[Mount("/hooks", AsgiApp(receiver))])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        task = asyncio.create_task(server.serve([listening]))
        await until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/hooks/"
        finally:
            server.should_exit = True
            await task


SERVICES = pytest.mark.parametrize("service", [aiohttp_service, starlette_service])
Service = Callable[[Receiver], AbstractAsyncContextManager[str]]


async def post(url: str, body: bytes = BODY, *, message_id: str = "msg_1", secret: str = SECRET) -> int:
    """Send a webhook, and return the status."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(body), headers=sign(body, secret, message_id=message_id)) as answer,
    ):
        return answer.status


@SERVICES
async def test_services(service: Service) -> None:
    """In a real service an event is handled once, and whatever is wrong is answered as the sender understands it."""
    events = Events()
    other = f"whsec_{base64.b64encode(b'other').decode()}"
    async with service(Receiver(events, SECRET)) as url:
        told = [
            await post(url),
            await post(url),
            await post(url, message_id="msg_2"),
            await post(url, secret=other, message_id="msg_3"),
            await post(url, b"{}", message_id="msg_4"),
            await post(url, b'{"event_type": "new"}', message_id="msg_5"),
            await post(url, b" " * (1024 * 1024 + 1), message_id="msg_6"),
        ]
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            told.append(answer.status)

    assert told == [200, 200, 200, 401, 400, 200, 413, 405]
    kinds: list[type[Event]] = [StateChange, StateChange, UnknownEvent]
    assert [type(event) for event in events.seen] == kinds


async def test_failure_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    """An event whose handling fails is answered 500, and handled when it comes again."""
    failing = [ValueError("no database"), None]

    async def on_event(_: Event) -> None:
        if (error := failing.pop(0)) is not None:
            raise error

    receiver = Receiver(on_event, SECRET)
    headers = sign(BODY, SECRET, message_id="m")

    assert [await receiver.receive(BODY, headers) for _ in range(3)] == [500, 200, 200]
    assert "no database" in caplog.text
    assert failing == []


async def test_slow_handling_is_given_up() -> None:
    """An event whose handling takes too long is cancelled and answered 503, and may be handled again."""
    cancelled = []

    async def on_event(_: Event) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    receiver = Receiver(on_event, SECRET, timeout=0.02)
    headers = sign(BODY, SECRET, message_id="m")

    assert [await receiver.receive(BODY, headers) for _ in range(2)] == [503, 503]
    assert cancelled == [True, True]


async def test_same_event_twice_at_once() -> None:
    """While an event is handled, the same one is put off; it isn't handled twice."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    handled = 0

    async def on_event(_: Event) -> None:
        nonlocal handled
        handled += 1
        begun.set()
        await go_on.wait()

    receiver = Receiver(on_event, SECRET)
    headers = sign(BODY, SECRET, message_id="m")
    first = asyncio.create_task(receiver.receive(BODY, headers))
    await begun.wait()
    second = await receiver.receive(BODY, headers)
    go_on.set()

    assert (await first, second, await receiver.receive(BODY, headers)) == (200, 503, 200)
    assert handled == 1


async def test_given_up_request() -> None:
    """If the server gives a request up, the event may be handled when it comes again."""
    begun = asyncio.Event()

    async def on_event(_: Event) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    deduplicator = MemoryDeduplicator()
    task = asyncio.create_task(
        Receiver(on_event, SECRET, deduplicator).receive(BODY, sign(BODY, SECRET, message_id="m"))
    )
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await deduplicator.claim("m") is Claimed.NEW


async def test_without_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Without a secret anybody's events are taken, and a warning says so."""
    events = Events()
    caplog.set_level(logging.WARNING)
    receiver = Receiver(events)

    assert [await receiver.receive(BODY, {"Svix-Id": "m"}) for _ in range(2)] == [200, 200]
    assert [await receiver.receive(BODY, {}) for _ in range(2)] == [200, 200]
    assert len(events.seen) == 2
    assert "no secret is set" in caplog.text


def test_bad_secret() -> None:
    """A secret that is none is told when the service starts, and not when the first webhook comes."""
    secrets: tuple[str | list[str], ...] = ("sesame", [])
    for secret in secrets:
        with pytest.raises(ConfigurationError, match="secret"):
            Receiver(Events(), secret)


def test_secret_is_hidden() -> None:
    """The secret shows in no repr."""
    assert "whsec_" not in repr(Receiver(Events(), SECRET))


@pytest.fixture(params=["memory", "sqlite"])
def deduplicator(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> Deduplicator:
    """One of the two, in virtual time."""
    if request.param == "memory":
        return MemoryDeduplicator(kept=100, lease=10, clock=lambda: clock.now)
    return SqliteDeduplicator(tmp_path / "events.db", kept=100, lease=10, now=lambda: clock.now)


async def test_deduplicator(deduplicator: Deduplicator) -> None:
    """An event is new, then busy, then done; released or forgotten it is new again."""
    seen = deduplicator

    assert [await seen.claim("a"), await seen.claim("a"), await seen.claim("b")] == [
        Claimed.NEW, Claimed.BUSY, Claimed.NEW,
    ]  # fmt: skip
    await seen.release("b")
    await seen.done("a")
    await seen.release("a")
    assert await seen.claim("b") is Claimed.NEW
    if isinstance(seen, SqliteDeduplicator):
        assert await seen.claim("a") is Claimed.DONE
    await asyncio.sleep(10)
    assert await seen.claim("b") is Claimed.NEW
    await asyncio.sleep(100)
    assert await seen.claim("a") is Claimed.NEW


async def test_memory_is_bounded() -> None:
    """The oldest events are forgotten when there are too many."""
    seen = MemoryDeduplicator(capacity=3)

    for key in "abcd":
        await seen.claim(key)

    assert await seen.claim("d") is Claimed.BUSY
    assert await seen.claim("a") is Claimed.NEW


async def test_sqlite_is_shared(tmp_path: Path) -> None:
    """Of many tasks over one file, each event goes to one; what is old is swept away."""
    path = tmp_path / "events.db"
    stores = [SqliteDeduplicator(path, now=lambda: 1000.0) for _ in range(40)]
    claims = await asyncio.gather(*[store.claim(f"{number % 5}") for number, store in enumerate(stores)])
    await SqliteDeduplicator(path, now=lambda: 1000.0 + 10**7).claim("new")

    assert claims.count(Claimed.NEW) == 5
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT key FROM events").fetchall() == [("new",)]
    database.close()


async def test_sqlite_that_cannot_be(tmp_path: Path) -> None:
    """A file that can't be used is told."""
    (tmp_path / "text").write_text("no database, but long enough to look at it")

    for path in (tmp_path / "no" / "where", tmp_path / "text"):
        with pytest.raises(WebhookError, match="can't remember events in"):
            await SqliteDeduplicator(path).claim("a")
        with pytest.raises(WebhookError, match="can't remember events in"):
            await SqliteDeduplicator(path).done("a")


def test_import_is_light() -> None:
    """Reading events loads neither the handler of a server nor the one of a database."""
    heavy = "('webhooks._sqlite', 'webhooks._aiohttp')"
    code = f"import sys, legitmark_async.webhooks; print([name for name in sys.modules if name.endswith({heavy})])"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603  # ours

    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="nothing"):
        _ = webhooks.nothing


async def test_asgi_alone() -> None:
    """A server may serve it as its only application: it starts and stops with it, and takes nothing but HTTP."""
    app, told = AsgiApp(Receiver(Events(), SECRET)), list[str]()
    given = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> dict[str, Any]:
        return {"type": given.pop(0)}

    async def send(message: Any) -> None:  # noqa: ANN401  # whatever ASGI has
        told.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    with pytest.raises(RuntimeError, match="webhooks come by HTTP, not by 'websocket'"):
        await app({"type": "websocket"}, receive, send)

    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_listener_that_was_never_opened() -> None:
    """There is nothing to close then."""
    await Listener(Receiver(Events(), SECRET)).__aexit__(None, None, None)


async def test_listener() -> None:
    """A listener takes webhooks at any path, and tells its URL only while it is open."""
    events = Events()
    listener = Listener(Receiver(events, SECRET))

    with pytest.raises(WebhookError, match="before it is opened"):
        _ = listener.url
    async with listener:
        assert await post(f"{listener.url}/any/path") == 200
        with pytest.raises(OSError, match="address"):
            await Listener(Receiver(events, SECRET), port=int(listener.url.rpartition(":")[2])).__aenter__()
    assert len(events.seen) == 1


@pytest.mark.parametrize("old", [False, True])
async def test_from_the_sandbox(draft: ServiceRequestDraft, old: bool) -> None:  # noqa: FBT001  # a parameter
    """What the sandbox signs and sends is taken, in both forms of payloads, also after failures."""
    failures = [ValueError("not yet")] * 2
    events = Events()

    async def on_event(event: Event) -> None:
        if failures:
            raise failures.pop()
        await events(event)

    async with (
        Listener(Receiver(on_event, SECRET)) as listener,
        Sandbox(
            webhook_url=listener.url, webhook_secret=SECRET, webhook_retries=(0, 0.01, 0.01, 0.01), old_webhooks=old
        ) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url) as client,
    ):
        sr = await client.sr.create(draft)
        sandbox.move(sr.uuid, "QC", "REJECTED")
        sandbox.move(sr.uuid, "CANCELLED")
        await until(lambda: all(delivery.delivered for delivery in sandbox.deliveries))

    assert sorted(event.event_type for event in events.seen) == [
        "invalidate_sr", "media_rejected", "state_change", "state_change",
    ]  # fmt: skip
    assert {event.sr_uuid for event in events.seen} == {sr.uuid}
    assert sum(delivery.attempts for delivery in sandbox.deliveries) == 4 + 2
