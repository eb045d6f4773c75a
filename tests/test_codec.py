"""Models from JSON and back: strict about types, lenient about fields."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from legitmark_async import _codec
from legitmark_async._codec import UnreadableError, structure
from legitmark_async.models import (
    ErrorEnvelope,
    ErrorItem,
    Item,
    LimitType,
    PrimaryState,
    RateLimitDetails,
    ServiceRequest,
    ServiceRequestDraft,
    State,
    Summary,
    SupplementState,
)

DATA = Path(__file__).parent / "data"
SEED: dict[str, Any] = json.loads((DATA / "create-sr.response.200.seed.json").read_bytes())["sr"]
OPTIONAL = [field.name for field in attrs.fields(ServiceRequest) if field.name not in {"uuid", "raw"}]
# A value of every kind of JSON. Of a field, those that it can hold are left out.
KINDS: dict[str, object] = {
    "text": "false",
    "empty text": "",
    "int": 1,
    "fraction": 1.9,
    "true": True,
    "list": ["a"],
    "object": {"uuid": 1},
}


def json_values(numbers: st.SearchStrategy[int | float]) -> st.SearchStrategy[Any]:
    """Any JSON whose numbers are of these."""
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )


JSON = json_values(st.integers() | st.floats())
# What every JSON library agrees on: integers of 64 bits, and finite floats.
COMMON_JSON = json_values(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))


def kinds_that(field: str) -> list[Any]:
    """The kinds of JSON value that a field of the service request can't be read from, with its name."""
    declared = attrs.fields_dict(ServiceRequest)[field].type
    members = set(get_args(declared)) or {declared}
    if datetime in members:
        readable: set[str] = set()
    elif str in members:
        readable = {"text", "empty text"}
    else:
        readable = {"true"} if bool in members else {"object"}
    return [pytest.param(field, KINDS[kind], id=f"{field}-{kind}") for kind in KINDS if kind not in readable]


def same_but(read: ServiceRequest, field: str) -> bool:
    """Whether all the other fields are those of the seed's example."""
    seed = structure(SEED, ServiceRequest)
    return all(getattr(read, name) == getattr(seed, name) for name in ("uuid", *OPTIONAL) if name != field)


def default(field: str) -> object:
    """What a field is that could not be read."""
    return {"state": State(), "summary": Summary()}.get(field)


@pytest.mark.parametrize("field", OPTIONAL)
def test_field_missing(field: str) -> None:
    """An answer that lacks a field is read, and the field is None."""
    read = structure({name: value for name, value in SEED.items() if name != field}, ServiceRequest)

    assert getattr(read, field) == default(field)
    assert same_but(read, field)


@pytest.mark.parametrize("field", OPTIONAL)
def test_field_null(field: str) -> None:
    """An answer with a null in a field is read, and the field is None, not a text 'None'."""
    read = structure(SEED | {field: None}, ServiceRequest)

    assert getattr(read, field) == default(field)
    assert same_but(read, field)


@pytest.mark.parametrize(("field", "value"), [case for field in OPTIONAL for case in kinds_that(field)])
def test_field_of_another_type(field: str, value: object) -> None:
    """An answer with a value of another type in a field is read, and the value is neither converted nor guessed at."""
    payload = SEED | {field: value}

    read = structure(payload, ServiceRequest)

    assert getattr(read, field) == default(field)
    assert same_but(read, field)
    assert read.raw[field] is value


@pytest.mark.parametrize("model", [ServiceRequest, State, Summary, ErrorEnvelope, ErrorItem, RateLimitDetails])
def test_raw(model: type[Any]) -> None:
    """What a model doesn't know stays in `.raw`, which is the very object of the payload."""
    payload = {"uuid": "u", "certificate_url": "https://example.com", "item": {"type": "undefined"}}

    assert structure(payload, model).raw is payload


def test_raw_of_parts() -> None:
    """The parts of a model have the very objects that they were read from, too."""
    payload = SEED | {"state": {"primary": "QC", "since": "today"}}

    read = structure(payload, ServiceRequest)

    assert read.state.raw is payload["state"]
    assert read.summary.raw is SEED["summary"]


