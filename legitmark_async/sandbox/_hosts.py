"""The ports that the sandbox listens on."""

from collections.abc import Awaitable, Callable

from aiohttp import web

_HOST = "127.0.0.1"
# aiohttp waits twice for handlers that still sleep out their latency: closing takes half a second at most.
_SHUTDOWN_TIMEOUT = 0.25


class Hosts:
    """The servers that are open."""

    def __init__(self) -> None:
        self._runners: list[web.ServerRunner] = []

    @property
    def opened(self) -> bool:
        """Whether there are any."""
        return bool(self._runners)

    async def listen(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int) -> str:
        """Opens a server on a port, 0 for any free one, and tells where it is."""
        # With handler_cancellation a stall ends when its client leaves.
        server = web.Server(handler, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, _HOST, port, backlog=1024).start()
        return f"http://{_HOST}:{runner.addresses[0][1]}"

    async def aclose(self) -> None:
        """Closes all of them."""
        while self._runners:
            await self._runners.pop().cleanup()
