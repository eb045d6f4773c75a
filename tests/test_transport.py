"""What goes over the wire, what comes back, and what each failure of the network is called."""

import asyncio
import contextlib
import gzip
import http
import inspect
import io
import socket
import struct
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import BinaryIO, Self

import aiohttp
import pytest
from attrs import define, field
from multidict import CIMultiDict

from legitmark_async import (
    AttemptTimeoutError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidRequestError,
    Legitmark,
    MalformedResponseError,
    OutcomeUnknownError,
    ResponseError,
    RetryPolicy,
    ServiceRequestDraft,
    Timeouts,
    TransportError,
)
from legitmark_async._transport import LARGEST_BODY, Transport, _opened, user_agent
from legitmark_async._wire import Request, Response
from legitmark_async.options import Secret
from legitmark_async.sandbox import Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]

KEY = "leo_0123456789"
ASK = Request(method="POST", path="/api/v2/sr", body=b'{"a": "\xc3\xa9"}', read=lambda payload: payload)

CLOSE, RESET, HOLD = "close", "reset", "hold"
Script = tuple[bytes | str | float, ...]


def answer(body: bytes, *headers: str, status: int = 200) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@define(eq=False)
class Peer:
    """A server of raw bytes: follows its first script at the first request, and so on; the last one is for all others.

    A script is done step by step: bytes are sent, `CLOSE` ends the connection, `RESET` resets it, `HOLD` says nothing
    more until the peer is closed; a number is a pause in seconds.
    """

    scripts: tuple[Script, ...]
    greeting: bytes = b""
    requests: list[tuple[dict[str, str], bytes]] = field(factory=list[tuple[dict[str, str], bytes]])
    connections: int = 0
    arrived: asyncio.Event = field(factory=asyncio.Event)
    _closing: asyncio.Event = field(factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])
    _writers: list[asyncio.StreamWriter] = field(factory=list[asyncio.StreamWriter])
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._closing.set()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)

    @property
    def host(self) -> str:
        """Its address and port."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if self.greeting:
                writer.write(self.greeting)
                await writer.drain()
            while not writer.is_closing():
                await self._exchange(reader, writer)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines) | {"": first}
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        self.requests.append((headers, body))
        self.arrived.set()
        for step in self.scripts[min(len(self.requests), len(self.scripts)) - 1]:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step == HOLD:
                await self._closing.wait()
            else:
                _hang_up(writer, reset=step == RESET)


def _hang_up(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if not reset:
        writer.close()
        return
    # With no time to linger the kernel sends RST in place of FIN.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def make_transport(url: str, timeouts: Timeouts | None = None) -> Transport:
    """A transport on a server."""
    return Transport(url, Secret(KEY), timeouts or Timeouts(), lambda: 0.5)


async def send(url: str, *, timeouts: Timeouts | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Send one request through a transport of its own."""
    transport = make_transport(url, timeouts)
    await transport.open()
    try:
        return await transport.send(ASK, "lm-1", headers or {})
    finally:
        await transport.aclose()


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Transport]:
    """An open transport."""
    transport = make_transport(url)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.aclose()


def exceptions_of_aiohttp() -> list[type[Exception]]:
    """Every exception of aiohttp that says that a request failed."""
    public = [value for value in vars(aiohttp).values() if inspect.isclass(value)]
    roots = (aiohttp.ClientError, TimeoutError)
    return sorted({cls for cls in public if issubclass(cls, roots)}, key=lambda cls: cls.__name__)


def made(cls: type[Exception]) -> Exception:
    """An instance without its constructor, whose text doesn't need what the constructor sets."""
    silent: type[Exception] = type(cls.__name__, (cls,), {"__str__": lambda _: ""})
    return silent.__new__(silent)


async def test_headers() -> None:
    """The headers of the contract are sent, and no language that nobody asked for."""
    async with Peer(((answer(b"{}"),),)) as peer:
        await send(peer.url)

    headers, _ = peer.requests[0]
    assert headers[""] == "POST /api/v2/sr HTTP/1.1"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept"] == "application/json"
    assert headers["User-Agent"].startswith("legitmark-async/")
    assert f"aiohttp/{aiohttp.__version__}" in headers["User-Agent"]
    assert headers["X-Request-Id"] == "lm-1"
    assert "Accept-Language" not in headers


