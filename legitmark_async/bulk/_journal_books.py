"""The books of a run that are kept in a journal."""

import json
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from os import PathLike
from pathlib import Path

from attrs import define

from legitmark_async._call import Caller, Doubt
from legitmark_async.bulk._books import Books, Load, Opener
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._outcomes import (
    DONE_BEFORE,
    NOT_UNKNOWN,
    REPEATED,
    SUBMITTED_BEFORE,
    Created,
    Failed,
    Outcome,
    Skipped,
    Stuck,
    Submitted,
    Unknown,
)
from legitmark_async.bulk._tally import Tally
from legitmark_async.bulk.sources import Row
from legitmark_async.errors import ConfigurationError, LegitmarkError, OutcomeUnknownError, WorkflowError
from legitmark_async.journal import MADE, Account, Journal, Promise, State, digest_of
from legitmark_async.models import ServiceRequest, ServiceRequestDraft

_OPEN = (State.SENT, State.UNKNOWN)
# What an outcome means; one that is created has its state from the job.
_STATES: Mapping[type[Outcome], State] = {
    Submitted: State.SUBMITTED,
    Stuck: State.STUCK,
    Failed: State.FAILED,
    Unknown: State.UNKNOWN,
    Skipped: State.UNSENT,
}
# Where nobody knows how far apart the clocks were when an item was sent, so much is allowed for (s).
_DAY = 86_400.0


def journal_books(
    path: str | PathLike[str] | Opener | None, *, settle_only: bool = False, submits: bool = False
) -> Opener | None:
    """Return what opens the journal of a run, if there is to be one.

    Args:
        path: Where it is, or what opens other books, or None.
        settle_only: As `JournalBooks` has it.
        submits: Whether an item is done when it is submitted, and not when it is created.

    Raises:
        ConfigurationError: Without a journal nothing can be settled.
    """
    if path is None:
        if settle_only:
            raise ConfigurationError("settle_only needs the journal of the run that left something open")
        return None
    if callable(path):
        return path
    file = Path(path)

    async def open_journal(caller: Caller) -> Books:
        transport = caller.transport
        journal = await Journal.open(file, Account(transport.base_url, transport.key))
        done = frozenset({State.SUBMITTED}) if submits else MADE
        return JournalBooks(journal, caller, done, settle_only=settle_only, opened_at=caller.clock())

    return open_journal


