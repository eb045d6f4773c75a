"""The proxy of the fault tests, between a bare socket and a server that writes down what it gets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Self

import pytest
from attrs import define, field
from fault_proxy import Fault, FaultProxy
from waiting import until

POST = b"POST /api/v2/sr HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{'a': 1}\n"
GET = b"GET /api/sr/find/ITEM-0 HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
END, RESET = "end", "reset"

LENGTHS = [0, 1, 20, -1]


@define(eq=False)
class Origin(asyncio.Protocol):
    """One connection of the server: what came, when and how it ended."""

    answer: bytes
    received: bytearray = field(factory=bytearray)
    received_at: float = 0.0
    ending: str | None = None
    answered: int = 0
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Note what came, and answer each whole request."""
        assert self._transport is not None
        self.received += data
        self.received_at = asyncio.get_running_loop().time()
        requests = self.received.count(POST) + self.received.count(GET)
        self._transport.write(self.answer * (requests - self.answered))
        self.answered = requests

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how it ended."""
        self.ending = END if exc is None else RESET


@define(eq=False)
class Origins:
    """The server: its connections, oldest first."""

    url: str
    answer: bytes = ANSWER
    made: list[Origin] = field(factory=list[Origin])

    def accept(self) -> Origin:
        """Make the next one."""
        self.made.append(Origin(self.answer))
        return self.made[-1]

    async def endings(self) -> list[str | None]:
        """Wait until all connections have ended, and tell how."""
        await until(lambda: all(origin.ending for origin in self.made))
        return [origin.ending for origin in self.made]


@define(eq=False)
class Client:
    """A bare socket on the proxy."""

    sock: socket.socket = field(factory=socket.socket)

    async def __aenter__(self) -> Self:
        self.sock.settimeout(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sock.close()

    async def connect(self, proxy: FaultProxy) -> None:
        """Connect to the proxy."""
        host, _, port = proxy.url.removeprefix("http://").partition(":")
        await asyncio.get_running_loop().sock_connect(self.sock, (host, int(port)))

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self, length: int) -> bytes:
        """Receive so many bytes."""
        data = b""
        while len(data) < length:
            piece = await asyncio.get_running_loop().sock_recv(self.sock, length - len(data))
            assert piece
            data += piece
        return data

    async def receive_all(self) -> tuple[bytes, str]:
        """Receive what comes, and tell how it ended."""
        data = b""
        try:
            while piece := await asyncio.get_running_loop().sock_recv(self.sock, 1_000_000):
                data += piece
        except ConnectionResetError:
            return data, RESET
        return data, END

    def receive_at_once(self) -> bytes:
        """Receive what is there, to the end, which must be there too."""
        data = b""
        while piece := self.sock.recv(1000):
            data += piece
        return data

    async def is_refused(self) -> bool:
        """Tell whether the other end takes nothing any more: the answer to bytes for a closed socket is RST."""
        try:
            for _ in range(100):
                await self.send(b"x")
                await asyncio.sleep(0)
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False


@contextlib.asynccontextmanager
async def serving(answer: bytes = ANSWER) -> AsyncIterator[Origins]:
    """A server whose connections must all end by themselves."""
    origins = Origins("", answer)
    server = await asyncio.get_running_loop().create_server(origins.accept, "127.0.0.1", 0)
    origins.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield origins
        await origins.endings()
    finally:
        server.close()


@pytest.fixture
async def origins() -> AsyncIterator[Origins]:
    """A server that answers well."""
    async with serving() as origins:
        yield origins


@pytest.fixture
async def proxy(origins: Origins) -> AsyncIterator[FaultProxy]:
    """A proxy before it."""
    async with FaultProxy(origins.url) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    """A connection to the proxy."""
    async with Client() as client:
        await client.connect(proxy)
        yield client


async def test_passes(origins: Origins, proxy: FaultProxy, client: Client) -> None:
    """Without a plan requests and answers pass byte for byte, all of a connection over one to the server."""
    for request in (POST, GET, POST):
        await client.send(request)
        assert await client.receive(len(ANSWER)) == ANSWER

    (origin,) = origins.made
    assert origin.received == POST + GET + POST
    assert proxy.requests == [
        "POST /api/v2/sr HTTP/1.1",
        "GET /api/sr/find/ITEM-0 HTTP/1.1",
        "POST /api/v2/sr HTTP/1.1",
    ]
    assert proxy.connections == 1


@pytest.mark.parametrize("after", [20_000, 50_000, 80_000, 110_000, 255_000])
async def test_large(after: int) -> None:
    """What is larger than the kernel's buffer passes to the last byte before the fault comes."""
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 256000\r\n\r\n" + bytes(range(256)) * 1000
    async with serving(large) as origins, FaultProxy(origins.url) as proxy, Client() as client:
        assert proxy._server is not None
        # The connections of a listening socket have its buffers.
        proxy._server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await client.connect(proxy)
        proxy.plan = [Fault.cut(after=after, side="answer")]
        await client.send(POST)

        assert await client.receive_all() == (large[:after], END)


