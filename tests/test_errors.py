"""The tree of errors, and what each of them tells."""

import builtins
import copy
import pickle
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import legitmark_async
from legitmark_async import errors
from legitmark_async.errors import (
    Attempt,
    AttemptTimeoutError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidRequestError,
    JournalError,
    LedgerError,
    LegitmarkError,
    MalformedResponseError,
    NotFoundError,
    OutcomeUnknownError,
    PhotoError,
    RateLimitError,
    RecordError,
    ResponseError,
    ServerError,
    SignatureError,
    TransportError,
    UnreadableEventError,
    WebhookError,
    WorkflowError,
    describe_limit,
    error_class,
    redact,
)
from legitmark_async.models import ErrorEnvelope, ErrorItem, Limit, LimitType, RateLimitDetails

PARENTS: dict[type[LegitmarkError], type[Exception]] = {
    LegitmarkError: Exception,
    ConfigurationError: LegitmarkError,
    TransportError: LegitmarkError,
    ConnectionFailedError: TransportError,
    AttemptTimeoutError: TransportError,
    DeadlineExceededError: TransportError,
    ResponseError: LegitmarkError,
    InvalidRequestError: ResponseError,
    AuthenticationError: ResponseError,
    ForbiddenError: ResponseError,
    NotFoundError: ResponseError,
    ConflictError: ResponseError,
    RateLimitError: ResponseError,
    ServerError: ResponseError,
    MalformedResponseError: LegitmarkError,
    OutcomeUnknownError: LegitmarkError,
    PhotoError: ConfigurationError,
    WorkflowError: LegitmarkError,
    RecordError: LegitmarkError,
    JournalError: RecordError,
    LedgerError: RecordError,
    WebhookError: LegitmarkError,
    SignatureError: WebhookError,
    UnreadableEventError: WebhookError,
}
ENVELOPE = ErrorEnvelope(
    code=400,
    message="Validation failed",
    details="validation/failed",
    errors=(
        ErrorItem(code="validation/missing-field", message="item is required."),
        ErrorItem(code="validation/other"),
    ),
    raw={"success": False},
)
ATTEMPT = Attempt(
    number=1, request_id="req_1", status=None, error="AttemptTimeoutError", waited=0.5, reason="backoff", seconds=2.0
)
CALL = ("POST", "/api/v2/sr")


def response_error(
    cls: type[ResponseError] = ResponseError, status: int = 400, envelope: ErrorEnvelope = ENVELOPE
) -> ResponseError:
    """An error of an answer."""
    return cls(*CALL, status=status, envelope=envelope, request_id="req_1", retry_after=7.5)


def rate_limit_error() -> RateLimitError:
    """A 429 that tells all it can."""
    details = RateLimitDetails(limit=1000, limit_type=LimitType.PARTNER)
    error = RateLimitError(*CALL, status=429, envelope=ErrorEnvelope(details=details), retry_after=60.0)
    error.limit_type = LimitType.PARTNER
    error.limits = (Limit(type=LimitType.PARTNER, limit=1000, remaining=0),)
    return error


def deadline_error() -> DeadlineExceededError:
    """An error of a call that would have to wait for longer than it may."""
    spent = {"rate limit": 1.25, "request": 0.0, "backoff": 3.0}
    return DeadlineExceededError(*CALL, deadline=5.0, spent=spent, needed=60.0, reason="partner limit of 1000")


