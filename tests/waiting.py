"""Waiting for what tells nobody that it has happened."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30.0, every: float = 0.0) -> None:
    """Wait until something is true, and fail if it isn't in time.

    Args:
        condition: Tells whether it is.
        seconds: The time.
        every: Seconds between two looks; 0 for one in each turn of the event loop, so that no moment is missed.
    """
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(every)
