"""Every fault: what the client meets, what the server did, and how stalls end."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from legitmark_async.sandbox import FAULT_KINDS, FaultKind, Limits, Sandbox
from legitmark_async.sandbox._faults import Faults
from legitmark_async.testing import VirtualClock

BODY = {
    "reference_id": "R",
    "item": {
        "category": "cc30b104-7c47-11ef-a623-02595575faeb",
        "type": "95e42d6b-7c4f-11ef-a623-02595575faeb",
    },
}


class Arrivals:
    """A clock that tells when so many requests have arrived: each reads it once before it stalls."""

    def __init__(self, expected: int) -> None:
        self.missing = expected
        self.complete = asyncio.Event()

    def __call__(self) -> float:
        """Monotonic seconds."""
        self.missing -= 1
        if self.missing == 0:
            self.complete.set()
        return asyncio.get_running_loop().time()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox whose stalls are over soon."""
    async with Sandbox(stall=0.1) as sandbox:
        yield sandbox


async def create(sandbox: Sandbox) -> tuple[int, Any]:
    """One create on a connection of its own: status and text."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with (
        aiohttp.ClientSession(sandbox.url, headers=headers) as session,
        session.post("/api/v2/sr", json=BODY) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("fault", "status", "created"),
    [("refuse", 503, 0), ("error-after", 500, 1), ("slow-after", 200, 1), ("stall-before", 200, 1)],
)
async def test_answered(sandbox: Sandbox, fault: FaultKind, status: int, created: int) -> None:
    """Faults with an answer give it, and do or don't do what was asked."""
    sandbox.set_faults({fault: 1})

    answered, _ = await create(sandbox)

    assert answered == status
    assert sandbox.ledger.created == created
    assert sandbox.requests_seen[-1].status == status


@pytest.mark.parametrize(("fault", "created"), [("drop-before", 0), ("drop-after", 1)])
async def test_dropped(sandbox: Sandbox, fault: FaultKind, created: int) -> None:
    """A dropped connection carries no byte of an answer."""
    sandbox.set_faults({fault: 1})

    with pytest.raises((aiohttp.ServerDisconnectedError, ConnectionResetError)):
        await create(sandbox)

    assert sandbox.ledger.created == created
    assert sandbox.requests_seen[-1].status is None


async def test_truncated(sandbox: Sandbox) -> None:
    """A truncated answer has a good head and half a body, and the create happened."""
    sandbox.set_faults({"truncate": 1})

    with pytest.raises(aiohttp.ClientPayloadError):
        await create(sandbox)

    assert sandbox.ledger.created == 1


async def test_garbage(sandbox: Sandbox) -> None:
    """Garbage is HTML with status 200, and the create happened."""
    sandbox.set_faults({"garbage": 1})

    status, text = await create(sandbox)

    assert status == 200
    assert text.startswith("<html>")
    assert sandbox.ledger.created == 1


@pytest.mark.parametrize("path", ["/api/v2/sr/95e42d6b-7c4f-11ef-a623-02595575faeb", "/api/sr/find/x"])
async def test_reads_are_struck_too(sandbox: Sandbox, path: str) -> None:
    """Get and find meet faults as create does."""
    sandbox.set_faults({"refuse": 1})
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}

    async with aiohttp.ClientSession(sandbox.url, headers=headers) as session, session.get(path) as response:
        assert response.status == 503


async def test_faulty_answers_tell_limits(sandbox: Sandbox) -> None:
    """An answer with a fault carries the limit's headers as any other does."""
    sandbox.set_faults({"error-after": 1})
    sandbox.set_limits(Limits(partner=9, headers="always"))

    await create(sandbox)
    async with aiohttp.ClientSession(sandbox.url) as session, session.get("/api/sr/find/x") as response:
        assert response.status == 500
        assert response.headers["X-RateLimit-Remaining-Partner"] == "7"


