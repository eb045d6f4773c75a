"""Many drafts at once: the engine, what becomes of each draft, and files as sources."""

from legitmark_async.bulk._drafts import Drafts, Source, each_draft, faulty_draft
from legitmark_async.bulk._options import RunOptions
from legitmark_async.bulk._outcomes import (
    BY_EARLIER_RUNS,
    DONE_BEFORE,
    INPUT_ENDED,
    NOT_UNKNOWN,
    REPEATED,
    SUBMITTED_BEFORE,
    Created,
    Failed,
    Outcome,
    RunProgress,
    Skipped,
    Stuck,
    Submitted,
    Unknown,
)
from legitmark_async.bulk._plan import REQUESTS
from legitmark_async.bulk._run import BulkRun
from legitmark_async.bulk.sources import Row, read_csv, read_jsonl

__all__ = [
    "BY_EARLIER_RUNS",
    "DONE_BEFORE",
    "INPUT_ENDED",
    "NOT_UNKNOWN",
    "REPEATED",
    "REQUESTS",
    "SUBMITTED_BEFORE",
    "BulkRun",
    "Created",
    "Drafts",
    "Failed",
    "Outcome",
    "Row",
    "RunOptions",
    "RunProgress",
    "Skipped",
    "Source",
    "Stuck",
    "Submitted",
    "Unknown",
    "each_draft",
    "faulty_draft",
    "read_csv",
    "read_jsonl",
]
