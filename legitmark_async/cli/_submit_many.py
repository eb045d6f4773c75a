"""`legitmark submit-many`: each row of a file, the whole way to its submission."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from legitmark_async import BulkRun, Legitmark, ServiceRequestDraft, photos_in
from legitmark_async.bulk import REQUESTS
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._input import Drafts, Input
from legitmark_async.cli._many import FILE, DryRunOptions, OutputOptions, RunOptions, check_rows, run_rows
from legitmark_async.cli._run import command
from legitmark_async.workflow import find_photos

_PHOTOS = Parameter(
    help="Folder that holds a folder for each reference_id, with a file for each side in it, called by the side's "
    "English name or its UUID."
)

_RUN, _OUTPUT, _DRY_RUN = RunOptions(), OutputOptions(), DryRunOptions()


@command
async def submit_many(
    file: Annotated[str, FILE],
    /,
    *,
    photos: Annotated[Path, _PHOTOS],
    run: RunOptions = _RUN,
    output: OutputOptions = _OUTPUT,
    dry: DryRunOptions = _DRY_RUN,
    api: Api = DEFAULT_API,
) -> int:
    """Create, photograph and submit each row of a file, or check the file and the photos only."""
    dry.require_use()
    source, find = Input(file, run.format), photos_in(photos)

    def check(draft: ServiceRequestDraft) -> None:
        find_photos(find, draft)

    def begin(legitmark: Legitmark, drafts: Drafts, total: int | None) -> BulkRun:
        return legitmark.workflow.submit_many(
            drafts,
            find,
            concurrency=run.concurrency,
            max_failures=run.allowed_failures(),
            ordered=run.ordered,
            total=total,
            journal=run.journal,
        )

    if dry.dry_run:
        return await check_rows(source, api, dry.prediction(REQUESTS), check)
    return await run_rows(source, run, output, api, "submitted", begin)
