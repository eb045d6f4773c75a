"""A proxy that does to connections what networks do, so that a test sees what a client makes of it.

It stands on loopback between a client and a server, with one connection to the server for each of the client's, and
knows just enough of HTTP/1.1 to see where a request and its answer end: both are passed on one after the other, as they
are, with bodies that have a `Content-Length`.

The plan has an entry for each request. Only when a request has come in whole is its entry taken, and only when the
server's answer has come in whole is anything of it passed on. So neither the speed of a machine nor the way in which
bytes are cut into packets decides what a fault does.

Example:
    async with FaultProxy(sandbox.url, only="POST ") as proxy:
        proxy.plan = [None, Fault.reset(after=10, side="answer")]
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Kind = Literal["delay", "cut", "reset", "half-close", "stall"]
Side = Literal["request", "answer"]

# With no time to linger the kernel sends RST in place of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """What happens to one request, and to the connections it came by.

    A fault of the request lets its beginning through to the server, but never its last byte, so that the server can't
    do what is asked. A fault of the answer lets the whole request through and the beginning of the answer back to the
    client, after the server has done what was asked. A delay alone loses nothing.

    Attributes:
        kind: What happens.
        side: To what.
        after: How many bytes are let through, as the end of a slice: -1 is for all but the last one. An answer that is
            shorter passes whole before the fault comes.
        seconds: How long a delay is.
    """

    kind: Kind
    side: Side
    after: int = 0
    seconds: float = 0.0

    @classmethod
    def delay(cls, seconds: float, *, side: Side) -> Self:
        """Hold it back for some seconds, and pass it on then, whether or not the client still waits."""
        return cls("delay", side, seconds=seconds)

    @classmethod
    def cut(cls, *, after: int = 0, side: Side) -> Self:
        """Close both connections (FIN)."""
        return cls("cut", side, after)

    @classmethod
    def reset(cls, *, after: int = 0, side: Side) -> Self:
        """Reset both connections (RST)."""
        return cls("reset", side, after)

    @classmethod
    def half_close(cls, *, after: int = 0) -> Self:
        """End the answer (FIN), but take what the client sends until the proxy is closed."""
        return cls("half-close", "answer", after)

    @classmethod
    def stall(cls, *, after: int = 0, side: Side) -> Self:
        """Pass nothing more, and keep both connections open until the proxy is closed."""
        return cls("stall", side, after)

    def __str__(self) -> str:
        return f"{self.kind}-{self.side}-{self.seconds if self.kind == 'delay' else self.after}"

    def of(self, side: Side) -> "Fault":
        """Return what it does to that side, which may be nothing."""
        return self if self.side == side else _NOTHING

    def beginning(self, message: bytes) -> bytes:
        """Return what of a request or an answer is let through."""
        if self.kind == "delay":
            return message
        passed = message[: self.after]
        return passed if self.side == "answer" else passed[: len(message) - 1]


_NOTHING = Fault.delay(0.0, side="request")


class FaultProxy:
    """A proxy before a server, open inside `async with`. Closing it ends all its connections and tasks.

    Attributes:
        url: Where it listens.
        only: How the request lines begin, as in `POST /api/v2/sr `, that the plan is for. All others pass.
        plan: The faults of the next requests, in the order in which these come in, over all connections; None lets one
            pass. Each entry is removed as it is taken; when there is none left all pass. A test may set it anew or
            change it at any time.
        requests: The request lines that came in.
        connections: How many connections were made.

    Raises:
        ExceptionGroup: On closing: the proxy could not make out what passed on some connections.
    """

    def __init__(self, target_url: str, *, only: str = "") -> None:
        target = urlsplit(target_url)
        self.url = ""
        self.only = only
        self.plan: list[Fault | None] = []
        self.requests: list[str] = []
        self.connections = 0
        self._target = (target.hostname, target.port)
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: list[_End] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        assert server is not None
        server.close()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        # A task that was cancelled before it began has closed nothing.
        for end in self._ends:
            end.close()
        await asyncio.gather(*[end.writer.wait_closed() for end in self._ends], return_exceptions=True)
        await server.wait_closed()
        failures = [result for result in results if isinstance(result, Exception)]
        if failures:
            raise ExceptionGroup("the proxy is at a loss", failures)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # It may have been accepted in the moment of closing.
        if self._server is None:
            writer.transport.abort()
            return
        self.connections += 1
        self._tasks.append(asyncio.create_task(self._serve(self._end(reader, writer))))

    def _end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "_End":
        self._ends.append(_End(reader, writer))
        return self._ends[-1]

    async def _serve(self, client: "_End") -> None:
        # A client or a server that hangs up, or is not there at all, ends both connections.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.ExitStack() as stack:
            stack.callback(client.close)
            server = self._end(*await asyncio.open_connection(*self._target))
            stack.callback(server.close)
            while (fault := await self._exchange(client, server)) is None:
                pass
            await _strike(fault, client, server)

    async def _exchange(self, client: "_End", server: "_End") -> Fault | None:
        """Pass on a request and its answer, or what its fault lets through; return a fault that is yet to strike."""
        request = await client.read()
        fault = self._take(request)
        if not await server.write(request, fault.of("request")):
            return fault
        answer = await server.read()
        return None if await client.write(answer, fault.of("answer")) else fault

    def _take(self, request: bytes) -> Fault:
        line = request.partition(b"\r\n")[0].decode("latin-1")
        self.requests.append(line)
        planned = self.plan.pop(0) if self.plan and line.startswith(self.only) else None
        return planned or _NOTHING


@dataclass(frozen=True)
class _End:
    """One of the two connections that the proxy stands between."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __post_init__(self) -> None:
        # So that what was written has left before anything is done to the connection.
        self.writer.transport.set_write_buffer_limits(high=0)

    def close(self) -> None:
        """Close it."""
        self.writer.transport.abort()

    async def read(self) -> bytes:
        """Read a whole request or answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head + await self.reader.readexactly(_length_of_body(head))

    async def write(self, message: bytes, fault: Fault) -> bool:
        """Write what the fault lets through of a request or an answer, and tell whether things go on after it."""
        await asyncio.sleep(fault.seconds)
        self.writer.write(fault.beginning(message))
        await self.writer.drain()
        return fault.kind == "delay"

    def reset_on_close(self) -> None:
        """Let closing reset it."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


async def _strike(fault: Fault, client: _End, server: _End) -> None:
    if fault.kind == "reset":
        client.reset_on_close()
        server.reset_on_close()
    if fault.kind == "half-close":
        client.writer.write_eof()
    if fault.kind in {"half-close", "stall"}:
        # Until the proxy is closed.
        await asyncio.get_running_loop().create_future()


def _length_of_body(head: bytes) -> int:
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:-2])
    if b"transfer-encoding" in fields:
        raise ValueError(f"a body without Content-Length: {head!r}")
    return int(fields.get(b"content-length", b"0"))
