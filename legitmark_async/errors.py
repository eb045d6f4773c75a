"""Everything that can go wrong, in one tree.

```
LegitmarkError                      retryable, attempts, request_id, maybe_processed
├── ConfigurationError              a wrong key, URL, option or draft; before any I/O
├── TransportError                  no complete answer
│   ├── ConnectionFailedError       never sent
│   ├── AttemptTimeoutError         one try took too long
│   └── DeadlineExceededError       the time for the whole call is used up
├── ResponseError                   an answer, and not a success
│   ├── InvalidRequestError         400, 422
│   ├── AuthenticationError         401
│   ├── ForbiddenError              403
│   ├── NotFoundError               404
│   ├── ConflictError               409
│   ├── RateLimitError              429
│   └── ServerError                 5xx
├── MalformedResponseError          a success that can't be read
├── OutcomeUnknownError             a create that may or may not have happened
└── WebhookError
    ├── SignatureError              not from Legitmark, or too old
    └── UnreadableEventError        no event
```

An error is raised with facts and writes its sentence itself. Errors pickle, with their cause.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from legitmark_async.models import ErrorEnvelope, Limit, LimitType, ServiceRequestDraft

# Bodies are redacted as JSON text, so a secret ends at the quote that ends its string, and an escape stays whole.
# The prefix alone, as in 'leo_', is no key.
_SECRETS = re.compile(
    r"(?P<key>leo_)(?!')(?:[!#-\[\]-~]|\\[!#-~])+"
    r"|\?(?:[^\s'\"<>\\?]|\\[^\s'\"<>?])*X-Amz-(?:[^\s'\"<>\\]|\\[^\s'\"<>])*",
    re.IGNORECASE,
)
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_QUOTED = 200
# Less than this is not worth a word (s).
_NOTHING = 0.0005


def redact(text: str) -> str:
    """Return the text without API keys and without the queries of presigned URLs."""
    return _SECRETS.sub(lambda match: "leo_***" if match["key"] else "?***", text)


@frozen(kw_only=True)
class Attempt:
    """One try of a call.

    Attributes:
        number: 1 for the first try.
        request_id: The `X-Request-Id` it was sent with.
        status: The HTTP status of the answer, or None if there was none.
        error: The name of the error that it ended in.
        waited: Seconds waited before it, for the rate limit or between tries.
        reason: What the wait was for.
        seconds: Seconds from sending to the end of the answer.
    """

    number: int
    request_id: str
    status: int | None
    error: str
    waited: float
    reason: str | None
    seconds: float


class LegitmarkError(Exception):
    """Base of all errors of this package.

    Attributes:
        retryable: Whether the same call may succeed later.
        attempts: The tries of the call, in order; empty if nothing was sent.
        request_id: The server's id of the request, or else ours; quote it to support.
        maybe_processed: Whether the server may have carried out what was asked.
    """

    retryable: bool = False
    attempts: tuple[Attempt, ...] = ()
    request_id: str | None = None
    maybe_processed: bool = False

    def __str__(self) -> str:
        """Tell it in one line."""
        return redact(" ".join(self._sentence().splitlines()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the facts, with the cause if that is one of ours too."""
        cause = self.__cause__ if isinstance(self.__cause__, LegitmarkError) else None
        return _restore, (type(self), self.__dict__, cause)

    def _sentence(self) -> str:
        return type(self).__name__


def _restore(cls: type[LegitmarkError], facts: dict[str, Any], cause: LegitmarkError | None) -> LegitmarkError:
    error = cls.__new__(cls)
    error.__dict__.update(facts)
    error.__cause__ = cause
    return error


