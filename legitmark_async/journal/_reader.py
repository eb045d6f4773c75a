"""A journal that is being read."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from legitmark_async.errors import ConfigurationError, JournalError
from legitmark_async.journal._records import NO_OUTCOME, Entry, JournalSummary, RunRecord, Sample, Status
from legitmark_async.journal._schema import MADE, State
from legitmark_async.journal._store import connect_to_read

_STATES = {
    Status.CREATED: (State.CREATED,),
    Status.UPLOADED: (State.UPLOADED,),
    Status.SUBMITTED: (State.SUBMITTED,),
    Status.STUCK: (State.STUCK,),
    Status.FAILED: (State.FAILED,),
    # An item that was marked as sent, and of which no more is known.
    Status.UNKNOWN: (State.UNKNOWN, State.SENT),
}
_STATUS = {state: status for status, states in _STATES.items() for state in states}
_ENTRIES = """
    SELECT reference, status, uuid, micro_id, error, cause, file, line, extra, run, sent_at, settled_at FROM items
    WHERE status IN (SELECT value FROM json_each(?)) ORDER BY seq
"""
_HAS_SAMPLES = "SELECT count(*) FROM sqlite_master WHERE name = 'samples'"


class JournalReader:
    """Reads a journal, also while a run writes to it: a context manager.

    ```python
    with JournalReader("run.db") as journal:
        for entry in journal.entries(Status.FAILED):
            print(entry.reference_id, entry.error)
    ```

    Args:
        path: The file.

    Raises:
        JournalError: There is none, or it can't be read; raised by `with`, and by the methods.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        self._open: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        self._open = connect_to_read(self._path)
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.close()

    def summary(self) -> JournalSummary:
        """Count what there is."""
        counts: dict[Status, int] = dict.fromkeys(Status, 0)
        for state, count in self._rows("SELECT status, count(*) FROM items GROUP BY status"):
            if State(state) in _STATUS:
                counts[_STATUS[State(state)]] += count
        ((base_url,),) = self._rows("SELECT value FROM facts WHERE name = 'base_url'")
        runs = self._rows("SELECT number, started_at, ended_at, stopped, refused FROM runs ORDER BY number")
        return JournalSummary(
            path=str(self._path),
            base_url=base_url,
            created=sum(counts[_STATUS[state]] for state in MADE),
            submitted=counts[Status.SUBMITTED],
            stuck=counts[Status.STUCK],
            failed=counts[Status.FAILED],
            unknown=counts[Status.UNKNOWN],
            runs=tuple(_run(*run) for run in runs),
        )

    def entries(self, *statuses: Status) -> Iterator[Entry]:
        """Iterate over the items, in the order in which they were first noted.

        Drafts that could not be sent are noted by each run anew.

        Args:
            statuses: Which of them; all if none is given.
        """
        states = [state for status in statuses or Status for state in _STATES[status]]
        for reference, state, uuid, micro_id, error, cause, file, line, extra, run, sent_at, settled_at in self._rows(
            _ENTRIES, json.dumps(states)
        ):
            unsettled = state == State.SENT
            yield Entry(
                reference_id=reference,
                status=_STATUS[State(state)],
                uuid=uuid,
                micro_id=micro_id,
                error=NO_OUTCOME if unsettled else error,
                cause=NO_OUTCOME if unsettled else cause,
                file=file,
                line=line,
                extra=json.loads(extra) if extra else {},
                run=run,
                sent_at=_maybe_at(sent_at),
                settled_at=_maybe_at(settled_at),
            )

    def samples(self) -> Iterator[Sample]:
        """Iterate over what happened second by second, run by run."""
        # A journal of an older release that no run has opened since.
        if not next(self._rows(_HAS_SAMPLES))[0]:
            return
        for run, at, seconds, created, failed, unknown, refused, in_flight, waiting, reason in self._rows(
            "SELECT * FROM samples ORDER BY run, at"
        ):
            yield Sample(
                run=run,
                at=_at(at),
                seconds=seconds,
                created=created,
                failed=failed,
                unknown=unknown,
                refused=refused,
                in_flight=in_flight,
                waiting=waiting,
                reason=reason,
            )

    def _rows(self, query: str, *arguments: object) -> Iterator[tuple[Any, ...]]:
        if self._open is None:
            raise ConfigurationError("use a journal reader as a block: 'with JournalReader(path) as journal:'")
        try:
            for row in self._open.execute(query, arguments):  # noqa: UP028  # `yield from` would close the cursor
                # of an iterator that is left before its end, and raise if the file is closed by then.
                yield row
        except sqlite3.Error as error:
            raise JournalError(str(self._path), f"can't read it: {error}") from None


def _run(number: int, started_at: float, ended_at: float | None, stopped: str | None, refused: int) -> RunRecord:
    return RunRecord(
        number=number, started_at=_at(started_at), ended_at=_maybe_at(ended_at), stopped=stopped, refused=refused
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe_at(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)
