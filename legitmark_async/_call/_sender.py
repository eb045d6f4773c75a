"""One try: a turn from the pacer, the request and its answer, and what the answer says of the limits."""

import logging
import time
from collections.abc import Mapping
from typing import TypeVar

from attrs import define

from legitmark_async import _endpoints, _headers
from legitmark_async._call._state import WAITING, CallState
from legitmark_async._headers import ServerClock
from legitmark_async._pacer import IN_FLIGHT, Lane, Pacer, Refusal, Turn
from legitmark_async._telemetry import Telemetry
from legitmark_async._transport import Transport
from legitmark_async._wire import NOTHING, Headers, Request
from legitmark_async.errors import LegitmarkError, RateLimitError, ResponseError, ServerError, TransportError
from legitmark_async.options import Clock

T = TypeVar("T")

_log = logging.getLogger("legitmark_async")


@define(eq=False)
class Sender:
    """Makes single tries.

    Attributes:
        transport: Shared by all calls of a client.
        pacer: Shared by all calls of a client.
        server_clock: Shared by all calls of a client.
        telemetry: Shared by all calls of a client.
        headers: Headers of every try, beside those of the session.
        lane: Where its tries wait for their turns.
    """

    transport: Transport
    pacer: Pacer
    server_clock: ServerClock
    telemetry: Telemetry
    headers: Mapping[str, str] = NOTHING
    lane: Lane = Lane.INTERACTIVE

    @property
    def clock(self) -> Clock:
        """Monotonic seconds."""
        return self.telemetry.clock

    async def send(self, request: Request[T], state: CallState, deadline: float) -> T:
        """Wait for a turn, send the request once, and return what its endpoint reads from the answer.

        Raises:
            LegitmarkError: The try failed; the state knows.
            TooLateError: The turn can't come before the deadline.
        """
        now = self.clock()
        turn = self.pacer.try_acquire(now, self.lane, request.endpoint)
        if turn is None:
            turn = await self._wait_for_turn(request, state, deadline)
            now = self.clock()
        state.begin(self.transport.next_request_id(), now)
        self.telemetry.begin_try(request)
        headers: Headers | None = None
        try:
            response = await self.transport.send(request, state.request_id, self._headers_of(request))
            headers = response.headers
            answered_at = self.clock()
            instant = self.server_clock.now(headers, now, answered_at, time.time())
            result = _endpoints.decode(request, response, instant)
            limits = _headers.parse_limits(headers, instant)
        except BaseException as error:
            self._fail(request, state, turn, headers, error)
            raise
        self.pacer.answered(turn, limits)
        if self.telemetry.tells_tries:
            attempt = state.attempt(_call_of(request), "", response.status, answered_at)
            self.telemetry.end_try(request, attempt, headers, None, answered_at)
        return result

    def server_time(self, instant: float) -> float:
        """Return a monotonic instant as epoch seconds of the server's clock, as well as it is known."""
        return self.server_clock.at(instant, now=self.clock(), wall=time.time())

    async def _wait_for_turn(self, request: Request[T], state: CallState, deadline: float) -> Turn:
        # Between two tries the client may have been closed.
        self.transport.require_open()
        state.enter(WAITING, self.clock())
        _, reason = self.pacer.wait(request.endpoint)
        state.reason = reason or state.reason or IN_FLIGHT
        return await self.pacer.acquire(self.lane, request.endpoint, first=state.verdict is not None, deadline=deadline)

    def _headers_of(self, request: Request[T]) -> Mapping[str, str]:
        return {**self.headers, **request.headers} if request.headers else self.headers

    def _fail(
        self, request: Request[T], state: CallState, turn: Turn, headers: Headers | None, error: BaseException
    ) -> None:
        # Whatever it is: a turn that nobody gives back is lost to all.
        self._end_turn(turn, error)
        now = self.clock()
        attempt = state.attempt(_call_of(request), type(error).__name__, getattr(error, "status", None), now)
        self.telemetry.end_try(request, attempt, headers, error, now)
        if isinstance(error, LegitmarkError):
            state.fail(attempt, error, now)

    def _end_turn(self, turn: Turn, error: BaseException) -> None:
        if isinstance(error, RateLimitError):
            refusal = Refusal(error.limit_type, error.limit, resets_in=error.resets_in, asked=error.asked)
            if self.pacer.refused(turn, refusal):
                wait, reason = self.pacer.wait(turn.endpoint)
                _log.info("%s reached: all calls wait for %.3g s", reason or "rate limit", wait)
        elif isinstance(error, (ServerError, TransportError)):
            self.pacer.failed(turn)
        elif isinstance(error, ResponseError):
            self.pacer.answered(turn)
        else:
            self.pacer.lost(turn)


def _call_of(request: Request[T]) -> str:
    return f"{request.method} {request.path}"
