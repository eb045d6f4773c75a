"""What becomes of each draft of a bulk run, and of the run as a whole."""

from collections.abc import Mapping

from attrs import field, frozen

from legitmark_async.errors import LegitmarkError, OutcomeUnknownError, WorkflowError
from legitmark_async.models import ServiceRequest, ServiceRequestDraft

# What `Skipped.reason` is for drafts that need no sending, and `RunProgress.stopped` when nothing is left to read.
REPEATED = "its reference_id was in the input before"
DONE_BEFORE = "an earlier run has created it"
SUBMITTED_BEFORE = "an earlier run has submitted it"
BY_EARLIER_RUNS = frozenset({DONE_BEFORE, SUBMITTED_BEFORE})
NOT_UNKNOWN = "not sent: only what is unknown is to be settled"
INPUT_ENDED = "input ended"


@frozen
class Created:
    """The service request was created. By `submit_many` this is told of those that a stopped run has left there.

    Attributes:
        draft: The draft, with its `origin`.
        service_request: What the API answered.
    """

    draft: ServiceRequestDraft
    service_request: ServiceRequest


@frozen
class Submitted(Created):
    """The service request was created, has its photos, and was submitted; of `submit_many` alone.

    Attributes:
        draft: The draft, with its `origin`.
        service_request: As it was submitted.
    """


@frozen
class Stuck(Created):
    """The service request was created, by this run or one before, and got no further; of `submit_many` alone.

    Attributes:
        draft: The draft, with its `origin`.
        service_request: As it was created; its `uuid` alone, if that was in an earlier run.
        error: Where it got stuck, and why. Mend it, and run the same again.
    """

    error: WorkflowError


@frozen
class Failed:
    """The service request was surely not created.

    Attributes:
        draft: The draft, with its `origin`.
        error: Why not. A `ConfigurationError` if the draft itself is wrong: then nothing was sent.
    """

    draft: ServiceRequestDraft
    error: LegitmarkError


@frozen
class Unknown:
    """The service request may or may not have been created.

    Attributes:
        draft: The draft, with its `origin`.
        error: What happened; its cause tells more.
    """

    draft: ServiceRequestDraft
    error: OutcomeUnknownError


@frozen
class Skipped:
    """The draft was not sent.

    Attributes:
        draft: The draft, with its `origin`.
        reason: Why not: its reference was in the input before, an earlier run has created it, or the run was stopped.
    """

    draft: ServiceRequestDraft
    reason: str


Outcome = Created | Failed | Unknown | Skipped


@frozen(kw_only=True)
class RunProgress:
    """A snapshot of a bulk run. `taken` is always the sum of the outcomes and of `active`.

    Attributes:
        taken: Drafts read from the input.
        created: Drafts that became service requests.
        submitted: Of those, the ones that were submitted.
        stuck: Of those, the ones that got no further.
        failed: Drafts that surely did not.
        unknown: Drafts of which it isn't known.
        skipped: Drafts that were not sent.
        done_before: Of the skipped ones, those that an earlier run with the same journal has done.
        active: Drafts under way: waiting for the rate limit, in flight, or between two tries.
        refused: Requests that the rate limit refused (429); each was sent again.
        seconds: Since the run began, or how long it took.
        waiting: Of the active ones, how many wait for the rate limit.
        in_flight: Requests in flight. An active draft has one, or several when its photos are uploaded.
        waits: What the other calls of active drafts wait for, and how many for each: a limit by its name, `failures of
            the server`, `requests in flight` (their number is limited, by choice or for care), `backoff` before another
            try, or the `lookup` of what a lost answer may have told. Drafts that have none are between two steps, such
            as being noted.
        opens_in: Seconds for which the rate limit lets nobody leave, as far as is known.
        reason: What that waits for, such as `partner limit of 1000`, or None.
        total: Drafts that there are in all, if it is known.
        ends_in: Seconds until the run ends, as far as can be told: by what is known of the rate limits, or else by the
            pace so far. None if the total isn't known, or nothing is yet.
        stopped: Why the run takes no more drafts, or None: `input ended`, `left early`, or what stopped it.
    """

    taken: int = 0
    created: int = 0
    submitted: int = 0
    stuck: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    done_before: int = 0
    active: int = 0
    refused: int = 0
    seconds: float = 0.0
    waiting: int = 0
    in_flight: int = 0
    waits: Mapping[str, int] = field(factory=dict[str, int], hash=False)
    opens_in: float = 0.0
    reason: str | None = None
    total: int | None = None
    ends_in: float | None = None
    stopped: str | None = None

    @property
    def done(self) -> int:
        """Drafts that have their outcome."""
        return self.created + self.failed + self.unknown + self.skipped

    @property
    def per_second(self) -> float:
        """Service requests created a second, over the whole run."""
        return self.created / self.seconds if self.seconds else 0.0
