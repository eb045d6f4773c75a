"""The traps of the contract's section 13 that have no test elsewhere; and a check that each has one."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from legitmark_async import (
    AuthenticationError,
    ConflictError,
    ForbiddenError,
    Item,
    Legitmark,
    RateLimitError,
    ResponseError,
    ServiceRequest,
    ServiceRequestDraft,
)
from legitmark_async._endpoints import create_service_request, decode, get_requirements
from legitmark_async._wire import Response
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import BAG

TESTS = Path(__file__).parent
DRAFT = ServiceRequestDraft("ITEM-2024-0891", Item(BAG, BAG))
CREATE = create_service_request(DRAFT)
KEY = "Invalid or expired API key"


def answer(status: int, body: object, **headers: str) -> Response:
    """An answer with this JSON."""
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, json.dumps(body).encode(), "id")


def sent(draft: ServiceRequestDraft) -> dict[str, Any]:
    """What is sent for a draft."""
    body: dict[str, Any] = json.loads(create_service_request(draft).body or b"")
    return body


def test_every_trap_has_a_test() -> None:
    """Each of the 40 traps is named in the docstring of a test that holds it."""
    texts = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")]
    named = {
        int(number)
        for text in texts
        for group in re.findall(r"[Tt]raps? ([0-9]+(?:(?:, | and | to )[0-9]+)*)", text)
        for number in re.findall(r"[0-9]+", group)
    }

    assert set(range(1, 41)) <= named


def test_the_seeds_own_example() -> None:
    """The seed's example breaks its own schema, and is read (trap 1)."""
    body = json.loads((TESTS / "data" / "create-sr.response.200.seed.json").read_text(encoding="utf-8"))

    read = decode(CREATE, answer(200, body), 0.0)

    assert (read.user, read.legacy_id, read.partner_code, read.state.supplement) == ("user-uuid", None, None, None)


def test_nothing_is_required_but_the_id() -> None:
    """An answer that tells the id alone is a service request (trap 2)."""
    assert decode(CREATE, answer(200, {"sr": {"uuid": "u"}}), 0.0) == ServiceRequest(uuid="u")


@pytest.mark.parametrize("reference_id", ["", " "])
def test_reference_is_needed(reference_id: str) -> None:
    """A draft has a reference, as the seed asks for, or isn't sent (trap 4)."""
    assert ServiceRequestDraft(reference_id, Item(BAG, BAG)).problems() == ("reference_id: is empty",)


def test_optional_fields() -> None:
    """Service, brand and model are sent if they are given, and else not at all (traps 5 and 6)."""
    full = ServiceRequestDraft("R", Item(BAG, BAG, BAG, BAG), BAG)

    assert sent(DRAFT) == {"reference_id": "ITEM-2024-0891", "item": {"category": BAG, "type": BAG}}
    assert sent(full) == {
        "reference_id": "R",
        "item": dict.fromkeys(("category", "type", "brand", "model"), BAG),
        "service": BAG,
    }


def test_request_and_answer_are_two_types() -> None:
    """What is sent has no id of its own, whatever the request's schema is called (trap 7)."""
    assert "uuid" not in sent(DRAFT)
    assert not issubclass(ServiceRequestDraft, ServiceRequest)


@pytest.mark.parametrize("status", [200, 201])
def test_status_of_a_creation(status: int) -> None:
    """A creation may be a 200 or a 201 (trap 24)."""
    assert decode(CREATE, answer(status, {"sr": {"uuid": "u"}}), 0.0).uuid == "u"


@pytest.mark.parametrize(
    ("error", "headers", "seconds"),
    [
        ({"details": "error/rate_limit_exceeded"}, {"Retry_After": "60"}, 60),
        ({"details": {"limit_type": "partner_level", "limit": 1000, "retry_after_seconds": 60}}, {}, 60),
        ({"message": "Rate limit exceeded. Retry after 60 seconds."}, {}, 60),
        ({"message": "Slow down"}, {}, None),
    ],
)
def test_refusals(error: dict[str, Any], headers: dict[str, str], seconds: float | None) -> None:
    """The seconds of a refusal stand in a header, an object, a sentence, or nowhere (trap 25)."""
    with pytest.raises(RateLimitError) as caught:
        decode(CREATE, answer(429, {"success": False, "error": {"code": 429, **error}}, **headers), 0.0)

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body", "cls", "told"),
    [
        (401, {"error": {"message": KEY}}, AuthenticationError, KEY),
        (403, {"error": {"message": KEY}}, ForbiddenError, KEY),
        (409, {"error": {"message": "It exists"}}, ConflictError, "It exists"),
        (418, {"message": "teapot"}, ResponseError, "teapot"),
    ],
)
def test_statuses(status: int, body: dict[str, Any], cls: type[ResponseError], told: str) -> None:
    """A wrong key is a 401 or a 403, and a conflict is one: each has a class, not one for all (traps 26 and 27)."""
    with pytest.raises(cls, match=told) as caught:
        decode(CREATE, answer(status, body), 0.0)

    assert type(caught.value) is cls


def test_drafted_at() -> None:
    """When it was drafted is told as it stands, and nothing is made of it (trap 30)."""
    read = decode(CREATE, answer(200, {"sr": {"uuid": "u", "drafted_at": "2026-01-15T10:30:00.000Z"}}), 0.0)

    assert read.drafted_at == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert read.created_at is None


def test_ids_of_other_types() -> None:
    """A legacy id may be null or 0, and a micro id stays a text (trap 37)."""
    side = {"uuid": "s", "legacy_id": 0}
    sr = {"uuid": "u", "micro_id": "0998001", "legacy_id": None, "sides": {"required": [side], "optional": []}}

    requirements = decode(get_requirements("u"), answer(200, {"sr": sr}), 0.0)

    assert requirements is not None
    assert requirements.required[0].raw["legacy_id"] == 0
    assert decode(CREATE, answer(200, {"sr": sr}), 0.0).micro_id == "0998001"


async def test_old_scheme_of_keys(client: Legitmark, sandbox: Sandbox) -> None:
    """The key is a bearer token, and nothing of the older scheme is sent (trap 38)."""
    await client.sr.create(DRAFT)

    headers = {name.lower(): value for name, value in sandbox.requests_seen[0].headers.items()}
    assert headers["authorization"] == f"Bearer {sandbox.api_key}"
    assert not {"x-api-key", "x-user-token"} & headers.keys()
