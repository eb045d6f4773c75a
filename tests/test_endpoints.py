"""How a create is asked and how its answers are read, from bytes to values."""

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from legitmark_async._endpoints import create_service_request, decode, decode_envelope
from legitmark_async._wire import Response
from legitmark_async.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    LegitmarkError,
    MalformedResponseError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    ServerError,
)
from legitmark_async.models import (
    ErrorEnvelope,
    ErrorItem,
    Item,
    Limit,
    LimitType,
    PrimaryState,
    RateLimitDetails,
    ServiceRequest,
    ServiceRequestDraft,
    State,
    Summary,
    SupplementState,
)
from legitmark_async.testing import BAG, CROSSBODY

DATA = Path(__file__).parent / "data"
NOW = 1_704_067_200.0
LUXURY = "31670fe9-9272-11ef-b98d-06fb0f2a63e5"
CREATE = create_service_request(ServiceRequestDraft("ITEM-2024-0891", Item(BAG, CROSSBODY)))
MIDNIGHT = datetime(2024, 1, 1, tzinfo=UTC)
KEY = "leo_pk_live_abc123"
PRESIGNED = "https://s3.us-east-1.amazonaws.com/b/x.jpg?X-Amz-Algorithm=AWS4&X-Amz-Signature=5ec2e7"


def example_file(name: str) -> bytes:
    """An example of the contract, as published."""
    return (DATA / f"{name}.json").read_bytes()


def answer(status: int, body: object, **headers: str) -> Response:
    """An answer; a body that is not bytes yet becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CIMultiDict(named), content, "req_1")


def failure(status: int, body: object, **headers: str) -> ResponseError:
    """The error that an answer is read as."""
    with pytest.raises(ResponseError) as raised:
        decode(CREATE, answer(status, body, **headers), NOW)
    return raised.value


def test_seed_request() -> None:
    """The seed's example goes out as it stands there, compact and in the order of the models."""
    draft = ServiceRequestDraft("ITEM-2024-0891", Item(BAG, CROSSBODY), LUXURY, origin="items.csv:17")

    request = create_service_request(draft)

    assert (request.method, request.path) == ("POST", "/api/v2/sr")
    assert json.loads(request.body or b"") == json.loads(example_file("create-sr.request.seed"))
    assert request.body == (
        b'{"reference_id":"ITEM-2024-0891",'
        b'"item":{"category":"cc30b104-7c47-11ef-a623-02595575faeb","type":"95e42d6b-7c4f-11ef-a623-02595575faeb"},'
        b'"service":"31670fe9-9272-11ef-b98d-06fb0f2a63e5"}'
    )


@pytest.mark.parametrize(
    ("draft", "sent"),
    [
        pytest.param(
            ServiceRequestDraft("R", Item(BAG, CROSSBODY), origin=object()),
            {"reference_id": "R", "item": {"category": BAG, "type": CROSSBODY}},
            id="least",
        ),
        pytest.param(
            ServiceRequestDraft("R", Item(BAG, CROSSBODY, brand=LUXURY)),
            {"reference_id": "R", "item": {"category": BAG, "type": CROSSBODY, "brand": LUXURY}},
            id="brand",
        ),
        pytest.param(
            ServiceRequestDraft("R", Item(BAG, CROSSBODY, LUXURY, BAG), LUXURY),
            {
                "reference_id": "R",
                "item": {"category": BAG, "type": CROSSBODY, "brand": LUXURY, "model": BAG},
                "service": LUXURY,
            },
            id="all",
        ),
        pytest.param(
            ServiceRequestDraft(' "包"\n', Item(BAG.upper(), CROSSBODY)),
            {"reference_id": ' "包"\n', "item": {"category": BAG.upper(), "type": CROSSBODY}},
            id="reference as it is",
        ),
    ],
)
def test_request(draft: ServiceRequestDraft, sent: object) -> None:
    """What is given is sent as it is; what is not given, and the origin, are left out."""
    assert json.loads(create_service_request(draft).body or b"") == sent


def test_request_facts() -> None:
    """A create is not repeatable, and knows what its service request is to be known by."""
    assert not CREATE.repeatable
    assert CREATE.claim is not None
    assert CREATE.claim.reference_id == "ITEM-2024-0891"


