"""Waiting for a condition that has no event."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from itertools import count


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30.0, every: float = 0.0) -> None:
    """Wait until a condition is true, and fail if that takes too long.

    Args:
        condition: Returns whether it is.
        seconds: The longest wait.
        every: Seconds between two checks; 0 to check in each turn of the event loop, so that no state is missed.
    """
    async with asyncio.timeout(seconds):
        for turn in count(1):
            answer = condition()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            # Virtual time passes only while the event loop has nothing else to do.
            await asyncio.sleep(every or (0.0 if turn % 100 else 0.001))
