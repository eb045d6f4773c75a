"""One whole call: tries, refusals, deadlines and cancellation, against the sandbox, in virtual time."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from multidict import CIMultiDict
from waiting import until

from legitmark_async import (
    AttemptTimeoutError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidRequestError,
    Legitmark,
    LegitmarkError,
    LimitType,
    MalformedResponseError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    ServiceRequestDraft,
    Timeouts,
    TransportError,
)
from legitmark_async._call import CallState
from legitmark_async._endpoints import create_service_request
from legitmark_async._pacer import Pacer
from legitmark_async.sandbox import FAULT_KINDS, FaultKind, Limits, Sandbox
from legitmark_async.testing import VirtualClock

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]
Connect = Callable[..., Legitmark]


def request_ids(sandbox: Sandbox) -> list[str]:
    """Tell under which ids requests have arrived."""
    return [CIMultiDict(seen.headers)["X-Request-Id"] for seen in sandbox.requests_seen]


@pytest.fixture
def connect(clock: VirtualClock) -> Connect:
    """Make a client in virtual time, to which a wait is nothing."""
    assert not clock.passed

    def client(server: Sandbox | str, *, key: str = "leo_key", **options: object) -> Legitmark:
        url = server if isinstance(server, str) else server.url
        key = server.api_key if isinstance(server, Sandbox) else key
        settings = {"random": lambda: 1.0, **options}
        return Legitmark(key, base_url=url, **settings)  # type: ignore[arg-type]  # the tests know their options

    return client


@pytest.fixture
def refusing_port() -> Iterator[socket.socket]:
    """A port that is taken, at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def port_of(bound: socket.socket) -> int:
    """Tell the port."""
    port: int = bound.getsockname()[1]
    return port


def pacer_of(client: Legitmark) -> Pacer:
    """Give the pacer of a client."""
    return client._shared.api.pacer


def summary(error: LegitmarkError) -> list[tuple[int | None, str]]:
    """Tell of each try its status and its error."""
    return [(attempt.status, attempt.error) for attempt in error.attempts]


async def test_success(connect: Connect, sandbox: Sandbox, clock: VirtualClock, draft: ServiceRequestDraft) -> None:
    """A call that succeeds at once sends one request and sleeps never."""
    async with connect(sandbox) as client:
        sr = await client.sr.create(draft)

        assert pacer_of(client).gate.in_flight == 0

    assert sr.external_id == "ITEM-2024-0891"
    assert sandbox.ledger.requests == 1
    assert not clock.passed


async def test_refused_then_created(connect: Connect, clock: VirtualClock, drafts: Drafts) -> None:
    """A 429 of a window of 60 s is followed by a second try, when the window opens and not before."""
    limits = Limits(partner=1, window=60)
    async with (
        Sandbox(limits=limits) as sandbox,
        connect(sandbox) as client,
    ):
        first, second = drafts(2)
        await client.sr.create(first)
        began = clock.passed
        sr = await client.sr.create(second)

    assert sr.external_id == second.reference_id
    assert (sandbox.ledger.created, sandbox.ledger.refused, sandbox.ledger.over_limit) == (2, 1, 0)
    assert 60 <= clock.passed - began <= 61


async def test_refusals_are_no_failures(
    connect: Connect, sandbox: Sandbox, clock: VirtualClock, draft: ServiceRequestDraft
) -> None:
    """Refusals don't use up the attempts."""
    sandbox.will_answer(429, retry_after=5, times=4)

    async with connect(sandbox, retry=RetryPolicy(attempts=2)) as client:
        sr = await client.sr.create(draft)

    assert sr.external_id == draft.reference_id
    assert sandbox.ledger.requests == 5
    assert clock.passed >= 4 * 5


async def test_refused_too_often(connect: Connect, drafts: Drafts) -> None:
    """A call that is refused as often as the policy allows gives up, and tells of the limit."""
    # The sandbox's time stands still, so that its window never opens.
    async with (
        Sandbox(limits=Limits(partner=1, window=600), clock=lambda: 0.0) as sandbox,
        connect(sandbox, retry=RetryPolicy(refusals=3, attempts=2)) as client,
    ):
        first, second = drafts(2)
        await client.sr.create(first)
        with pytest.raises(RateLimitError, match="partner limit of 1 reached; try again in") as caught:
            await client.sr.create(second)

    error = caught.value
    assert error.limit_type is LimitType.PARTNER
    assert error.retry_after == pytest.approx(600, abs=5)
    assert [(limit.type, limit.limit, limit.remaining) for limit in error.limits] == [(LimitType.PARTNER, 1, 0)]
    assert summary(error) == [(429, "RateLimitError")] * 3
    assert error.request_id == error.attempts[-1].request_id
    assert not error.maybe_processed
    assert sandbox.ledger.refused == 3