class ConfigurationError(LegitmarkError):
    """A wrong key, URL, option or draft, found before anything was sent.

    Attributes:
        problems: What is wrong, each text beginning with the path of the option or field.
    """

    def __init__(self, message: str, *, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems: tuple[str, ...] = tuple(problems)

    def _sentence(self) -> str:
        return self.message


def draft_error(draft: ServiceRequestDraft, problems: Sequence[str]) -> ConfigurationError:
    """Return the error of a draft that can't be sent: where it came from, if that is known, and all that is wrong."""
    where = "the draft can't be sent" if draft.origin is None else str(draft.origin)
    return ConfigurationError(f"{where}: {'; '.join(problems)}", problems=problems)


class _CallError(LegitmarkError):
    """An error of a call: knows which one."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__()
        self.method = method
        self.path = path

    @property
    def call(self) -> str:
        """The call as the sentence begins with it, such as `POST /api/v2/sr`."""
        return f"{self.method} {self.path}"


class TransportError(_CallError):
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
        return f"{self.call} got no complete answer{_because(self.detail)}"


class ConnectionFailedError(TransportError):
    """No connection: the request was never sent."""

    maybe_processed = False

    def __init__(self, method: str, path: str, *, detail: str = "", retryable: bool = True) -> None:
        super().__init__(method, path, detail=detail)
        self.retryable = retryable

    def _sentence(self) -> str:
        return f"{self.call} was never sent{_because(self.detail)}"


class AttemptTimeoutError(TransportError):
    """One try took longer than `Timeouts.read` or `Timeouts.attempt` allows, after the request had left."""

    def _sentence(self) -> str:
        return f"{self.call} got no complete answer in time{_because(self.detail)}"


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
        told = [f"{self.call} did not fit into {self.deadline:.6g} s (spent: {spent or 'next to nothing'})"]
        if self.needed is not None:
            told.append(f"the next try could leave in {self.needed:.3g} s{_because(self.reason or '')}")
        if self.__cause__ is not None:
            told.append(f"the last one: {self.__cause__}")
        return "; ".join(told)


class ResponseError(_CallError):
    """The API answered, and it is no success.

    Attributes:
        method: HTTP method of the call.
        path: Path of the call.
        status: HTTP status of the answer. It may be a 2xx whose body says `success: false`.
        envelope: What the body says of the error.
        retry_after: Seconds the server asks to wait before the next try, if it tells.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        status: int,
        envelope: ErrorEnvelope,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(method, path)
        self.status = status
        self.envelope = envelope
        self.request_id = request_id
        self.retry_after = retry_after
        # A 2xx that says `success: false` may pass, and leaves open what was done, as the code in its body does.
        code = (envelope.code if status < _REDIRECTS and envelope.code in _ERRORS else None) or status
        self.retryable: bool = code in _RETRYABLE
        # A 5xx, or a timeout told by a gateway, doesn't say how far the request got (contract, section 12).
        self.maybe_processed: bool = code == _REQUEST_TIMEOUT or code >= _SERVER_ERRORS

    def _sentence(self) -> str:
        return f"{self.call} answered {self.status}{_because(self._told())}"

    def _told(self) -> str:
        parts = [
            self.envelope.message or "",
            *(item.message or item.code or "" for item in self.envelope.errors),
        ]
        if isinstance(self.envelope.details, str):
            parts.append(f"({self.envelope.details})")
        return " ".join(" ".join(parts).split())


class InvalidRequestError(ResponseError):
    """400 or 422: the request does not validate; `.envelope.errors` may name the fields."""


class AuthenticationError(ResponseError):
    """401: the API key is missing or not valid."""


class ForbiddenError(ResponseError):
    """403: the API key is not valid, or is not allowed to do this (contract, section 13.26)."""


class NotFoundError(ResponseError):
    """404: there is no such thing."""


class ConflictError(ResponseError):
    """409: it exists already, or a constraint is violated."""


class RateLimitError(ResponseError):
    """429: a rate limit is reached.

    Raised only when a call was refused too often, or asked to wait longer than an hour: see `RetryPolicy.refusals`.

    Attributes:
        limit_type: Which limit it was, if the server tells: a `LimitType`, or a text of the server's.
        retry_after: Seconds until the next request may pass, from the most exact source of the answer.
        limits: What the headers tell of all limits.
    """

    limit_type: LimitType | str | None = None
    limits: tuple[Limit, ...] = ()

    def _sentence(self) -> str:
        wait = "" if self.retry_after is None else f"; try again in {self.retry_after:.3g} s"
        return f"{self.call} answered {self.status}: {describe_limit(self.limit_type, self.limit)} reached{wait}"

    @property
    def limit(self) -> int | None:
        """Requests that the reached limit allows in a window, if the server tells."""
        details = self.envelope.rate_limit
        if details is not None and details.limit is not None:
            return details.limit
        return next((known.limit for known in self.limits if known.type == self.limit_type), None)


class ServerError(ResponseError):
    """5xx: the server failed, or something in front of it did."""


class MalformedResponseError(_CallError):
    """The API told of a success, in an answer that can't be read.

    Attributes:
        method: HTTP method of the call.
        path: Path of the call.
        status: HTTP status of the answer.
        problems: What can't be read, each text beginning with its JSON path (`$` is the whole body).
    """

    retryable = True
    maybe_processed = True

    def __init__(
        self, method: str, path: str, *, status: int, problems: Sequence[str], request_id: str | None = None
    ) -> None:
        super().__init__(method, path)
        self.status = status
        self.problems: tuple[str, ...] = tuple(redact(problem) for problem in problems)
        self.request_id = request_id

    def _sentence(self) -> str:
        told = _because("; ".join(self.problems))
        return f"{self.call} answered {self.status} with a body that can't be read{told}"


class OutcomeUnknownError(LegitmarkError):
    """A service request that may or may not have been created; the cause tells what happened.

    The API has no idempotency key, so repeating it blindly could create it twice. Look for the `reference_id`
    before you create it again (contract, section 12).

    Attributes:
        reference_id: The reference of the draft.
    """

    maybe_processed = True

    def __init__(self, reference_id: str) -> None:
        super().__init__()
        self.reference_id = reference_id

    def _sentence(self) -> str:
        why = "" if self.__cause__ is None else f": {self.__cause__}"
        return f"service request {self.reference_id!r} may or may not have been created{why}"


class WebhookError(LegitmarkError):
    """Something is wrong with a webhook.

    Attributes:
        message: What is wrong.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def _sentence(self) -> str:
        return self.message


class SignatureError(WebhookError):
    """A webhook that was not signed with the secret, or too long ago."""


class UnreadableEventError(WebhookError):
    """A webhook whose body is no event."""


_REDIRECTS = 300
_ERRORS = range(400, 600)
_REQUEST_TIMEOUT = 408
_SERVER_ERRORS = 500
_BY_STATUS: Mapping[int, type[ResponseError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitError,
}


def error_class(status: int) -> type[ResponseError]:
    """Return the class of error that a status stands for (contract, section 6)."""
    if status >= _SERVER_ERRORS:
        return ServerError
    return _BY_STATUS.get(status, ResponseError)


def describe_limit(limit_type: str | None, limit: int | None) -> str:
    """Name a rate limit in words, such as `partner limit of 1000`."""
    name = "rate" if limit_type is None else limit_type.removesuffix("_level").removesuffix("_specific")
    return f"{name} limit" if limit is None else f"{name} limit of {limit}"


def _because(detail: str) -> str:
    if not detail:
        return ""
    return f": {detail}" if len(detail) <= _QUOTED else f": {detail[:_QUOTED]}…"
