"""Outcomes as JSON lines: what became of each row."""

from typing import Any

from legitmark_async import Created, Failed, Outcome, Skipped, Stuck, Unknown
from legitmark_async.bulk import Row
from legitmark_async.journal import Entry


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the object that is written."""
    line: dict[str, Any] = {
        "reference_id": outcome.draft.reference_id,
        "status": type(outcome).__name__.lower(),
        "uuid": None,
        "micro_id": None,
        "error": _error(outcome),
    }
    if isinstance(outcome, Created):
        line |= {"uuid": outcome.service_request.uuid, "micro_id": outcome.service_request.micro_id}
    if isinstance(row := outcome.draft.origin, Row):  # pragma: no branch  # all that the command reads are rows
        line |= {"extra": dict(row.extra), "line": row.line}
    return line


def describe_entry(entry: Entry) -> dict[str, Any]:
    """Return an item of a journal as the object that was written when it had its outcome."""
    line: dict[str, Any] = {
        "reference_id": entry.reference_id,
        "status": entry.status.value,
        "uuid": entry.uuid,
        "micro_id": entry.micro_id,
        "error": entry.error,
    }
    if entry.line is not None:
        line |= {"extra": dict(entry.extra), "line": entry.line}
    return line


def _error(outcome: Outcome) -> str | None:
    match outcome:
        case Stuck(_, _, error):
            return str(error)
        case Created():
            return None
        case Failed(_, error) | Unknown(_, error):
            return str(error)
        case Skipped(_, reason):  # pragma: no branch  # there is no other
            return reason
