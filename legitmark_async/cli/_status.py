"""`legitmark status`: how a journal stands."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from legitmark_async import JournalReader
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._run import command
from legitmark_async.journal import JournalSummary, RunRecord


@command
async def status(journal: Annotated[Path, Parameter(help="File that a run has written.")], /) -> int:
    """Tell what a journal holds, and how to go on."""
    with JournalReader(journal) as reader:
        summary = reader.summary()
    write_json(
        {
            "journal": summary.path,
            "base_url": summary.base_url,
            "items": summary.items,
            "created": summary.created,
            "submitted": summary.submitted,
            "stuck": summary.stuck,
            "failed": summary.failed,
            "unknown": summary.unknown,
            "runs": [_describe(run) for run in summary.runs],
        }
    )
    counts = f"{summary.created} created{_how_far(summary)}, {summary.failed} failed, {summary.unknown} unknown"
    say(f"{counts}{_how_to_go_on(summary)}")
    return ALL_DONE


def format_instant(instant: datetime | None) -> str | None:
    """Return an instant as JSON has it."""
    return None if instant is None else instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _describe(run: RunRecord) -> dict[str, Any]:
    return {
        "number": run.number,
        "started_at": format_instant(run.started_at),
        "ended_at": format_instant(run.ended_at),
        "stopped": run.stopped,
        "refused": run.refused,
    }


def _how_far(summary: JournalSummary) -> str:
    if not (summary.submitted or summary.stuck):
        return ""
    return f" ({summary.submitted} submitted, {summary.stuck} stuck)"


def _how_to_go_on(summary: JournalSummary) -> str:
    killed = bool(summary.runs) and summary.runs[-1].ended_at is None
    why = [
        "the last run is still going on or was killed" if killed else "",
        "some are unknown" if summary.unknown else "",
        "some have failed" if summary.failed else "",
        "some are stuck" if summary.stuck else "",
    ]
    told = " and ".join(filter(None, why))
    command = "submit-many" if summary.submitted or summary.stuck else "create-many"
    return f"; {told}: run {command} again with this journal" if told else ""
