"""The books of a run: which references there were, and, in a journal, what became of them."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import define, field, frozen

from legitmark_async._call import Caller
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._outcomes import (
    REPEATED,
    Outcome,
    Skipped,
)
from legitmark_async.bulk._tally import Tally
from legitmark_async.journal import Promise, State
from legitmark_async.models import ServiceRequestDraft


@frozen
class Load:
    """What the requests of a run are at.

    Attributes:
        refused: How many the rate limit has refused in a span.
        in_flight: How many are in flight at its end.
        waiting: How many wait then.
        reason: What holds them, or None.
    """

    refused: int
    in_flight: int
    waiting: int
    reason: str | None


class Books(Protocol):
    """What a run asks before it sends, and tells afterwards."""

    def recall(self, draft: ServiceRequestDraft) -> Outcome | None:
        """Return the outcome of a draft that needs no sending, if that is known at once."""
        ...

    async def enter(self, job: Job) -> Outcome | None:
        """Note that a draft is about to be sent; or return its outcome, if it isn't to be.

        Raises:
            RecordError: It can't be noted, so it must not be sent.
        """
        ...

    async def advance(self, job: Job, state: State) -> None:
        """Note that the service request of a job has reached a state on its way.

        Raises:
            RecordError: It can't be noted.
        """
        ...

    def record(self, job: Job, outcome: Outcome) -> Promise | None:
        """Note what became of a draft; return what is done when that is durable, and fails if it can't be noted."""
        ...

    def sample(self, seconds: float, now: Tally, before: Tally, load: Load) -> None:
        """Note what happened in a span: the counts after and before it, and what the requests were at."""
        ...

    async def aclose(self, stopped: str | None, refused: int) -> None:
        """Note how the run ended.

        Raises:
            RecordError: Something could not be noted.
        """
        ...


# Is called when a run begins, with what makes its calls; raises a RecordError if there can be no books.
Opener = Callable[[Caller], Awaitable[Books]]


@define(eq=False)
class Memory:
    """Books that are forgotten with the run."""

    _references: set[str] = field(factory=set[str])

    def recall(self, draft: ServiceRequestDraft) -> Outcome | None:
        """See `Books`."""
        reference: object = draft.reference_id
        return Skipped(draft, REPEATED) if isinstance(reference, str) and reference in self._references else None

    async def enter(self, job: Job) -> Outcome | None:
        """See `Books`."""
        self._references.add(job.draft.reference_id)
        return None

    async def advance(self, job: Job, state: State) -> None:
        """See `Books`."""

    def record(self, job: Job, outcome: Outcome) -> Promise | None:
        """See `Books`."""

    def sample(self, seconds: float, now: Tally, before: Tally, load: Load) -> None:
        """See `Books`."""

    async def aclose(self, stopped: str | None, refused: int) -> None:
        """See `Books`."""