def test_field_named_raw() -> None:
    """A payload that happens to have a `raw` of its own doesn't replace ours."""
    payload = {"uuid": "u", "raw": {"mine": 1}}

    assert structure(payload, ServiceRequest).raw is payload


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        pytest.param({}, r"^\$\.sr\.uuid is missing$", id="missing"),
        pytest.param({"uuid": None}, r"^\$\.sr\.uuid is null$", id="null"),
        pytest.param({"uuid": 7}, r"^\$\.sr\.uuid is a number$", id="number"),
        pytest.param({"uuid": 7.5}, r"^\$\.sr\.uuid is a number$", id="fraction"),
        pytest.param({"uuid": False}, r"^\$\.sr\.uuid is true or false$", id="bool"),
        pytest.param({"uuid": {"uuid": "u"}}, r"^\$\.sr\.uuid is an object$", id="object"),
        pytest.param({"uuid": ["u"]}, r"^\$\.sr\.uuid is a list$", id="list"),
        pytest.param(None, r"^\$\.sr is null, not an object$", id="payload null"),
        pytest.param([], r"^\$\.sr is a list, not an object$", id="payload list"),
        pytest.param("leo_secret", r"^\$\.sr is a text, not an object$", id="payload text"),
        pytest.param(3, r"^\$\.sr is a number, not an object$", id="payload number"),
    ],
)
def test_uuid_needed(payload: object, problem: str) -> None:
    """Without its uuid a service request can't be read, and the error tells the path and the kind, not the value."""
    with pytest.raises(UnreadableError, match=problem):
        structure(payload, ServiceRequest, "$.sr")


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        pytest.param({"primary": "QUEUE"}, State(primary=PrimaryState.QUEUE), id="known"),
        pytest.param({"supplement": "APPROVED"}, State(supplement=SupplementState.APPROVED), id="known supplement"),
        pytest.param({"primary": "ON_HOLD", "supplement": "?"}, State(primary="ON_HOLD", supplement="?"), id="unknown"),
        pytest.param({"primary": "draft"}, State(primary="draft"), id="another case"),
        pytest.param(
            {"primary": ["DRAFT"], "supplement": "PENDING"}, State(supplement=SupplementState.PENDING), id="list"
        ),
    ],
)
def test_open_enums(payload: object, state: State) -> None:
    """A word of an open list is its member, or the text itself."""
    read = structure(payload, State)

    assert read == state
    assert type(read.primary) is type(state.primary)
    assert type(read.supplement) is type(state.supplement)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("2026-01-15T10:30:00.000Z", datetime(2026, 1, 15, 10, 30, tzinfo=UTC), id="seed"),
        pytest.param("2024-03-20T10:15:30Z", datetime(2024, 3, 20, 10, 15, 30, tzinfo=UTC), id="without milliseconds"),
        pytest.param("2024-03-20T10:15:30", datetime(2024, 3, 20, 10, 15, 30, tzinfo=UTC), id="naive is utc"),
        pytest.param("2024-03-20 10:15:30", datetime(2024, 3, 20, 10, 15, 30, tzinfo=UTC), id="space"),
        pytest.param(
            "2024-03-20T10:15:30+02:00",
            datetime(2024, 3, 20, 10, 15, 30, tzinfo=timezone(timedelta(hours=2))),
            id="offset",
        ),
    ],
)
def test_datetime(text: str, instant: datetime) -> None:
    """An instant is an aware datetime."""
    created_at = structure({"uuid": "u", "created_at": text}, ServiceRequest).created_at

    assert created_at == instant
    assert created_at is not None
    assert created_at.tzinfo is not None


