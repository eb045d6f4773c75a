"""`legitmark create-many`: one service request for each row of a file."""

from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter

from legitmark_async import BulkRun, ConfigurationError, Legitmark
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._input import Drafts, Input
from legitmark_async.cli._many import FILE, DryRunOptions, OutputOptions, RunOptions, check_rows, run_rows
from legitmark_async.cli._run import command


@Parameter(name="*", group=Group("Run", sort_key=1))
@frozen(kw_only=True)
class CreateOptions(RunOptions):
    """How to run.

    Attributes:
        settle_unknown: Send nothing but the rows of the journal that may have been sent before.
    """

    settle_unknown: bool = False

    def require_journal(self) -> None:
        """Check that there is a journal where one is needed.

        Raises:
            ConfigurationError: There is none.
        """
        if self.settle_unknown and self.journal is None:
            raise ConfigurationError("--settle-unknown needs the --journal of the run that left something open")


_RUN, _OUTPUT, _DRY_RUN = CreateOptions(), OutputOptions(), DryRunOptions()


@command
async def create_many(
    file: Annotated[str, FILE],
    /,
    *,
    run: CreateOptions = _RUN,
    output: OutputOptions = _OUTPUT,
    dry: DryRunOptions = _DRY_RUN,
    api: Api = DEFAULT_API,
) -> int:
    """Create a service request for each row of a file, or check the file only."""
    dry.require_use()
    source = Input(file, run.format)
    if dry.dry_run:
        return await check_rows(source, api, dry.prediction())
    run.require_journal()

    def begin(legitmark: Legitmark, drafts: Drafts, total: int | None) -> BulkRun:
        return legitmark.sr.create_many(
            drafts,
            concurrency=run.concurrency,
            max_failures=run.allowed_failures(),
            ordered=run.ordered,
            total=total,
            journal=run.journal,
            settle_only=run.settle_unknown,
        )

    return await run_rows(source, run, output, api, "created", begin)
