"""What is done with one draft of a bulk run: created and, by a plan, gone on with."""

import asyncio
from collections.abc import Callable

from attrs import define

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async._wire import Request
from legitmark_async.bulk._books import Books
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._outcomes import Created, Failed, Outcome, Stuck, Submitted, Unknown
from legitmark_async.bulk._plan import REQUESTS, Plan, Planner
from legitmark_async.errors import LegitmarkError, OutcomeUnknownError, RecordError, WorkflowError, without_frames
from legitmark_async.journal import State
from legitmark_async.models import ServiceRequest


@define(eq=False)
class Maker:
    """Makes an outcome of each draft.

    Attributes:
        caller: Makes the calls.
        books: Are told before and after.
        slots: How many may be created at once.
        planner: Finds out how each goes on, or None if it is done when it is created.
        announce: Tells the pacer how many are to come, whenever that has changed.
        preparing: How many are about to be created, and have no slot yet.
    """

    caller: Caller
    books: Books
    slots: asyncio.Semaphore
    planner: Planner | None
    announce: Callable[[], None]
    preparing: int = 0

    async def make(self, job: Job) -> Outcome:
        """Take one draft as far as it goes.

        Raises:
            RecordError: It could not be noted how far it is.
            CancelledError: As any coroutine; the job knows how far it is.
        """
        try:
            return await self._make(job)
        except RecordError:
            raise
        except OutcomeUnknownError as error:
            return Unknown(job.draft, without_frames(error))
        except WorkflowError as error:
            made = job.service_request or ServiceRequest(uuid=error.sr_uuid)
            return Stuck(job.draft, made, without_frames(error))
        except LegitmarkError as error:
            return Failed(job.draft, without_frames(error))

    async def _make(self, job: Job) -> Outcome:
        request = _endpoints.create_service_request(job.draft)
        plan = None
        self.preparing += 1
        try:
            known = await self.books.enter(job)
            if known is not None:
                return known
            plan = None if self.planner is None else await self._prepare(job, self.planner)
            made = job.service_request
            fresh = made is None
            if fresh:
                await self.slots.acquire()
        finally:
            self.preparing -= 1
            # From here on it waits for its turn, and is counted there.
            self.announce()
        if made is None:
            made = await self._create(job, request, 0 if plan is None else REQUESTS - 1)
        return Created(job.draft, made) if plan is None else await self._go_on(job, made, plan, fresh=fresh)

    async def _create(self, job: Job, request: Request[ServiceRequest], to_come: int) -> ServiceRequest:
        """Create in a slot that is taken already, and give it back."""
        try:
            job.to_come = to_come
            made = job.service_request = await self.caller.call(request, job.state)
        finally:
            self.slots.release()
        return made

    async def _prepare(self, job: Job, planner: Planner) -> Plan:
        try:
            return await planner(job.draft)
        except LegitmarkError as error:
            if job.service_request is not None:
                raise WorkflowError(job.service_request.uuid, "photos", str(error)) from error
            if job.state.unsettled:
                # An earlier run may have created it, and it has not been looked for yet.
                raise OutcomeUnknownError(job.draft.reference_id) from error
            raise

    async def _go_on(self, job: Job, made: ServiceRequest, plan: Plan, *, fresh: bool) -> Outcome:
        if job.reached != State.UPLOADED:
            await self.books.advance(job, State.CREATED)
            if not job.state.withdrawn:
                job.to_come = 2
                if await plan.upload(made.uuid, fresh=fresh):
                    job.to_come = 1
                    await plan.check(made.uuid)
                await self.books.advance(job, State.UPLOADED)
        if job.state.withdrawn:
            return Created(job.draft, made)
        job.to_come = 0
        return Submitted(job.draft, await plan.submit(made.uuid, fresh=fresh))