def test_bad_draft() -> None:
    """A draft with problems is refused with all of them, before there is a request."""
    draft = ServiceRequestDraft("", Item("Bag", CROSSBODY), origin="items.csv:17")

    with pytest.raises(ConfigurationError, match=r"^items\.csv:17: reference_id: is empty; item\.category") as raised:
        create_service_request(draft)

    assert raised.value.problems == (
        "reference_id: is empty",
        "item.category: 'Bag' is not a UUID",
    )


def test_names_in_a_draft() -> None:
    """Where names stand for UUIDs it is told what finds these; of what is no name it isn't."""
    with pytest.raises(ConfigurationError, match=r"^the draft can't be sent: item.category: 'Bag' is .*resolve finds"):
        create_service_request(ServiceRequestDraft("A", Item("Bag", CROSSBODY)))
    with pytest.raises(ConfigurationError, match=r"^the draft can't be sent: reference_id: is empty$"):
        create_service_request(ServiceRequestDraft("", Item(BAG, CROSSBODY)))


@pytest.mark.parametrize("draft", [{"reference_id": "A"}, None, "A"])
def test_no_draft(draft: Any) -> None:  # noqa: ANN401  # wrong on purpose
    """What is no draft is told by its type."""
    with pytest.raises(ConfigurationError, match=f"a ServiceRequestDraft is needed, not {type(draft).__name__}"):
        create_service_request(draft)


def test_seed_response() -> None:
    """The seed's example is read whole, with its user that is no UUID."""
    body = example_file("create-sr.response.200.seed")
    instant = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)

    read = decode(CREATE, answer(200, body), NOW)

    assert read == ServiceRequest(
        uuid="a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        active=True,
        migrated=False,
        micro_id="998001",
        legacy_id=None,
        external_id="ITEM-2024-0891",
        tab=PrimaryState.DRAFT,
        source="api",
        partner_code=None,
        state=State(primary=PrimaryState.DRAFT, supplement=None),
        summary=Summary(style="Crossbody", style_id=CROSSBODY),
        user="user-uuid",
        service=LUXURY,
        created_at=instant,
        updated_at=instant,
        drafted_at=instant,
    )
    assert isinstance(read.tab, PrimaryState)
    assert read.raw == json.loads(body)["sr"]


def test_full_service_request() -> None:
    """The answer of `get`, with its other summary and more fields, is read too."""
    body = example_file("get-full-sr.response.200.docs-newest.partial")

    read = decode(CREATE, answer(200, body), NOW)

    assert read.state == State(primary=PrimaryState.COMPLETE, supplement=SupplementState.APPROVED)
    assert (read.summary.combined, read.summary.style) == ("Footwear Sneakers", None)
    assert read.item is not None
    assert read.item.type is not None
    assert (read.item.type.name, read.item.brand) == ("Sneakers", None)
    assert read.sides is not None
    assert [side.name for side in read.sides.required] == ["Interior Size Tag or Stamp"]
    assert (read.certificate_url or "").endswith(".pdf")
    assert read.raw["item"]["types"]["name"] == "Sneakers"


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"sr": {"uuid": "u"}}, id="no success field"),
        pytest.param({"success": "false", "sr": {"uuid": "u"}}, id="success is a text"),
        pytest.param({"success": None, "sr": {"uuid": "u"}}, id="success is null"),
        pytest.param({"success": 0, "sr": {"uuid": "u"}}, id="success is 0"),
        pytest.param(b'\xef\xbb\xbf{"sr":{"uuid":"u"}}', id="byte order mark"),
    ],
)
def test_success(status: int, body: object) -> None:
    """Any 2xx with a service request is a success, unless it says `success: false` in so many words."""
    assert decode(CREATE, answer(status, body), NOW) == ServiceRequest(uuid="u")


STATUSES = [
    pytest.param(300, ResponseError, False, False, id="300"),
    pytest.param(302, ResponseError, False, False, id="302"),
    pytest.param(400, InvalidRequestError, False, False, id="400"),
    pytest.param(401, AuthenticationError, False, False, id="401"),
    pytest.param(403, ForbiddenError, False, False, id="403"),
    pytest.param(404, NotFoundError, False, False, id="404"),
    pytest.param(408, ResponseError, True, True, id="408"),
    pytest.param(409, ConflictError, False, False, id="409"),
    pytest.param(418, ResponseError, False, False, id="418"),
    pytest.param(422, InvalidRequestError, False, False, id="422"),
    pytest.param(425, ResponseError, True, False, id="425"),
    pytest.param(429, RateLimitError, True, False, id="429"),
    pytest.param(500, ServerError, True, True, id="500"),
    pytest.param(501, ServerError, False, True, id="501"),
    pytest.param(502, ServerError, True, True, id="502"),
    pytest.param(503, ServerError, True, True, id="503"),
    pytest.param(504, ServerError, True, True, id="504"),
    pytest.param(520, ServerError, False, True, id="520"),
]


