"""A sandbox in a thread, for code that runs event loops of its own, or none."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from legitmark_async.sandbox import Sandbox


@contextmanager
def serve_in_thread(sandbox: Sandbox | None = None) -> Iterator[Sandbox]:
    """Serve a sandbox in a thread while the block lasts, and give it.

    Its counts may be read from any thread; change its limits and faults while nothing is under way.

    Args:
        sandbox: One that is not open; None for one without limits and faults.

    Raises:
        RuntimeError: It is open already.
        OSError: Its port can't be opened.
    """
    served = Sandbox() if sandbox is None else sandbox
    closing = threading.Event()
    opened: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(served, opened, closing)), name="legitmark-sandbox")
    thread.start()
    try:
        opened.result()
        yield served
    finally:
        closing.set()
        thread.join()


async def _serve(sandbox: Sandbox, opened: "Future[None]", closing: threading.Event) -> None:
    try:
        await sandbox.__aenter__()
    except BaseException as error:  # noqa: BLE001  # it is raised in the other thread
        opened.set_exception(error)
        return
    opened.set_result(None)
    try:
        await asyncio.to_thread(closing.wait)
    finally:
        await sandbox.__aexit__(None, None, None)


def environment_of(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment variables by which `Legitmark.from_env` and the command find an open sandbox."""
    return {
        "LEGITMARK_API_KEY": sandbox.api_key,
        "LEGITMARK_BASE_URL": sandbox.url,
        "LEGITMARK_ASSET_URL": sandbox.asset_url,
    }