async def test_language(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A language is sent by the view that was given one, and by no other."""
    async with Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
        await client.with_options(language="ja").sr.create(draft)
        await client.sr.create(draft)

    japanese, default = sandbox.requests_seen
    assert japanese.headers["Accept-Language"] == "ja"
    assert "Accept-Language" not in default.headers


async def test_request_ids(sandbox: Sandbox, drafts: Drafts) -> None:
    """Each try has an id of its own, and two clients don't share one."""
    luck = iter([0.25, 0.75])
    for _ in range(2):
        async with Legitmark(sandbox.api_key, base_url=sandbox.url, random=lambda: next(luck)) as client:
            await asyncio.gather(*[client.sr.create(draft) for draft in drafts(20)])

    ids = {CIMultiDict(seen.headers)["X-Request-Id"] for seen in sandbox.requests_seen}
    assert len(ids) == 40
    assert len({each.rpartition("-")[0] for each in ids}) == 2


async def test_request_body() -> None:
    """The body arrives byte for byte."""
    async with Peer(((answer(b"{}"),),)) as peer:
        await send(peer.url)

    assert peer.requests[0][1] == ASK.body


@pytest.mark.parametrize(
    ("body", "header"),
    [
        pytest.param(b'{"a": "\xff\x00"}\r\n', "X-A: b", id="plain"),
        pytest.param(b"", "X-A: b", id="empty"),
        pytest.param(b"x" * 1_000_000, "Content-Encoding: gzip", id="gzip"),
    ],
)
async def test_answer_body(body: bytes, header: str) -> None:
    """An answer is read whole and unchanged, out of gzip too."""
    sent = gzip.compress(body) if "gzip" in header else body
    async with Peer(((answer(sent, header),),)) as peer:
        response = await send(peer.url)

    assert (response.status, response.body) == (200, body)


async def test_chunked_answer() -> None:
    """An answer of unknown length is read to its last chunk."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Peer(((head, b"2\r\n{}\r\n", b"3\r\n   \r\n", b"0\r\n\r\n"),)) as peer:
        response = await send(peer.url)

    assert response.body == b"{}   "


@pytest.mark.parametrize(
    ("header", "told"),
    [
        pytest.param("X-Request-Id: theirs", "theirs", id="request-id"),
        pytest.param("x-amzn-RequestId: amazon", "amazon", id="gateway"),
        pytest.param("X-Other: theirs", "lm-1", id="ours"),
    ],
)
async def test_request_id_of_answer(header: str, told: str) -> None:
    """The request id is the server's, and ours if it has none."""
    async with Peer(((answer(b"{}", header),),)) as peer:
        response = await send(peer.url)

    assert response.request_id == told


async def test_cookies() -> None:
    """A cookie that the server sets is not sent back."""
    script = (answer(b"{}", "Set-Cookie: a=b; Path=/"),)
    # By its name: of an address aiohttp would keep no cookie in any case.
    async with Peer((script,)) as peer, opened(peer.url.replace("127.0.0.1", "localhost")) as transport:
        await transport.send(ASK, "lm-1", {})
        await transport.send(ASK, "lm-2", {})

    assert peer.connections == 1
    assert len(peer.requests) == 2
    assert all("Cookie" not in headers for headers, _ in peer.requests)


async def test_redirect(draft: ServiceRequestDraft) -> None:
    """A redirect is an answer that is no success; its target is never asked."""
    async with Peer(((answer(b"{}"),),)) as target:
        moved = answer(b"", f"Location: {target.url}/elsewhere", status=302)
        async with Peer(((moved,),)) as peer, Legitmark(KEY, base_url=peer.url) as client:
            with pytest.raises(ResponseError, match="answered 302") as caught:
                await client.sr.create(draft)

    assert caught.value.status == 302
    assert (len(peer.requests), target.connections) == (1, 0)


@pytest.mark.parametrize("cls", [*exceptions_of_aiohttp(), TimeoutError, OSError, ConnectionResetError])
def test_translated(cls: type[Exception]) -> None:
    """Every exception of aiohttp becomes an error of ours, with its name in the cause."""
    translated = make_transport("http://127.0.0.1")._translate(ASK, made(cls))

    assert isinstance(translated, TransportError)
    assert isinstance(translated, AttemptTimeoutError | ConnectionFailedError) or translated.maybe_processed
    assert cls.__name__ in str(translated.__cause__)
    # Only where there surely was no connection may a create be sent again.
    surely_not = {
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorSSLError",
        "ClientConnectorCertificateError",
        "ClientProxyConnectionError",
        "ClientSSLError",
        "ClientHttpProxyError",
        "ConnectionTimeoutError",
        "InvalidURL",
        "InvalidUrlClientError",
        "NonHttpUrlClientError",
        "ServerFingerprintMismatch",
        "UnixClientConnectorError",
    }
    assert translated.maybe_processed is (cls.__name__ not in surely_not)
    assert isinstance(translated, ConnectionFailedError) is (cls.__name__ in surely_not)


def test_table_is_of_use() -> None:
    """The walk over aiohttp finds what it is about."""
    names = {cls.__name__ for cls in exceptions_of_aiohttp()}

    assert len(names) > 20
    assert {"ServerDisconnectedError", "ClientPayloadError", "SocketTimeoutError", "InvalidURL"} <= names


@pytest.mark.parametrize(
    ("cls", "retryable"),
    [
        pytest.param(aiohttp.ClientConnectorError, True, id="refused"),
        pytest.param(aiohttp.ClientConnectorDNSError, True, id="no-name"),
        pytest.param(aiohttp.ConnectionTimeoutError, True, id="timeout"),
        pytest.param(aiohttp.ClientConnectorCertificateError, False, id="certificate"),
        pytest.param(aiohttp.InvalidURL, False, id="url"),
    ],
)
def test_hopeless(cls: type[Exception], *, retryable: bool) -> None:
    """What no repeating can mend is not repeated."""
    translated = make_transport("http://127.0.0.1")._translate(ASK, made(cls))

    assert translated.retryable is retryable


async def test_refused() -> None:
    """Where nobody listens nothing is sent."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionFailedError, match=r"was never sent: aiohttp\.ClientConnectorError") as caught:
            await send(f"http://127.0.0.1:{bound.getsockname()[1]}")

    assert caught.value.maybe_processed is False
    assert caught.value.retryable is True


async def test_tls_fails() -> None:
    """A server that doesn't speak TLS is sent nothing."""
    async with Peer((), greeting=answer(b"plain", status=400)) as peer:
        with pytest.raises(ConnectionFailedError, match=r"was never sent: aiohttp.*SSL") as caught:
            await send(f"https://{peer.host}")

    assert caught.value.maybe_processed is False
    assert not peer.requests


async def test_connect_timeout() -> None:
    """A connection that is not made in time is nothing sent."""
    with contextlib.ExitStack() as stack:
        # Nobody accepts, so that the queue is soon full, and the kernel lets the next one wait.
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listening.getsockname())
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        with pytest.raises(ConnectionFailedError, match="ConnectionTimeoutError") as caught:
            await send(url, timeouts=Timeouts(connect=0.1))

    assert caught.value.maybe_processed is False


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        pytest.param((CLOSE,), "ServerDisconnectedError", id="closed"),
        pytest.param((RESET,), "ClientOSError|ServerDisconnectedError", id="reset"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nConte", CLOSE), "ServerDisconnectedError|ClientResponseError", id="cut-head"
        ),
        pytest.param((HEAD, CLOSE), "ClientPayloadError", id="no-body"),
        pytest.param((HEAD + b'{"a": ', CLOSE), "ClientPayloadError", id="cut-body"),
        pytest.param((HEAD + b'{"a": ', RESET), "ClientPayloadError|ClientOSError", id="reset-body"),
        pytest.param((CHUNKED + b"2\r\n{}\r\n", CLOSE), "ClientPayloadError", id="cut-chunks"),
        pytest.param(
            (CHUNKED + b"no number\r\n{}\r\n", CLOSE), "ClientPayloadError|ClientResponseError", id="bad-chunk"
        ),
        pytest.param((ZIPPED + b"Content-Length: 5\r\n\r\nplain",), "ClientPayloadError", id="bad-gzip"),
        pytest.param((b"NONSENSE\r\n\r\n",), "ClientResponseError", id="status-line"),
        pytest.param((b"HTTP/1.1 2OO Fine\r\n\r\n",), "ClientResponseError", id="status-letters"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",), "ClientResponseError", id="long-header"
        ),
    ],
)
async def test_no_complete_answer(script: Script, told: str) -> None:
    """After the request has left, a missing, cut or malformed answer leaves open what happened; nothing is repeated."""
    async with Peer((script,)) as peer:
        with pytest.raises(TransportError, match=f"got no complete answer: aiohttp.({told})") as caught:
            await send(peer.url)

    assert type(caught.value) is TransportError
    assert caught.value.maybe_processed is True
    assert len(peer.requests) == 1