@pytest.mark.parametrize("digits", range(1, 10))
def test_datetime_fraction(digits: int) -> None:
    """A fraction of a second may have 1 to 9 digits; what is finer than a microsecond is cut off."""
    fraction = "123456789"[:digits]

    created_at = structure({"uuid": "u", "created_at": f"2024-01-01T00:00:00.{fraction}Z"}, ServiceRequest).created_at

    assert created_at == datetime(2024, 1, 1, 0, 0, 0, int(fraction[:6].ljust(6, "0")), tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "now", "2024-13-01T00:00:00Z", "1704067200", "Mon, 01 Jan 2024 00:00:00 GMT"])
def test_unreadable_datetime(text: str) -> None:
    """An unreadable date is None, and its text stays in `.raw`."""
    read = structure({"uuid": "u", "created_at": text}, ServiceRequest)

    assert read.created_at is None
    assert read.raw["created_at"] == text


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param(1001, 1001, id="int"),
        pytest.param(1001.0, 1001, id="whole float"),
        pytest.param(1001.9, None, id="fraction"),
        pytest.param("1001", None, id="text"),
        pytest.param(True, None, id="true"),
        pytest.param(float("nan"), None, id="nan"),
        pytest.param(float("inf"), None, id="inf"),
    ],
)
def test_int(value: object, count: int | None) -> None:
    """A whole number is an int, also if it is written as a float, and nothing else is."""
    current_usage = structure({"current_usage": value}, RateLimitDetails).current_usage

    assert current_usage == count
    assert type(current_usage) in {int, type(None)}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(60, 60.0, id="int"),
        pytest.param(0.5, 0.5, id="fraction"),
        pytest.param("60", None, id="text"),
        pytest.param(False, None, id="false"),
        pytest.param(10**400, None, id="larger than any float"),
    ],
)
def test_float(value: object, seconds: float | None) -> None:
    """A number of seconds is a float, and neither a text nor a truth value is one."""
    retry_after = structure({"retry_after_seconds": value}, RateLimitDetails).retry_after_seconds

    assert retry_after == seconds
    assert type(retry_after) in {float, type(None)}


@pytest.mark.parametrize(
    ("details", "read"),
    [
        pytest.param("authorization/missing_token", "authorization/missing_token", id="text"),
        pytest.param({"limit_type": "user_level"}, RateLimitDetails(limit_type=LimitType.USER), id="object"),
        pytest.param({}, RateLimitDetails(), id="empty object"),
        pytest.param(["a"], None, id="list"),
        pytest.param(7, None, id="number"),
    ],
)
def test_text_or_model(details: object, read: object) -> None:
    """The `details` of an error are a text or an object, whichever they are."""
    assert structure({"details": details}, ErrorEnvelope).details == read


@pytest.mark.parametrize(
    ("errors", "read"),
    [
        pytest.param([{"code": "a/b", "message": "m"}], (ErrorItem(code="a/b", message="m"),), id="list"),
        pytest.param([{"code": 7}], (ErrorItem(),), id="code of another type"),
        pytest.param([], (), id="empty"),
        pytest.param("abc", (), id="a text is no list"),
        pytest.param({"code": "a"}, (), id="an object is no list"),
        pytest.param(["reference_id is needed"], (), id="texts"),
    ],
)
def test_tuple(errors: object, read: tuple[ErrorItem, ...]) -> None:
    """The `errors` of an error are a list of objects, or none."""
    assert structure({"errors": errors}, ErrorEnvelope).errors == read


@attrs.frozen
class Parts:
    """What holds tuples of plain values."""

    texts: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    raw: dict[str, object] = attrs.field(factory=dict[str, object], eq=False)


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        pytest.param({"texts": ["a", ""], "counts": [1, 2.0]}, Parts(("a", ""), (1, 2)), id="of its type"),
        pytest.param({"texts": ["a", 1], "counts": [1, True]}, Parts(), id="one of another"),
    ],
)
def test_tuple_of_values(payload: object, read: Parts) -> None:
    """A list of plain values is read whole, or not at all."""
    assert structure(payload, Parts) == read


