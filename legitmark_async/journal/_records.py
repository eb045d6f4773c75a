"""What a journal tells, as values."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

# The error of an item that was marked as sent, and of which no more is known.
NO_OUTCOME = "it was sent, and no outcome was recorded"


class Status(StrEnum):
    """What became of an item, as far as its journal tells."""

    CREATED = "created"
    UPLOADED = "uploaded"
    SUBMITTED = "submitted"
    STUCK = "stuck"
    FAILED = "failed"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Entry:
    """One item of a journal.

    Attributes:
        reference_id: Of its draft; may be empty if the draft had none.
        status: How far it got. An item that was sent and has no outcome is unknown. One that is created or uploaded
            may be on its way still, if it is to be submitted; one that is stuck was created and got no further.
        uuid: Of the service request, if it was created.
        micro_id: Of the service request, if it was created and the answer told it.
        error: Why it got no further, in one line, with the row it hit; or None.
        cause: The same without what is the row's own, so that rows with one cause have one text; or None.
        file: The file that the draft came from, or None.
        line: The line in it, from 1, or None.
        extra: The other columns of the row.
        run: Number of the run that recorded it last.
        sent_at: When it was first marked as sent, or None if it never was.
        settled_at: When its outcome was recorded, or None if it has none.
    """

    reference_id: str
    status: Status
    uuid: str | None = None
    micro_id: str | None = None
    error: str | None = None
    cause: str | None = None
    file: str | None = None
    line: int | None = None
    extra: Mapping[str, Any] = field(factory=dict[str, Any])
    run: int = 0
    sent_at: datetime | None = None
    settled_at: datetime | None = None


@frozen(kw_only=True)
class RunRecord:
    """One run over a journal.

    Attributes:
        number: From 1, in their order.
        started_at: When it began.
        ended_at: When it ended, or None if it is still going on or was killed.
        stopped: Why it read no more drafts, or None as `ended_at`.
        refused: Requests that the rate limit refused.
    """

    number: int
    started_at: datetime
    ended_at: datetime | None = None
    stopped: str | None = None
    refused: int = 0


@frozen(kw_only=True)
class Sample:
    """What happened in about a second of a run.

    Attributes:
        run: Number of the run.
        at: When the span ended.
        seconds: How long it was.
        created: Items created in it.
        failed: Items that failed in it.
        unknown: Items that became unknown in it.
        refused: Requests that the rate limit refused in it.
        in_flight: Requests in flight at its end.
        waiting: Items that waited for the rate limit at its end.
        reason: What they waited for, such as `partner limit of 1000`, or None if nothing held them.
    """

    run: int
    at: datetime
    seconds: float
    created: int = 0
    failed: int = 0
    unknown: int = 0
    refused: int = 0
    in_flight: int = 0
    waiting: int = 0
    reason: str | None = None


@frozen(kw_only=True)
class JournalSummary:
    """What a journal holds, counted.

    Attributes:
        path: The file.
        base_url: The API it was written against.
        created: Items that became service requests.
        submitted: Of those, the ones that were submitted.
        stuck: Of those, the ones that got no further; run the same again when what is wrong is mended.
        failed: Items that surely did not.
        unknown: Items of which it isn't known; run the same again to settle them.
        runs: The runs, in their order.
    """

    path: str
    base_url: str
    created: int
    failed: int
    unknown: int
    submitted: int = 0
    stuck: int = 0
    runs: tuple[RunRecord, ...] = ()

    @property
    def items(self) -> int:
        """Items that the journal knows."""
        return self.created + self.failed + self.unknown
