"""`legitmark webhook`: try webhooks out."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from legitmark_async import ConfigurationError
from legitmark_async.cli._conventions import ALL_DONE, SOME_FAILED, STDIN
from legitmark_async.cli._output import complain, say, write_json
from legitmark_async.cli._run import command
from legitmark_async.webhooks import Event, Listener, Receiver, WebhookError, parse, verify

_SECRET = "LEGITMARK_WEBHOOK_SECRET"  # noqa: S105  # the name of a variable


@command
async def verify_webhook(
    file: Annotated[str, Parameter(help="The body, as it came; - is stdin.")] = STDIN,
    /,
    *,
    header: Annotated[
        tuple[str, ...], Parameter(help="A header it came with, such as 'svix-id: msg_1'; once for each.")
    ] = (),
) -> int:
    """Check the signature of a webhook, and print its event."""
    body = await asyncio.to_thread(_read, file)
    headers = dict(_parse_header(text) for text in header)
    try:
        message_id = verify(body, headers, _secret() or "")
        event = parse(body)
    except WebhookError as error:
        complain(error)
        return SOME_FAILED
    write_json({"message_id": message_id, "event": dict(event.raw)})
    return ALL_DONE


@command
async def listen(
    *, port: Annotated[int, Parameter(help="Where to listen, on 127.0.0.1; 0 for any free port.")] = 8787
) -> int:
    """Print each event that comes, until a signal does."""

    async def show(event: Event) -> None:
        write_json(event.raw)

    async with contextlib.AsyncExitStack() as stack:
        listener = Listener(Receiver(show, _secret()), port=port)
        try:
            await stack.enter_async_context(listener)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise ConfigurationError(f"can't listen on port {port}: {why}; --port 0 takes a free one") from None
        write_json({"url": listener.url})
        words = "are checked" if _secret() else f"are not checked: {_SECRET} is not set"
        say(f"waiting for webhooks, whose signatures {words}; Ctrl-C stops")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    return ALL_DONE


def _secret() -> str | None:
    return os.environ.get(_SECRET) or None


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()


def _parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigurationError(f"--header takes NAME: VALUE, such as 'svix-id: msg_1', not {text!r}")
    return name.strip(), value.strip()
