"""The whole way of items: `legitmark.workflow`."""

import asyncio
from collections.abc import Mapping
from os import PathLike

from legitmark_async._call import Caller
from legitmark_async.bulk import BulkRun, Drafts, RunOptions, Source, journal_books
from legitmark_async.models import ServiceRequest, ServiceRequestDraft
from legitmark_async.resources import Images, Photo, ServiceRequests, require_asset_host
from legitmark_async.workflow._folders import FindPhotos
from legitmark_async.workflow._steps import Resources, Steps, check_photos, find_photos


class Workflow:
    """From an item to its verdict; reached as `legitmark.workflow`."""

    def __init__(self, api: Caller, asset: Caller, storage: Caller, *, concurrency: int) -> None:
        self._callers = (api, asset, storage)
        self._concurrency = concurrency
        self._resources = _resources(api, asset, storage, concurrency)

    async def authenticate(
        self,
        item: ServiceRequestDraft | str,
        photos: Mapping[str, Photo],
        *,
        verdict: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109  # of the verdict alone, as `sr.wait_until` has it
        poll: float = 30.0,
    ) -> ServiceRequest:
        """Take an item the whole way: create it, upload its photos, submit it and, by choice, wait for the verdict.

        ```python
        sr = await legitmark.workflow.authenticate(draft, {"Front": "front.jpg", "Back": "back.heic"})
        ```

        Photos and draft are checked before anything is sent. After that each step finds out what is done already: the
        same call with the UUID in the draft's place goes on where one before got stuck. Photos that are there are not
        uploaded again, unless photos were rejected; what is submitted is not submitted again.

        Args:
            item: The draft; or the UUID of a service request that was created before.
            photos: By the name of their side, in English, or its UUID; paths, bytes or open files, as `images.upload`
                takes them.
            verdict: Wait until it is final, or its photos were rejected.
            timeout: Seconds to wait for that; None for no end.
            poll: Seconds between the first two looks for it.

        Returns:
            The service request: as it was submitted, or with its verdict.

        Raises:
            PhotoError: Photos can't be read or the API wouldn't take them; nothing was sent.
            OutcomeUnknownError: It may or may not have been created; see `sr.create`.
            WorkflowError: It was created, and got stuck at a later step. Its `sr_uuid` goes on.
            LegitmarkError: It was not created; see `sr.create`.
        """
        require_asset_host(self._callers[1])
        await asyncio.to_thread(check_photos, photos)
        fresh = not isinstance(item, str)
        uuid = item if isinstance(item, str) else (await self._resources.sr.create(item)).uuid
        steps = Steps(self._resources, photos)
        if await steps.upload(uuid, fresh=fresh):
            await steps.check(uuid)
        sr = await steps.submit(uuid, fresh=fresh)
        return await steps.judge(uuid, timeout, poll) if verdict else sr

    def submit_many(  # noqa: PLR0913  # one keyword for each thing there is to choose
        self,
        drafts: Drafts,
        photos: FindPhotos,
        *,
        concurrency: int | None = None,
        max_failures: float | None = None,
        ordered: bool = False,
        total: int | None = None,
        journal: str | PathLike[str] | None = None,
    ) -> BulkRun:
        """Take many items the whole way to their submission, and tell of each how far it got.

        ```python
        async with legitmark.workflow.submit_many(drafts, photos_in("photos"), journal="run.db") as run:
            async for outcome in run:
                match outcome:
                    case Submitted(draft, service_request): ...
                    case Stuck(draft, service_request, error): ...
                    case Failed(draft, error): ...
                    case Unknown(draft, error): ...
                    case Skipped(draft, reason): ...
        ```

        It is `sr.create_many` with more to do for each draft: its photos are checked before it is created, then
        uploaded, and then it is submitted. With a journal each of these steps is noted: the same call goes on with each
        item where it got to, those too that are stuck and those that `create_many` has created with that journal. The
        verdicts come by webhook.

        Args:
            drafts: As `sr.create_many` takes them.
            photos: Is called with each draft, in a thread, and gives its photos as `authenticate` takes them;
                `photos_in` finds them in folders. If it raises, that draft has failed.
            concurrency: Items under way at once; the client's `concurrency` if None.
            max_failures: Stop when more have failed, are unknown or got stuck; as in `sr.create_many`.
            ordered: Give the outcomes in the order of the input, instead of as they come.
            total: How many drafts there are, if `drafts` can't tell.
            journal: A file to write down what happens, as in `sr.create_many`.

        Returns:
            The run: `async with` it, and iterate over it.

        Raises:
            ConfigurationError: An option is wrong.
        """
        api, asset, storage = [caller.for_bulk() for caller in self._callers]
        require_asset_host(asset)
        concurrency = self._concurrency if concurrency is None else concurrency
        resources = _resources(api, asset, storage, concurrency)

        async def plan(draft: ServiceRequestDraft) -> Steps:
            return Steps(resources, await asyncio.to_thread(find_photos, photos, draft))

        options = RunOptions(
            concurrency=concurrency,
            max_failures=max_failures,
            ordered=ordered,
            books=journal_books(journal, submits=True),
            plan=plan,
            beside=(asset, storage),
        )
        return BulkRun(api, Source(drafts, total), options)


def _resources(api: Caller, asset: Caller, storage: Caller, concurrency: int) -> Resources:
    return Resources(api, ServiceRequests(api, concurrency=concurrency), Images(asset, storage))
