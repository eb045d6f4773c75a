"""The books of a chunk's run, kept in the ledger."""

import time

from attrs import define, evolve, field

from legitmark_async._call import Caller, Doubt
from legitmark_async.bulk import (
    DONE_BEFORE,
    REPEATED,
    Created,
    Failed,
    Job,
    Load,
    Outcome,
    Row,
    Skipped,
    Tally,
    Unknown,
    cause_of,
    changed_error,
    is_of_the_key,
    plain_text,
)
from legitmark_async.distributed._desk import Desk
from legitmark_async.distributed._lease import Lease
from legitmark_async.distributed._records import Record, digest_text
from legitmark_async.errors import LedgerError, LegitmarkError
from legitmark_async.journal import Promise, State
from legitmark_async.models import ServiceRequestDraft

# Before the field of an item that was never to be sent, and so isn't one by its reference: a NUL is in no reference.
APART = "\0"
# What the ledger says of an item that is another chunk's, or has its outcome.
_SKIPPED = {"busy": REPEATED, "done": DONE_BEFORE}
# Where nobody knows how far apart the clocks are, so much is allowed for (s).
_DAY = 86_400.0


@define(eq=False)
class LedgerBooks:
    """Books that all machines share.

    Attributes:
        lease: The right to the chunk.
        desk: Hands notes to the ledger.
        caller: Makes the calls.
        opened_at: When the turn began, in monotonic seconds: nothing of earlier turns was sent after that.
        size: Drafts of the chunk.
    """

    lease: Lease
    desk: Desk
    caller: Caller
    opened_at: float
    size: int
    _marks: dict[str, Record] = field(factory=dict[str, Record], init=False)  # of the references that were entered
    _apart: int = field(default=0, init=False)

    def recall(self, draft: ServiceRequestDraft) -> Outcome | None:
        """See `Books`."""
        reference: object = draft.reference_id
        return Skipped(draft, REPEATED) if isinstance(reference, str) and reference in self._marks else None

    async def enter(self, job: Job) -> Outcome | None:
        """See `Books`."""
        draft = job.draft
        mark = Record(state="S", owner=self.lease.owner, digest=digest_text(draft), not_before=self._now())
        self._marks[draft.reference_id] = mark
        # From here on it has to be told if nothing is sent, even if nobody hears whether it was marked.
        job.number = len(self._marks)
        answer = await self.desk.mark(draft.reference_id, mark.encode())
        if not answer:
            return None
        job.number = None
        if answer == "lost":
            raise LedgerError(f"job {self.lease.job}", f"another worker has taken chunk {self.lease.chunk}")
        if answer in _SKIPPED:
            return Skipped(draft, _SKIPPED[answer])
        return self._recall(job, Record.decode(answer), mark)

    def _recall(self, job: Job, known: Record, mark: Record) -> Outcome | None:
        """Return the outcome of an item that the ledger knows, or let it be looked for first."""
        if known.digest != mark.digest:
            return Failed(job.draft, changed_error(job.draft, known.uuid or None))
        if known.state == "C":
            return Skipped(job.draft, DONE_BEFORE)
        # It may have been sent, by an earlier turn or in an earlier submission.
        job.number = len(self._marks)
        job.state.not_before = known.not_before
        # It may have left much later than it was marked, but not after that turn had ended.
        job.state.suspect(Doubt(self.opened_at))
        return None

    async def advance(self, job: Job, state: State) -> None:
        """See `Books`; here an item is done when it is created."""

    def record(self, job: Job, outcome: Outcome) -> Promise | None:
        """See `Books`."""
        self._announce()
        if job.number is None:
            # What was never to be sent has no outcome but the failure of this run.
            if not isinstance(outcome, Failed):
                return None
            self._apart += 1
            blank = Record(state="S", owner=self.lease.owner, digest="")
            return self.desk.record(f"{APART}{self.lease.chunk}:{self._apart}", _outcome(blank, outcome))
        mark = self._marks[job.draft.reference_id]
        if job.state.not_before is not None:
            mark = evolve(mark, not_before=job.state.not_before)
        return self.desk.record(job.draft.reference_id, _outcome(mark, outcome))

    def sample(self, seconds: float, now: Tally, before: Tally, load: Load) -> None:
        """See `Books`; the ledger keeps no samples."""

    async def aclose(self, stopped: str | None, refused: int) -> None:
        """See `Books`."""
        del stopped, refused
        self.caller.pacer.announce(self, 0)

    def _announce(self) -> None:
        # The rest of the chunks that are worked on is announced by their runs, and what waits in the queue by this, in
        # even parts. When there isn't one more chunk for each it is left out: some would hold permits in vain.
        under_way = self.desk.active * self.size
        queued = self.desk.left - under_way
        self.caller.pacer.announce(self, queued / self.desk.active if queued > under_way else 0)

    def _now(self) -> float:
        """Return a moment of the server's clock that is surely not after this one."""
        sender = self.caller.sender
        known = sender.server_clock.known
        return sender.server_time(sender.clock()) if known else time.time() - _DAY


def _outcome(mark: Record, outcome: Outcome) -> str:
    """Return what is kept of an outcome of what was marked; an empty text if the item is still to be sent."""
    if isinstance(outcome, Created):
        request = outcome.service_request
        uuid, micro_id = plain_text(request.uuid), plain_text(request.micro_id or "")
        return evolve(mark, state="C", uuid=uuid, micro_id=micro_id).encode()
    if isinstance(outcome, (Failed, Unknown)) and not is_of_the_key(outcome.error):
        state = "F" if isinstance(outcome, Failed) else "U"
        return evolve(mark, state=state, told=_told(outcome.draft, outcome.error)).encode()
    return ""


def _told(draft: ServiceRequestDraft, error: LegitmarkError) -> dict[str, object]:
    told: dict[str, object] = {"error": plain_text(str(error)), "cause": plain_text(cause_of(error))}
    reference: object = draft.reference_id
    # Its field doesn't tell it, if it stands apart.
    told["reference"] = plain_text(reference)
    if isinstance(row := draft.origin, Row):
        told |= {"file": plain_text(row.file), "line": row.line, "extra": dict(row.extra)}
    return told
