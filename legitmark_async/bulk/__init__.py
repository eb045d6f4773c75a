"""Many drafts at once: the engine, what becomes of each draft, and files as sources."""

from legitmark_async.bulk._books import Books, Load, Opener
from legitmark_async.bulk._drafts import Drafts, Source, each_draft, faulty_draft
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._journal_books import cause_of, changed_error, journal_books, plain_text
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
from legitmark_async.bulk._run import BulkRun, is_of_the_key
from legitmark_async.bulk._tally import Tally
from legitmark_async.bulk.sources import Row, read_csv, read_jsonl

__all__ = [
    "BY_EARLIER_RUNS",
    "DONE_BEFORE",
    "INPUT_ENDED",
    "NOT_UNKNOWN",
    "REPEATED",
    "REQUESTS",
    "SUBMITTED_BEFORE",
    "Books",
    "BulkRun",
    "Created",
    "Drafts",
    "Failed",
    "Job",
    "Load",
    "Opener",
    "Outcome",
    "Row",
    "RunOptions",
    "RunProgress",
    "Skipped",
    "Source",
    "Stuck",
    "Submitted",
    "Tally",
    "Unknown",
    "cause_of",
    "changed_error",
    "each_draft",
    "faulty_draft",
    "is_of_the_key",
    "journal_books",
    "plain_text",
    "read_csv",
    "read_jsonl",
]
