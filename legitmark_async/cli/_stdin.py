"""Input that comes through a pipe, row by row, while the event loop goes on."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")

# Rows read before anybody asks for them.
_AHEAD = 100


@frozen
class _End:
    error: Exception | None


async def read_in_thread(rows: Iterator[T]) -> AsyncIterator[T]:
    """Iterate in a thread of its own: a pipe may have nothing for hours, and the requests are to go on.

    The thread is a daemon. When nobody asks any more it stays behind, waiting for its pipe, until the process ends.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[T | _End] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)

    def give(row: T | _End) -> None:
        room.acquire()
        loop.call_soon_threadsafe(queue.put_nowait, row)

    threading.Thread(target=_give_all, args=(rows, give), name="legitmark-stdin", daemon=True).start()
    while True:
        row = await queue.get()
        room.release()
        if not isinstance(row, _End):
            yield row
        elif row.error is not None:
            raise row.error
        else:
            return


def _give_all(rows: Iterator[T], give: Callable[[T | _End], None]) -> None:
    error: Exception | None = None
    try:
        for row in rows:
            give(row)
    except Exception as raised:  # noqa: BLE001  # it is raised again in the event loop
        error = raised
    try:
        give(_End(error))
    except RuntimeError:
        return  # the loop is closed: nobody is there any more