async def test_cut_gzip(draft: ServiceRequestDraft) -> None:
    """A gzip that ends too early, though its length is right, is no answer: aiohttp gives what there is of it."""
    whole = gzip.compress(b'{"success": true, "sr": {"uuid": "1", "external_id": "ITEM-2024-0891"}}')
    script = (answer(whole[:-16], "Content-Encoding: gzip"),)
    async with Peer((script,)) as peer, Legitmark(KEY, base_url=peer.url, on_ambiguous="raise") as client:
        with pytest.raises(OutcomeUnknownError, match="body that can't be read") as caught:
            await client.sr.create(draft)

    assert isinstance(caught.value.__cause__, MalformedResponseError)
    assert len(peer.requests) == 1


async def test_stale_connection() -> None:
    """A request on a kept connection that the server closes just then may have been processed; it is not repeated."""
    async with Peer(((answer(b"{}"),), (CLOSE,))) as peer, opened(peer.url) as transport:
        await transport.send(ASK, "lm-1", {})
        with pytest.raises(TransportError, match="ServerDisconnectedError") as caught:
            await transport.send(ASK, "lm-2", {})

    assert caught.value.maybe_processed is True
    assert (peer.connections, len(peer.requests)) == (1, 2)


async def test_closed_connection() -> None:
    """A connection that the server won't keep is not used again."""
    bye = (answer(b"{}", "Connection: close"), CLOSE)
    async with Peer((bye, bye)) as peer, opened(peer.url) as transport:
        first = await transport.send(ASK, "lm-1", {})
        second = await transport.send(ASK, "lm-2", {})

    assert (first.status, second.status) == (200, 200)
    assert peer.connections == 2


