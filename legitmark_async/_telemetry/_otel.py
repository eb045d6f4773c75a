"""Spans and metrics of OpenTelemetry; the only module that knows it.

One span a call, of kind internal: that of each request is the HTTP client's own to give.
"""

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from legitmark_async._telemetry._course import (
    LIMIT_TYPE,
    REASON,
    Course,
    Facts,
    ending_of,
    facts_of,
    facts_of_call,
    facts_of_try,
    group_of,
)
from legitmark_async._wire import Headers, Request
from legitmark_async.errors import Attempt, RateLimitError, redact

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")

_NAME = "legitmark_async"
# Waits that are shorter are how fast a computer is (s).
_SHORTEST_WAIT = 0.001
_NANOSECONDS = 1e9
# Where the providers are that come with its API alone, and do nothing.
_DOING_NOTHING = ("opentelemetry.trace", "opentelemetry.metrics")


@frozen(eq=False)
class Instruments:
    """What is measured.

    Attributes:
        duration: Seconds from the beginning of a call to its end, with all its waits.
        calls: Calls under way.
        requests: Requests in flight.
        attempts: Requests that were sent.
        refusals: Those that the rate limit refused.
        waits: Seconds waited before a request, by reason.
    """

    duration: "Histogram"
    calls: "UpDownCounter"
    requests: "UpDownCounter"
    attempts: "Counter"
    refusals: "Counter"
    waits: "Histogram"

    @classmethod
    def of(cls, meter: "Meter") -> "Instruments":
        """Make them."""
        return cls(
            meter.create_histogram("legitmark.call.duration", "s", "Time from the beginning of a call to its end"),
            meter.create_up_down_counter("legitmark.active_calls", "{call}", "Calls under way"),
            meter.create_up_down_counter("legitmark.active_requests", "{request}", "Requests in flight"),
            meter.create_counter("legitmark.attempts", "{request}", "Requests that were sent"),
            meter.create_counter("legitmark.refusals", "{request}", "Requests that the rate limit refused"),
            meter.create_histogram("legitmark.wait.duration", "s", "Time waited before a request, by reason"),
        )


@frozen(eq=False)
class OpenTelemetry:
    """Spans and metrics by the application's own providers."""

    tracer: "Tracer"
    instruments: Instruments

    @classmethod
    def set_up(cls) -> "OpenTelemetry | None":
        """Return what the application has set up, or None if it has not."""
        # Whoever has set it up has imported it, so that nobody else pays for the import.
        if "opentelemetry.trace" not in sys.modules and "opentelemetry.metrics" not in sys.modules:
            return None
        from opentelemetry import metrics, trace  # noqa: PLC0415  # an extra

        tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
        if all(type(provider).__module__.startswith(_DOING_NOTHING) for provider in (tracers, meters)):
            return None
        return cls(tracers.get_tracer(_NAME), Instruments.of(meters.get_meter(_NAME)))

    def begin_call(self, request: Request[T]) -> "AbstractContextManager[Span]":
        """Begin the span of a call, in which all its requests are made."""
        self.instruments.calls.add(1, group_of(request))
        # What it ended in is told in other words: those of the exception are longer.
        return self.tracer.start_as_current_span(
            f"{request.method} {request.endpoint}",
            attributes=facts_of(request),
            record_exception=False,
            set_status_on_exception=False,
        )

    def end_call(
        self, span: "Span", request: Request[T], course: Course, now: float, error: BaseException | None
    ) -> None:
        """Tell what became of a call; ending its span is left to the one who began it."""
        spent = course.spent_until(now)
        span.set_attributes(facts_of_call(course, spent, error))
        if error is not None:
            _tell_error(span, error)
        group = group_of(request)
        self.instruments.calls.add(-1, group)
        ending = ending_of(None, "" if error is None else type(error).__name__)
        self.instruments.duration.record(sum(spent.values()), group | ending)

    def begin_try(self, request: Request[T]) -> None:
        """Tell of a request that leaves."""
        self.instruments.requests.add(1, group_of(request))

    def end_try(
        self,
        request: Request[T],
        attempt: Attempt,
        headers: Headers | None,
        error: BaseException | None,
        ended_at: float,
    ) -> None:
        """Tell what became of a request that ended at an instant (epoch seconds), and what it had waited for."""
        group = group_of(request)
        self.instruments.requests.add(-1, group)
        self.instruments.attempts.add(1, group | ending_of(attempt.status, attempt.error))
        if isinstance(error, RateLimitError):
            self.instruments.refusals.add(1, group | {LIMIT_TYPE: str(error.limit_type or "unknown")})
        waits: Facts = {}
        if attempt.waited >= _SHORTEST_WAIT and attempt.reason is not None:
            waits = {REASON: attempt.reason}
            self.instruments.waits.record(attempt.waited, group | waits)
        _tell_try(attempt, headers, waits, ended_at)


def _tell_error(span: "Span", error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # an extra

    text = redact(str(error))
    span.set_status(Status(StatusCode.ERROR, text or type(error).__name__))
    span.add_event("exception", {"exception.type": type(error).__name__, "exception.message": text})


def _tell_try(attempt: Attempt, headers: Headers | None, waits: Facts, ended_at: float) -> None:
    from opentelemetry.trace import get_current_span  # noqa: PLC0415  # an extra

    span = get_current_span()
    sent_at = int((ended_at - attempt.seconds) * _NANOSECONDS)
    if waits:
        began_at = sent_at - int(attempt.waited * _NANOSECONDS)
        span.add_event("wait", {**waits, "legitmark.wait.duration": attempt.waited}, timestamp=began_at)
    span.add_event("attempt", facts_of_try(attempt, headers), timestamp=sent_at)
