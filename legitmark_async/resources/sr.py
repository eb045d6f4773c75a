"""Service requests: `legitmark.sr`."""

from os import PathLike
from pathlib import Path

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async.bulk import BulkRun, Drafts, RunOptions, Source
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import ServiceRequest, ServiceRequestDraft
from legitmark_async.options import checked_count


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
        journal: str | PathLike[str] | None = None,
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
                failed and what is new is sent. One run at a time.
            settle_only: Send nothing but what may have been sent by earlier runs with the same journal.

        Returns:
            The run: `async with` it, and iterate over it.

        Raises:
            ConfigurationError: An option is wrong.
        """
        concurrency = self._concurrency if concurrency is None else checked_count("concurrency", concurrency)
        if max_failures is not None and not max_failures >= 0:
            raise ConfigurationError(f"max_failures must be 0 or more, not {max_failures!r}", problems=["max_failures"])
        # A row that waits for its turn is not late: a deadline would burn a whole file while the window is closed.
        caller = self._caller.for_bulk()
        if total is not None:
            checked_count("total", total, least=0)
        if settle_only and journal is None:
            raise ConfigurationError("settle_only needs the journal of the run that left something open")
        options = RunOptions(
            concurrency=concurrency,
            max_failures=max_failures,
            ordered=ordered,
            journal=None if journal is None else Path(journal),
            settle_only=settle_only,
        )
        return BulkRun(caller, Source(drafts, total), options)
