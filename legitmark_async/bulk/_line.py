"""Tasks that wait in line for each other."""

import asyncio
from collections import deque

Line = deque[asyncio.Future[None]]


async def wait_in(line: Line) -> None:
    """Wait until somebody wakes the first of a line, and it is us."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line.append(waiter)
    await waiter


def wake_one(line: Line) -> None:
    """Wake the first of a line that still waits."""
    while line:
        waiter = line.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return
