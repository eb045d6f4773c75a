"""`legitmark create-many`: one service request for each row of a file."""

import asyncio
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter, validators

from legitmark_async import BulkRun, ConfigurationError, LegitmarkError, Outcome, RunProgress, Skipped
from legitmark_async.bulk import DONE_BEFORE, INPUT_ENDED
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._conventions import ALL_DONE, NOTHING_DONE, SOME_FAILED
from legitmark_async.cli._dry_run import Prediction, check_all
from legitmark_async.cli._input import Format, Input
from legitmark_async.cli._lines import Lines, require_free
from legitmark_async.cli._outcomes import describe_outcome
from legitmark_async.cli._output import describe_error, say
from legitmark_async.cli._progress import has_terminal, shown
from legitmark_async.cli._run import command

_FAILURES = re.compile(r"(?P<count>\d+)|(?P<percent>\d+(\.\d+)?)%", re.ASCII)
_COUNT = Parameter(validator=validators.Number(gte=1))
_FILE = Parameter(
    help="CSV with the columns reference_id, category, type and, if you like, service, brand, model; or JSON Lines "
    "with such keys. Category, type, brand and model are UUIDs or names. - is stdin."
)
_FLAG = Parameter(negative="", show_default=False)
_WINDOW = 60.0


@Parameter(name="*", group=Group("Run", sort_key=1))
@frozen(kw_only=True)
class RunOptions:
    """How to run.

    Attributes:
        format: Of FILE; by default told by its suffix, or else by whether it begins with '{'.
        concurrency: Requests in flight at most.
        max_failures: Stop when more have failed than this: a number, or a share such as 1% (from 100 items on).
        ordered: Write the outcomes in the order of the rows, instead of as they come.
        journal: File to note in what happens to each row. The same command again goes on where the last one stopped or
            was killed: rows that were created are not sent again, and rows that may have been are looked for first.
        settle_unknown: Send nothing but the rows of the journal that may have been sent before.
    """

    format: Format | None = None
    concurrency: Annotated[int, _COUNT] = 64
    max_failures: str | None = None
    ordered: Annotated[bool, _FLAG] = False
    journal: Path | None = None
    settle_unknown: Annotated[bool, _FLAG] = False

    def require_journal(self) -> None:
        """Check that there is a journal where one is needed.

        Raises:
            ConfigurationError: There is none.
        """
        if self.settle_unknown and self.journal is None:
            raise ConfigurationError("--settle-unknown needs the --journal of the run that left something open")


@Parameter(name="*", group=Group("Output", sort_key=2))
@frozen(kw_only=True)
class OutputOptions:
    """Where the outcomes go.

    Attributes:
        out: File for the outcomes, instead of stdout. With --journal they are written behind what is there.
        force: Overwrite it if it is there and not empty.
    """

    out: Path | None = None
    force: Annotated[bool, _FLAG] = False


@Parameter(name="*", group=Group("Dry run", sort_key=3))
@frozen(kw_only=True)
class DryRunOptions:
    """What to do instead of a run.

    Attributes:
        dry_run: Check every row without sending anything, and write the bad ones and a count to stdout; needs no key.
        limit: Predict how long the run takes if the API lets so many requests through in a window.
        window: Seconds of such a window; 60 by default.
    """

    dry_run: Annotated[bool, _FLAG] = False
    limit: Annotated[int | None, _COUNT] = None
    window: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None

    def prediction(self) -> Prediction:
        """Return what foretells the time."""
        return Prediction(self.limit, _WINDOW if self.window is None else self.window)

    def require_use(self) -> None:
        """Check that nothing is told that only a dry run would heed.

        Raises:
            ConfigurationError: It is.
        """
        if not self.dry_run and (self.limit is not None or self.window is not None):
            raise ConfigurationError("--limit and --window are for --dry-run: a run finds the rate limits out itself")


_RUN, _OUTPUT, _DRY_RUN = RunOptions(), OutputOptions(), DryRunOptions()


@command
async def create_many(
    file: Annotated[str, _FILE],
    /,
    *,
    run: RunOptions = _RUN,
    output: OutputOptions = _OUTPUT,
    dry: DryRunOptions = _DRY_RUN,
    api: Api = DEFAULT_API,
) -> int:
    """Create a service request for each row of a file, or check the file only."""
    dry.require_use()
    source = Input(file, run.format)
    if dry.dry_run:
        return await _check_all(source, dry, api)
    return await _create_all(source, run, output, api)


