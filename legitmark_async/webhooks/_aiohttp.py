"""Webhooks for aiohttp.web, and a small server of them for trying out."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import web
from attrs import define, field

from legitmark_async.errors import WebhookError
from legitmark_async.webhooks._receiver import LARGEST_BODY, Receiver


def aiohttp_handler(receiver: Receiver) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler for an aiohttp application that takes webhooks in.

    ```python
    app.router.add_post("/webhooks/legitmark", aiohttp_handler(Receiver(on_event, secret)))
    ```

    Args:
        receiver: What takes them in.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > LARGEST_BODY:
                break
        return web.Response(status=await receiver.receive(bytes(body), request.headers))

    return handle


@define(eq=False)
class Listener:
    """A server of webhooks alone, open inside `async with`; it takes them by POST, at any path.

    Attributes:
        receiver: What takes them in.
        host: Where it listens.
        port: 0 for any free one.
    """

    receiver: Receiver
    host: str = "127.0.0.1"
    port: int = 0
    _runner: web.AppRunner | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it listens.

        Raises:
            WebhookError: It isn't open.
        """
        if self._runner is None:
            raise WebhookError("the listener has no URL before it is opened: use it inside 'async with'")
        return f"http://{self.host}:{self._runner.addresses[0][1]}"

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            OSError: The port is taken.
        """
        app = web.Application()
        app.router.add_post("/{path:.*}", aiohttp_handler(self.receiver))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