async def test_plan(origins: Origins, proxy: FaultProxy, client: Client) -> None:
    """Each request takes its own entry of the plan, and after the last one all pass."""
    proxy.plan = [None, Fault.cut(side="answer")]
    await client.send(POST)
    assert await client.receive(len(ANSWER)) == ANSWER
    await client.send(POST)

    assert await client.receive_all() == (b"", END)
    assert proxy.plan == []
    async with Client() as second:
        await second.connect(proxy)
        await second.send(POST)
        assert await second.receive(len(ANSWER)) == ANSWER
    assert [bytes(origin.received) for origin in origins.made] == [POST + POST, POST]


async def test_only(proxy: FaultProxy, client: Client) -> None:
    """A request whose line doesn't begin as the plan wants it passes, and takes nothing from the plan."""
    proxy.only, proxy.plan = "POST /api/v2/sr ", [Fault.cut(side="answer")]
    for _ in range(2):
        await client.send(GET)
        assert await client.receive(len(ANSWER)) == ANSWER
    assert len(proxy.plan) == 1

    await client.send(POST)

    assert await client.receive_all() == (b"", END)
    assert proxy.plan == []


async def test_in_order_of_arrival(origins: Origins, proxy: FaultProxy, client: Client) -> None:
    """A request counts when it has come in whole, not when it begins."""
    proxy.plan = [Fault.reset(side="answer"), None]
    async with Client() as second:
        await second.connect(proxy)
        await client.send(POST[:-1])
        await second.send(POST)
        assert await second.receive_all() == (b"", RESET)
        await client.send(POST[-1:])

        assert await client.receive(len(ANSWER)) == ANSWER
    assert sum(origin.answered for origin in origins.made) == 2


@pytest.mark.parametrize("after", [*LENGTHS, 10_000])
@pytest.mark.parametrize(("fault", "ending"), [(Fault.cut, END), (Fault.reset, RESET)])
async def test_request_lost(
    fault: Callable[..., Fault], ending: str, after: int, origins: Origins, proxy: FaultProxy, client: Client
) -> None:
    """The server gets the beginning of the request and never its last byte; both ends see how the connection ends."""
    proxy.plan = [fault(after=after, side="request")]
    await client.send(POST)

    assert await client.receive_all() == (b"", ending)
    assert await origins.endings() == [ending]
    (origin,) = origins.made
    assert origin.received == POST[:-1][: after if after >= 0 else None]


@pytest.mark.parametrize("after", [*LENGTHS, 10_000])
@pytest.mark.parametrize(("fault", "ending"), [(Fault.cut, END), (Fault.reset, RESET)])
async def test_answer_lost(
    fault: Callable[..., Fault], ending: str, after: int, origins: Origins, proxy: FaultProxy, client: Client
) -> None:
    """The server gets the whole request, the client the beginning of the answer."""
    proxy.plan = [fault(after=after, side="answer")]
    await client.send(POST)

    assert await client.receive_all() == (ANSWER[:after], ending)
    assert await origins.endings() == [ending]
    (origin,) = origins.made
    assert origin.received == POST


@pytest.mark.parametrize("after", LENGTHS)
async def test_half_close(after: int, origins: Origins, proxy: FaultProxy, client: Client) -> None:
    """The answer ends too early, and yet the connection stays open for what the client sends."""
    proxy.plan = [Fault.half_close(after=after)]
    await client.send(POST)

    assert await client.receive_all() == (ANSWER[:after], END)
    assert not await client.is_refused()
    assert origins.made[0].received == POST


async def test_cut_is_no_half_close(proxy: FaultProxy, client: Client) -> None:
    """After a cut nobody takes what the client sends."""
    proxy.plan = [Fault.cut(side="answer")]
    await client.send(POST)

    assert await client.receive_all() == (b"", END)
    assert await client.is_refused()


@pytest.mark.parametrize("after", LENGTHS)
@pytest.mark.parametrize("side", ["request", "answer"])
async def test_stall(side: str, after: int, origins: Origins) -> None:
    """The bytes stop, and no end comes before the proxy is closed; the rest never passes."""
    fault = Fault("stall", "request" if side == "request" else "answer", after)
    async with Client() as client:
        async with FaultProxy(origins.url) as proxy:
            proxy.plan = [fault]
            await client.connect(proxy)
            await client.send(POST)
            passed = await client.receive(len(ANSWER[:after]) if side == "answer" else 0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive(1), 0.05)
            assert origins.made[0].ending is None

        assert await client.receive_all() == (b"", END)

    assert passed == (ANSWER[:after] if side == "answer" else b"")
    assert await origins.endings() == [END]
    assert origins.made[0].received == (POST if side == "answer" else POST[:after])