async def _check_all(source: Input, dry: DryRunOptions, api: Api) -> int:
    with Lines(None) as lines:
        if not (api.has_key and source.may_have_names()):
            return await check_all(source.drafts(), lines, dry.prediction())
        # Names are looked up; nothing else is asked for.
        async with api.client() as legitmark:
            return await check_all(legitmark.taxonomy.resolve_drafts(source.drafts()), lines, dry.prediction())


async def _create_all(source: Input, options: RunOptions, output: OutputOptions, api: Api) -> int:
    # Whatever may be wrong is told before the file of outcomes is touched.
    options.require_journal()
    client, drafts = api.client(concurrency=options.concurrency), source.drafts()
    max_failures = _parse_failures(options.max_failures)
    append = options.journal is not None and not output.force
    if output.out is not None:
        require_free(output.out, source.file, force=output.force or append)
    total = source.count()
    async with client as legitmark:
        run = legitmark.sr.create_many(
            legitmark.taxonomy.resolve_drafts(drafts) if source.may_have_names() else drafts,
            concurrency=options.concurrency,
            max_failures=max_failures,
            ordered=options.ordered,
            total=total,
            journal=options.journal,
            settle_only=options.settle_unknown,
        )
        with Lines(output.out, append=append) as lines:
            # Lines of JSON in the same terminal would tear the bar.
            bar = has_terminal() and not lines.in_terminal
            async with shown(run, bar=bar):
                fault = await _write_all(run, lines, options.journal)
    due = run.progress.done - run.progress.done_before
    if due > lines.written:
        say(f"outcomes that could not be written: {due - lines.written}")
    return _conclude(run.progress, fault, options.journal)


async def _write_all(run: BulkRun, lines: Lines, journal: Path | None) -> Exception | None:
    """Write the outcomes, those too that are left when the run ends early; return what made it end."""
    fault: Exception | None = None
    try:
        async with run:
            async for outcome in run:
                await _write(outcome, lines)
    except asyncio.CancelledError:
        raise asyncio.CancelledError(f"{_summarize(run.progress)}; {_how_to_go_on(journal)}") from None
    except (LegitmarkError, OSError) as error:
        fault = error
    finally:
        for outcome in () if lines.broken else run.leftover:
            await _write(outcome, lines)
    return fault


async def _write(outcome: Outcome, lines: Lines) -> None:
    # A row that an earlier run has created has had its line then.
    if not (isinstance(outcome, Skipped) and outcome.reason == DONE_BEFORE):
        await lines.write(describe_outcome(outcome))


def _conclude(progress: RunProgress, fault: Exception | None, journal: Path | None) -> int:
    if fault is not None and not progress.taken:
        raise fault
    why = progress.stopped if fault is None else describe_error(fault)
    stopped = why != INPUT_ENDED
    words = f"stopped ({why}): {_summarize(progress)}" if stopped else _summarize(progress)
    say(f"{words}; {_how_to_go_on(journal)}" if stopped or progress.unknown else words)
    if not (progress.failed or progress.unknown or stopped):
        return ALL_DONE
    return SOME_FAILED if progress.created or progress.unknown else NOTHING_DONE


def _summarize(progress: RunProgress) -> str:
    before = f", {progress.done_before} created before" if progress.done_before else ""
    return (
        f"{progress.created} created, {progress.failed} failed, {progress.unknown} unknown, "
        f"{progress.skipped - progress.done_before} skipped, {progress.refused} refused, "
        f"in {progress.seconds:.2f} s{before}"
    )


def _how_to_go_on(journal: Path | None) -> str:
    if journal is None:
        return "there is no journal to go on from: look for the unknown by their reference_id before you run it again"
    return f"go on with: {shlex.join(['legitmark', *sys.argv[1:]])}"


def _parse_failures(text: str | None) -> float | None:
    """Return what `create_many` takes as `max_failures`, where 1 is a number and less a share."""
    if text is None:
        return None
    match = _FAILURES.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(f"--max-failures takes a number such as 10 or a share such as 1%, not {text!r}")
    if match["count"]:
        return int(match["count"])
    share = float(match["percent"]) / 100
    return share if share < 1 else None  # more than all can't fail