async def test_one_attempt(connect: Connect, sandbox: Sandbox, clock: VirtualClock, draft: ServiceRequestDraft) -> None:
    """With one attempt a refusal is told at once."""
    sandbox.will_answer(429, retry_after=60)

    async with connect(sandbox, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(RateLimitError, match="try again in 60 s") as caught:
            await client.sr.create(draft)

    assert summary(caught.value) == [(429, "RateLimitError")]
    assert sandbox.ledger.requests == 1
    assert not clock.passed


async def test_asks_too_much(
    connect: Connect, sandbox: Sandbox, clock: VirtualClock, draft: ServiceRequestDraft
) -> None:
    """A server that asks to wait for more than an hour is not waited for."""
    sandbox.will_answer(429, retry_after=3700)

    async with connect(sandbox) as client:
        with pytest.raises(RateLimitError, match=r"try again in 3\.7e\+03 s"):
            await client.sr.create(draft)

    assert sandbox.ledger.requests == 1
    assert not clock.passed


async def test_refusal_holds_everybody(connect: Connect, clock: VirtualClock, drafts: Drafts) -> None:
    """After one refusal no call leaves before the window opens."""
    async with (
        Sandbox(limits=Limits(partner=5, window=60)) as sandbox,
        connect(sandbox, concurrency=1) as client,
    ):
        created = await asyncio.gather(*[client.sr.create(draft) for draft in drafts(12)])

    assert [sr.external_id for sr in created] == [f"ITEM-{number}" for number in range(12)]
    assert (sandbox.ledger.created, sandbox.ledger.duplicates, sandbox.ledger.over_limit) == (12, 0, 0)
    assert sandbox.ledger.refused <= 3
    assert clock.passed < 125


# What the client gives up on, and after how long (s).
SLOW, READ = {"slow-after", "stall-before"}, 0.1
CAUSES: dict[str, type[LegitmarkError]] = {
    "refuse": ServerError,
    "drop-before": TransportError,
    "drop-after": TransportError,
    "slow-after": AttemptTimeoutError,
    "error-after": ServerError,
    "truncate": TransportError,
    "garbage": MalformedResponseError,
    "stall-before": AttemptTimeoutError,
}
NOT_DONE = {"refuse", "drop-before", "stall-before"}


def test_every_fault() -> None:
    """The faults that follow are all that the sandbox has."""
    assert set(CAUSES) == set(FAULT_KINDS)


@pytest.mark.parametrize("fault", CAUSES)
async def test_unknown(fault: str, connect: Connect, clock: VirtualClock, draft: ServiceRequestDraft) -> None:
    """With "raise", a create that may have been processed is not repeated, and says so."""
    options = {"timeouts": Timeouts(read=READ), "on_ambiguous": "raise"}
    async with Sandbox(faults={fault: 1}) as sandbox, connect(sandbox, **options) as client:
        with pytest.raises(OutcomeUnknownError, match="'ITEM-2024-0891' may or may not have been created") as caught:
            await client.sr.create(draft)

        assert pacer_of(client).gate.in_flight == 0

    error = caught.value
    assert error.reference_id == draft.reference_id
    assert type(error.__cause__) is CAUSES[fault]
    assert [attempt.error for attempt in error.attempts] == [CAUSES[fault].__name__]
    assert error.maybe_processed
    assert sandbox.ledger.requests == 1
    assert sandbox.ledger.created == (fault not in NOT_DONE)
    assert clock.passed == (READ if fault in SLOW else 0)


@pytest.mark.parametrize("fault", CAUSES)
async def test_repeat(fault: FaultKind, connect: Connect, clock: VirtualClock, draft: ServiceRequestDraft) -> None:
    """Where repeating was asked for, the create is sent again after a pause, whatever became of the first try."""
    async with (
        Sandbox() as sandbox,
        connect(sandbox, timeouts=Timeouts(read=READ), on_ambiguous="repeat") as client,
    ):
        sandbox.will_fail(fault)
        sr = await client.sr.create(draft)

    assert sr.external_id == draft.reference_id
    assert sandbox.ledger.requests == 2
    assert sandbox.ledger.created == 1 + (fault not in NOT_DONE)
    assert clock.passed == 0.5 + (READ if fault in SLOW else 0)


async def test_still_unknown(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A try that may have been processed stays in doubt, though the repeated one surely was refused."""
    for status in (500, 400):
        sandbox.will_answer(status)

    async with connect(sandbox, on_ambiguous="repeat") as client:
        with pytest.raises(OutcomeUnknownError, match="answered 400") as caught:
            await client.sr.create(draft)

    assert isinstance(caught.value.__cause__, InvalidRequestError)
    assert summary(caught.value) == [(500, "ServerError"), (400, "InvalidRequestError")]


async def test_never_sent(
    connect: Connect, clock: VirtualClock, draft: ServiceRequestDraft, refusing_port: socket.socket
) -> None:
    """A create that was never sent is repeated, until the server is up."""
    sandbox = Sandbox(port=port_of(refusing_port))
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(f"http://127.0.0.1:{sandbox.port}", key=sandbox.api_key))
        creating = asyncio.create_task(client.sr.create(draft))
        await asyncio.sleep(2)
        refusing_port.close()
        await stack.enter_async_context(sandbox)
        sr = await creating

    assert sr.external_id == draft.reference_id
    assert (sandbox.ledger.requests, sandbox.ledger.created) == (1, 1)
    assert clock.passed == 0.5 + 1 + 2


async def test_never_up(
    connect: Connect, clock: VirtualClock, draft: ServiceRequestDraft, refusing_port: socket.socket
) -> None:
    """After the last attempt the failure is told as it is: nothing was sent."""
    url = f"http://127.0.0.1:{port_of(refusing_port)}"
    async with connect(url, retry=RetryPolicy(attempts=4, base=1, cap=3)) as client:
        with pytest.raises(ConnectionFailedError, match="POST /api/v2/sr was never sent") as caught:
            await client.sr.create(draft)

        assert pacer_of(client).gate.in_flight == 0

    assert summary(caught.value) == [(None, "ConnectionFailedError")] * 4
    assert [attempt.waited for attempt in caught.value.attempts] == pytest.approx([0, 1, 2, 3])
    assert clock.passed == 6
    assert not caught.value.maybe_processed


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (302, ResponseError),
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, ForbiddenError),
        (409, ConflictError),
        (422, InvalidRequestError),
    ],
)
async def test_refused_for_good(
    status: int,
    cls: type[ResponseError],
    connect: Connect,
    sandbox: Sandbox,
    clock: VirtualClock,
    draft: ServiceRequestDraft,
) -> None:
    """What a repeating can't mend is raised at once."""
    sandbox.will_answer(status)

    async with connect(sandbox, on_ambiguous="raise") as client:
        with pytest.raises(cls, match=f"POST /api/v2/sr answered {status}") as caught:
            await client.sr.create(draft)

        assert pacer_of(client).gate.in_flight == 0

    assert type(caught.value) is cls
    assert caught.value.status == status
    assert summary(caught.value) == [(status, cls.__name__)]
    assert [attempt.request_id for attempt in caught.value.attempts] == request_ids(sandbox)
    assert sandbox.ledger.requests == 1
    assert not clock.passed


async def test_no_success(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A 200 that says `success: false` is what the code in its body says."""
    sandbox.will_answer(200, body={"success": False, "error": {"code": 409, "message": "it exists"}})

    async with connect(sandbox, on_ambiguous="raise") as client:
        with pytest.raises(ConflictError, match="answered 200: it exists"):
            await client.sr.create(draft)

    assert sandbox.ledger.requests == 1


async def test_wrong_draft(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A wrong draft is told before anything is sent."""
    wrong = ServiceRequestDraft("", draft.item)

    async with connect(sandbox) as client:
        with pytest.raises(ConfigurationError, match="the draft can't be sent: reference_id"):
            await client.sr.create(wrong)

    assert not sandbox.requests_seen


async def test_wait_beyond_deadline(
    connect: Connect, sandbox: Sandbox, clock: VirtualClock, draft: ServiceRequestDraft
) -> None:
    """A Retry-After that doesn't fit into the deadline is told at once, with where the time went."""
    sandbox.latency = 0.2
    sandbox.will_answer(429, retry_after=30)

    async with connect(sandbox) as client:
        with pytest.raises(DeadlineExceededError, match=r"did not fit into 1 s .* could leave in 30\S* s") as caught:
            await client.with_options(deadline=1).sr.create(draft)

    error = caught.value
    assert clock.passed < 0.5
    assert error.needed == pytest.approx(30, abs=1)
    assert error.reason == "partner limit of 1000"
    assert sum(error.spent.values()) == pytest.approx(clock.passed, abs=0.001)
    assert error.spent["request"] > 0.1
    assert type(error.__cause__) is RateLimitError
    assert summary(error) == [(429, "RateLimitError")]
    assert not error.maybe_processed
    assert sandbox.ledger.requests == 1


async def test_backoff_beyond_deadline(
    connect: Connect, clock: VirtualClock, draft: ServiceRequestDraft, refusing_port: socket.socket
) -> None:
    """A pause that doesn't fit into the deadline isn't begun."""
    url = f"http://127.0.0.1:{port_of(refusing_port)}"
    async with connect(url, retry=RetryPolicy(base=4), timeouts=Timeouts(deadline=13)) as client:
        with pytest.raises(DeadlineExceededError, match=r"could leave in 16 s: backoff") as caught:
            await client.sr.create(draft)

    assert clock.passed == 12
    assert caught.value.spent["backoff"] == pytest.approx(12)
    assert type(caught.value.__cause__) is ConnectionFailedError
    assert not caught.value.maybe_processed


async def test_deadline_in_flight(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A deadline that ends while the request is in flight leaves open what happened."""
    sandbox.will_fail("stall-before")

    async with connect(sandbox) as client:
        with pytest.raises(
            OutcomeUnknownError, match=r"did not fit into 0\.2 s \(spent: 0\.2 s on request\)"
        ) as caught:
            await client.with_options(deadline=0.2).sr.create(draft)

        assert pacer_of(client).gate.in_flight == 0

    cause = caught.value.__cause__
    assert isinstance(cause, DeadlineExceededError)
    assert cause.maybe_processed
    assert cause.spent["request"] == pytest.approx(0.2, abs=0.001)
    assert [caught.value.request_id] == request_ids(sandbox)


async def test_deadline_of_closed_gate(
    connect: Connect, sandbox: Sandbox, clock: VirtualClock, draft: ServiceRequestDraft
) -> None:
    """While the gate is closed for longer than the deadline, a call is refused at once, without a request."""
    sandbox.will_answer(429, retry_after=30)

    async with connect(sandbox, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(RateLimitError, match="try again in 30 s"):
            await client.sr.create(draft)
        with pytest.raises(DeadlineExceededError, match=r"could leave in 30\S* s: partner limit of 1000") as caught:
            await client.with_options(deadline=1).sr.create(draft)

        assert pacer_of(client).waiting == 0

    assert not clock.passed
    assert caught.value.__cause__ is None
    assert not caught.value.maybe_processed
    assert caught.value.attempts == ()
    assert sandbox.ledger.requests == 1


async def test_deadline_of_closing_gate(connect: Connect, sandbox: Sandbox, drafts: Drafts) -> None:
    """A call that waits for its turn is sent away when another's refusal closes the gate for longer than it has."""
    first, second = drafts(2)
    sandbox.latency = 1.0
    sandbox.will_answer(429, retry_after=30)

    async with connect(sandbox, concurrency=1) as client:
        blocker = asyncio.create_task(client.with_options(retry=RetryPolicy(attempts=1)).sr.create(first))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(client.with_options(deadline=20).sr.create(second))
        await asyncio.sleep(0.1)
        assert pacer_of(client).waiting == 1
        with pytest.raises(DeadlineExceededError, match=r"could leave in 30\S* s: partner limit of 1000") as caught:
            await waiting
        with pytest.raises(RateLimitError, match="answered 429"):
            await blocker

    assert not caught.value.maybe_processed
    assert list(caught.value.spent) == ["rate limit"]


async def test_deadline_in_line(connect: Connect, sandbox: Sandbox, drafts: Drafts) -> None:
    """A deadline that ends while the call waits for its turn behind others means that nothing was sent."""
    first, second = drafts(2)
    sandbox.will_fail("stall-before")

    async with connect(sandbox, concurrency=1) as client:
        blocker = asyncio.create_task(client.sr.create(first))
        await asyncio.sleep(0.1)
        with pytest.raises(DeadlineExceededError, match=r"did not fit into 0\.1 s \(spent: 0\.1 s on rate") as caught:
            await client.with_options(deadline=0.1).sr.create(second)

        assert pacer_of(client).waiting == 0
        blocker.cancel()
        await asyncio.wait([blocker])

    assert not caught.value.maybe_processed
    assert caught.value.attempts == ()
    assert sandbox.ledger.requests == 1


async def test_attempts(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """The error tells each try: status, error, request id, the wait before it and what that was for."""
    sandbox.will_answer(429, retry_after=5)
    sandbox.will_answer(503, retry_after=7)
    sandbox.will_answer(400, headers={"X-Request-Id": "theirs"})

    async with connect(sandbox, on_ambiguous="repeat") as client:
        with pytest.raises(OutcomeUnknownError, match="answered 400: Bad Request") as caught:
            await client.sr.create(draft)

    attempts, sent = caught.value.attempts, request_ids(sandbox)
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    assert [attempt.status for attempt in attempts] == [429, 503, 400]
    assert [attempt.error for attempt in attempts] == ["RateLimitError", "ServerError", "InvalidRequestError"]
    assert [attempt.request_id for attempt in attempts] == sent
    assert len(set(sent)) == 3
    assert [attempt.waited for attempt in attempts] == [0, pytest.approx(5, abs=0.1), pytest.approx(7)]
    assert [attempt.reason for attempt in attempts] == [None, "partner limit of 1000", "backoff"]
    assert caught.value.request_id == "theirs"


async def test_quota(connect: Connect, clock: VirtualClock, drafts: Drafts, refusing_port: socket.socket) -> None:
    """In an outage the retry quota of all calls ends the retries, and the error says why."""
    url = f"http://127.0.0.1:{port_of(refusing_port)}"
    errors: list[ConnectionFailedError] = []
    async with connect(url, retry=RetryPolicy(quota=10)) as client:
        for draft in drafts(2):
            with pytest.raises(ConnectionFailedError, match="was never sent") as caught:
                await client.sr.create(draft)
            errors.append(caught.value)

    assert [len(error.attempts) for error in errors] == [3, 1]
    assert clock.passed == 0.5 + 1
    for error in errors:
        assert error.__notes__ == ["not tried again: the retry quota of the client is used up"]


async def test_quota_comes_back(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A success gives back what its retry took."""
    sandbox.will_answer(503)

    async with connect(sandbox, retry=RetryPolicy(quota=5), on_ambiguous="repeat") as client:
        await client.sr.create(draft)

        assert client._shared.quota.tokens == 5

        sandbox.will_answer(503)
        await client.sr.create(draft)

    assert sandbox.ledger.requests == 4


@pytest.mark.parametrize("luck", [0.0, 1.0])
async def test_nothing_shared(luck: float, drafts: Drafts) -> None:
    """200 calls at once, some of them refused and some repeated, each get their own service request."""
    async with (
        Sandbox(limits=Limits(partner=60, window=0.3), faults={"refuse": 0.2, "drop-before": 0.1}) as sandbox,
        Legitmark(
            sandbox.api_key,
            base_url=sandbox.url,
            on_ambiguous="repeat",
            retry=RetryPolicy(base=0.01, cap=0.05, attempts=20, quota=10_000),
            random=lambda: luck,
        ) as client,
    ):
        wanted = list(drafts(200))
        created = await asyncio.gather(*[client.sr.create(draft) for draft in wanted])

        assert (pacer_of(client).gate.in_flight, pacer_of(client).waiting) == (0, 0)

    assert [sr.external_id for sr in created] == [draft.reference_id for draft in wanted]
    assert len({sr.uuid for sr in created}) == 200
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (200, 0)
    assert sandbox.ledger.refused > 0


async def test_each_its_own_failure(drafts: Drafts) -> None:
    """Of calls that fail at once, each error knows its own tries and no other's."""
    async with (
        Sandbox(faults={"refuse": 0.5}, seed=3) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, on_ambiguous="raise") as client,
    ):
        wanted = list(drafts(200))
        results = await asyncio.gather(*[client.sr.create(draft) for draft in wanted], return_exceptions=True)

    failed = 0
    request_ids: set[str] = set()
    for draft, result in zip(wanted, results, strict=True):
        if isinstance(result, OutcomeUnknownError):
            assert result.reference_id == draft.reference_id
            (attempt,) = result.attempts
            request_ids.add(attempt.request_id)
            failed += 1
    assert failed == len(request_ids) == 200 - sandbox.ledger.created
    assert 50 < failed < 150


@contextlib.asynccontextmanager
async def leaving_nothing(client: Legitmark) -> AsyncIterator[None]:
    """Check that the block leaves no turn, no waiter and, once the client is closed, no task."""
    before = asyncio.all_tasks()
    async with client:
        yield
        assert (pacer_of(client).gate.in_flight, pacer_of(client).waiting) == (0, 0)
    # The server's own tasks end with the connections.
    await until(lambda: asyncio.all_tasks() <= before)


async def cancel(task: "asyncio.Task[Any]") -> None:
    """Cancel a task, and check that it ends as cancelled."""
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_in_flight(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A call that is cancelled in flight gives back its turn, and its state tells that it may have been processed."""
    sandbox.will_fail("stall-before")
    client = connect(sandbox, concurrency=1)
    async with leaving_nothing(client):
        state = CallState()
        task = asyncio.create_task(client.sr._caller.call(create_service_request(draft), state))
        await until(lambda: bool(sandbox.requests_seen))
        assert pacer_of(client).gate.in_flight == 1
        await cancel(task)

        assert state.unsettled
        # The turn is free: with one at a time, this would hang otherwise.
        assert (await client.sr.create(draft)).external_id == draft.reference_id


async def test_cancelled_in_line(connect: Connect, sandbox: Sandbox, drafts: Drafts) -> None:
    """A call that is cancelled while it waits for its turn is not sent, and the one behind it gets the turn."""
    first, second, third = drafts(3)
    sandbox.will_fail("stall-before")
    client = connect(sandbox, concurrency=1)
    async with leaving_nothing(client):
        state = CallState()
        blocker = asyncio.create_task(client.sr.create(first))
        await until(lambda: bool(sandbox.requests_seen))
        task = asyncio.create_task(client.sr._caller.call(create_service_request(second), state))
        behind = asyncio.create_task(client.sr.create(third))
        await until(lambda: pacer_of(client).waiting == 2)
        await cancel(task)
        await cancel(blocker)
        await behind

        assert not state.unsettled
    assert sandbox.ledger.requests == 2


async def test_cancelled_as_it_is_served(connect: Connect, sandbox: Sandbox, drafts: Drafts) -> None:
    """A call that is cancelled in the moment it gets its turn hands the turn on."""
    first, second, third = drafts(3)
    sandbox.will_fail("stall-before")
    client = connect(sandbox, concurrency=1)
    async with leaving_nothing(client):
        blocker = asyncio.create_task(client.sr.create(first))
        await until(lambda: bool(sandbox.requests_seen))
        task = asyncio.create_task(client.sr.create(second))
        behind = asyncio.create_task(client.sr.create(third))
        await until(lambda: pacer_of(client).waiting == 2)
        blocker.cancel()
        await until(lambda: pacer_of(client).waiting == 1)
        await cancel(task)
        await behind

        assert blocker.cancelled()


async def test_cancelled_at_closed_gate(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A call that is cancelled while the gate is closed leaves no waiter, and after closing no timer."""
    sandbox.will_answer(429, retry_after=60)
    client = connect(sandbox)
    async with leaving_nothing(client):
        task = asyncio.create_task(client.sr.create(draft))
        await until(lambda: pacer_of(client).waiting == 1)
        await cancel(task)


async def test_cancelled_in_backoff(
    clock: VirtualClock, connect: Connect, draft: ServiceRequestDraft, refusing_port: socket.socket
) -> None:
    """A call that is cancelled between two tries leaves nothing."""
    client = connect(f"http://127.0.0.1:{port_of(refusing_port)}")
    async with leaving_nothing(client):
        task = asyncio.create_task(client.sr.create(draft))
        await asyncio.sleep(0.3)
        await cancel(task)

    assert clock.passed == 0.3


async def test_outer_timeout(connect: Connect, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A timeout of the caller's own stays the caller's, even if the call has a deadline too."""
    sandbox.will_fail("stall-before")

    async with connect(sandbox) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.1):
                await client.with_options(deadline=30).sr.create(draft)

        assert pacer_of(client).gate.in_flight == 0

    assert not isinstance(caught.value, LegitmarkError)