async def test_delayed_request(origins: Origins, proxy: FaultProxy, client: Client) -> None:
    """A delayed request comes late to the server, and is answered."""
    proxy.plan = [Fault.delay(0.1, side="request")]
    began = asyncio.get_running_loop().time()
    await client.send(POST)

    assert await client.receive(len(ANSWER)) == ANSWER
    assert origins.made[0].received_at - began > 0.09


async def test_delayed_answer(origins: Origins, proxy: FaultProxy, client: Client) -> None:
    """A delayed answer leaves the server at once, and comes late to the client."""
    proxy.plan = [Fault.delay(0.1, side="answer")]
    await client.send(POST)

    assert await client.receive(len(ANSWER)) == ANSWER
    assert asyncio.get_running_loop().time() - origins.made[0].received_at > 0.09


async def test_client_leaves(origins: Origins, proxy: FaultProxy) -> None:
    """A delayed request reaches the server though its client has left, and then the connection is closed."""
    proxy.plan = [Fault.delay(0.05, side="request")]
    async with Client() as client:
        await client.connect(proxy)
        await client.send(POST)
        await until(lambda: len(proxy.requests) == 1)

    assert await origins.endings() == [END]
    assert origins.made[0].received == POST


async def test_server_leaves(proxy: FaultProxy, client: Client, origins: Origins) -> None:
    """A server that closes its connection in the midst of an answer ends that of the client."""
    await client.send(POST)
    await client.receive(len(ANSWER))
    origin = origins.made[0]
    origin.answer = ANSWER[:-1]
    await client.send(POST)
    await until(lambda: origin.answered == 2)
    assert origin._transport is not None
    origin._transport.close()

    assert await client.receive_all() == (b"", END)
    assert len(proxy.requests) == 2


async def test_no_server() -> None:
    """Where no server listens, the connection is closed as soon as it is made."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with FaultProxy(f"http://127.0.0.1:{bound.getsockname()[1]}") as proxy, Client() as client:
            await client.connect(proxy)

            assert await client.receive_all() == (b"", END)


async def test_close(origins: Origins) -> None:
    """Closing leaves no task, no connection and no port, whatever its connections were at."""
    plan = [
        Fault.stall(after=10, side="request"),
        Fault.stall(after=10, side="answer"),
        Fault.half_close(after=10),
        Fault.delay(60.0, side="request"),
        Fault.delay(60.0, side="answer"),
        Fault.cut(side="answer"),
        None,
    ]
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client()) for _ in range(len(plan) + 2)]
        async with FaultProxy(origins.url) as proxy:
            for client in clients:
                await client.connect(proxy)
            proxy.plan = list(plan)
            for client, data in zip(clients, [POST] * len(plan) + [POST[:20], b""], strict=True):
                await client.send(data)
            await until(lambda: len(proxy.requests) == len(plan) and len(origins.made) == len(clients))

        assert asyncio.all_tasks() == before
        assert all(ANSWER.startswith(client.receive_at_once()) for client in clients)

    async with Client() as late:
        with pytest.raises(ConnectionRefusedError):
            await late.connect(proxy)


# At most so many rounds of the loop until the proxy has both of its connections, and then some.
@pytest.mark.parametrize("rounds", range(8))
async def test_close_as_one_comes(rounds: int, origins: Origins) -> None:
    """Closing ends a connection that is just being accepted, however far that has got."""
    before = asyncio.all_tasks()
    async with Client() as client:
        async with FaultProxy(origins.url) as proxy:
            await client.connect(proxy)
            for _ in range(rounds):
                await asyncio.sleep(0)

        assert (await client.receive_all())[0] == b""
        await until(lambda: asyncio.all_tasks() <= before)


async def test_at_a_loss() -> None:
    """What the proxy can't make out is told when it is closed, and not passed on."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="a body without Content-Length: .*chunked")):
        async with serving(chunked) as origins, FaultProxy(origins.url) as proxy, Client() as client:
            await client.connect(proxy)
            await client.send(POST)
            assert await client.receive_all() == (b"", END)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault.reset(after=10, side="answer"), "reset-answer-10"),
        (Fault.delay(0.5, side="request"), "delay-request-0.5"),
    ],
)
def test_name(fault: Fault, told: str) -> None:
    """A fault names itself, as the id of a test."""
    assert str(fault) == told
