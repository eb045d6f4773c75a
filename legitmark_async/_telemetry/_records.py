"""Log records of calls and their tries. They are no more than what the standard library's users expect of a library.

DEBUG: each try, and each call that went well. INFO: a call that went well after failures, or ended in an error, which
its caller has. WARNING: a create of which nobody knows what became of it, whatever its caller makes of the error.
"""

import logging
from typing import TypeVar

from legitmark_async._telemetry._course import DURATION, Course, Facts, facts_of, facts_of_call, facts_of_try
from legitmark_async._wire import Headers, Request
from legitmark_async.errors import Attempt, OutcomeUnknownError, redact

T = TypeVar("T")

LOG = logging.getLogger("legitmark_async")


def log_try(request: Request[T], attempt: Attempt, headers: Headers | None, error: BaseException | None) -> None:
    """Log a try that is over."""
    extra: Facts = {**facts_of(request), **facts_of_try(attempt, headers)}
    ending = f"answered {attempt.status}" if error is None else f"failed ({_told(error)})"
    LOG.debug("%s: try %d %s after %.3g s", attempt.call, attempt.number, ending, attempt.seconds, extra=extra)


def log_call(request: Request[T], course: Course, now: float, error: BaseException | None) -> None:
    """Log a call that is over."""
    level = _level(course, error)
    if not LOG.isEnabledFor(level):
        return
    facts = facts_of_call(course, course.spent_until(now), error)
    call = redact(f"{request.method} {request.path}")
    tries = f"{course.tries} {'try' if course.tries == 1 else 'tries'}"
    ending = "done" if error is None else f"ended in {_told(error)}"
    LOG.log(level, "%s: %s; %s in %.3g s", call, ending, tries, facts[DURATION], extra=facts_of(request) | facts)


def _level(course: Course, error: BaseException | None) -> int:
    if isinstance(error, OutcomeUnknownError):
        return logging.WARNING
    # Refusals are daily business. What was cancelled ended as somebody wanted.
    ended_well = len(course.attempts) == course.refusals if error is None else not isinstance(error, Exception)
    return logging.DEBUG if ended_well else logging.INFO


def _told(error: BaseException) -> str:
    return redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
