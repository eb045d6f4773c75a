"""Webhooks as an ASGI app, for Starlette, FastAPI and whatever else mounts one."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from attrs import frozen

from legitmark_async.webhooks._receiver import LARGEST_BODY, Receiver

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NOT_ALLOWED = 405


@frozen(eq=False)
class AsgiApp:
    """Takes webhooks in by POST, at any path below the one it is mounted at.

    ```python
    app.mount("/webhooks/legitmark", AsgiApp(Receiver(on_event, secret)))
    ```

    Attributes:
        receiver: What takes them in.
    """

    receiver: Receiver

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"webhooks come by HTTP, not by {scope['type']!r}")
        elif scope["method"] != "POST":
            await _answer(send, _NOT_ALLOWED, [(b"allow", b"POST")])
        else:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            await _answer(send, await self.receiver.receive(await _read(receive), headers))


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more and len(body) <= LARGEST_BODY:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    head = [(b"content-length", b"0"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        what = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{what}.complete"})
        if what == "shutdown":
            return
