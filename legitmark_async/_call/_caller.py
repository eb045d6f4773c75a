"""A call: its first try, its repeats and its deadline.

It asks one sibling after the other (the sender for a try, the retrier whether to go on, the confirmer what became of a
create); none of them knows another.
"""

import asyncio
import math
from typing import TypeVar, cast

from attrs import define, evolve, field

from legitmark_async._call._calls import Calls
from legitmark_async._call._confirmer import Confirmer
from legitmark_async._call._sender import Sender
from legitmark_async._call._state import CallState, Doubt
from legitmark_async._pacer import Lane, Pacer, TooLateError
from legitmark_async._retry import Retrier, Verdict
from legitmark_async._transport import Transport
from legitmark_async._wire import Request
from legitmark_async.errors import (
    ConflictError,
    DeadlineExceededError,
    LegitmarkError,
    OutcomeUnknownError,
    redact,
)
from legitmark_async.options import Clock, OnAmbiguous

T = TypeVar("T")


@define(eq=False)
class Caller:
    """Makes calls, with one set of options.

    Attributes:
        sender: Makes its tries.
        retrier: Judges failures.
        on_ambiguous: What to do about a create that may have been carried out.
        deadline: Seconds that a call may take, or None.
        whole: Seconds that several calls may take together, if this is one of them: what an error tells.
        calls: Counts them.
    """

    sender: Sender
    retrier: Retrier
    on_ambiguous: OnAmbiguous = "confirm"
    deadline: float | None = None
    whole: float | None = None
    calls: Calls = field(factory=Calls)
    _confirmer: Confirmer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._confirmer = Confirmer(self.sender, self.retrier.sleep, self.retrier.policy.confirm_pauses)

    @property
    def clock(self) -> Clock:
        """Monotonic seconds."""
        return self.sender.clock

    @property
    def pacer(self) -> Pacer:
        """Shared by all calls of the client."""
        return self.sender.pacer

    @property
    def transport(self) -> Transport:
        """Shared by all calls of the client."""
        return self.sender.transport

    def for_bulk(self) -> "Caller":
        """Return a caller for many: its calls let others go before them, and none is late."""
        return evolve(self, sender=evolve(self.sender, lane=Lane.BULK), deadline=None, calls=Calls())

    def until(self, instant: float | None) -> "Caller":
        """Return a caller for one of several calls that have to end, together, at an instant of the clock."""
        if instant is None:
            return self
        return evolve(self, deadline=max(instant - self.clock(), 0.0), whole=self.deadline)

    async def call(self, request: Request[T], state: CallState | None = None) -> T:
        """Make a call, and return what its endpoint reads from the answer.

        Args:
            request: What to ask.
            state: Is kept up to date, for a caller who wants to know how far a cancelled call was. One with a doubt, of
                an earlier process, is looked into before anything is sent.

        Raises:
            LegitmarkError: As the public methods tell. A create whose outcome isn't known is `OutcomeUnknownError`.
        """
        self.transport.require_open()
        state = CallState() if state is None else state
        state.since = state.ended_at = self.clock()
        self.calls.under_way.add(state)
        with self.sender.telemetry.call(request, state):
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
            finally:
                self.calls.end(state)
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
        verdict = state.verdict = Verdict(looking=state.looking)
        loop = self.retrier.loop(
            verdict,
            repeatable=lambda error: self._repeatable(request, state, error),
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
        claim, doubt = request.claim, state.doubt
        if claim is not None and doubt is not None and self._confirms(doubt):
            state.look(looking=True)
            found = await self._confirmer.settle(claim, doubt, state, deadline)
            if found is not None:
                return cast("T", found)  # only creates are ever in doubt, and a service request is what they give
            if doubt.error is not None and not doubt.error.retryable:
                raise doubt.error
        state.look(looking=False)
        try:
            return await self.sender.send(request, state, deadline)
        except LegitmarkError as error:
            # A conflict may be with the very thing that we made (contract, section 12).
            if error.maybe_processed or isinstance(error, ConflictError):
                self._suspect(request, state, error)
            raise

    def _suspect(self, request: Request[T], state: CallState, error: LegitmarkError) -> None:
        if request.claim is None:
            state.maybe_processed = True
        elif error.maybe_processed or self.on_ambiguous == "confirm":
            state.suspect(Doubt(self.clock(), error))

    def _confirms(self, doubt: Doubt) -> bool:
        # What an earlier process has sent is looked for in any case: repeating it blindly is nobody's wish.
        return self.on_ambiguous == "confirm" or doubt.inherited

    def _repeatable(self, request: Request[T], state: CallState, error: LegitmarkError) -> bool:
        """Whether to try again after a failure that passes, or that leaves open what was done."""
        # 1. Calls that do no harm, and those of which somebody said that they do none.
        if request.claim is None or self.on_ambiguous == "repeat":
            return error.retryable and (request.repeatable or self.on_ambiguous == "repeat")
        # 2. A create without a doubt has come to its end.
        if state.doubt is None or not self._confirms(state.doubt):
            return False
        # 3. A create in doubt is looked for, whatever its failure; and a look may fail like any read.
        return error.retryable or error is state.doubt.error

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
        error = DeadlineExceededError(
            request.method,
            request.path,
            deadline=self.whole or self.deadline or 0.0,
            spent=state.spent_until(self.clock()),
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
    late = isinstance(error, DeadlineExceededError)
    if request.claim is None or not (state.unsettled if late else state.in_flight or state.maybe_processed):
        return error
    doubt = None if late or state.doubt is None else state.doubt.error
    looked = None if doubt is None else state.looked
    unknown = OutcomeUnknownError(request.claim.reference_id, looked=looked)
    # What happened to the create says more than why a look for it failed.
    unknown.__cause__ = error if doubt is None or looked is None else doubt
    unknown.attempts, unknown.request_id = error.attempts, error.request_id
    return unknown
