"""The root of the tree, and the errors that are no answer and no lack of one."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from attrs import frozen

from legitmark_async.errors._words import redact
from legitmark_async.models import ServiceRequestDraft

# What a draft says of a name where an id is needed.
_NAME = re.compile(r"item\.\w+: '.*' is not a UUID$", re.DOTALL)


@frozen(kw_only=True)
class Attempt:
    """One try of a call.

    Attributes:
        number: 1 for the first try.
        call: Method and path: of the call itself, or of a look for what it may have made.
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
    call: str = ""


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


class PhotoError(ConfigurationError):
    """A photo that can't be uploaded, found before anything was sent.

    Attributes:
        problems: What is wrong with it.
    """


class RecordError(LegitmarkError):
    """What happens to the items of a bulk run can't be noted or read; nothing more is sent then."""


class LedgerError(RecordError):
    """Something is wrong with a job that many machines work on, or with the ledger that it is kept in.

    Attributes:
        where: The ledger, the job, or a message of it.
        problem: What is wrong, and what to do.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def _sentence(self) -> str:
        return f"{self.where}: {self.problem}"


class JournalError(RecordError):
    """The journal of a bulk run can't be opened, read or written.

    Attributes:
        path: The file.
        problem: What is wrong, and what to do.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def _sentence(self) -> str:
        return f"journal {self.path!r}: {self.problem}"


E = TypeVar("E", bound="LegitmarkError")


def without_frames(error: E) -> E:
    """Return an error that is handed on as a value: its frames are of no use to anybody, and keep a lot alive."""
    failure: BaseException | None = error
    while failure is not None:
        failure.__traceback__ = None
        failure = failure.__cause__
    return error


def draft_error(draft: ServiceRequestDraft, problems: Sequence[str]) -> ConfigurationError:
    """Return the error of a draft that can't be sent: where it came from, if that is known, and all that is wrong."""
    where = "the draft can't be sent" if draft.origin is None else str(draft.origin)
    named = draft.origin is None and any(_NAME.match(problem) for problem in problems)
    advice = "; taxonomy.resolve finds the UUIDs of names" if named else ""
    return ConfigurationError(f"{where}: {'; '.join(problems)}{advice}", problems=problems)


class CallError(LegitmarkError):
    """An error of a call: knows which one."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__()
        self.method = method
        self.path = path

    @property
    def call(self) -> str:
        """The call as the sentence begins with it, such as `POST /api/v2/sr`."""
        return f"{self.method} {self.path}"


class OutcomeUnknownError(LegitmarkError):
    """A service request that may or may not have been created; the cause tells what happened.

    The API has no idempotency key, so repeating it blindly could create it twice. Look for the `reference_id`
    before you create it again (contract, section 12).

    Attributes:
        reference_id: The reference of the draft.
        looked: What looking for it came to, if it was looked for.
    """

    maybe_processed = True

    def __init__(self, reference_id: str, *, looked: str | None = None) -> None:
        super().__init__()
        self.reference_id = reference_id
        self.looked = looked

    def _sentence(self) -> str:
        why = "" if self.__cause__ is None else f": {self.__cause__}"
        looked = "" if self.looked is None else f"; looked for: {self.looked}"
        return f"service request {self.reference_id!r} may or may not have been created{why}{looked}"


class WorkflowError(LegitmarkError):
    """An item that got stuck on its way, after its service request was created; the cause tells more.

    Mend what is wrong, and go on with the same call and `sr_uuid` instead of the draft.

    Attributes:
        sr_uuid: Id of the service request.
        step: Where it got stuck: `photos`, `requirements`, `upload`, `progress`, `submit` or `verdict`.
        problem: What is wrong.
    """

    def __init__(self, sr_uuid: str, step: str, problem: str) -> None:
        super().__init__(sr_uuid, step, problem)
        self.sr_uuid = sr_uuid
        self.step: str = str(step)
        self.problem = problem

    def _sentence(self) -> str:
        return f"service request {self.sr_uuid} got stuck at {self.step}: {self.problem}"


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
