"""Errors of calls that have an answer."""

from collections.abc import Mapping, Sequence

from legitmark_async.errors._base import CallError
from legitmark_async.errors._words import because, describe_limit, redact
from legitmark_async.models import ErrorEnvelope, Limit, LimitType

_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = 300
_ERRORS = range(400, 600)
_REQUEST_TIMEOUT = 408
_SERVER_ERRORS = 500


class ResponseError(CallError):
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
        return f"{self.call} answered {self.status}{because(self._told())}"

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
        resets_in: Seconds until the reset that the answer names, if it names one.
        asked: Seconds that Retry-After asks to wait, or what the body has in its place.
        limits: What the headers tell of all limits.
    """

    limit_type: LimitType | str | None = None
    resets_in: float | None = None
    asked: float | None = None
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


class MalformedResponseError(CallError):
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
        told = because("; ".join(self.problems))
        return f"{self.call} answered {self.status} with a body that can't be read{told}"


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
