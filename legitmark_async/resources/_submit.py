"""Submitting, which may be repeated because the state is read before it is."""

import math

from attrs import define, field

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async.errors import ConflictError, InvalidRequestError, LegitmarkError
from legitmark_async.models import PrimaryState, ServiceRequest

# Known states in which there is nothing to submit any more. In any other the API is asked: it says no itself.
_UNDER_WAY = {PrimaryState.QC, PrimaryState.QUEUE, PrimaryState.UNDERWAY, PrimaryState.COMPLETE}


@define(eq=False)
class Submission:
    """One submission, over all its calls (contract, section 7.6: whether a repeat does harm is not known).

    Attributes:
        caller: Makes the calls.
        uuid: Of the service request.
        ends_at: When all of it must be done, on the caller's clock, or None if that has no deadline.
    """

    caller: Caller
    uuid: str
    ends_at: float | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        deadline = self.caller.deadline
        self.ends_at = None if deadline is None else self.caller.clock() + deadline

    async def run(self, *, fresh: bool = False) -> ServiceRequest:
        """Submit unless it is submitted already, and find out what became of a try whose answer was lost.

        Args:
            fresh: Whether it surely was not submitted before, so that its state needn't be read first.
        """
        if not fresh and is_submitted(sr := await self._read()):
            return sr
        tries = 1
        while isinstance(outcome := await self._send(), LegitmarkError):
            if tries >= self.caller.retrier.policy.attempts:
                raise outcome
            tries += 1
        return outcome

    async def _send(self) -> ServiceRequest | LegitmarkError:
        """Send it once, and return what became of it, or the failure if it may pass and nothing came of it."""
        try:
            return await self.caller.until(self.ends_at).call(_endpoints.submit_service_request(self.uuid))
        except LegitmarkError as error:
            # A refusal may be of a try before, whose answer was lost, or of somebody else's.
            if not (error.maybe_processed or isinstance(error, (ConflictError, InvalidRequestError))):
                raise
            failure = error
        found = await self._look(patient=await self._may_be_done(failure))
        if found is None and not failure.retryable:
            raise failure
        return found or failure

    async def _may_be_done(self, failure: LegitmarkError) -> bool:
        if not isinstance(failure, ConflictError):
            return failure.maybe_processed
        # It may conflict with a submission before, which a stale read doesn't show yet; or photos are missing.
        progress = await self.caller.until(self.ends_at).call(_endpoints.get_progress(self.uuid))
        return progress.met is not False

    async def _read(self) -> ServiceRequest:
        return await self.caller.until(self.ends_at).call(_endpoints.get_service_request(self.uuid))

    async def _look(self, *, patient: bool) -> ServiceRequest | None:
        """Return the service request if it is submitted; reads may be stale, so a patient look is several."""
        for pause in (0.0, *self.caller.retrier.policy.confirm_pauses) if patient else (0.0,):
            if self.caller.clock() + pause > (math.inf if self.ends_at is None else self.ends_at):
                return None
            await self.caller.retrier.sleep(pause)
            sr = await self._read()
            if is_submitted(sr):
                return sr
        return None


def is_submitted(sr: ServiceRequest) -> bool:
    """Tell whether a service request needs no submitting: its photos being rejected, it does once more."""
    return sr.state.primary in _UNDER_WAY and not sr.needs_resubmission
