"""What a limited client is told: statuses, headers, formats and the body of a 429."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import attrs
import pytest

from legitmark_async.sandbox import HeaderMode, Limits, ResetFormat, Sandbox, WindowKind
from legitmark_async.testing import VirtualClock

EPOCH = 1_800_000_005.25


@pytest.fixture
async def sandbox(clock: VirtualClock) -> AsyncIterator[Sandbox]:
    """A sandbox in virtual time that begins at EPOCH, without limits yet."""
    async with Sandbox(clock=lambda: clock.now, now=lambda: EPOCH + clock.passed) as sandbox:
        yield sandbox


@attrs.frozen
class Told:
    """An answer, read."""

    status: int
    headers: dict[str, str]
    body: Any


async def ask(sandbox: Sandbox, times: int = 1) -> Told:
    """Calls find so many times, and gives the last answer."""
    async with aiohttp.ClientSession(sandbox.url) as session:
        for _ in range(times - 1):
            await session.get("/api/sr/find/nothing")
        async with session.get("/api/sr/find/nothing") as response:
            return Told(response.status, dict(response.headers), await response.json())


@pytest.mark.parametrize(
    ("kind", "wait", "retry_after"),
    [("fixed", 9.0, "9"), ("sliding", 9.0, "9"), ("counter", 11.0, "11"), ("bucket", 1.0, "1")],
)
async def test_each_kind(sandbox: Sandbox, kind: WindowKind, wait: float, retry_after: str) -> None:
    """Every kind refuses what is beyond its limit and admits again when Retry-After is over."""
    sandbox.set_limits(Limits(partner=5, window=10.0, kind=kind))

    first = await ask(sandbox, times=5)
    await asyncio.sleep(1.0)
    while (refused := await ask(sandbox)).status != 429:
        pass
    await asyncio.sleep(wait)
    last = await ask(sandbox)

    assert first.status == 404
    # The counter has a place again when a fifth of its first window is out of view.
    assert refused.headers["Retry-After"] == retry_after
    assert last.status == 404


async def test_the_body(sandbox: Sandbox) -> None:
    """A 429 carries the seed's details, its reset on the same clock as its timestamp."""
    sandbox.set_limits(Limits(partner=2, window=60.0))
    await ask(sandbox)
    await asyncio.sleep(0.7)

    refused = await ask(sandbox, times=2)

    assert refused.status == 429
    assert refused.body == {
        "success": False,
        "error": {
            "code": 429,
            "timestamp": "2027-01-15T08:00:05.950Z",
            "message": "Rate limit exceeded",
            "details": {
                "limit_type": "partner_level",
                "current_usage": 3,
                "limit": 2,
                "reset_time": "2027-01-15T08:01:05.250Z",
                "retry_after_seconds": 60,
            },
        },
    }


async def test_retry_after_is_one_at_least(sandbox: Sandbox) -> None:
    """A wait of a fraction of a second is told as one."""
    sandbox.set_limits(Limits(partner=1, window=1.0))
    await ask(sandbox)
    await asyncio.sleep(0.9)

    refused = await ask(sandbox)

    assert refused.headers["Retry-After"] == "1"


async def test_the_stricter_limit_speaks(sandbox: Sandbox) -> None:
    """With both limits on, a 429 names the one that refused and carries the headers of both."""
    sandbox.set_limits(Limits(partner=10, user=3))

    refused = await ask(sandbox, times=4)

    assert refused.body["error"]["details"]["limit_type"] == "user_level"
    assert refused.headers["X-RateLimit-Limit-User"] == "3"
    assert refused.headers["X-RateLimit-Remaining-User"] == "0"
    assert refused.headers["X-RateLimit-Limit-Partner"] == "10"
    assert refused.headers["X-RateLimit-Remaining-Partner"] == "7"


