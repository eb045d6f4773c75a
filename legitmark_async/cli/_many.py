"""What the commands over many rows share: their options, and how a run goes and ends."""

import asyncio
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter, validators

from legitmark_async import (
    BulkRun,
    ConfigurationError,
    Legitmark,
    LegitmarkError,
    Outcome,
    RunProgress,
    ServiceRequestDraft,
    Skipped,
)
from legitmark_async.bulk import BY_EARLIER_RUNS, INPUT_ENDED
from legitmark_async.cli._api import Api
from legitmark_async.cli._conventions import ALL_DONE, NOTHING_DONE, SOME_FAILED
from legitmark_async.cli._dry_run import Prediction, check_all
from legitmark_async.cli._input import Drafts, Format, Input
from legitmark_async.cli._lines import Lines, require_free
from legitmark_async.cli._outcomes import describe_outcome
from legitmark_async.cli._output import describe_error, say
from legitmark_async.cli._progress import Goal, has_terminal, shown

FILE = Parameter(
    help="CSV with the columns reference_id, category, type and, if you like, service, brand, model; or JSON Lines "
    "with such keys. Category, type, brand and model are UUIDs or names. - is stdin."
)
_FAILURES = re.compile(r"(?P<count>\d+)|(?P<percent>\d+(\.\d+)?)%", re.ASCII)
_COUNT = Parameter(validator=validators.Number(gte=1))
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
    """

    format: Format | None = None
    concurrency: Annotated[int, _COUNT] = 64
    max_failures: str | None = None
    ordered: bool = False
    journal: Path | None = None

    def allowed_failures(self) -> float | None:
        """Return what the library takes as `max_failures`, where 1 is a number and less a share.

        Raises:
            ConfigurationError: It is neither a number nor a share.
        """
        text = self.max_failures
        if text is None:
            return None
        match = _FAILURES.fullmatch(text.strip())
        if match is None:
            raise ConfigurationError(f"--max-failures takes a number such as 10 or a share such as 1%, not {text!r}")
        if match["count"]:
            return int(match["count"])
        share = float(match["percent"]) / 100
        return share if share < 1 else None  # more than all can't fail


@Parameter(name="*", group=Group("Output", sort_key=2))
@frozen(kw_only=True)
class OutputOptions:
    """Where the outcomes go.

    Attributes:
        out: File for the outcomes, instead of stdout. With --journal they are written behind what is there.
        force: Overwrite it if it is there and not empty.
    """

    out: Path | None = None
    force: bool = False

    def appends(self, journal: Path | None) -> bool:
        """Whether the outcomes are written behind what is there."""
        return journal is not None and not self.force

    def require_free(self, source: Input, journal: Path | None) -> None:
        """Check that the file may be written.

        Raises:
            ConfigurationError: It may not.
        """
        if self.out is not None:
            require_free(self.out, source.file, force=self.force or self.appends(journal))


@Parameter(name="*", group=Group("Dry run", sort_key=3))
@frozen(kw_only=True)
class DryRunOptions:
    """What to do instead of a run.

    Attributes:
        dry_run: Check every row without sending anything, and write the bad ones and a count to stdout; needs no key.
        limit: Predict how long the run takes if the API lets so many requests through in a window.
        window: Seconds of such a window; 60 by default.
    """

    dry_run: bool = False
    limit: Annotated[int | None, _COUNT] = None
    window: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None

    def prediction(self, requests: int = 1) -> Prediction:
        """Return what foretells the time, if each item takes so many requests."""
        return Prediction(self.limit, _WINDOW if self.window is None else self.window, requests)

    def require_use(self) -> None:
        """Check that nothing is told that only a dry run would heed.

        Raises:
            ConfigurationError: It is.
        """
        if not self.dry_run and (self.limit is not None or self.window is not None):
            raise ConfigurationError("--limit and --window are for --dry-run: a run finds the rate limits out itself")


Begin = Callable[[Legitmark, Drafts, int | None], BulkRun]


async def check_rows(
    source: Input, api: Api, prediction: Prediction, check: Callable[[ServiceRequestDraft], None] | None = None
) -> int:
    """Check the input without sending anything but look-ups of names, and return the exit status.

    Args:
        source: The input.
        api: To look names up, if there is a key.
        prediction: Foretells the time.
        check: What else is to be checked of each draft; raises a `ConfigurationError`.
    """
    with Lines(None) as lines:
        if not api.has_key:
            status = await check_all(source.drafts(), lines, prediction, check)
            if status != ALL_DONE:
                say("names were not looked up: LEGITMARK_API_KEY is not set")
            return status
        async with api.client() as legitmark:
            return await check_all(legitmark.taxonomy.resolve_drafts(source.drafts()), lines, prediction, check)


async def run_rows(  # one argument for each group of options
    source: Input, options: RunOptions, output: OutputOptions, api: Api, goal: Goal, begin: Begin
) -> int:
    """Run over the rows of an input, and return the exit status.

    Args:
        source: The input.
        options: How to run.
        output: Where the outcomes go.
        api: Where to send them.
        goal: What each row is to become.
        begin: Makes the run, of a client, the drafts and their number.
    """
    # Whatever may be wrong is told before the file of outcomes is touched.
    client, drafts = api.client(concurrency=options.concurrency), source.drafts()
    options.allowed_failures()
    output.require_free(source, options.journal)
    total = source.count()
    async with client as legitmark:
        run = begin(legitmark, legitmark.taxonomy.resolve_drafts(drafts), total)
        with Lines(output.out) as lines:
            # Lines of JSON in the same terminal would tear the bar.
            bar = has_terminal() and not lines.in_terminal
            async with shown(run, goal, bar=bar):
                fault = await _write_all(run, lines, goal, options.journal, anew=not output.appends(options.journal))
    due = run.progress.done - run.progress.done_before
    if due > lines.written:
        say(f"outcomes that could not be written: {due - lines.written}")
    return _conclude(run.progress, fault, goal, options.journal)


async def _write_all(run: BulkRun, lines: Lines, goal: Goal, journal: Path | None, *, anew: bool) -> Exception | None:
    """Write the outcomes, those too that are left when the run ends early; return what made it end."""
    fault: Exception | None = None
    try:
        async with run:
            # Not before the run has begun: what is there must not be lost to a journal that can't be used.
            if anew:
                lines.empty()
            async for outcome in run:
                await _write(outcome, lines)
    except asyncio.CancelledError:
        raise asyncio.CancelledError(f"{_summarize(run.progress, goal)}; {_how_to_go_on(journal)}") from None
    except (LegitmarkError, OSError) as error:
        fault = error
    finally:
        for outcome in () if lines.broken else run.leftover:
            await _write(outcome, lines)
    return fault


async def _write(outcome: Outcome, lines: Lines) -> None:
    # A row that an earlier run has done has had its line then.
    if not (isinstance(outcome, Skipped) and outcome.reason in BY_EARLIER_RUNS):
        await lines.write(describe_outcome(outcome))


def _conclude(progress: RunProgress, fault: Exception | None, goal: Goal, journal: Path | None) -> int:
    if fault is not None and not progress.taken:
        raise fault
    why = progress.stopped if fault is None else describe_error(fault)
    stopped = why != INPUT_ENDED
    told = _summarize(progress, goal)
    words = f"stopped ({why}): {told}" if stopped else told
    say(f"{words}; {_how_to_go_on(journal)}" if stopped or progress.unknown or progress.stuck else words)
    if not (progress.failed or progress.stuck or progress.unknown or stopped):
        return ALL_DONE
    return SOME_FAILED if progress.created or progress.unknown else NOTHING_DONE


def _summarize(progress: RunProgress, goal: Goal) -> str:
    before = f", {progress.done_before} {goal} before" if progress.done_before else ""
    return (
        f"{_how_far(progress, goal)}, {progress.failed} failed, {progress.unknown} unknown, "
        f"{progress.skipped - progress.done_before} skipped, {progress.refused} refused, "
        f"in {progress.seconds:.2f} s{before}"
    )


def _how_far(progress: RunProgress, goal: Goal) -> str:
    if goal == "created":
        return f"{progress.created} created"
    left = progress.created - progress.submitted - progress.stuck
    only = f", {left} created and no further" if left else ""
    return f"{progress.submitted} submitted, {progress.stuck} stuck{only}"


def _how_to_go_on(journal: Path | None) -> str:
    if journal is None:
        return "there is no journal to go on from: look for the unknown by their reference_id before you run it again"
    return f"go on with: {shlex.join(['legitmark', *sys.argv[1:]])}"