@pytest.mark.parametrize("script", [(HOLD,), (HEAD + b"{", HOLD)], ids=["no-answer", "half-a-body"])
@pytest.mark.parametrize(
    ("timeouts", "told"),
    [
        pytest.param(Timeouts(read=0.1), "nothing more came within 0.1 s", id="read"),
        pytest.param(Timeouts(attempt=0.1), "within 0.1 s", id="attempt"),
    ],
)
async def test_timeout(script: Script, timeouts: Timeouts, told: str) -> None:
    """An answer that doesn't come in time leaves open what happened."""
    async with Peer((script,)) as peer:
        with pytest.raises(AttemptTimeoutError, match=f"in time: .*{told}") as caught:
            await send(peer.url, timeouts=timeouts)

    assert caught.value.maybe_processed is True
    assert len(peer.requests) == 1


async def test_drops() -> None:
    """The time of a try runs on while the body comes in drops, each of them in time."""
    drops = (b"1\r\n \r\n", 0.05) * 60
    async with Peer(((CHUNKED, *drops, HOLD),)) as peer:
        with pytest.raises(AttemptTimeoutError, match=r"within 0\.4 s"):
            await send(peer.url, timeouts=Timeouts(read=0.3, attempt=0.4))

    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("size", "fits"),
    [pytest.param(LARGEST_BODY, True, id="largest"), pytest.param(LARGEST_BODY + 1, False, id="larger")],
)
async def test_largest_body(size: int, *, fits: bool) -> None:
    """A body of 16 MiB is read, one of a byte more is not."""
    async with Peer(((answer(b" " * size, "X-Request-Id: theirs"),),)) as peer:
        expected = pytest.raises(MalformedResponseError, match=f"is larger than {LARGEST_BODY} bytes")
        with contextlib.nullcontext() if fits else expected as caught:
            response = await send(peer.url)
            assert len(response.body) == size

    if caught is not None:
        assert (caught.value.status, caught.value.request_id) == (200, "theirs")
        assert caught.value.maybe_processed is True


