"""Creates over connections that fail: what the client says of each must agree with the server's ledger."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from fault_proxy import Fault, FaultProxy

from legitmark_async import (
    AttemptTimeoutError,
    Legitmark,
    OutcomeUnknownError,
    ServiceRequest,
    ServiceRequestDraft,
    Timeouts,
    TransportError,
)
from legitmark_async.bulk import Created, Unknown
from legitmark_async.sandbox import Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]

CREATE = "POST /api/v2/sr "
# Seconds of silence until a timeout: where silence is the fault, and where it would only be a slow machine.
IMPATIENT, PATIENT = 0.3, 10.0
FAR_TOO_LONG = 1.0

# 20 bytes end in the midst of the head, -1 before the last byte of the body.
LENGTHS = (0, 20, -1)
MORE_THAN_ALL = 1_000_000

LOUD_REQUESTS = [fault(after=after, side="request") for fault in (Fault.cut, Fault.reset) for after in LENGTHS]
LOUD_ANSWERS = [
    *[fault(after=after, side="answer") for fault in (Fault.cut, Fault.reset) for after in LENGTHS],
    *[Fault.half_close(after=after) for after in LENGTHS],
]
SILENT_REQUESTS = [Fault.stall(after=after, side="request") for after in (0, -1)]
SILENT_ANSWERS = [
    *[Fault.stall(after=after, side="answer") for after in (0, -1)],
    Fault.delay(FAR_TOO_LONG, side="answer"),
]
LOST_REQUESTS, LOST_ANSWERS = LOUD_REQUESTS + SILENT_REQUESTS, LOUD_ANSWERS + SILENT_ANSWERS
DELAYS = [Fault.delay(0.05, side="request"), Fault.delay(0.05, side="answer")]


def connect(sandbox: Sandbox, proxy: FaultProxy, *, read: float = PATIENT) -> Legitmark:
    """A client of the sandbox behind the proxy."""
    return Legitmark(sandbox.api_key, base_url=proxy.url, timeouts=Timeouts(read=read), on_ambiguous="raise")


def patience(fault: Fault) -> float:
    """Give the read timeout (s) under which a fault is found soon, and nothing else is."""
    return IMPATIENT if fault in SILENT_REQUESTS + SILENT_ANSWERS else PATIENT


async def fail(client: Legitmark, draft: ServiceRequestDraft, cause: type[TransportError]) -> None:
    """Make a create that is in doubt after its only try."""
    told = f"'{draft.reference_id}' may or may not have been created: POST /api/v2/sr got no complete answer"
    with pytest.raises(OutcomeUnknownError, match=told) as caught:
        await client.sr.create(draft)
    assert caught.value.reference_id == draft.reference_id
    assert type(caught.value.__cause__) is cause
    assert [attempt.error for attempt in caught.value.attempts] == [cause.__name__]


def cause_of(fault: Fault) -> type[TransportError]:
    """Tell what a fault is to the client: while the connection stays open it is a timeout."""
    return AttemptTimeoutError if patience(fault) == IMPATIENT else TransportError


def created(sandbox: Sandbox) -> list[str]:
    """Tell the references of what was created, oldest first, each as often as it was."""
    assert sandbox.ledger.created == sum(len(uuids) for uuids in sandbox.references.values())
    return [reference for reference, uuids in sandbox.references.items() for _ in uuids]


@pytest.fixture
async def proxy(sandbox: Sandbox) -> AsyncIterator[FaultProxy]:
    """A proxy before the sandbox, whose plan is for creates alone."""
    async with FaultProxy(sandbox.url, only=CREATE) as proxy:
        yield proxy


@pytest.mark.parametrize("fault", LOST_REQUESTS, ids=str)
async def test_request_lost(fault: Fault, sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A create that never reaches the server is in doubt, for all the client can know; the next one succeeds."""
    lost, following = drafts(2)
    proxy.plan = [fault]
    async with connect(sandbox, proxy, read=patience(fault)) as client:
        await fail(client, lost, cause_of(fault))
        assert created(sandbox) == []

        sr = await client.sr.create(following)

    assert sr.external_id == following.reference_id
    assert created(sandbox) == [following.reference_id]
    assert (proxy.plan, len(proxy.requests), proxy.connections) == ([], 2, 2)