@pytest.mark.parametrize(("status", "cls", "retryable", "maybe_processed"), STATUSES)
def test_status(status: int, cls: type[ResponseError], *, retryable: bool, maybe_processed: bool) -> None:
    """The status tells the class of an error, whether it may pass and whether it leaves open what was done."""
    error = failure(status, {"success": False, "error": {"message": "so it is"}})

    assert type(error) is cls
    assert error.status == status
    assert (error.retryable, error.maybe_processed) == (retryable, maybe_processed)
    assert error.request_id == "req_1"


@pytest.mark.parametrize(("status", "cls", "retryable", "maybe_processed"), STATUSES[2:])
def test_status_in_body(status: int, cls: type[ResponseError], *, retryable: bool, maybe_processed: bool) -> None:
    """A 200 that says `success: false` is the error that the code in its body stands for, in every way."""
    error = failure(200, {"success": False, "error": {"code": status, "message": "so it is"}})

    assert type(error) is cls
    assert error.status == 200
    assert (error.retryable, error.maybe_processed) == (retryable, maybe_processed)
    assert str(error).startswith("POST /api/v2/sr answered 200: ")


def test_status_before_body() -> None:
    """An answer that is no success is what its status says, whatever code its body repeats."""
    error = failure(503, {"success": False, "error": {"code": 400, "message": "bad upstream"}})

    assert type(error) is ServerError
    assert (error.retryable, error.maybe_processed) == (True, True)


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=repr(code)) for code in (None, 200, 302, 399, 0, -1, 600, 10**30, "503", True)]
)
def test_unsuccessful_success(code: object) -> None:
    """A 200 with `success: false` and no code of an error is a plain ResponseError that won't pass by itself."""
    error = failure(200, {"success": False, "error": {"code": code, "message": "no"}})

    assert type(error) is ResponseError
    assert not error.retryable
    assert str(error) == "POST /api/v2/sr answered 200: no"


ERROR_FILES: dict[str, tuple[type[ResponseError], ErrorEnvelope, str]] = {
    "error.400.errors-list.docs-errors": (
        InvalidRequestError,
        ErrorEnvelope(
            code=400,
            timestamp=MIDNIGHT,
            message="User-friendly error message",
            errors=(ErrorItem(code="validation/missing-field", message="field_name is required."),),
        ),
        "POST /api/v2/sr answered 400: User-friendly error message field_name is required.",
    ),
    "error.400.errors-list-two.docs-errors": (
        InvalidRequestError,
        ErrorEnvelope(
            code=400,
            timestamp=MIDNIGHT,
            message="Validation failed",
            errors=(
                ErrorItem(code="validation/missing-user_id", message="user_id is required."),
                ErrorItem(code="validation/invalid-email", message="Invalid email address format."),
            ),
        ),
        "POST /api/v2/sr answered 400: Validation failed user_id is required. Invalid email address format.",
    ),
    "error.429.details-string.docs-rate-limits-newest": (
        RateLimitError,
        ErrorEnvelope(code=429, timestamp=MIDNIGHT, message="Rate limit exceeded", details="error/rate_limit_exceeded"),
        "POST /api/v2/sr answered 429: rate limit reached",
    ),
    "create-sr.response.429.seed-schema-examples": (
        RateLimitError,
        ErrorEnvelope(
            code=429,
            message="Rate limit exceeded",
            details=RateLimitDetails(
                limit_type=LimitType.PARTNER,
                current_usage=1001,
                limit=1000,
                reset_time=datetime(2024, 1, 1, 0, 1, tzinfo=UTC),
                retry_after_seconds=60.0,
            ),
        ),
        "POST /api/v2/sr answered 429: partner limit of 1000 reached; try again in 60 s",
    ),
}


@pytest.mark.parametrize("name", ERROR_FILES)
def test_error_files(name: str) -> None:
    """The published examples of errors are read whole, and each is told in a sentence."""
    cls, envelope, sentence = ERROR_FILES[name]
    body = example_file(name)

    error = failure(json.loads(body)["error"]["code"], body)

    assert type(error) is cls
    assert error.envelope == envelope
    assert error.envelope.raw == json.loads(body)
    assert str(error) == sentence


