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

from attrs import define, field

from legitmark_async import _endpoints, _headers
from legitmark_async._pacer import Pacer, TooLateError
from legitmark_async._retry import Retrier, Verdict
from legitmark_async._transport import Transport
from legitmark_async._wire import Request
from legitmark_async.errors import (
    Attempt,
    DeadlineExceededError,
    LegitmarkError,
    OutcomeUnknownError,
    RateLimitError,
    describe_limit,
    redact,
)
from legitmark_async.options import Clock

T = TypeVar("T")

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

    phase: str = "rate limit"
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
        retrier: Judges failures.
        clock: Monotonic seconds.
        deadline: Seconds that a call may take, or None.
        headers: Headers of every call, beside those of the session.
    """

    transport: Transport
    pacer: Pacer
    retrier: Retrier
    clock: Clock
    deadline: float | None = None
    headers: Mapping[str, str] = _NOTHING

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
            hold=self.pacer.opens_in,
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
        turn = self.pacer.try_acquire(now)
        if turn is None:
            turn = await self._wait_for_turn(state, deadline)
            now = self.clock()
        state.begin(self.transport.next_request_id(), now)
        try:
            response = await self.transport.send(request, state.request_id, self.headers)
        except BaseException as error:
            self.pacer.lost(turn)
            if isinstance(error, LegitmarkError):
                state.fail(error, self.clock())
            raise
        wall = time.time()
        try:
            result = _endpoints.decode(request, response, wall)
            limits = _headers.parse_limits(response.headers, wall)
        except BaseException as error:
            # Whatever it is: a turn that nobody gives back is lost to all.
            self._end_turn(turn, error)
            if isinstance(error, LegitmarkError):
                state.fail(error, self.clock())
            raise
        self.pacer.answered(turn, limits)
        return result

    async def _wait_for_turn(self, state: CallState, deadline: float) -> int:
        # Between two tries the client may have been closed.
        self.transport.require_open()
        gate = self.pacer.gate
        state.enter("rate limit", self.clock())
        state.reason = gate.reason if gate.closed else state.reason or "requests in flight"
        return await self.pacer.acquire(first=state.verdict is not None, deadline=deadline)

    def _end_turn(self, turn: int, error: BaseException) -> None:
        if not isinstance(error, RateLimitError):
            self.pacer.answered(turn)
            return
        reason = describe_limit(error.limit_type, error.limit)
        if self.pacer.refused(turn, error.retry_after, error.limit, reason):
            _log.info("%s reached: all calls wait for %.3g s", reason, self.pacer.opens_in())

    def _judge(self, request: Request[T], state: CallState, failure: LegitmarkError) -> LegitmarkError:
        verdict = state.verdict
        if verdict is not None and verdict.too_late is not None:
            return self._deadline_error(request, state, verdict.too_late, state.reason or self.pacer.gate.reason)
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
