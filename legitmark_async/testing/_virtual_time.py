"""Time that passes at once: an event loop that doesn't wait, but goes on to whatever is due next."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from looptime import LoopTimeEventLoop


@define(eq=False)
class VirtualClock:
    """The virtual time of an event loop."""

    _loop: "LoopTimeEventLoop"
    _start: float
    _end: float | None = None

    @property
    def now(self) -> float:
        """The time of the event loop (s); after the end of the block, the time then."""
        return self._loop.time() if self._end is None else self._end

    @property
    def passed(self) -> float:
        """Seconds since the block or the test began, to the microsecond."""
        # Less the error of a float: who waits a minute has waited 60.0.
        return round(self.now - self._start, 6)

    def advance(self, seconds: float) -> None:
        """Let time pass without giving the event loop a turn, as a long computation does.

        Raises:
            ValueError: The number of seconds is negative.
        """
        if seconds < 0:
            message = f"time can't go back: {seconds} s"
            raise ValueError(message)
        self._loop.setup_looptime(start=self._loop.time() + seconds)

    def stop(self) -> None:
        """Note that the block has ended."""
        self._end = self.now


@contextmanager
def virtual_time() -> Iterator[VirtualClock]:
    """Let no time be waited for in the running event loop while the block lasts, and tell how much has passed.

    Sleeps and timeouts of all code in the event loop end as soon as nothing else can happen before. What it waits for
    from outside, such as a database or a process, takes no virtual time, and may seem late.

    Raises:
        RuntimeError: There is no running event loop, or it is not of asyncio's own.
        ModuleNotFoundError: looptime is missing: it comes with the extra `testing`.
    """
    import looptime  # noqa: PLC0415  # an extra

    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        message = f"virtual time needs an event loop of asyncio's own, not {type(loop).__module__}"
        raise RuntimeError(message)  # noqa: TRY004  # which loop there is, is a matter of where, not of a type
    virtual = looptime.patch_event_loop(loop, _enabled=False)
    virtual.setup_looptime(start=loop.time())
    with virtual.looptime_enabled():
        clock = VirtualClock(virtual, loop.time())
        try:
            yield clock
        finally:
            clock.stop()