@define(eq=False)
class JournalBooks:
    """Books that outlive the process.

    Attributes:
        journal: The file.
        caller: Makes the calls.
        done: The states in which nothing is left to do.
        settle_only: Whether nothing is sent but what may have been sent before.
        opened_at: When they were opened, in monotonic seconds: nothing of earlier runs was sent after that.
    """

    journal: Journal
    caller: Caller
    done: AbstractSet[State]
    settle_only: bool
    opened_at: float

    def recall(self, draft: ServiceRequestDraft) -> Outcome | None:
        """See `Books`."""
        known = self.journal.known
        number, _ = self._same(draft)
        if number:
            if known.taken[number]:
                return Skipped(draft, REPEATED)
            if known.states[number] in self.done:
                known.taken[number] = 1
                return Skipped(draft, DONE_BEFORE if State.CREATED in self.done else SUBMITTED_BEFORE)
        if self.settle_only and (not number or known.states[number] not in _OPEN):
            return Skipped(draft, NOT_UNKNOWN)
        return None

    async def enter(self, job: Job) -> Outcome | None:
        """See `Books`."""
        draft, known = job.draft, self.journal.known
        number, digest = await self._number(draft)
        if known.taken[number]:
            return Skipped(draft, REPEATED)
        known.taken[number] = 1
        if known.states[number] in MADE.union(_OPEN) and known.digests[number] != digest:
            return Failed(draft, await self._complaint(draft, number))
        job.number = number
        if known.states[number] in _OPEN:
            await self._inherit(job, number)
        elif known.states[number] in MADE:
            await self._go_on(job, number)
        else:
            await self._mark(draft, digest, number)
        return None

    async def advance(self, job: Job, state: State) -> None:
        """See `Books`."""
        job.reached = state
        if job.service_request is not None:  # pragma: no branch  # for the type checker: it is made by then
            # An outcome can be told of it already, and what is noted is what such a one would be.
            noted = self.record(job, Created(job.draft, job.service_request))
            if noted is not None:  # pragma: no branch  # likewise: what is made is noted
                await noted

    def record(self, job: Job, outcome: Outcome) -> Promise | None:
        """See `Books`."""
        number, state = job.number, _STATES.get(type(outcome), job.reached)
        if number is None:
            # What was never to be sent has no outcome but the failure of this run.
            if not isinstance(outcome, Failed):
                return None
            number = self.journal.known.leave_out()
            reference, origin = plain_text(job.draft.reference_id), _origin(job.draft)
        else:
            self.journal.known.states[number] = state
            reference, origin = "", (None, None, None)
        uuid = micro_id = error = cause = None
        if isinstance(outcome, Created):
            uuid, micro_id = plain_text(outcome.service_request.uuid), outcome.service_request.micro_id
            micro_id = None if micro_id is None else plain_text(micro_id)
        if isinstance(outcome, (Stuck, Failed, Unknown)):
            error, cause = plain_text(str(outcome.error)), plain_text(cause_of(outcome.error))
        settled_at = None if state is State.UNSENT else time.time()
        return self.journal.write(
            (number, reference, None, state, None, settled_at, uuid, micro_id, error, cause, *origin)
        )

    def sample(self, seconds: float, now: Tally, before: Tally, load: Load) -> None:
        """See `Books`."""
        counts = [now.created - before.created, *(now.counts[kind] - before.counts[kind] for kind in (Failed, Unknown))]
        wall, sender = time.time(), self.caller.sender
        offset = sender.server_time(sender.clock()) - wall if sender.server_clock.known else None
        happened = (*counts, load.refused, load.in_flight, load.waiting)
        if any(happened):
            self.journal.note((wall, seconds, *happened, load.reason), offset)

    async def aclose(self, stopped: str | None, refused: int) -> None:
        """See `Books`."""
        await self.journal.aclose(stopped, refused)

    def _same(self, draft: ServiceRequestDraft) -> tuple[int, int]:
        """Return the number of the item that is the same to the last field, or 0; and the draft's digest."""
        try:
            digest = digest_of(draft)
        except (AttributeError, UnicodeEncodeError):
            return 0, 0  # no draft that can be sent: it will be told
        return self.journal.known.same(draft.reference_id, digest), digest

    async def _number(self, draft: ServiceRequestDraft) -> tuple[int, int]:
        """Return the number of a draft's item, which is new if there was none; and the draft's digest."""
        known = self.journal.known
        number, digest = self._same(draft)
        # Nothing may be awaited between looking for a reference and adding it.
        if not number and (others := known.find(draft.reference_id)):
            number = await self._changed(draft, others)
        return number or known.add(draft.reference_id, digest, State.UNSENT), digest

    async def _changed(self, draft: ServiceRequestDraft, numbers: list[int]) -> int:
        for number in numbers:
            reference, *_ = await self.journal.lookup(number)
            if reference == draft.reference_id:
                return number
        return 0

    async def _complaint(self, draft: ServiceRequestDraft, number: int) -> ConfigurationError:
        _, uuid, *_ = await self.journal.lookup(number)
        return changed_error(draft, uuid)

    async def _mark(self, draft: ServiceRequestDraft, digest: int, number: int) -> None:
        """Note that a draft is about to be sent."""
        known = self.journal.known
        known.digests[number], known.states[number] = digest, State.SENT
        reference, sent_at = draft.reference_id, time.time()
        await self.journal.write(
            (number, reference, digest, State.SENT, sent_at, None, None, None, None, None, *_origin(draft))
        )

    async def _go_on(self, job: Job, number: int) -> None:
        """Let what an earlier run has created be gone on with."""
        _, uuid, *_ = await self.journal.lookup(number)
        job.service_request = ServiceRequest(uuid=uuid or "")
        if self.journal.known.states[number] == State.UPLOADED:
            job.reached = State.UPLOADED

    async def _inherit(self, job: Job, number: int) -> None:
        """Let a draft that an earlier run has sent be looked for first."""
        _, _, sent_at, offset = await self.journal.lookup(number)
        wall = time.time() if sent_at is None else sent_at
        job.state.not_before = wall - _DAY if offset is None else wall + offset
        # It may have left much later than it was marked, but not after the end of its run.
        job.state.suspect(Doubt(self.opened_at))


def changed_error(draft: ServiceRequestDraft, uuid: str | None) -> ConfigurationError:
    """Return the error of a draft that isn't what it was when it was sent, or when the service request was created."""
    what = "it was sent" if uuid is None else f"service request {uuid} was created from it"
    where = "" if draft.origin is None else f"{draft.origin}: "
    return ConfigurationError(
        f"{where}the draft of {draft.reference_id!r} is not what it was when {what}; give it another reference_id "
        "to create it as it is now",
        problems=["reference_id: its draft has changed since it was sent"],
    )


def cause_of(error: LegitmarkError) -> str:
    """Return what is wrong without what is the row's own, so that rows with one cause have one text."""
    if isinstance(error, ConfigurationError):
        return "; ".join(error.problems) or str(error)
    if isinstance(error, WorkflowError):
        return f"{error.step}: {error.problem}"
    if isinstance(error, OutcomeUnknownError):
        parts = [error.__cause__, error.looked and f"looked for: {error.looked}"]
        return "; ".join(str(part) for part in parts if part) or "cancelled in flight"
    return str(error)


def _origin(draft: ServiceRequestDraft) -> tuple[str | None, int | None, str | None]:
    row = draft.origin
    if not isinstance(row, Row):
        return None, None, None
    # Twice JSON: a text in it may hold half of a surrogate pair, which no database takes but as an escape.
    return plain_text(row.file), row.line, json.dumps(dict(row.extra)) if row.extra else None


def plain_text(value: object) -> str:
    """Return a text that every store takes: neither half of a surrogate pair nor a NUL can be read back."""
    return value.encode(errors="replace").decode().replace("\0", "?") if isinstance(value, str) else ""