def test_error_files_are_all_here() -> None:
    """No published example of an error is left out."""
    published = {path.stem for path in DATA.glob("*.json") if "error" in json.loads(path.read_bytes())}

    assert published == set(ERROR_FILES)


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        pytest.param({"message": "struct"}, ErrorEnvelope(message="struct"), id="message at the top"),
        pytest.param({"error": "boom"}, ErrorEnvelope(message="boom"), id="error is a text"),
        pytest.param({"error": "boom", "message": "why"}, ErrorEnvelope(message="why"), id="error a text, and message"),
        pytest.param({"error": None, "message": "why"}, ErrorEnvelope(message="why"), id="error is null"),
        pytest.param({"error": {}}, ErrorEnvelope(), id="error is empty"),
        pytest.param({"error": {"code": "400", "message": 7}}, ErrorEnvelope(), id="other types"),
        pytest.param({"error": {"errors": [7], "code": 400}}, ErrorEnvelope(code=400), id="errors unreadable"),
        pytest.param({}, ErrorEnvelope(), id="empty object"),
        pytest.param(b"", ErrorEnvelope(), id="no body"),
        pytest.param(b"[1]", ErrorEnvelope(message="[1]"), id="list"),
        pytest.param(b"<h1>502</h1>\n Bad", ErrorEnvelope(message="<h1>502</h1> Bad"), id="html"),
        pytest.param(b"\xff\xfe", ErrorEnvelope(message="\ufffd\ufffd"), id="no utf-8"),
        pytest.param(b"x" * 200, ErrorEnvelope(message="x" * 200), id="as long as may be"),
        pytest.param(b"x" * 5000, ErrorEnvelope(message="x" * 200 + "…"), id="long"),
    ],
)
def test_envelope(body: object, envelope: ErrorEnvelope) -> None:
    """Whatever form an error has, what can be read of it is."""
    assert failure(500, body).envelope == envelope


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"<html>\n<h1>502</h1>", r"\$ is not JSON but '<html> <h1>502</h1>'", id="html"),
        pytest.param(b"", r"\$ is not JSON but ''", id="empty"),
        pytest.param(b'{"success":true,"sr":{"uuid":"a', r"\$ is not JSON but '\{\"success\"", id="truncated"),
        pytest.param(b"[" * 100_000, r"\$ is not JSON but '\[{150}", id="deep"),
        pytest.param([], r"\$ is not an object", id="list"),
        pytest.param(None, r"\$ is not an object", id="null"),
        pytest.param({}, r"\$\.sr is missing", id="no sr"),
        pytest.param({"success": True, "sr": None}, r"\$\.sr is null, not an object", id="sr null"),
        pytest.param({"sr": [{"uuid": "u"}]}, r"\$\.sr is a list, not an object", id="sr list"),
        pytest.param({"sr": {}}, r"\$\.sr\.uuid is missing", id="no uuid"),
        pytest.param({"sr": {"uuid": None}}, r"\$\.sr\.uuid is null", id="uuid null"),
        pytest.param({"sr": {"uuid": 7}}, r"\$\.sr\.uuid is a number", id="uuid number"),
    ],
)
def test_malformed(body: object, problem: str) -> None:
    """A 200 that can't be read tells the path of what is wrong, and that the create may have happened."""
    with pytest.raises(MalformedResponseError, match=problem) as raised:
        decode(CREATE, answer(200, body), NOW)

    assert raised.value.status == 200
    assert raised.value.request_id == "req_1"
    assert raised.value.retryable
    assert raised.value.maybe_processed
    assert str(raised.value).startswith("POST /api/v2/sr answered 200 with a body that can't be read: $")


