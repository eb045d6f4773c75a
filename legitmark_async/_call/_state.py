"""How far a call is."""

from attrs import define, field, frozen

from legitmark_async._retry import Verdict
from legitmark_async.errors import Attempt, LegitmarkError, RateLimitError

# The phases of a call that waits: for its turn, and for the next look for what it may have made.
WAITING, LOOKING = "rate limit", "lookup"


@frozen
class Doubt:
    """A try of a create that the server may have carried out.

    Attributes:
        at: When it ended, in monotonic seconds.
        error: What it ended in; None if it was sent by an earlier process.
    """

    at: float
    error: LegitmarkError | None = None

    @property
    def inherited(self) -> bool:
        """Whether it is from before this call."""
        return self.error is None


@define(eq=False)
class CallState:
    """How far one call is. Changed by the call alone; whoever cancels it may look at it afterwards.

    Attributes:
        phase: What it is doing: `rate limit`, `request`, `backoff` or `lookup`.
        since: Since when.
        spent: Seconds spent on each of the phases that are over.
        in_flight: Whether a request has left whose answer hasn't come yet.
        maybe_processed: Whether a try failed in a way that leaves open whether the server carried it out.
        doubt: That try, if it is a create's and has not been looked into yet.
        doubted: Whether there ever was such a try.
        looked: What the looks for it came to, if they settled nothing.
        looking: Whether the last try was such a look.
        tries: Requests that were sent.
        request_id: Of the last one.
        first_sent: When the first try left, in monotonic seconds.
        not_before: When an earlier process first sent it, as epoch seconds of the server's clock; None if none did.
        ended_at: When the last try ended, or else when the call began.
        waited: Seconds between the try before and the last one.
        reason: What the last wait was for.
        attempts: The tries that failed.
        verdict: What was said of them; None as long as none failed.
        failure: What the last of them ended in.
        withdrawn: Set by whoever made the call, to let the try in flight be the last one.
    """

    phase: str = WAITING
    since: float = 0.0
    spent: dict[str, float] = field(factory=dict[str, float])
    in_flight: bool = False
    maybe_processed: bool = False
    doubt: Doubt | None = None
    doubted: bool = False
    looked: str | None = None
    looking: bool = False
    tries: int = 0
    request_id: str = ""
    first_sent: float | None = None
    not_before: float | None = None
    ended_at: float = 0.0
    waited: float = 0.0
    reason: str | None = None
    attempts: list[Attempt] = field(factory=list[Attempt])
    verdict: Verdict | None = None
    failure: LegitmarkError | None = None
    withdrawn: bool = False

    @property
    def refusals(self) -> int:
        """How often the rate limit refused the call."""
        return 0 if self.verdict is None else self.verdict.refusals

    @property
    def unsettled(self) -> bool:
        """Whether the server may have carried out the call although it has no result.

        A look that found nothing settles a doubt well enough to send again, but not to say that nothing was made.
        """
        return self.in_flight or self.maybe_processed or self.doubted

    def enter(self, phase: str, now: float) -> None:
        """Note that a phase begins."""
        self.spent[self.phase] = self.spent.get(self.phase, 0.0) + now - self.since
        self.phase, self.since = phase, now

    def spent_until(self, now: float) -> dict[str, float]:
        """Return the seconds spent on each phase, with the one that isn't over."""
        return {**self.spent, self.phase: self.spent.get(self.phase, 0.0) + now - self.since}

    def begin(self, request_id: str, now: float) -> None:
        """Note that a try is about to leave."""
        self.waited = now - self.ended_at
        self.tries += 1
        self.request_id = request_id
        self.in_flight = True
        if self.first_sent is None:
            self.first_sent = now
        self.enter("request", now)

    def attempt(self, call: str, ending: str, status: int | None, now: float) -> Attempt:
        """Return the try that is just over."""
        return Attempt(
            number=self.tries,
            call=call,
            request_id=self.request_id,
            status=status,
            error=ending,
            waited=self.waited,
            reason=self.reason,
            seconds=now - self.since,
        )

    def fail(self, attempt: Attempt, error: LegitmarkError, now: float) -> None:
        """Note that a try has failed."""
        self.attempts.append(attempt)
        self.failure = error
        self.reason = None if isinstance(error, RateLimitError) else "backoff"
        self.end(now)

    def end(self, now: float) -> None:
        """Note that a try is over."""
        self.in_flight = False
        self.ended_at = now
        self.enter("backoff", now)

    def look(self, *, looking: bool) -> None:
        """Note that a look begins, or that there is no more to look for."""
        self.looking = looking
        if self.verdict is not None:
            self.verdict.looking = looking

    def suspect(self, doubt: Doubt) -> None:
        """Note that the server may have carried out the create."""
        self.doubt, self.doubted, self.maybe_processed = doubt, True, True

    def settle(self) -> None:
        """Note that the server surely, as far as it lets anybody know, did not carry it out."""
        self.doubt, self.looked, self.maybe_processed = None, None, False
