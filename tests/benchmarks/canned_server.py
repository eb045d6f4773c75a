"""A server that answers every request with the seed's example, as cheaply as Python can.

It runs in a process of its own and prints its port, so that a benchmark measures the client alone.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_BODY = (Path(__file__).parents[1] / "data" / "create-sr.response.200.seed.json").read_bytes()
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Thu, 15 Jan 2026 10:30:00 GMT\r\nContent-Length: "
_ANSWER = f"{_HEAD}{len(_BODY)}\r\n\r\n".encode() + _BODY


class _Canned(asyncio.Protocol):
    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, _ANSWER)
            else:
                self._transport.write(_ANSWER)


@contextlib.contextmanager
def canned_server(latency: float = 0.0) -> Iterator[str]:
    """Run the server in a process of its own, and give its URL."""
    server = subprocess.Popen([sys.executable, __file__, str(latency)], stdout=subprocess.PIPE, text=True)  # noqa: S603  # this file
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.communicate()


async def _serve(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Canned(latency), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
