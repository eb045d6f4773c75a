"""What the next requests are answered, in words: for tests that need one certain answer at one certain moment."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from http import HTTPStatus

import attrs

from legitmark_async.sandbox._envelopes import Answer, Moment, encode, encode_error, encode_success, format_iso
from legitmark_async.sandbox._faults import FAULT_KINDS, FaultKind

_FIRST, _LAST, _ERRORS, _REFUSED = 200, 599, 400, 429
_EMPTY = frozenset({204, 304})
# What the seed's example of a refusal tells.
_LIMIT = 1000


@attrs.frozen
class ScriptedAnswer:
    """An answer that was asked for.

    Attributes:
        status: HTTP status.
        retry_after: Seconds that it asks to wait; a refusal tells them in its body too.
        body: As it is, or as JSON if it is no text and no bytes; None: what the API has for the status.
        headers: Beside those of each answer.
    """

    status: int
    retry_after: float | None = None
    body: object = None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def __attrs_post_init__(self) -> None:
        if not _FIRST <= self.status <= _LAST:
            message = f"status must be from {_FIRST} to {_LAST}, not {self.status!r}"
            raise ValueError(message)
        if self.retry_after is not None and not 0 <= self.retry_after < math.inf:
            message = f"retry_after must be a number of seconds, not {self.retry_after!r}"
            raise ValueError(message)

    def encode(self, moment: Moment) -> Answer:
        """The answer at this moment."""
        answer = self._encode_body(moment)
        wait = {} if self.retry_after is None else {"Retry-After": str(math.ceil(self.retry_after))}
        return attrs.evolve(answer, headers={**answer.headers, **wait, **self.headers})

    def _encode_body(self, moment: Moment) -> Answer:
        if self.body is None:
            return self._encode_envelope(moment)
        if isinstance(self.body, str | bytes):
            body = self.body.encode() if isinstance(self.body, str) else self.body
            return Answer(self.status, body, content_type="text/html; charset=utf-8")
        return Answer(self.status, encode(self.body))

    def _encode_envelope(self, moment: Moment) -> Answer:
        if self.status in _EMPTY:
            return Answer(self.status, b"")
        if self.status < _ERRORS:
            return attrs.evolve(encode_success("OK"), status=self.status)
        extra: dict[str, object] = {}
        if self.status == _REFUSED and self.retry_after is not None:
            extra["details"] = {
                "limit_type": "partner_level",
                "current_usage": _LIMIT + 1,
                "limit": _LIMIT,
                "reset_time": format_iso(moment.wall + self.retry_after),
                "retry_after_seconds": math.ceil(self.retry_after),
            }
        return encode_error(moment, self.status, _phrase(self.status), **extra)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown error"


@attrs.define
class _Line:
    what: ScriptedAnswer | FaultKind
    times: int
    on: str
    used: bool = False


class Script:
    """What is to be answered, in the order in which it was asked for; changed by the sandbox alone."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []

    def add(self, what: ScriptedAnswer | FaultKind, times: int, on: str) -> None:
        """Adds something for the next requests that match.

        Raises:
            ValueError: There is no such fault, or `times` is no positive number.
        """
        if isinstance(what, str) and what not in FAULT_KINDS:
            message = f"unknown fault {what!r}; there are {', '.join(FAULT_KINDS)}"
            raise ValueError(message)
        if times < 1:
            message = f"times must be 1 or more, not {times!r}"
            raise ValueError(message)
        self._lines.append(_Line(what, times, on))

    def next_answer(self, method: str, path: str) -> ScriptedAnswer | None:
        """Takes what a request is to be answered, if it is the turn of an answer."""
        what = self._take(method, path, answers=True)
        return what if isinstance(what, ScriptedAnswer) else None

    def next_fault(self, method: str, path: str) -> FaultKind | None:
        """Takes the fault that is to strike a request, if it is the turn of one."""
        what = self._take(method, path, answers=False)
        return None if isinstance(what, ScriptedAnswer) else what

    def _take(self, method: str, path: str, *, answers: bool) -> ScriptedAnswer | FaultKind | None:
        line = next((line for line in self._lines if fnmatchcase(f"{method} {path}", line.on)), None)
        if line is None or isinstance(line.what, ScriptedAnswer) is not answers:
            return None
        line.times, line.used = line.times - 1, True
        if not line.times:
            self._lines.remove(line)
        return line.what

    @property
    def left(self) -> int:
        """How many requests there is still something for."""
        return sum(line.times for line in self._lines)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """What requests were asked for that have not come, not one of them."""
        return tuple(line.on for line in self._lines if not line.used)

    def clear(self) -> None:
        """Forgets what is left."""
        self._lines.clear()
