"""What bulk runs write down, so that the next one goes on where the last one stopped."""

from legitmark_async.journal._journal import Journal, Promise
from legitmark_async.journal._known import Known, digest_of
from legitmark_async.journal._reader import JournalReader
from legitmark_async.journal._records import NO_OUTCOME, Entry, JournalSummary, RunRecord, Sample, Status
from legitmark_async.journal._schema import MADE, State
from legitmark_async.journal._store import Account

__all__ = [
    "MADE",
    "NO_OUTCOME",
    "Account",
    "Entry",
    "Journal",
    "JournalReader",
    "JournalSummary",
    "Known",
    "Promise",
    "RunRecord",
    "Sample",
    "State",
    "Status",
    "digest_of",
]
