"""What there is to tell of a call, and under which names. Log records, spans and metrics use the same ones.

They are those of OpenTelemetry's conventions for HTTP clients where it has one, and begin with `legitmark.` else.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from legitmark_async._wire import Headers, Request
from legitmark_async.errors import Attempt, LegitmarkError, redact

T = TypeVar("T")

Value = str | int | float | list[str]
Facts = dict[str, Value]

METHOD, TEMPLATE, PATH = "http.request.method", "url.template", "url.path"
STATUS, ERROR = "http.response.status_code", "error.type"
REASON, LIMIT_TYPE, DURATION = "legitmark.wait.reason", "legitmark.limit.type", "legitmark.duration"
# Whatever else an answer has in its headers is not told: a proxy may put secrets there.
_TOLD_HEADERS = (
    "date",
    "retry-after",
    *(f"x-ratelimit-{part}-{whose}" for whose in ("partner", "user") for part in ("limit", "remaining", "reset")),
)
_LONGEST = 200


class Course(Protocol):
    """How far a call is."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The tries that failed."""
        ...

    @property
    def tries(self) -> int:
        """Requests that were sent."""
        ...

    @property
    def refusals(self) -> int:
        """Those that the rate limit refused."""
        ...

    @property
    def request_id(self) -> str:
        """Of the last one."""
        ...

    def spent_until(self, now: float) -> Mapping[str, float]:
        """Return the seconds spent on each phase."""
        ...


def group_of(request: Request[T]) -> Facts:
    """Return what many calls have in common, as metrics need it."""
    return {METHOD: request.method, TEMPLATE: request.endpoint}


def facts_of(request: Request[T]) -> Facts:
    """Return what is known of a call before it is made."""
    facts: Facts = {**group_of(request), PATH: redact(request.path.partition("?")[0])}
    if request.claim is not None:
        facts["legitmark.reference_id"] = redact(request.claim.reference_id)
    return facts


def facts_of_try(attempt: Attempt, headers: Headers | None) -> Facts:
    """Return what is known of a try that is over."""
    facts: Facts = {
        "legitmark.attempt.number": attempt.number,
        "legitmark.attempt.duration": attempt.seconds,
        "legitmark.wait.duration": attempt.waited,
        "legitmark.request_id": redact(attempt.request_id),
        **ending_of(attempt.status, attempt.error),
    }
    if attempt.reason is not None:
        facts[REASON] = attempt.reason
    return facts if headers is None else facts | _facts_of_headers(headers)


def _facts_of_headers(headers: Headers) -> Facts:
    told = {name: headers.getall(name, []) for name in _TOLD_HEADERS}
    return {
        f"http.response.header.{name}": [redact(value)[:_LONGEST] for value in values]
        for name, values in told.items()
        if values
    }


def facts_of_call(course: Course, spent: Mapping[str, float], error: BaseException | None) -> Facts:
    """Return what became of a call, and where its time went."""
    facts: Facts = {
        "legitmark.attempts": course.tries,
        "legitmark.refusals": course.refusals,
        DURATION: sum(spent.values()),
        "legitmark.request_id": redact(course.request_id),
        **ending_of(getattr(error, "status", None), "" if error is None else type(error).__name__),
    }
    for phase, seconds in spent.items():
        facts[f"legitmark.spent.{phase.replace(' ', '_')}"] = seconds
    if isinstance(error, LegitmarkError) and error.request_id:
        facts["legitmark.request_id"] = error.request_id
    return facts


def ending_of(status: int | None, error: str) -> Facts:
    """Return what a try or a call ended in."""
    facts: Facts = {} if status is None else {STATUS: status}
    if error:
        facts[ERROR] = error
    return facts