# One of each class, so that a new class can't be forgotten, with the sentence that it tells.
MAKERS: dict[type[LegitmarkError], tuple[Callable[[], LegitmarkError], str]] = {
    LegitmarkError: (LegitmarkError, "LegitmarkError"),
    ConfigurationError: (
        lambda: ConfigurationError("the API key is missing", problems=["api_key"]),
        "the API key is missing",
    ),
    TransportError: (
        lambda: TransportError(*CALL, detail="connection reset"),
        "POST /api/v2/sr got no complete answer: connection reset",
    ),
    ConnectionFailedError: (
        lambda: ConnectionFailedError(*CALL, detail="no such host", retryable=False),
        "POST /api/v2/sr was never sent: no such host",
    ),
    AttemptTimeoutError: (lambda: AttemptTimeoutError(*CALL), "POST /api/v2/sr got no complete answer in time"),
    DeadlineExceededError: (
        deadline_error,
        (
            "POST /api/v2/sr did not fit into 5 s (spent: 1.25 s on rate limit, 3 s on backoff);"
            " the next try could leave in 60 s: partner limit of 1000"
        ),
    ),
    ResponseError: (
        response_error,
        "POST /api/v2/sr answered 400: Validation failed item is required. validation/other (validation/failed)",
    ),
    InvalidRequestError: (
        lambda: response_error(InvalidRequestError, 422, ErrorEnvelope(message="no")),
        "POST /api/v2/sr answered 422: no",
    ),
    AuthenticationError: (
        lambda: response_error(AuthenticationError, 401, ErrorEnvelope(details="authorization/missing_token")),
        "POST /api/v2/sr answered 401: (authorization/missing_token)",
    ),
    ForbiddenError: (
        lambda: response_error(ForbiddenError, 403, ErrorEnvelope()),
        "POST /api/v2/sr answered 403",
    ),
    NotFoundError: (lambda: response_error(NotFoundError, 404, ErrorEnvelope()), "POST /api/v2/sr answered 404"),
    ConflictError: (lambda: response_error(ConflictError, 409, ErrorEnvelope()), "POST /api/v2/sr answered 409"),
    RateLimitError: (
        rate_limit_error,
        "POST /api/v2/sr answered 429: partner limit of 1000 reached; try again in 60 s",
    ),
    ServerError: (lambda: response_error(ServerError, 503, ErrorEnvelope()), "POST /api/v2/sr answered 503"),
    MalformedResponseError: (
        lambda: MalformedResponseError(*CALL, status=200, problems=["$.sr is missing", "$.x is null"]),
        "POST /api/v2/sr answered 200 with a body that can't be read: $.sr is missing; $.x is null",
    ),
    PhotoError: (lambda: PhotoError("photo: is empty", problems=["photo: is empty"]), "photo: is empty"),
    WorkflowError: (
        lambda: WorkflowError("u", "upload", "no photo for 'Front'"),
        "service request u got stuck at upload: no photo for 'Front'",
    ),
    JournalError: (
        lambda: JournalError("run.db", "can't write to it: disk is full"),
        "journal 'run.db': can't write to it: disk is full",
    ),
    RecordError: (RecordError, "RecordError"),
    LedgerError: (
        lambda: LedgerError("ledger at localhost:6379", "Redis refuses: no"),
        "ledger at localhost:6379: Redis refuses: no",
    ),
    OutcomeUnknownError: (
        lambda: OutcomeUnknownError("ITEM 1"),
        "service request 'ITEM 1' may or may not have been created",
    ),
    WebhookError: (lambda: WebhookError("no webhook"), "no webhook"),
    SignatureError: (lambda: SignatureError("not signed"), "not signed"),
    UnreadableEventError: (lambda: UnreadableEventError("no event"), "no event"),
}
CLASSES = pytest.mark.parametrize("cls", MAKERS, ids=lambda cls: cls.__name__)


def classes_below(cls: type[LegitmarkError]) -> Iterator[type[LegitmarkError]]:
    """The class and all that derive from it, in our package and for others to see."""
    for derived in cls.__subclasses__():
        yield from classes_below(derived)
    if cls.__name__ in errors.__all__:
        yield cls


def public_parent(cls: type[LegitmarkError]) -> type:
    """The nearest class above that isn't private."""
    return next(parent for parent in cls.__mro__[1:] if parent.__name__ in errors.__all__ or parent is Exception)


def test_tree() -> None:
    """The tree of errors is the one that is promised, and no class is missing from these tests."""
    tree = {cls: public_parent(cls) for cls in classes_below(LegitmarkError)}

    assert tree == PARENTS
    assert set(MAKERS) == set(PARENTS)


@CLASSES
def test_name(cls: type[LegitmarkError]) -> None:
    """Every class ends in Error, bears no builtin's name, is documented and can be imported from the package."""
    assert cls.__name__.endswith("Error")
    assert not hasattr(builtins, cls.__name__)
    assert cls.__doc__
    assert getattr(legitmark_async, cls.__name__) is cls


@CLASSES
def test_sentence(cls: type[LegitmarkError]) -> None:
    """An error writes its sentence itself: one line, without a full stop of its own."""
    make, sentence = MAKERS[cls]

    assert str(make()) == sentence
    assert repr(make()) == f"{cls.__name__}({sentence!r})"


@CLASSES
def test_defaults(cls: type[LegitmarkError]) -> None:
    """Whoever handles any error of ours may ask for its attempts and the like."""
    error = MAKERS[cls][0]()

    assert error.attempts == ()
    assert error.request_id in {None, "req_1"}
    assert isinstance(error.retryable, bool)
    assert isinstance(error.maybe_processed, bool)


