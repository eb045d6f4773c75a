"""The asyncio shell of the gate: who waits, in which order, and one timer."""

import asyncio
import math
from collections import OrderedDict

from legitmark_async._pacer._gate import Gate
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import Limit
from legitmark_async.options import Clock, Sleep


class TooLateError(Exception):
    """A turn would come after the caller's deadline.

    Attributes:
        wait: Seconds until the gate opens.
        reason: Why it is closed.
    """

    def __init__(self, wait: float, reason: str) -> None:
        super().__init__(wait, reason)
        self.wait = wait
        self.reason = reason


class Pacer:
    """Gives turns to the calls of a client, first come, first served.

    A turn is the number of a request that may leave now. Whoever took one must give it back, by `answered`,
    `refused` or `lost`. All methods belong to one event loop at a time.
    """

    def __init__(self, gate: Gate, *, clock: Clock, sleep: Sleep) -> None:
        self.gate = gate
        self._clock = clock
        self._sleep = sleep
        # Who waits, with the instant by which the turn must come. Changed by this class alone.
        self._waiting: OrderedDict[asyncio.Future[int], float] = OrderedDict()
        self._timer: asyncio.Future[None] | None = None
        self._wakes_at = math.inf

    @property
    def waiting(self) -> int:
        """How many calls wait for a turn."""
        return len(self._waiting)

    def try_acquire(self, now: float) -> int | None:
        """Return a turn if one is free at this moment."""
        if self._waiting:
            return None
        return None if self.gate.delay(now) > 0 else self.gate.admit(now)

    async def acquire(self, *, first: bool = False, deadline: float = math.inf) -> int:
        """Wait for a turn.

        Args:
            first: Go before all that wait: for a call that has had its turn already.
            deadline: The instant after which a turn is of no use.

        Raises:
            TooLateError: The turn can't come before the deadline. It is told as soon as it is known.
        """
        self._refuse_if_late(deadline)
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = deadline
        if first:
            self._waiting.move_to_end(waiter, last=False)
        self._serve()
        try:
            return await waiter
        except asyncio.CancelledError:
            # Cancelled in the same moment as served: the turn goes to the next one.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.lost(waiter.result())
            raise
        finally:
            self._waiting.pop(waiter, None)

    def opens_in(self) -> float:
        """Return the seconds for which the gate is closed, as far as it knows."""
        return max(self.gate.opens_at - self._clock(), 0.0) if self.gate.closed else 0.0

    def answered(self, turn: int, limits: tuple[Limit, ...] = ()) -> None:
        """Give back a turn whose request was answered, with what the answer says of the limits."""
        self.gate.answered(turn, self._clock(), limits)
        self._go_on()

    def refused(self, turn: int, hold: float | None, limit: int | None, reason: str) -> bool:
        """Give back a turn whose request was refused (429); see `Gate.refused`. True if that closed the gate."""
        was_closed = self.gate.closed
        self.gate.refused(turn, self._clock(), hold, limit, reason)
        self._go_on()
        return self.gate.closed and not was_closed

    def lost(self, turn: int) -> None:
        """Give back a turn whose request has no answer."""
        self.gate.lost(turn)
        self._go_on()

    async def aclose(self) -> None:
        """Stop the timer, and send away whoever still waits."""
        while self._waiting:
            waiter, _ = self._waiting.popitem()
            if not waiter.done():
                waiter.set_exception(ConfigurationError("the client was closed while the call waited for its turn"))
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.wait([self._timer])
            self._timer = None

    def _go_on(self) -> None:
        if self._waiting:
            if self.gate.closed:
                self._expel()
            self._serve()

    def _serve(self) -> None:
        now = self._clock()
        delay = self.gate.delay(now)
        while self._waiting and delay <= 0:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(self.gate.admit(now))
                delay = self.gate.delay(now)
        if self._waiting and delay < math.inf:
            self._arm(now + delay, delay)

    def _arm(self, wakes_at: float, delay: float) -> None:
        if self._timer is not None:
            if self._wakes_at <= wakes_at:
                return
            self._timer.cancel()
        self._wakes_at = wakes_at
        self._timer = asyncio.ensure_future(self._sleep(delay))
        self._timer.add_done_callback(self._wake)

    def _wake(self, timer: "asyncio.Future[None]") -> None:
        # Whoever cancels every task of the loop cancels this one too: then it is set again for those who still wait.
        if timer is self._timer:
            self._timer = None
            if not timer.cancelled():
                timer.result()
            self._serve()

    def _expel(self) -> None:
        for waiter, deadline in list(self._waiting.items()):
            if self.gate.opens_at > deadline and not waiter.done():
                waiter.set_exception(TooLateError(self.opens_in(), self.gate.reason))

    def _refuse_if_late(self, deadline: float) -> None:
        if self.gate.closed and self.gate.opens_at > deadline:
            raise TooLateError(self.opens_in(), self.gate.reason)
