"""One call, from its first wait to its result: the only place that knows the order of the steps.

It asks one sibling after the other (the pacer for a turn, the transport for an answer, the endpoint to read it, the
retrier whether to go on); none of them knows another.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from typing import TypeVar

from attrs import define, evolve, field

from legitmark_async import _endpoints, _headers
from legitmark_async._headers import ServerClock
from legitmark_async._pacer import Lane, Pacer, Refusal, TooLateError, Turn
from legitmark_async._retry import Retrier, Verdict
from legitmark_async._transport import Transport
from legitmark_async._wire import Request
from legitmark_async.errors import (
    Attempt,
    DeadlineExceededError,
    LegitmarkError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
    redact,
)
from legitmark_async.options import Clock

T = TypeVar("T")

# The phase of a call that waits for its turn.
WAITING = "rate limit"

_log = logging.getLogger("legitmark_async")
_NOTHING: Mapping[str, str] = {}


@define(eq=False)
class CallState:
    """How far one call is. Changed by `Caller` alone; whoever cancels the call may look at it afterwards.

    Attributes:
        phase: What it is doing: `rate limit`, `request` or `backoff`.
        since: Since when.
        spent: Seconds spent on each of the phases that are over.
        in_flight: Whether a request has left whose answer hasn't come yet.
        maybe_processed: Whether a try failed in a way that leaves open whether the server carried it out.
        request_id: Of the last try.
        ended_at: When the last try ended, or else when the call began.
        waited: Seconds between the try before and the last one.
        reason: What the last wait was for.
        attempts: The tries that failed.
        verdict: What was said of them; None as long as none failed.
        failure: What the last of them ended in.
        withdrawn: Set by whoever made the call, to let the try in flight be the last one.
    """

    phase: str = WAITING
    since: float = 0.0
    spent: dict[str, float] = field(factory=dict[str, float])
    in_flight: bool = False
    maybe_processed: bool = False
    request_id: str = ""
    ended_at: float = 0.0
    waited: float = 0.0
    reason: str | None = None
    attempts: list[Attempt] = field(factory=list[Attempt])
    verdict: Verdict | None = None
    failure: LegitmarkError | None = None
    withdrawn: bool = False

    @property
    def refusals(self) -> int:
        """How often the rate limit refused the call."""
        return 0 if self.verdict is None else self.verdict.refusals

    @property
    def unsettled(self) -> bool:
        """Whether the server may have carried out the call although it has no result."""
        return self.in_flight or self.maybe_processed

    def enter(self, phase: str, now: float) -> None:
        """Note that a phase begins."""
        self.spent[self.phase] = self.spent.get(self.phase, 0.0) + now - self.since
        self.phase, self.since = phase, now

    def begin(self, request_id: str, now: float) -> None:
        """Note that a try is about to leave."""
        self.waited = now - self.ended_at
        self.request_id = request_id
        self.in_flight = True
        self.enter("request", now)

    def fail(self, error: LegitmarkError, now: float) -> None:
        """Note that a try has failed."""
        attempt = Attempt(
            number=len(self.attempts) + 1,
            request_id=self.request_id,
            status=getattr(error, "status", None),
            error=type(error).__name__,
            waited=self.waited,
            reason=self.reason,
            seconds=now - self.since,
        )
        self.attempts.append(attempt)
        self.in_flight = False
        self.maybe_processed = self.maybe_processed or error.maybe_processed
        self.failure = error
        self.ended_at = now
        self.reason = None if isinstance(error, RateLimitError) else "backoff"
        self.enter("backoff", now)
        _log.debug("try %d failed: %s", attempt.number, error)


@define(eq=False)
class Caller:
    """Makes calls, with one set of options.

    Attributes:
        transport: Shared by all callers of a client.
        pacer: Shared by all callers of a client.
        server_clock: Shared by all callers of a client.
        retrier: Judges failures.
        clock: Monotonic seconds.
        deadline: Seconds that a call may take, or None.
        headers: Headers of every call, beside those of the session.
        lane: Where its calls wait for their turns.
    """

    transport: Transport
    pacer: Pacer
    server_clock: ServerClock
    retrier: Retrier
    clock: Clock
    deadline: float | None = None
    headers: Mapping[str, str] = _NOTHING
    lane: Lane = Lane.INTERACTIVE

    def for_bulk(self) -> "Caller":
        """Return a caller for many: its calls let others go before them, and none is late."""
        return evolve(self, deadline=None, lane=Lane.BULK)

    async def call(self, request: Request[T], state: CallState | None = None) -> T:
        """Make a call, and return what its endpoint reads from the answer.

        Args:
            request: What to ask.
            state: Is kept up to date, for a caller who wants to know how far a cancelled call was.

        Raises:
            LegitmarkError: As the public methods tell. A create whose outcome isn't known is `OutcomeUnknownError`.
        """
        self.transport.require_open()
        state = CallState() if state is None else state
        state.since = state.ended_at = self.clock()
        try:
            if self.deadline is None:
                return await self._persist(request, state, math.inf)
            async with asyncio.timeout(self.deadline):
                return await self._persist(request, state, state.since + self.deadline)
        except TimeoutError:
            # It can only be ours: the transport translates every other one.
            error: LegitmarkError = self._deadline_error(request, state)
        except TooLateError as late:
            error = self._deadline_error(request, state, late.wait, late.reason)
        except LegitmarkError as failure:
            error = self._judge(request, state, failure)
        raise _conclude(request, state, error)

    async def _persist(self, request: Request[T], state: CallState, deadline: float) -> T:
        # The first try runs without tenacity, whose state machine costs half as much as the request itself.
        try:
            result = await self._try(request, state, deadline)
        except LegitmarkError as error:
            first = error
        else:
            self.retrier.succeeded(None)
            return result
        return await self._try_again(request, state, deadline, first)

    async def _try_again(self, request: Request[T], state: CallState, deadline: float, first: LegitmarkError) -> T:
        verdict = state.verdict = Verdict()
        loop = self.retrier.loop(
            verdict,
            repeatable=request.repeatable,
            time_left=lambda: deadline - self.clock(),
            hold=lambda: self.pacer.wait(request.endpoint)[0],
            wanted=lambda: not state.withdrawn,
        )
        async for attempt in loop:
            with attempt:
                # Tenacity is given the failure as its first attempt, so that stop, wait and count are tenacity's.
                if attempt.retry_state.attempt_number == 1:
                    raise first
                result = await self._try(request, state, deadline)
                self.retrier.succeeded(verdict)
                return result
        raise AssertionError("tenacity ends by an exception")  # pragma: no cover  # for the type checker

    async def _try(self, request: Request[T], state: CallState, deadline: float) -> T:
        now = self.clock()
        turn = self.pacer.try_acquire(now, self.lane, request.endpoint)
        if turn is None:
            turn = await self._wait_for_turn(request, state, deadline)
            now = self.clock()
        state.begin(self.transport.next_request_id(), now)
        try:
            response = await self.transport.send(request, state.request_id, self.headers)
        except BaseException as error:
            self._end_turn(turn, error)
            if isinstance(error, LegitmarkError):
                state.fail(error, self.clock())
            raise
        try:
            instant = self.server_clock.now(response.headers, now, self.clock(), time.time())
            result = _endpoints.decode(request, response, instant)
            limits = _headers.parse_limits(response.headers, instant)
        except BaseException as error:
            # Whatever it is: a turn that nobody gives back is lost to all.
            self._end_turn(turn, error)
            if isinstance(error, LegitmarkError):
                state.fail(error, self.clock())
            raise
        self.pacer.answered(turn, limits)
        return result

    async def _wait_for_turn(self, request: Request[T], state: CallState, deadline: float) -> Turn:
        # Between two tries the client may have been closed.
        self.transport.require_open()
        state.enter(WAITING, self.clock())
        _, reason = self.pacer.wait(request.endpoint)
        state.reason = reason or state.reason or "requests in flight"
        return await self.pacer.acquire(self.lane, request.endpoint, first=state.verdict is not None, deadline=deadline)

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

    def _judge(self, request: Request[T], state: CallState, failure: LegitmarkError) -> LegitmarkError:
        verdict = state.verdict
        if verdict is not None and verdict.too_late is not None:
            reason = state.reason or self.pacer.wait(request.endpoint)[1]
            return self._deadline_error(request, state, verdict.too_late, reason)
        if verdict is not None and verdict.note is not None:
            failure.add_note(verdict.note)
        return failure

    def _deadline_error(
        self, request: Request[T], state: CallState, needed: float | None = None, reason: str | None = None
    ) -> DeadlineExceededError:
        state.enter(state.phase, self.clock())
        error = DeadlineExceededError(
            request.method,
            request.path,
            deadline=self.deadline or 0.0,
            spent=state.spent,
            needed=needed,
            reason=reason,
        )
        error.maybe_processed = state.unsettled
        error.__cause__ = state.failure
        return error


def _conclude(request: Request[T], state: CallState, error: LegitmarkError) -> LegitmarkError:
    """Give the error what is known of the call; of a create that may have happened, say just that."""
    # Their frames hold the answer, and so whatever secret it repeats: a traceback may be shown with its locals.
    for failure in (error, state.failure):
        if failure is not None:
            failure.__traceback__ = None
    error.attempts = tuple(state.attempts)
    error.request_id = redact(error.request_id or state.request_id) or None
    if request.reference_id is None or not state.unsettled:
        return error
    unknown = OutcomeUnknownError(request.reference_id)
    unknown.__cause__ = error
    unknown.attempts, unknown.request_id = error.attempts, error.request_id
    return unknown