def through_pickle(error: LegitmarkError) -> LegitmarkError:
    """The error as another process has it."""
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert isinstance(restored, LegitmarkError)
    return restored


@CLASSES
@pytest.mark.parametrize(
    "duplicate",
    [
        pytest.param(through_pickle, id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
def test_duplicate(cls: type[LegitmarkError], duplicate: Callable[[LegitmarkError], LegitmarkError]) -> None:
    """An error pickles and copies whole: facts, attempts, notes, and the chain of its causes."""
    error = MAKERS[cls][0]()
    error.attempts = (ATTEMPT,)
    error.add_note("not tried again")
    error.__cause__ = MAKERS[ConnectionFailedError][0]()
    error.__cause__.__cause__ = rate_limit_error()

    restored = duplicate(error)

    assert type(restored) is cls
    assert restored is not error
    assert restored.__dict__ == error.__dict__
    assert restored.attempts == (ATTEMPT,)
    assert restored.__notes__ == ["not tried again"]
    assert str(restored) == str(error)
    assert isinstance(restored.__cause__, ConnectionFailedError)
    assert restored.__cause__.retryable is False
    assert isinstance(restored.__cause__.__cause__, RateLimitError)
    assert restored.__cause__.__cause__.limits == rate_limit_error().limits


def test_foreign_cause() -> None:
    """A cause that is not ours, which may not pickle, is left behind."""
    error = ConnectionFailedError(*CALL, detail="refused")
    error.__cause__ = OSError(111, "refused")

    assert through_pickle(error).__cause__ is None


def test_copy_is_apart() -> None:
    """What is changed in a copy leaves the error as it was."""
    error = response_error()

    copy.copy(error).attempts = (ATTEMPT,)

    assert error.attempts == ()


def test_unknown_outcome_tells_why() -> None:
    """An OutcomeUnknownError tells the sentence of its cause."""
    error = OutcomeUnknownError("ITEM-1")
    error.__cause__ = response_error(ServerError, 500, ErrorEnvelope(message="boom"))

    assert str(error) == (
        "service request 'ITEM-1' may or may not have been created: POST /api/v2/sr answered 500: boom"
    )


LONG = "x" * 5000
QUOTING: list[LegitmarkError] = [
    TransportError(*CALL, detail=LONG),
    response_error(envelope=ErrorEnvelope(message=LONG)),
    response_error(envelope=ErrorEnvelope(errors=tuple(ErrorItem(message="wrong") for _ in range(1000)))),
    response_error(envelope=ErrorEnvelope(details=LONG)),
    MalformedResponseError(*CALL, status=200, problems=[LONG, LONG]),
]


@pytest.mark.parametrize("error", QUOTING, ids=["detail", "message", "errors", "details", "problems"])
def test_quoted_in_part(error: LegitmarkError) -> None:
    """Of what others have written at most 200 characters are quoted, and what is cut is marked."""
    quoted = str(error).partition(": ")[2]

    assert len(quoted) == 201
    assert quoted.endswith("…")


@given(text=st.text())
def test_one_line(text: str) -> None:
    """Whatever others have written, a sentence is one line."""
    errors: list[LegitmarkError] = [
        TransportError(*CALL, detail=text),
        response_error(envelope=ErrorEnvelope(message=text, details=text, errors=(ErrorItem(code=text),))),
        MalformedResponseError(*CALL, status=200, problems=[text]),
        OutcomeUnknownError(text),
        ConfigurationError(f"x{text}"),
        WebhookError(f"x{text}"),
    ]

    assert [len(str(error).splitlines()) for error in errors] == [1] * len(errors)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("key leo_pk_live_1/+= is bad", "key leo_*** is bad", id="key"),
        pytest.param("begins with 'leo_' and", "begins with 'leo_' and", id="the prefix alone"),
        pytest.param("Bearer LEO_abc", "Bearer leo_***", id="upper case"),
        pytest.param("https://s3/x.jpg?X-Amz-Signature=1&y=2 failed", "https://s3/x.jpg?*** failed", id="presigned"),
        pytest.param("https://s3/x.jpg?a=1&x-amz-signature=2", "https://s3/x.jpg?***", id="presigned in lower case"),
        pytest.param("<Url>https://s3/x?X-Amz-A=1</Url>", "<Url>https://s3/x?***</Url>", id="in xml"),
        pytest.param("why? because of leo_a and leo_b", "why? because of leo_*** and leo_***", id="two"),
        pytest.param("https://x/y?page_number=2", "https://x/y?page_number=2", id="another query"),
        pytest.param('{"a":"leo_x","b":1}', '{"a":"leo_***","b":1}', id="json"),
        pytest.param(r'{"a":"see \"https://s3/x?X-Amz-A=1\""}', r'{"a":"see \"https://s3/x?***\""}', id="json, quoted"),
    ],
)
def test_redact(text: str, redacted: str) -> None:
    """Keys and queries of presigned URLs are hidden, and nothing else is."""
    assert redact(text) == redacted


@pytest.mark.timeout(10)
@pytest.mark.parametrize("unit", ["?", "leo_", "?X-Amz", "?X-Amz-", "\\", "?\\", "?a"])
def test_redact_in_time(unit: str) -> None:
    """Redacting takes a time that grows with the length of a hostile text, not with its square."""
    assert len(redact(unit * 300_000)) <= 300_000 * len(unit)


@pytest.mark.parametrize(
    "error",
    [
        TransportError(*CALL, detail="leo_secret"),
        ConfigurationError("leo_secret"),
        WebhookError("leo_secret"),
        MalformedResponseError(*CALL, status=200, problems=["leo_secret"]),
        OutcomeUnknownError("leo_secret"),
        ResponseError("GET", "/x/leo_secret", status=400, envelope=ErrorEnvelope(message="leo_secret")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_key_in_sentence(error: LegitmarkError) -> None:
    """Whatever an error is told, its sentence has no key in it."""
    assert "secret" not in str(error)
    assert "secret" not in repr(error)


@pytest.mark.parametrize(
    ("limit_type", "limit", "words"),
    [
        pytest.param(LimitType.PARTNER, 1000, "partner limit of 1000", id="partner"),
        pytest.param(LimitType.USER, None, "user limit", id="user"),
        pytest.param(LimitType.ENDPOINT, 5, "endpoint limit of 5", id="endpoint"),
        pytest.param("tenant", 5, "tenant limit of 5", id="unknown"),
        pytest.param(None, None, "rate limit", id="not told"),
    ],
)
def test_describe_limit(limit_type: str | None, limit: int | None, words: str) -> None:
    """A limit is named in words."""
    assert describe_limit(limit_type, limit) == words


def test_limit_from_headers() -> None:
    """Where the body doesn't tell how many requests the reached limit allows, the headers do."""
    error = RateLimitError(*CALL, status=429, envelope=ErrorEnvelope(details="error/rate_limit_exceeded"))
    error.limits = (Limit(type=LimitType.PARTNER, limit=1000), Limit(type=LimitType.USER, limit=50))
    error.limit_type = LimitType.USER

    assert error.limit == 50


def test_limit_not_told() -> None:
    """Where nothing tells how many requests a limit allows, it is None."""
    assert RateLimitError(*CALL, status=429, envelope=ErrorEnvelope()).limit is None


def test_deadline_without_wait() -> None:
    """A deadline that passed in the middle of a request tells no wait, nor what took no time."""
    error = DeadlineExceededError(*CALL, deadline=0.5, spent={"rate limit": 0.0, "request": 0.0})

    assert str(error) == "POST /api/v2/sr did not fit into 0.5 s (spent: next to nothing)"


@pytest.mark.parametrize("cls", [TransportError, AttemptTimeoutError])
def test_transport_leaves_open(cls: type[TransportError]) -> None:
    """After a failure on the way the request may have been carried out, and may be tried again."""
    error = cls(*CALL)

    assert (error.retryable, error.maybe_processed) == (True, True)


def test_unknown_outcome_leaves_open() -> None:
    """A create of unknown outcome may have been carried out, and is not repeated without a look."""
    error = OutcomeUnknownError("ITEM-1")

    assert (error.retryable, error.maybe_processed) == (False, True)


def test_refused_by_us() -> None:
    """What we refuse ourselves was not carried out, and won't pass by itself."""
    error = ConfigurationError("the API key is missing")

    assert (error.retryable, error.maybe_processed) == (False, False)


def test_never_sent() -> None:
    """What was never sent was not carried out."""
    error = ConnectionFailedError(*CALL)

    assert (error.retryable, error.maybe_processed) == (True, False)


@pytest.mark.parametrize("status", [100, 302, 402, 405, 418, 451, 499])
def test_other_status(status: int) -> None:
    """A status that no class stands for is a plain ResponseError."""
    assert error_class(status) is ResponseError
