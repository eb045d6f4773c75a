"""The asyncio shell of the gate: futures for those who wait, and one timer."""

import asyncio
import math
from datetime import UTC, datetime

from legitmark_async._pacer._gate import Gate
from legitmark_async._pacer._queue import Queue
from legitmark_async._pacer._turn import Lane, Refusal, Turn
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import Limit, RateLimit
from legitmark_async.options import Clock, Sleep

# No timer is shorter (s): one that ends at the instant at which it was set would be set again and again.
_SHORTEST_TIMER = 1e-6


class TooLateError(Exception):
    """A turn would come after the caller's deadline.

    Attributes:
        wait: Seconds until the turn would come.
        reason: What it waits for.
    """

    def __init__(self, wait: float, reason: str) -> None:
        super().__init__(wait, reason)
        self.wait = wait
        self.reason = reason


class Pacer:
    """Gives turns to the calls of a client.

    Whoever took a turn must give it back, by `answered`, `failed`, `refused` or `lost`. All methods belong to one event
    loop at a time.
    """

    def __init__(self, gate: Gate, *, clock: Clock, sleep: Sleep) -> None:
        self.gate = gate
        self._clock = clock
        self._sleep = sleep
        # Changed by this class alone.
        self._queue: Queue[asyncio.Future[Turn]] = Queue()
        self._announced: dict[object, float] = {}
        self._hurried = 0  # how many wait who have a deadline
        self._timer: asyncio.Future[None] | None = None
        self._wakes_at = math.inf

    @property
    def waiting(self) -> int:
        """How many calls wait for a turn."""
        return len(self._queue)

    def announce(self, source: object, count: float) -> None:
        """Tell how many more bulk calls will come from a source, beside those that wait; infinity if nobody knows."""
        if count > 0:
            self._announced[source] = count
        else:
            self._announced.pop(source, None)

    def try_acquire(self, now: float, lane: Lane = Lane.INTERACTIVE, endpoint: str = "") -> Turn | None:
        """Return a turn if one is free at this moment and nobody waits."""
        if self._queue or self.gate.delay(now, lane, endpoint, self._backlog(lane) + 1) > 0:
            return None
        return self.gate.admit(now, lane, endpoint)

    async def acquire(
        self, lane: Lane = Lane.INTERACTIVE, endpoint: str = "", *, first: bool = False, deadline: float = math.inf
    ) -> Turn:
        """Wait for a turn.

        Args:
            lane: Who asks.
            endpoint: Where the request goes.
            first: Go before all that wait in the same line: for a call that has had its turn already.
            deadline: The instant after which a turn is of no use.

        Raises:
            TooLateError: The turn can't come before the deadline. It is told as soon as it is known.
        """
        hurried = deadline < math.inf
        if hurried:
            self._refuse_if_late(lane, endpoint, deadline, first=first)
        waiter: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._queue.join(waiter, lane, endpoint, deadline=deadline, first=first)
        self._hurried += hurried
        self._serve()
        try:
            return await waiter
        except asyncio.CancelledError:
            # Cancelled in the same moment as served: the turn goes to the next one.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.lost(waiter.result())
            raise
        finally:
            self._hurried -= hurried
            self._queue.leave(waiter, lane, endpoint)

    def demand(self) -> tuple[dict[tuple[Lane, str], int], float]:
        """Return how many wait for each kind of turn, and how many more bulk calls will come."""
        return self._queue.counts(), sum(self._announced.values())

    def serve(self) -> None:
        """Give turns to those who may leave now: others have brought news."""
        self._serve_if_any()

    def wait(self, endpoint: str = "", ahead: float = 0.0) -> tuple[float, str]:
        """Return how long the limits let nobody leave, as far as is known, and which of them; see `Gate.wait`."""
        return self.gate.wait(self._clock(), endpoint, ahead)

    def ends_in(self, endpoint: str, count: int) -> float | None:
        """Return the seconds until so many more have left, or None if nobody knows."""
        return self.gate.ends_in(self._clock(), endpoint, count)

    def rate_limits(self, wall: float) -> tuple[RateLimit, ...]:
        """Return what is known of the limits, and of what else calls wait for; `wall` is now, as epoch seconds."""
        limits = self._known(wall)
        held = self.gate.held(self._clock()) if self.waiting else None
        if held is not None:
            words, count, opens_in = held
            limits.append(
                RateLimit(
                    type=words,
                    endpoint=None,
                    limit=count,
                    remaining=max(count - self.gate.in_flight, 0),
                    resets_at=None,
                    opens_in=opens_in,
                    per_second=None,
                    kind="in flight",
                    source="client",
                    learned_at=_instant(wall),
                    waiting=self.waiting,
                )
            )
        return tuple(limits)

    def _known(self, wall: float) -> list[RateLimit]:
        if self.gate.limits.empty:
            return []
        now, meters = self.gate.limits.meters(self._clock())
        limits: list[RateLimit] = []
        for meter in meters:
            view = meter.law.view(now)
            limits.append(
                RateLimit(
                    type=meter.name or None,
                    endpoint=meter.endpoint,
                    limit=meter.limit,
                    remaining=view.remaining,
                    resets_at=None if view.resets_at is None else _instant(wall + view.resets_at - now),
                    opens_in=meter.wait(now, 0.0),
                    per_second=view.per_second,
                    kind=meter.law.kind,
                    source=meter.source,
                    learned_at=_instant(wall + meter.learned_at - now),
                    waiting=self.waiting,
                )
            )
        return limits

    def answered(self, turn: Turn, limits: tuple[Limit, ...] = ()) -> None:
        """Give back a turn whose request was answered, with what the answer says of the limits."""
        self.gate.answered(turn, self._clock(), limits)
        self._serve_if_any()

    def failed(self, turn: Turn) -> None:
        """Give back a turn whose request failed, by a 5xx or without an answer."""
        self.gate.failed(turn, self._clock())
        self._serve_if_any()

    def refused(self, turn: Turn, refusal: Refusal) -> bool:
        """Give back a turn whose request was refused (429). True if that closed the gate."""
        closed = self.gate.refused(turn, self._clock(), refusal)
        if self._hurried:
            self._expel()
        self._serve_if_any()
        return closed

    def lost(self, turn: Turn) -> None:
        """Give back a turn whose request nobody waits for any more."""
        self.gate.lost(turn, self._clock())
        self._serve_if_any()

    async def aclose(self) -> None:
        """Stop the timer, and send away whoever still waits."""
        while heads := self._queue.heads():
            waiter = self._queue.pop(*heads[0])
            if not waiter.done():
                waiter.set_exception(ConfigurationError("the client was closed while the call waited for its turn"))
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.wait([self._timer])
            self._timer = None

    def _backlog(self, lane: Lane) -> float:
        if lane is Lane.INTERACTIVE:
            return self._queue.waiting(lane)
        return len(self._queue) + (sum(self._announced.values()) if self._announced else 0)

    def _serve_if_any(self) -> None:
        if self._queue:
            self._serve()

    def _serve(self) -> None:
        now = self._clock()
        delay = 0.0
        while self._queue and delay <= 0:
            delay = self._serve_one(now)
        if self._queue and delay < math.inf:
            self._arm(now, max(delay, _SHORTEST_TIMER))

    def _serve_one(self, now: float) -> float:
        """Give a turn to the first who may leave, and return 0; or else the seconds until anybody may."""
        shortest = math.inf
        for lane, endpoint in self._queue.heads():
            asks = Lane.INTERACTIVE if self._queue.owes_bulk else lane
            delay = self.gate.delay(now, asks, endpoint, self._backlog(lane))
            if delay <= 0:
                waiter = self._queue.pop(lane, endpoint)
                if not waiter.done():
                    waiter.set_result(self.gate.admit(now, lane, endpoint))
                return 0.0
            shortest = min(shortest, delay)
        return shortest

    def _arm(self, now: float, delay: float) -> None:
        wakes_at = now + delay
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
        now = self._clock()
        for waiter, lane, endpoint, deadline, ahead in self._queue.hurried():
            before = ahead + (self._queue.waiting(Lane.INTERACTIVE) if lane is Lane.BULK else 0)
            wait, reason = self.gate.wait(now, endpoint, before)
            if now + wait > deadline and not waiter.done():
                waiter.set_exception(TooLateError(wait, reason))

    def _refuse_if_late(self, lane: Lane, endpoint: str, deadline: float, *, first: bool) -> None:
        ahead = 0.0 if first else self._queue.waiting(Lane.INTERACTIVE)
        if lane is Lane.BULK and not first:
            ahead += self._queue.waiting(Lane.BULK)
        wait, reason = self.wait(endpoint, ahead)
        if self._clock() + wait > deadline:
            raise TooLateError(wait, reason)


def _instant(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