@pytest.mark.parametrize(("fault", "created"), [("slow-after", 1), ("stall-before", 0)])
async def test_closing_ends_stalls(clock: VirtualClock, fault: FaultKind, created: int) -> None:
    """A sandbox with stalled requests closes within a second and cuts them."""
    arrivals = Arrivals(10)
    async with Sandbox(faults={fault: 1}, clock=arrivals) as sandbox:
        creates = [asyncio.create_task(create(sandbox)) for _ in range(10)]
        await arrivals.complete.wait()

    assert clock.passed < 1.0
    failures = await asyncio.gather(*creates, return_exceptions=True)
    assert all(isinstance(failure, aiohttp.ClientError | OSError) for failure in failures)
    assert sandbox.ledger.created == created * 10


async def test_closing_ends_latency(clock: VirtualClock) -> None:
    """A sandbox whose answers are still on their way closes within a second."""
    arrivals = Arrivals(1)
    async with Sandbox(latency=30.0, clock=arrivals) as sandbox:
        waiting = asyncio.create_task(create(sandbox))
        await arrivals.complete.wait()

    assert clock.passed < 1.0
    with pytest.raises((aiohttp.ClientError, OSError)):
        await waiting


@pytest.mark.parametrize(("fault", "created"), [("slow-after", 1), ("stall-before", 0)])
async def test_a_client_that_leaves_ends_its_stall(fault: FaultKind, created: int) -> None:
    """When its client leaves, a stalled request is over; not yet done, it stays undone."""
    async with Sandbox(faults={fault: 1}) as sandbox:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(create(sandbox), 1.0)
        done = sandbox.ledger.created
        # The answer to a later request shows that the server has read on, past the client's leaving.
        async with aiohttp.request("POST", f"{sandbox.url}/_sandbox/reset") as response:
            emptied = await response.json()

    assert done == created
    assert emptied["in_flight_peak"] == 0
    assert emptied["created"] == sandbox.ledger.created == 0


async def test_leaving_during_latency_undoes_nothing() -> None:
    """A client that gives up waiting has created all the same."""
    async with Sandbox(latency=5.0) as sandbox:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(create(sandbox), 1.0)

        assert sandbox.ledger.created == 1


async def test_latency_is_concurrent(clock: VirtualClock) -> None:
    """Latency is slept by all at once, and the ledger sees them in flight."""
    async with Sandbox(latency=0.2) as sandbox:
        await asyncio.gather(*(create(sandbox) for _ in range(20)))

        assert 0.16 <= clock.passed < 0.26
        assert 10 <= sandbox.ledger.in_flight_peak <= 20


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_rates_are_kept(kind: FaultKind) -> None:
    """A fault strikes about as often as its rate says, beside others."""
    faults = Faults(dict.fromkeys(FAULT_KINDS, 0.05))
    rng = random.Random(1)

    drawn = [faults.draw(rng) for _ in range(20_000)]

    assert 0.04 < drawn.count(kind) / len(drawn) < 0.06


def test_rates_beyond_one() -> None:
    """Rates that add up to more than 1 share all requests in their proportions."""
    faults = Faults({"refuse": 1, "garbage": 0.5})
    rng = random.Random(1)

    drawn = [faults.draw(rng) for _ in range(9_000)]

    assert drawn.count(None) == 0
    assert 1.8 < drawn.count("refuse") / drawn.count("garbage") < 2.2


def test_the_seed_decides() -> None:
    """The same seed draws the same faults."""
    faults = Faults({"refuse": 0.5})

    runs = [[faults.draw(rng) for _ in range(50)] for rng in (random.Random("7/faults") for _ in range(2))]

    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("rates", "complaint"),
    [
        ({"explode": 0.5}, "unknown fault 'explode'; there are refuse, "),
        ({"refuse": 1.01}, "the rate of fault 'refuse' must be a number from 0 to 1, not 1.01"),
        ({"refuse": -0.1}, "must be a number from 0 to 1"),
        ({"refuse": float("nan")}, "must be a number from 0 to 1"),
        ({"refuse": True}, "must be a number from 0 to 1"),
        ({"refuse": "1"}, "must be a number from 0 to 1"),
    ],
)
def test_faults_are_checked(rates: dict[str, Any], complaint: str) -> None:
    """An unknown fault or an impossible rate is refused by name."""
    with pytest.raises(ValueError, match=complaint):
        Sandbox(faults=rates)
