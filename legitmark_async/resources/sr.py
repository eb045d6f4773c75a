"""Service requests: `legitmark.sr`."""

from collections.abc import Callable, Collection
from os import PathLike

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async._endpoints import Include
from legitmark_async.bulk import BulkRun, Drafts, Opener, RunOptions, Source, journal_books
from legitmark_async.models import (
    Progress,
    Requirements,
    ServiceRequest,
    ServiceRequestDraft,
    ServiceRequestSummary,
    Side,
)
from legitmark_async.resources._submit import Submission
from legitmark_async.resources._watch import Watch, checked_seconds
from legitmark_async.webhooks import MediaRejected, RejectedSide


class ServiceRequests:
    """The endpoints of service requests; reached as `legitmark.sr`."""

    def __init__(self, caller: Caller, *, concurrency: int) -> None:
        self._caller = caller
        self._concurrency = concurrency

    async def create(self, draft: ServiceRequestDraft) -> ServiceRequest:
        """Create one service request: `POST /api/v2/sr` (contract, section 7.1).

        Where it surely was not processed (no connection was made, or the rate limit refused it) it is sent again. Where
        it may have been (a timeout, a disconnect, a 5xx, a 409, an unreadable success) it is looked for by its
        `reference_id` first, for some seconds, and sent again only if it isn't there; see `on_ambiguous`. Cancelling it
        while the request is in flight leaves open whether it was created.

        Args:
            draft: What to create. It is checked before anything is sent.

        Returns:
            The service request, in state DRAFT.

        Raises:
            ConfigurationError: The draft is wrong (`.problems` tells every fault), or the client is not open.
            OutcomeUnknownError: It may or may not have been created, and looking for it didn't tell.
            ResponseError: The API refused it: `InvalidRequestError` 400, `AuthenticationError` 401, and so on.
            ConnectionFailedError: No connection could be made.
            DeadlineExceededError: The call's deadline left no time; nothing was created.
        """
        return await self._caller.call(_endpoints.create_service_request(draft))

    def create_many(  # noqa: PLR0913  # one keyword for each thing there is to choose
        self,
        drafts: Drafts,
        *,
        concurrency: int | None = None,
        max_failures: float | None = None,
        ordered: bool = False,
        total: int | None = None,
        journal: str | PathLike[str] | Opener | None = None,
        settle_only: bool = False,
    ) -> BulkRun:
        """Create many service requests, and tell of each what became of it.

        ```python
        async with legitmark.sr.create_many(drafts) as run:
            async for outcome in run:
                match outcome:
                    case Created(draft, service_request): ...
                    case Failed(draft, error): ...
                    case Unknown(draft, error): ...
                    case Skipped(draft, reason): ...
        ```

        A draft whose `reference_id` was in the input before is skipped. A key that is not accepted (401, 403) stops
        the run, for every other draft would fail like it. The client's `deadline` doesn't count here: a draft waits
        for the rate limit as long as it takes.

        Args:
            drafts: Any iterable or async iterable, of any length; it is read as the work goes on.
            concurrency: Drafts under way at once; the client's `concurrency` if None.
            max_failures: Stop when more have failed (or are unknown) than this: a number, or below 1 a share of those
                done (looked at from 100 outcomes on). None: never.
            ordered: Give the outcomes in the order of the input, instead of as they come.
            total: How many drafts there are, if `drafts` can't tell (`len`): then the progress tells when the run
                ends, and the last window is spent at once. A wrong number does no harm but to these.
            journal: A file to write down what happens, made if it isn't there. Each draft is noted in it before it is
                sent, and its outcome after, so that the same call over the same drafts goes on where the last one
                stopped or was killed: what was created is skipped, what may have been sent is looked for first, what
                failed and what is new is sent. One run at a time. Or what opens books of another kind, see
                `legitmark_async.bulk.Books`.
            settle_only: Send nothing but what may have been sent by earlier runs with the same journal.

        Returns:
            The run: `async with` it, and iterate over it.

        Raises:
            ConfigurationError: An option is wrong.
        """
        options = RunOptions(
            concurrency=self._concurrency if concurrency is None else concurrency,
            max_failures=max_failures,
            ordered=ordered,
            books=journal_books(journal, settle_only=settle_only),
        )
        # A row that waits for its turn is not late: a deadline would burn a whole file while the window is closed.
        return BulkRun(self._caller.for_bulk(), Source(drafts, total), options)

    async def get(self, uuid: str, *, include: Collection[Include] = (), language: str | None = None) -> ServiceRequest:
        """Read one service request: `GET /api/v2/sr/{uuid}` (contract, section 7.2).

        The answer may come from a cache of the API's, and so be some seconds old.

        Args:
            uuid: Id of the service request.
            include: What else it shall tell: `item`, `sides`, `requirements`, `summary`, `user`, `service`, `outcome`,
                and others. What a flag needs beside it is asked for as well. `item` and `sides` have fields of their
                own, the rest stands in `.raw`.
            language: Of names and descriptions, instead of the client's: `en`, `zh` or `ja`.

        Raises:
            ConfigurationError: The id is empty, or there is no such flag or language.
            NotFoundError: There is none.
            LegitmarkError: As any call.
        """
        return await self._caller.call(_endpoints.get_service_request(uuid, include, language))

    async def find(self, identifier: str) -> ServiceRequestSummary:
        """Look one up by any of its ids: `GET /api/sr/find/{identifier}` (contract, section 7.3).

        The look-up is public. What it finds needn't be yours: your `reference_id` may be another's, or the micro id of
        another service request. `get` tells: it reads only yours.

        Args:
            identifier: UUID, micro id, id in the older system, or `reference_id`.

        Raises:
            ConfigurationError: The identifier is empty, or dots alone, which no path can hold.
            NotFoundError: There is none, or it is so new that the look-up doesn't know it yet.
            LegitmarkError: As any call.
        """
        return await self._caller.call(_endpoints.find_service_request(identifier))

    async def progress(self, uuid: str) -> Progress:
        """Ask whether the photos are enough: `GET /api/side-groups/progress` (contract, section 7.4).

        Returns:
            The counts. `met` is None where the API couldn't count (`s3_error`): ask again later.

        Raises:
            NotFoundError: There is no such service request.
            LegitmarkError: As any call.
        """
        return await self._caller.call(_endpoints.get_progress(uuid))

    async def requirements(self, uuid: str, *, language: str | None = None) -> Requirements:
        """Ask which sides need photos (contract, sections 7.2 and 7.5).

        Args:
            uuid: Id of the service request.
            language: Of the sides' names, instead of the client's. Webhooks name sides in English.

        Returns:
            The sides. `.side("Front")` finds one by its name or UUID, `.missing` tells those that lack a photo.

        Raises:
            NotFoundError: There is no such service request.
            LegitmarkError: As any call.
        """
        found = await self._caller.call(_endpoints.get_requirements(uuid, language))
        return await self._caller.call(_endpoints.get_side_groups(uuid, language)) if found is None else found

    async def rejected_sides(self, event: MediaRejected) -> tuple[tuple[RejectedSide, Side | None], ...]:
        """Find the sides whose photos an event says were rejected, to upload better ones.

        Newer events name the sides in English and tell no ids, so the sides are asked for in English (contract, section
        10).

        Args:
            event: What `legitmark_async.webhooks.parse` gave.

        Returns:
            What was rejected, and the side; None if no side is called so, or several are.

        Raises:
            NotFoundError: There is no such service request.
            LegitmarkError: As any call.
        """
        known = await self.requirements(event.sr_uuid, language="en")
        return tuple((rejected, _find_side(known, rejected)) for rejected in event.sides)

    async def submit(self, uuid: str) -> ServiceRequest:
        """Submit it for authentication: `POST /api/v2/sr/{uuid}/submit` (contract, section 7.6).

        It may be called again without harm: the state is read first, and nothing is sent if it is submitted already.
        So it is after a lost answer, too: the state is read for some seconds (`RetryPolicy.confirm_pauses`) before it
        is sent again. The client's `deadline` counts for all of it.

        Returns:
            The service request: as the API answers it (`uuid`, `micro_id` and `state` alone), or as it was read.

        Raises:
            ConflictError: Photos are missing, for example; see `progress`. What the API answers then isn't documented,
                so it may be an InvalidRequestError.
            NotFoundError: There is no such service request.
            LegitmarkError: As any call. If `maybe_processed`, call it again.
        """
        return await Submission(self._caller, uuid).run()

    async def wait_until(
        self,
        uuid: str,
        condition: Callable[[ServiceRequest], object] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # a poll in flight is not cut, and the error tells the state
        poll: float = 30.0,
    ) -> ServiceRequest:
        """Wait until something is true of a service request, by asking now and then.

        ```python
        sr = await legitmark.sr.wait_until(uuid, lambda sr: sr.is_final or sr.needs_resubmission, timeout=3600)
        ```

        As long as its state stays the same it is asked for more and more seldom, up to ten times `poll`. For more than
        a few, webhooks are the better way.

        Args:
            uuid: Id of the service request.
            condition: Is called with each answer. None: until it is final.
            timeout: Seconds for all of it; None for no end.
            poll: Seconds between the first two looks.

        Raises:
            ConfigurationError: `timeout` or `poll` is not above 0.
            DeadlineExceededError: It did not come true in time; the text names the last state.
            NotFoundError: There is no such service request.
            LegitmarkError: As any call; single failures are asked again.
        """
        checked_seconds("timeout", timeout)
        checked_seconds("poll", poll)
        watch = Watch(self._caller, uuid, timeout, poll)
        return await watch.run((lambda sr: sr.is_final) if condition is None else condition)


def _find_side(requirements: Requirements, rejected: RejectedSide) -> Side | None:
    try:
        return requirements.side(rejected.side_uuid or rejected.side or "")
    except KeyError:
        return None