@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=str)
async def test_answer_lost(fault: Fault, sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A create whose answer is lost is in doubt, and was made just once; the next one succeeds."""
    lost, following = drafts(2)
    proxy.plan = [fault]
    async with connect(sandbox, proxy, read=patience(fault)) as client:
        await fail(client, lost, cause_of(fault))
        assert created(sandbox) == [lost.reference_id]

        sr = await client.sr.create(following)

    assert sr.external_id == following.reference_id
    assert created(sandbox) == [lost.reference_id, following.reference_id]
    assert (proxy.plan, len(proxy.requests), proxy.connections) == ([], 2, 2)


@pytest.mark.parametrize("fault", LOUD_REQUESTS + LOUD_ANSWERS, ids=str)
async def test_kept_connection(fault: Fault, sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A create that fails on a connection that has served before is not sent again either."""
    before, lost, following = drafts(3)
    proxy.plan = [None, fault]
    async with connect(sandbox, proxy) as client:
        await client.sr.create(before)
        await fail(client, lost, TransportError)
        assert (len(proxy.requests), proxy.connections) == (2, 1)

        await client.sr.create(following)

    made = [before, lost, following] if fault.side == "answer" else [before, following]
    assert created(sandbox) == [draft.reference_id for draft in made]
    assert (proxy.plan, len(proxy.requests), proxy.connections) == ([], 3, 2)


async def test_dead_connection(sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A kept connection that has died without a sign costs the one create that finds it dead."""
    before, lost, following = drafts(3)
    proxy.plan = [Fault.stall(after=MORE_THAN_ALL, side="answer")]
    async with connect(sandbox, proxy, read=IMPATIENT) as client:
        await client.sr.create(before)
        await fail(client, lost, AttemptTimeoutError)
        assert (len(proxy.requests), proxy.connections) == (1, 1)

        await client.sr.create(following)

    assert created(sandbox) == [before.reference_id, following.reference_id]


@pytest.mark.parametrize("fault", DELAYS, ids=str)
async def test_delay(fault: Fault, sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A delay that is no timeout is a success at the first try, and the connection is used again."""
    slow, following = drafts(2)
    proxy.plan = [fault]
    async with connect(sandbox, proxy) as client:
        sr = await client.sr.create(slow)
        await client.sr.create(following)

    assert sr.external_id == slow.reference_id
    assert created(sandbox) == [slow.reference_id, following.reference_id]
    assert (proxy.plan, len(proxy.requests), proxy.connections) == ([], 2, 1)


async def test_late_request(sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A create that reaches the server only after the client has given up is made all the same, after the next one."""
    late, following = drafts(2)
    proxy.plan = [Fault.delay(FAR_TOO_LONG, side="request")]
    async with connect(sandbox, proxy, read=IMPATIENT) as client:
        await fail(client, late, AttemptTimeoutError)
        await client.sr.create(following)

        async with asyncio.timeout(10):
            while sandbox.ledger.created < 2:  # noqa: ASYNC110  # there is no event for it
                await asyncio.sleep(0.01)

    assert created(sandbox) == [following.reference_id, late.reference_id]


def shuffled_plan(copies: int) -> list[Fault | None]:
    """A plan of all faults that need no timeout, each so often, and between them as many requests that pass."""
    faults: list[Fault | None] = [*LOUD_REQUESTS, *LOUD_ANSWERS, *DELAYS]
    plan = (faults + [None] * len(faults)) * copies
    random.Random(1).shuffle(plan)
    return plan


async def test_at_once(sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """Of many creates at once each has its own fault: what has a result was created, all else is in doubt."""
    plan = shuffled_plan(2)
    wanted = list(drafts(len(plan)))
    proxy.plan = list(plan)
    async with connect(sandbox, proxy) as client:
        results = await asyncio.gather(*[client.sr.create(draft) for draft in wanted], return_exceptions=True)

    succeeded = {result.external_id for result in results if isinstance(result, ServiceRequest)}
    in_doubt = {result.reference_id for result in results if isinstance(result, OutcomeUnknownError)}
    assert (len(proxy.requests), proxy.plan) == (len(plan), [])
    assert len(succeeded) + len(in_doubt) == len(wanted)
    assert len(in_doubt) == 2 * len(LOUD_REQUESTS + LOUD_ANSWERS)
    assert succeeded <= set(created(sandbox)) <= succeeded | in_doubt
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (len(wanted) - 2 * len(LOUD_REQUESTS), 0)


async def test_bulk(sandbox: Sandbox, proxy: FaultProxy, drafts: Drafts) -> None:
    """A bulk run goes on over all faults, and tells of each draft whether it was created or is in doubt."""
    plan = shuffled_plan(1)
    proxy.plan = list(plan)
    async with connect(sandbox, proxy) as client, client.sr.create_many(drafts(len(plan)), concurrency=4) as run:
        outcomes = [outcome async for outcome in run]

    succeeded = {outcome.draft.reference_id for outcome in outcomes if isinstance(outcome, Created)}
    in_doubt = {outcome.draft.reference_id for outcome in outcomes if isinstance(outcome, Unknown)}
    assert (len(proxy.requests), proxy.plan) == (len(plan), [])
    assert len(succeeded) + len(in_doubt) == len(outcomes) == len(plan)
    assert len(in_doubt) == len(LOUD_REQUESTS + LOUD_ANSWERS)
    assert succeeded <= set(created(sandbox)) <= succeeded | in_doubt
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (len(plan) - len(LOUD_REQUESTS), 0)