async def test_gzip_bomb() -> None:
    """200 KB that unpack to 200 MB are refused, in little memory."""
    bomb = answer(gzip.compress(bytes(200 * 1024 * 1024), compresslevel=9), "Content-Encoding: gzip")
    assert len(bomb) < 300_000
    async with Peer(((bomb,),)) as peer:
        tracemalloc.start()
        try:
            with pytest.raises(MalformedResponseError, match="is larger than"):
                await send(peer.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 4 * LARGEST_BODY


async def test_foreign_session(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A session of the caller's is used with our headers, and is never closed."""
    async with aiohttp.ClientSession(headers={"X-Mine": "1", "Authorization": "Bearer theirs"}) as session:
        client = Legitmark(sandbox.api_key, base_url=sandbox.url, session=session)
        for _ in range(2):
            async with client:
                await client.sr.create(draft)
        assert not session.closed

    for seen in sandbox.requests_seen:
        assert seen.headers["X-Mine"] == "1"
        assert seen.headers["Authorization"] == f"Bearer {sandbox.api_key}"
        assert seen.headers["Content-Type"] == "application/json"
        assert seen.headers["User-Agent"].startswith("legitmark-async/")
    assert sandbox.ledger.created == 2


@pytest.mark.parametrize("limit", [{"limit": 2}, {"limit": 0, "limit_per_host": 2}], ids=["limit", "per-host"])
async def test_foreign_connector(limit: dict[str, int], drafts: Drafts) -> None:
    """The connections of the caller's session cap the requests in flight, so that none waits inside aiohttp."""
    connector = aiohttp.TCPConnector(limit=limit["limit"], limit_per_host=limit.get("limit_per_host", 0))
    # Without retries, so that a call that waits inside aiohttp for longer than it may connect shows.
    timeouts, retry = Timeouts(connect=1.0), RetryPolicy(attempts=1)
    async with (
        Sandbox(latency=0.1) as sandbox,
        aiohttp.ClientSession(connector=connector) as session,
        Legitmark(sandbox.api_key, base_url=sandbox.url, session=session, timeouts=timeouts, retry=retry) as client,
    ):
        await asyncio.gather(*[client.sr.create(draft) for draft in drafts(40)])

    assert sandbox.ledger.in_flight_peak == 2
    assert (sandbox.ledger.created, sandbox.ledger.requests) == (40, 40)


async def test_foreign_raise_for_status(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A session that raises for a status doesn't hide the answer."""
    async with (
        Peer(((answer(b'{"error": {"message": "no such type"}}', status=400),),)) as peer,
        aiohttp.ClientSession(raise_for_status=True) as session,
        Legitmark(sandbox.api_key, base_url=peer.url, session=session) as client,
    ):
        with pytest.raises(InvalidRequestError, match="answered 400: no such type"):
            await client.sr.create(draft)


async def test_foreign_base_url(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A base URL of the session's doesn't count."""
    async with (
        aiohttp.ClientSession(base_url="http://127.0.0.1:9/elsewhere/") as session,
        Legitmark(sandbox.api_key, base_url=sandbox.url, session=session) as client,
    ):
        await client.sr.create(draft)

    assert [seen.path for seen in sandbox.requests_seen] == ["/api/v2/sr"]


async def test_foreign_closed(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A session that its owner has closed is named as the cause."""
    session = aiohttp.ClientSession()
    async with Legitmark(sandbox.api_key, base_url=sandbox.url, session=session) as client:
        await session.close()

        with pytest.raises(ConfigurationError, match=r"session passed to Legitmark\(\) is closed"):
            await client.sr.create(draft)

    assert not sandbox.requests_seen


async def test_base_path(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """The path of a base URL stands before that of the call."""
    async with Legitmark(sandbox.api_key, base_url=f"{sandbox.url}/proxy/") as client:
        with pytest.raises(ResponseError, match="answered 404"):
            await client.sr.create(draft)

    assert [seen.path for seen in sandbox.requests_seen] == ["/proxy/api/v2/sr"]


async def test_concurrency(drafts: Drafts) -> None:
    """However many tasks there are, no more requests are in flight than allowed, and waiting counts for no timeout."""
    timeouts, retry = Timeouts(connect=0.5, attempt=0.5), RetryPolicy(attempts=1)
    async with (
        Sandbox(latency=0.02) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, concurrency=4, timeouts=timeouts, retry=retry) as client,
    ):
        began = asyncio.get_running_loop().time()
        created = await asyncio.gather(*[client.sr.create(draft) for draft in drafts(200)])
        seconds = asyncio.get_running_loop().time() - began

    assert len({sr.uuid for sr in created}) == 200
    assert sandbox.ledger.in_flight_peak == 4
    assert (sandbox.ledger.requests, sandbox.ledger.duplicates) == (200, 0)
    assert seconds > timeouts.attempt


class SlowContent:
    """A file on a disk that takes its time, until the test lets it."""

    def __init__(self, opened: "BinaryIO | OSError") -> None:
        self.begun, self.may_open = threading.Event(), threading.Event()
        self._opened = opened

    def open(self) -> BinaryIO:
        """Open it, or fail."""
        self.begun.set()
        self.may_open.wait(10)
        if isinstance(self._opened, OSError):
            raise self._opened
        return self._opened


@pytest.mark.parametrize("found", [io.BytesIO(b"photo"), OSError("gone")], ids=["opens", "fails"])
async def test_cancelled_while_a_file_opens(found: "io.BytesIO | OSError") -> None:
    """A file that is opened for a call which was cancelled meanwhile is closed, if it opens."""
    content = SlowContent(found)
    opening = asyncio.create_task(_opened(content))
    await asyncio.to_thread(content.begun.wait, 10)

    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    content.may_open.set()
    await asyncio.to_thread(lambda: None)
    async with asyncio.timeout(10):
        while isinstance(found, io.BytesIO) and not found.closed:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.001)


def test_no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the package that was never installed calls itself version 0."""
    monkeypatch.setattr(sys, "path", [])

    assert user_agent.__wrapped__().startswith("legitmark-async/0 Python/3.")
