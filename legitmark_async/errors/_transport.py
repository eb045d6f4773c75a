"""Errors of calls that have no complete answer."""

from collections.abc import Mapping

from legitmark_async.errors._base import CallError
from legitmark_async.errors._words import because, redact

# Less than this is not worth a word (s).
_NOTHING = 0.0005


class TransportError(CallError):
    """There is no complete answer.

    Attributes:
        method: HTTP method of the call.
        path: Path of the call.
        detail: What the network told.
        maybe_processed: Whether the server may have carried out the request all the same.
    """

    retryable = True
    maybe_processed = True

    def __init__(self, method: str, path: str, *, detail: str = "") -> None:
        super().__init__(method, path)
        self.detail: str = redact(detail)

    def _sentence(self) -> str:
        return f"{self.call} got no complete answer{because(self.detail)}"


class ConnectionFailedError(TransportError):
    """No connection: the request was never sent."""

    maybe_processed = False

    def __init__(self, method: str, path: str, *, detail: str = "", retryable: bool = True) -> None:
        super().__init__(method, path, detail=detail)
        self.retryable = retryable

    def _sentence(self) -> str:
        return f"{self.call} was never sent{because(self.detail)}"


class AttemptTimeoutError(TransportError):
    """One try took longer than `Timeouts.read` or `Timeouts.attempt` allows, after the request had left."""

    def _sentence(self) -> str:
        return f"{self.call} got no complete answer in time{because(self.detail)}"


class DeadlineExceededError(TransportError):
    """The time for the whole call is used up, or the next try would not fit into it.

    Attributes:
        deadline: Seconds the call was given.
        spent: Seconds by what they went to: `rate limit`, `backoff`, `request`.
        needed: Seconds until the next try could have left, if that is why the call ended early.
        reason: What that try would have waited for.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        deadline: float,
        spent: Mapping[str, float],
        needed: float | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(method, path)
        self.deadline = deadline
        self.spent: dict[str, float] = dict(spent)
        self.needed = needed
        self.reason = reason

    def _sentence(self) -> str:
        spent = ", ".join(f"{seconds:.3g} s on {what}" for what, seconds in self.spent.items() if seconds > _NOTHING)
        # Of a deadline for several calls the rest is meant, which is 4.99987 s where 5 s were asked for.
        told = [f"{self.call} did not fit into {round(self.deadline, 3):.6g} s (spent: {spent or 'next to nothing'})"]
        if self.needed is not None:
            told.append(f"the next try could leave in {self.needed:.3g} s{because(self.reason or '')}")
        if self.__cause__ is not None:
            told.append(f"the last one: {self.__cause__}")
        return "; ".join(told)