@given(payload=JSON)
@example(payload={"uuid": "u", "state": {"primary": {}}, "created_at": "9999-12-31T23:59:59-23:59"})
def test_any_payload(payload: object) -> None:
    """Whatever JSON there is, it is a service request with a uuid that is a text, or an UnreadableError."""
    try:
        read = structure(payload, ServiceRequest)
    except UnreadableError as error:
        assert error.problem.startswith("$")  # noqa: PT017  # either of two outcomes is right
    else:
        assert type(read.uuid) is str


@given(fields=st.fixed_dictionaries({}, optional=dict.fromkeys(OPTIONAL, JSON)))
def test_any_fields(fields: dict[str, object]) -> None:
    """Whatever the other fields hold, a service request with a uuid is read."""
    assert structure({"uuid": "u", **fields}, ServiceRequest).uuid == "u"


def test_unstructure_leaves_out() -> None:
    """Optional fields that are None are left out, at any depth, and the origin is never sent."""
    draft = ServiceRequestDraft("R", Item("c", "t"), origin="items.csv:17")

    assert _codec.unstructure(draft) == {"reference_id": "R", "item": {"category": "c", "type": "t"}}


def test_unstructure_whole() -> None:
    """Every field that is given is sent, in the order of the models."""
    draft = ServiceRequestDraft("R", Item("c", "t", "b", "m"), "s")

    assert list(_codec.unstructure(draft)) == ["reference_id", "item", "service"]
    assert _codec.unstructure(draft)["item"] == {"category": "c", "type": "t", "brand": "b", "model": "m"}


HARMLESS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"[" * 200_000, id="deep list"),
    pytest.param(b'{"a":' * 200_000, id="deep object"),
    pytest.param(b"9" * 5000, id="five thousand digits"),
    pytest.param(b"1e999", id="larger than any float"),
    pytest.param(b"NaN", id="nan"),
    pytest.param(b"\xff\xfe", id="no utf-8"),
    pytest.param(b'"\xed\xa0\x80"', id="surrogate in utf-8"),
    pytest.param(b'"\\ud800"', id="escaped surrogate"),
    pytest.param(b"{}{}", id="two values"),
    pytest.param(b"\x00", id="zero byte"),
]
JSON_BYTES = st.binary() | st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u ').map(str.encode)


def quietly(body: bytes) -> object:
    """What a body holds, or None if that raises what it may."""
    try:
        return _codec.loads(body)
    except ValueError:
        return None


@pytest.mark.parametrize("body", HARMLESS)
def test_loads_never_breaks(body: bytes) -> None:
    """Hostile bytes are read, or are a ValueError."""
    assert quietly(body) is None or isinstance(quietly(body), (str, float))


@given(body=JSON_BYTES)
def test_loads_any_bytes(body: bytes) -> None:
    """Bytes are JSON, or are a ValueError, and nothing else."""
    value = quietly(body)

    assert value is None or isinstance(value, (dict, list, str, int, float, bool))


@given(value=COMMON_JSON)
def test_loads_json(value: object) -> None:
    """What another library writes is read as it was."""
    text = json.dumps(value)

    assert json.dumps(_codec.loads(text.encode())) == text


def test_loads_bom() -> None:
    """A byte order mark before the JSON is skipped."""
    assert _codec.loads(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_loads_duplicate_keys() -> None:
    """Of two keys that are the same the last counts."""
    assert _codec.loads(b'{"a":1,"a":2}') == {"a": 2}


def test_dumps() -> None:
    """JSON is compact UTF-8 that stands as it is, in the order of the keys."""
    assert _codec.dumps({"b": "包é", "a": {"c": None}}) == '{"b":"包é","a":{"c":null}}'.encode()


@pytest.mark.skipif("orjson" not in sys.modules, reason="no orjson: run it with `nox -s tests-all`")
def test_standard_library() -> None:
    """Without orjson the same tests hold: they are run again, in a process that can't import it."""
    program = "import sys, pytest; sys.modules['orjson'] = None; sys.exit(pytest.main(sys.argv[1:]))"
    arguments = [__file__, "-q", "-p", "no:cacheprovider", "-k", "not standard_library"]

    run = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )

    assert run.returncode == 0, run.stdout + run.stderr
