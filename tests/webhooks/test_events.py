"""What webhooks say, in their newest form and older ones (contract, section 10; traps 31 to 36)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async import PrimaryState, State, SupplementState
from legitmark_async.webhooks import (
    InvalidateServiceRequest,
    MediaRejected,
    StateChange,
    UnknownEvent,
    UnreadableEventError,
    WebhookError,
    dedup_key,
    parse,
)

DATA = Path(__file__).parents[1] / "data"
COMMON = {"sr_uuid": "u", "reference_id": "R-1", "timestamp": "2024-03-20T10:15:30Z"}
STATE = {"event_type": "state_change", **COMMON, "state": {"primary": "COMPLETE", "supplement": "APPROVED"}}


@pytest.mark.parametrize("path", sorted(DATA.glob("webhook.*.json")), ids=lambda path: path.name)
def test_published_examples(path: Path) -> None:
    """Every published example is read, also one whose id is no UUID (trap 36)."""
    body = path.read_bytes()

    event = parse(body)

    told = json.loads(body)
    assert event.event_type == told["event_type"] == path.name.split(".")[1]
    assert (event.sr_uuid, event.reference_id) == (told["sr_uuid"], told["reference_id"])
    assert event.timestamp is not None
    assert event.raw == told


def test_state_change() -> None:
    """Its state is told, and what it means; a time without milliseconds is read too (trap 35)."""
    event = parse(json.dumps(STATE))

    assert event == StateChange(
        event_type="state_change",
        sr_uuid="u",
        reference_id="R-1",
        timestamp=datetime(2024, 3, 20, 10, 15, 30, tzinfo=UTC),
        state=State(primary=PrimaryState.COMPLETE, supplement=SupplementState.APPROVED),
    )
    assert (event.is_authentic, event.is_counterfeit, event.is_final) == (True, False, True)


def test_rejected_sides() -> None:
    """The newest form and the older one tell the same (trap 31)."""
    new = parse(
        {"event_type": "media_rejected", **COMMON, "sides": [{"side": "Front", "reason": "Blurry", "message": "m"}]}
    )
    old_side = {"side": "Front", "side_uuid": "s", "reason": "BLURRY", "reason_description": "m"}
    old = parse({"event_type": "media_rejected", **COMMON, "state": {"primary": "QC"}, "sides": [old_side]})

    assert isinstance(new, MediaRejected)
    assert isinstance(old, MediaRejected)
    assert (new.sides[0].message, new.sides[0].side_uuid) == ("m", None)
    assert (old.sides[0].message, old.sides[0].side_uuid) == ("m", "s")
    assert new.needs_resubmission
    assert old.needs_resubmission
    assert not new.is_final


def test_invalidated() -> None:
    """A cancellation may come as this event alone, in either form (traps 31 and 32)."""
    for words in ("message", "description"):
        event = parse(
            {"event_type": "invalidate_sr", **COMMON, "invalidation_reason": {"code": "CANCELLED", words: "m"}}
        )
        assert isinstance(event, InvalidateServiceRequest)
        assert (event.invalidation_reason.code, event.invalidation_reason.message) == ("CANCELLED", "m")
        assert event.is_cancelled
        assert event.is_final
        assert not event.is_authentic


@pytest.mark.parametrize("more", [{}, COMMON, {"state": {"primary": "CANCELLED"}, "_test": True}])
def test_unknown_event(more: dict[str, Any]) -> None:
    """An event of another type is no error (trap 33), and keeps all that it says."""
    event = parse({"event_type": "certificate_ready", **more})

    assert isinstance(event, UnknownEvent)
    assert event.sr_uuid == more.get("sr_uuid")
    assert event.is_cancelled is ("state" in more)
    assert event.raw == {"event_type": "certificate_ready", **more}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        ("[]", "no JSON object"),
        ("{}", r"\$.event_type is missing"),
        ({"event_type": 5}, r"\$.event_type is missing"),
        ({"event_type": "state_change", "state": {"primary": "QC"}}, "no state_change that can be read: .*sr_uuid"),
        ({**STATE, "sr_uuid": None}, "sr_uuid is null"),
        ({**STATE, "state": {}}, r"\$.state.primary is missing"),
        ({**STATE, "state": "QC"}, r"\$.state.primary is missing"),
        ({"event_type": "media_rejected", "sides": []}, "sr_uuid"),
    ],
)
def test_no_event(body: Any, problem: str) -> None:  # noqa: ANN401  # whatever comes
    """What is no event is an UnreadableEventError that says where."""
    with pytest.raises(UnreadableEventError, match=problem) as caught:
        parse(body)

    assert isinstance(caught.value, WebhookError)


# Integers of 64 bits: of a larger one, some JSON libraries make a float.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.fixed_dictionaries(
        {"event_type": st.sampled_from(["state_change", "media_rejected", "invalidate_sr", "x"]) | JSON},
        optional=dict.fromkeys(("sr_uuid", "reference_id", "timestamp", "state", "sides", "invalidation_reason"), JSON),
    )
)
def test_any_payload(payload: dict[str, Any]) -> None:
    """No payload raises anything but an UnreadableEventError."""
    try:
        event = parse(json.dumps(payload))
    except UnreadableEventError:
        return
    assert event.raw == payload
    assert dedup_key(event)


def test_dedup_key() -> None:
    """An event that comes again has the same key; a second rejection has another one (trap 34)."""
    first, again = parse(STATE), parse(json.dumps(STATE))
    later = parse({**STATE, "timestamp": "2024-03-20T11:15:30Z"})

    assert dedup_key(first) == dedup_key(again)
    assert dedup_key(first) != dedup_key(later)
    assert dedup_key(first, "msg_1") == dedup_key(later, "msg_1") == "msg_1"