def test_rate_limit() -> None:
    """A 429 tells which limit it was, how long it holds, and what the headers say of all limits."""
    error = failure(
        429,
        {"success": False, "error": {"code": 429, "details": "error/rate_limit_exceeded"}},
        Date="Mon, 01 Jan 2024 00:00:00 GMT",
        Retry_After="60",
        X_RateLimit_Limit_Partner="1000",
        X_RateLimit_Remaining_Partner="17",
        X_RateLimit_Limit_User="50",
        X_RateLimit_Remaining_User="0",
        X_RateLimit_Reset_User="1704067259500",
    )

    assert isinstance(error, RateLimitError)
    assert error.limit_type is LimitType.USER
    assert (error.retry_after, error.resets_in, error.asked) == (59.5, 59.5, 60.0)
    assert error.limits == (
        Limit(type=LimitType.PARTNER, limit=1000, remaining=17),
        Limit(type=LimitType.USER, limit=50, remaining=0, resets_in=59.5, resets_at=1704067259.5),
    )
    assert str(error) == "POST /api/v2/sr answered 429: user limit of 50 reached; try again in 59.5 s"


def test_retry_after_of_503() -> None:
    """A 503 that asks to wait says so, and a reset in its headers is no reason to."""
    error = failure(503, b"busy", Retry_After="7", X_RateLimit_Remaining_User="0", X_RateLimit_Reset_User="60")

    assert error.retry_after == 7.0


def shown(error: LegitmarkError) -> str:
    """All that can be seen of an error, one after the other."""
    facts = (str(error), repr(error), repr(error.__dict__), repr(getattr(error, "envelope", None)))
    raw = json.dumps(error.envelope.raw, default=str) if isinstance(error, ResponseError) else ""
    return "\n".join((*facts, raw, pickle.dumps(error).decode("latin-1")))


@pytest.mark.parametrize("status", [200, 401, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error": {"message": f"the key {KEY} is bad"}, "success": False}, id="in the message"),
        pytest.param({"error": {"message": f"bad key {KEY}"}, "success": False}, id="at the end of the message"),
        pytest.param({"error": {"details": KEY}, "success": False}, id="in the details"),
        pytest.param({"success": False, KEY: {KEY: [KEY, PRESIGNED]}}, id="in names and depths"),
        pytest.param({"error": PRESIGNED, "success": False}, id="presigned"),
        pytest.param({"error": f'PUT "{PRESIGNED}" failed', "success": False}, id="presigned in quotes"),
        pytest.param(json.dumps({"error": PRESIGNED, "success": False}).replace("&", "\\u0026").encode(), id="escaped"),
        pytest.param(f"<p>{KEY}</p><a href='{PRESIGNED}'>".encode(), id="html"),
        pytest.param(b"x" * 195 + KEY.encode(), id="at the cut"),
        pytest.param(f"{KEY} {PRESIGNED} ".encode() + b"\xff", id="no utf-8"),
    ],
)
def test_secrets(status: int, body: object) -> None:
    """Neither a key nor the query of a presigned URL that an answer repeats is to be seen in the error."""
    with pytest.raises(LegitmarkError) as raised:
        decode(CREATE, answer(status, body), NOW)

    seen = shown(raised.value)
    assert "pk_live" not in seen
    assert "X-Amz" not in seen
    assert "5ec2e7" not in seen


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(f"bad key {KEY}", id="key at the end"),
        pytest.param(f'key "{KEY}" is bad', id="key in quotes"),
        pytest.param(f"see {PRESIGNED}", id="presigned at the end"),
        pytest.param(f'PUT "{PRESIGNED}" failed', id="presigned in quotes"),
        pytest.param(f"{PRESIGNED}\\", id="presigned and a backslash"),
    ],
)
def test_secrets_cost_nothing_else(message: str) -> None:
    """A secret in an error hides only itself: the code and the details beside it are still read."""
    body = json.dumps({"error": {"message": message, "code": 403, "details": "d"}}, separators=(",", ":")).encode()

    envelope = decode_envelope(body)

    assert (envelope.code, envelope.details) == (403, "d")
    assert envelope.message != message


@given(body=st.binary() | st.text().map(str.encode))
@example(body=b'{"error":{"message":"leo_\\')
def test_envelope_of_any_bytes(body: bytes) -> None:
    """Whatever an answer holds, its envelope is read without an exception."""
    assert isinstance(decode_envelope(body), ErrorEnvelope)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["success", "sr", "uuid", "state", "error", "code", "details", "errors", "message"])
            | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(status=st.integers(200, 599), payload=JSON)
def test_any_json(status: int, payload: object) -> None:
    """Whatever JSON an answer holds, it is a service request, or one of our errors whose sentence is one line."""
    try:
        read = decode(CREATE, answer(status, payload), NOW)
    except LegitmarkError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  # either of two outcomes is right
    else:
        assert status < 300
        assert type(read.uuid) is str
