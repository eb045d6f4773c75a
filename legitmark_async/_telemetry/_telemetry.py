"""The one thing that calls tell of themselves, whoever listens."""

import logging
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from legitmark_async._telemetry._course import Course
from legitmark_async._telemetry._otel import OpenTelemetry
from legitmark_async._telemetry._records import LOG, log_call, log_try
from legitmark_async._wire import Headers, Request
from legitmark_async.errors import Attempt
from legitmark_async.options import Clock

if TYPE_CHECKING:
    from opentelemetry.trace import Span

T = TypeVar("T")


@define(eq=False)
class _Guard(AbstractContextManager[None]):
    """Keeps what the application's exporters do wrong away from the calls: a create that was made must be told of."""

    told: bool = False

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(exc, Exception):
            return False
        if not self.told:
            self.told = True
            LOG.warning("OpenTelemetry failed, and the calls go on; it is told once", exc_info=exc)
        return True


@define(eq=False)
class Telemetry:
    """Tells of the calls of a client and their tries.

    Attributes:
        clock: Monotonic seconds.
    """

    clock: Clock
    _otel: OpenTelemetry | None = field(default=None, init=False)
    _guard: _Guard = field(factory=_Guard, init=False)

    def open(self) -> None:
        """Look whether OpenTelemetry is set up; what is set up later is found when the client is opened again."""
        self._otel = OpenTelemetry.set_up()

    @property
    def tells_tries(self) -> bool:
        """Whether anybody listens to tries; if not, nothing has to be known of those that went well."""
        return self._otel is not None or LOG.isEnabledFor(logging.DEBUG)

    def call(self, request: Request[T], course: Course) -> AbstractContextManager[None]:
        """Return a context to make a call in, which tells of its end."""
        return _Telling(self.clock, self._otel, self._guard, request, course)

    def begin_try(self, request: Request[T]) -> None:
        """Tell of a request that leaves. Each has its `end_try`, whatever becomes of it, if `tells_tries`."""
        if self._otel is not None:
            with self._guard:
                self._otel.begin_try(request)

    def end_try(
        self, request: Request[T], attempt: Attempt, headers: Headers | None, error: BaseException | None, now: float
    ) -> None:
        """Tell what became of a request.

        Args:
            request: What was asked.
            attempt: The try.
            headers: Of its answer, if there was one.
            error: What it failed with, if it did.
            now: When it ended, in monotonic seconds.
        """
        if LOG.isEnabledFor(logging.DEBUG):
            log_try(request, attempt, headers, error)
        if self._otel is not None:
            # Spans are told in wall time.
            ended_at = time.time() - (self.clock() - now)
            with self._guard:
                self._otel.end_try(request, attempt, headers, error, ended_at)


@define(eq=False)
class _Telling(AbstractContextManager[None]):
    # A class, as a generator would cost a call three times as much.
    clock: Clock
    otel: OpenTelemetry | None
    guard: _Guard
    request: Request[Any]
    course: Course
    context: "AbstractContextManager[Span] | None" = None
    span: "Span | None" = None

    def __enter__(self) -> None:
        if self.otel is not None:
            with self.guard:
                self.context = self.otel.begin_call(self.request)
                self.span = self.context.__enter__()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        now = self.clock()
        log_call(self.request, self.course, now, exc)
        if self.otel is not None and self.context is not None and self.span is not None:
            with self.guard:
                self.otel.end_call(self.span, self.request, self.course, now, exc)
            with self.guard:
                self.context.__exit__(None, None, None)