@pytest.mark.parametrize(
    ("mode", "on_success", "limit_on_429", "retry_after", "details"),
    [
        ("always", True, True, True, dict),
        ("on-429", False, True, True, dict),
        ("retry-after", False, False, True, str),
        ("never", False, False, False, str),
    ],
)
async def test_header_modes(
    sandbox: Sandbox,
    mode: HeaderMode,
    *,
    on_success: bool,
    limit_on_429: bool,
    retry_after: bool,
    details: type,
) -> None:
    """Each mode tells what it says, and of the limits nothing else."""
    sandbox.set_limits(Limits(partner=1, headers=mode))

    admitted = await ask(sandbox)
    refused = await ask(sandbox)

    assert ("X-RateLimit-Remaining-Partner" in admitted.headers) == on_success
    assert ("X-RateLimit-Limit-Partner" in refused.headers) == limit_on_429
    assert ("Retry-After" in refused.headers) == retry_after
    assert "X-RateLimit-Limit-User" not in refused.headers
    assert isinstance(refused.body["error"]["details"], details)
    if details is str:
        assert refused.body["error"]["details"] == "error/rate_limit_exceeded"


@pytest.mark.parametrize(
    ("reset_format", "text"),
    [
        ("epoch", "1800000066"),
        ("epoch-ms", "1800000065250"),
        ("iso", "2027-01-15T08:01:05.250Z"),
        ("delta", "60"),
    ],
)
async def test_reset_formats(sandbox: Sandbox, reset_format: ResetFormat, text: str) -> None:
    """The reset header is written in the format asked for, never before the true instant."""
    sandbox.set_limits(Limits(partner=1, window=60.0, reset_format=reset_format))

    refused = await ask(sandbox, times=2)

    assert refused.headers["X-RateLimit-Reset-Partner"] == text


async def test_remaining_counts_down(sandbox: Sandbox) -> None:
    """With headers always on, each answer tells what is left after it."""
    sandbox.set_limits(Limits(partner=3, headers="always"))

    remaining = [(await ask(sandbox)).headers["X-RateLimit-Remaining-Partner"] for _ in range(4)]

    assert remaining == ["2", "1", "0", "0"]


async def test_skew_shifts_all(sandbox: Sandbox) -> None:
    """A skewed server is wrong by the same in Date, timestamp and reset, and waits stay true."""
    sandbox.clock_skew = 3600.0
    sandbox.set_limits(Limits(partner=1))

    refused = await ask(sandbox, times=2)

    error = refused.body["error"]
    skewed = datetime.fromtimestamp(EPOCH + 3600, UTC)
    assert parsedate_to_datetime(refused.headers["Date"]) == skewed.replace(microsecond=0)
    assert datetime.fromisoformat(error["timestamp"]) == skewed
    assert (datetime.fromisoformat(error["details"]["reset_time"]) - skewed).total_seconds() == 60.0
    assert refused.headers["Retry-After"] == "60"


async def test_limits_guard_every_operation(sandbox: Sandbox) -> None:
    """Create, get and find spend one limit together; a stranger's request spends none."""
    sandbox.set_limits(Limits(partner=3))
    key = {"Authorization": f"Bearer {sandbox.api_key}"}

    async with aiohttp.ClientSession(sandbox.url) as session:
        calls = [
            session.post("/api/v2/sr"),
            session.post("/api/v2/sr", headers=key),
            session.get("/api/v2/sr/nothing", headers=key),
            session.get("/api/sr/find/nothing"),
            session.get("/api/nowhere"),
            session.post("/api/v2/sr", headers=key),
        ]
        statuses = [(await call).status for call in calls]

    assert statuses == [401, 400, 400, 404, 404, 429]


@pytest.mark.parametrize("kind", ["fixed", "sliding", "counter", "bucket"])
async def test_the_ledger_agrees(sandbox: Sandbox, kind: WindowKind) -> None:
    """Over many windows the ledger finds nothing admitted beyond the limits, and counts every refusal."""
    sandbox.set_limits(Limits(partner=4, user=6, window=1.0, kind=kind))

    statuses = list[int]()
    for step in itertools.islice(itertools.cycle([0.0, 0.0, 0.05, 0.0, 0.3, 1.4]), 120):
        await asyncio.sleep(step)
        statuses.append((await ask(sandbox)).status)

    ledger = sandbox.ledger
    assert ledger.over_limit == 0
    assert ledger.requests == 120
    assert ledger.refused == statuses.count(429) > 0
    assert 4 <= ledger.max_in_window <= 8
