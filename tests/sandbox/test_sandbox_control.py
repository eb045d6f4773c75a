"""The control calls, and the life of a sandbox."""

from collections.abc import AsyncIterator

import aiohttp
import attrs
import pytest

from legitmark_async.sandbox import Ledger, Limits, Sandbox
from legitmark_async.sandbox._ledger import Audit

BODY = {
    "reference_id": "R",
    "item": {
        "category": "cc30b104-7c47-11ef-a623-02595575faeb",
        "type": "95e42d6b-7c4f-11ef-a623-02595575faeb",
    },
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox that is as hard on API requests as can be."""
    async with Sandbox(limits=Limits(partner=1), faults={"drop-before": 1}, latency=20.0) as sandbox:
        yield sandbox


@pytest.fixture
async def session(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A session without a key."""
    async with aiohttp.ClientSession(sandbox.url) as session:
        yield session


async def test_ledger(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    """The ledger is read as JSON, and no control call is limited, struck, delayed or counted."""
    await session.get("/_sandbox/ledger")
    async with session.get("/_sandbox/ledger") as response:
        document = await response.json()

    assert document == sandbox.ledger.as_dict()
    assert list(document) == [
        "created", "unique", "duplicates", "requests", "refused", "max_in_window", "over_limit",
        "in_flight_peak", "submitted", "intents", "photos",
    ]  # fmt: skip
    assert set(document.values()) == {0}
    assert not sandbox.requests_seen


async def test_faults_are_replaced(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    """Posted faults replace all that were set."""
    async with session.post("/_sandbox/faults", json={"garbage": 0.5}) as response:
        assert response.status == 200

    assert sandbox.faults == {"garbage": 0.5}


async def test_limits_are_replaced(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    """Posted limits replace all fields, those left out by their defaults."""
    async with session.post("/_sandbox/limits", json={"user": 3, "kind": "bucket"}) as response:
        document = await response.json()

    assert sandbox.limits == Limits(user=3, kind="bucket")
    assert document == attrs.asdict(Limits(user=3, kind="bucket"))


@pytest.mark.parametrize(
    ("call", "body", "complaint"),
    [
        ("faults", b'{"explode": 1}', "unknown fault 'explode'"),
        ("faults", b'{"refuse": 2}', "the rate of fault 'refuse' must be"),
        ("faults", b"[]", "the body must be a JSON object"),
        ("faults", b"{", "the body must be a JSON object"),
        ("limits", b'{"partners": 1}', "unknown field 'partners' of limits; there are partner, user,"),
        ("limits", b'{"window": -1}', "window must be"),
        ("limits", b'{"kind": []}', "kind must be one of"),
    ],
)
async def test_control_is_validated(
    sandbox: Sandbox, session: aiohttp.ClientSession, call: str, body: bytes, complaint: str
) -> None:
    """What a control call can't take is a 400 that says why, and changes nothing."""
    async with session.post(f"/_sandbox/{call}", data=body) as response:
        document = await response.json()

    assert response.status == 400
    assert document["error"].startswith(complaint)
    assert sandbox.faults == {"drop-before": 1}
    assert sandbox.limits == Limits(partner=1)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/_sandbox/reset", 405), ("POST", "/_sandbox/ledger", 405), ("GET", "/_sandbox/other", 404)],
)
async def test_other_control_calls(session: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    """Unknown control calls and wrong methods are refused."""
    async with session.request(method, path) as response:
        assert response.status == status
        assert "error" in await response.json()


async def test_reset_empties() -> None:
    """A reset forgets records, counts and spent limits; limits and faults stay in force."""
    async with Sandbox(limits=Limits(partner=1)) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with aiohttp.ClientSession(sandbox.url, headers=headers) as session:
            before = [(await session.post("/api/v2/sr", json=BODY)).status for _ in range(2)]
            ledger = sandbox.ledger
            async with session.post("/_sandbox/reset") as response:
                emptied = await response.json()
            after = [(await session.get("/api/sr/find/R")).status for _ in range(2)]

    assert before == [200, 429]
    assert ledger == Ledger(
        created=1,
        unique=1,
        duplicates=0,
        requests=2,
        refused=1,
        max_in_window=1,
        over_limit=0,
        in_flight_peak=1,
    )
    assert set(emptied.values()) == {0}
    assert after == [404, 429]
    assert sandbox.references == {}
    assert len(sandbox.requests_seen) == 2


@pytest.mark.parametrize(
    ("kind", "instants", "over"),
    [
        ("fixed", [0.0, 0.5, 0.9, 1.0, 1.9], 1),
        ("fixed", [0.0, 0.5, 1.0, 1.5, 4.0], 0),
        ("sliding", [0.0, 0.9, 1.0, 1.1], 1),
        ("counter", [0.0, 0.9, 1.5, 1.6], 1),
        ("counter", [0.0, 0.9, 1.5, 4.5], 0),
        ("bucket", [0.0, 0.0, 0.1, 0.2, 0.3], 1),
    ],
)
def test_the_audit_would_tell(kind: str, instants: list[float], over: int) -> None:
    """The ledger's own check counts what a wrong limiter of two a second would let through."""
    audit = Audit(Limits(partner=2, user=9, window=1.0, kind=kind))  # type: ignore[arg-type]  # a parameter

    found = [audit.add(round(instant * 1e9)) for instant in instants]

    assert sum(too_many for _, too_many in found) == over


async def test_opening_twice() -> None:
    """An open sandbox can't be opened again; a closed one can, on a fresh port."""
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="no URL before it is opened"):
        _ = sandbox.url

    async with sandbox:
        with pytest.raises(RuntimeError, match="open already"):
            await sandbox.__aenter__()
    async with sandbox, aiohttp.request("GET", f"{sandbox.url}/_sandbox/ledger") as response:
        assert response.status == 200


async def test_a_taken_port() -> None:
    """A port that is taken raises OSError and leaves nothing open."""
    async with Sandbox() as first:
        second = Sandbox(port=int(first.url.rpartition(":")[2]))
        with pytest.raises(OSError, match="address"):
            await second.__aenter__()

    async with second:
        assert second.url == first.url


async def test_loopback_only(sandbox: Sandbox) -> None:
    """It listens on the loopback address, under a key of its own."""
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert sandbox.api_key.startswith("leo_sandbox_")
