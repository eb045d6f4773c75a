"""Whether and when a failed call is tried again, and the only module that knows tenacity.

Tenacity's loop says whether this call tries again and how long its own failure makes it wait. The pacer says when
anyone may leave; so a refusal (429) waits there, and costs no attempt. A fresh loop for each call: one that is shared
by concurrent calls mixes their state.
"""

from collections.abc import Callable

from attrs import define, field
from tenacity import AsyncRetrying, RetryCallState

from legitmark_async.errors import (
    AttemptTimeoutError,
    LegitmarkError,
    RateLimitError,
    ResponseError,
)
from legitmark_async.options import Clock, Random, RetryPolicy, Sleep

# A server that asks for more than this is not waited for (s): the caller decides.
LONGEST_WAIT_OBEYED = 3600.0
# Looks may fail so many times as often as the call itself: what they find is worth more than another try.
_LOOKS = 2
_COST, _COST_OF_TIMEOUT, _REFUND = 5, 10, 1


@define(eq=False)
class Quota:
    """Tokens for retries, shared by all calls of a client, so that an outage is not multiplied.

    Attributes:
        size: Tokens at most, and at the start.
        tokens: Tokens left. Only the methods change it.
    """

    size: int
    tokens: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.size

    def take(self, cost: int) -> bool:
        """Take tokens for a retry; False if there are too few."""
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def give(self, tokens: int) -> None:
        """Give tokens back."""
        self.tokens = min(self.tokens + tokens, self.size)


@define(eq=False)
class Verdict:
    """What became of the question whether a call is tried again. One per call.

    Attributes:
        failures: Tries that failed, refusals and looks not counted.
        looking: Whether the last try was a look for what the call may have made.
        looks: Looks that failed since the last try of the call itself.
        refusals: Tries that the rate limit refused.
        paid: Tokens that the last retry cost.
        too_late: Seconds until the next try could have left, if the deadline comes before.
        note: Why it is not tried again, where the error alone doesn't tell.
    """

    failures: int = 0
    looking: bool = False
    looks: int = 0
    refusals: int = 0
    paid: int = 0
    too_late: float | None = None
    note: str | None = None


@define(eq=False)
class Retrier:
    """Judges the failures of a client's calls.

    Attributes:
        policy: What the user asked for.
        quota: Shared by all calls of the client.
    """

    policy: RetryPolicy
    quota: Quota
    sleep: Sleep
    random: Random

    def loop(
        self,
        verdict: Verdict,
        *,
        repeatable: Callable[[LegitmarkError], bool],
        time_left: Clock,
        hold: Clock,
        wanted: Callable[[], bool],
    ) -> AsyncRetrying:
        """Return a fresh retry loop for one call.

        Args:
            verdict: Is told how each failure was judged.
            repeatable: Whether to go on after a failure that leaves open whether the call was carried out, or that
                repeating alone won't mend.
            time_left: Seconds until the call's deadline.
            hold: Seconds for which the pacer lets nobody leave.
            wanted: Whether anybody still waits for the call.
        """

        def worth_it(state: RetryCallState) -> bool:
            error = _failure(state)
            if not isinstance(error, LegitmarkError):
                return False
            return (error.retryable and not error.maybe_processed) or repeatable(error)

        def stop(state: RetryCallState) -> bool:
            error = _failure(state)
            _count(verdict, error)
            wait = max(state.upcoming_sleep, hold())
            if self._exhausted(verdict, error) or _asks_too_much(error) or not wanted():
                return True
            if wait > time_left():
                verdict.too_late = wait
                return True
            return not self._pay(verdict, error)

        return AsyncRetrying(
            sleep=self.sleep,
            retry=worth_it,
            wait=lambda state: self._wait(verdict, _failure(state)),
            stop=stop,
            reraise=True,
        )

    def succeeded(self, verdict: Verdict | None) -> None:
        """Give tokens back to the quota after a success, all that its last retry cost."""
        if self.quota.tokens < self.quota.size:
            self.quota.give(_REFUND if verdict is None or not verdict.paid else verdict.paid)

    def _exhausted(self, verdict: Verdict, error: BaseException | None) -> bool:
        # One attempt means no repeating at all. Else a refusal is no failed attempt, and has a ceiling of its own.
        if isinstance(error, RateLimitError) and self.policy.attempts > 1:
            return verdict.refusals >= self.policy.refusals
        if verdict.looks >= _LOOKS * self.policy.attempts:
            return True
        return verdict.failures + verdict.refusals * (self.policy.attempts == 1) >= self.policy.attempts

    def _pay(self, verdict: Verdict, error: BaseException | None) -> bool:
        if isinstance(error, RateLimitError):
            return True
        cost = _COST_OF_TIMEOUT if isinstance(error, AttemptTimeoutError) else _COST
        if not self.quota.take(cost):
            verdict.note = "not tried again: the retry quota of the client is used up"
            return False
        verdict.paid = cost
        return True

    def _wait(self, verdict: Verdict, error: BaseException | None) -> float:
        if isinstance(error, RateLimitError):
            return 0.0
        ceiling = min(self.policy.cap, self.policy.base * 2.0 ** min(verdict.looks or verdict.failures, 1000))
        asked = error.retry_after if isinstance(error, ResponseError) else None
        return max(self.random() * ceiling, asked or 0.0)


def _count(verdict: Verdict, error: BaseException | None) -> None:
    if isinstance(error, RateLimitError):
        verdict.refusals += 1
    elif verdict.looking:
        verdict.looks += 1
    else:
        verdict.failures += 1
        verdict.looks = 0


def _asks_too_much(error: BaseException | None) -> bool:
    asked = error.retry_after if isinstance(error, ResponseError) else None
    return (asked or 0.0) > LONGEST_WAIT_OBEYED


def _failure(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
