"""What a bulk run knows of one draft while it works on it."""

import asyncio

from attrs import define, field

from legitmark_async._call import CallState
from legitmark_async.bulk._outcomes import Created, Outcome, Skipped, Unknown
from legitmark_async.errors import OutcomeUnknownError
from legitmark_async.journal import State
from legitmark_async.models import ServiceRequest, ServiceRequestDraft


@define(eq=False)
class Job:
    """One draft under way.

    Attributes:
        draft: What is to be created.
        worker: The task that works on it, or None when that is done.
        state: How far its call is.
        outcome: What became of it, or None.
        number: Of its item in the journal, once it was entered there.
        service_request: What it became, by this run or one before, or None.
        reached: How far that got.
        to_come: Requests that it will make beside the one that it is at.
    """

    draft: ServiceRequestDraft
    worker: "asyncio.Task[None] | None"
    state: CallState = field(factory=CallState)
    outcome: Outcome | None = None
    number: int | None = None
    service_request: ServiceRequest | None = None
    reached: State = State.CREATED
    to_come: int = 0

    def withdrawn(self, why: str) -> Outcome:
        """Return what becomes of it if nothing more is done."""
        if self.service_request is not None:
            return Created(self.draft, self.service_request)
        if not self.state.unsettled:
            return Skipped(self.draft, why)
        error = OutcomeUnknownError(self.draft.reference_id)
        error.attempts, error.request_id = tuple(self.state.attempts), self.state.request_id
        return Unknown(self.draft, error)
