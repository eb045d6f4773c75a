"""Whether and when a failed call is tried again. Time and chance are passed in."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async._retry import LONGEST_WAIT_OBEYED, Quota, Retrier, Verdict
from legitmark_async.errors import (
    AttemptTimeoutError,
    ConfigurationError,
    ConnectionFailedError,
    LegitmarkError,
    MalformedResponseError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    ServerError,
    TransportError,
)
from legitmark_async.models import ErrorEnvelope
from legitmark_async.options import RetryPolicy

CALL = ("POST", "/api/v2/sr")


def server_error(status: int = 503, retry_after: float | None = None) -> ServerError:
    """A 5xx."""
    return ServerError(*CALL, status=status, envelope=ErrorEnvelope(), retry_after=retry_after)


def refused(retry_after: float | None = None) -> RateLimitError:
    """A 429."""
    return RateLimitError(*CALL, status=429, envelope=ErrorEnvelope(), retry_after=retry_after)


def never_sent() -> ConnectionFailedError:
    """A failure that is surely not processed."""
    return ConnectionFailedError(*CALL, detail="refused")


def timed_out() -> AttemptTimeoutError:
    """A failure that may have been processed."""
    return AttemptTimeoutError(*CALL)


@define
class World:
    """Time that passes only while somebody sleeps, chance that is fixed, and an operation that fails in order."""

    failures: Sequence[BaseException] = ()
    policy: RetryPolicy = field(factory=RetryPolicy)
    luck: float = 1.0
    deadline: float = math.inf
    held: float = 0.0
    wanted: bool = True
    quota: Quota = field(factory=lambda: Quota(500))
    verdict: Verdict = field(factory=Verdict)
    now: float = 0.0
    slept: list[float] = field(factory=list[float])
    tries: int = 0

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others have their turn."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def operate(self) -> str:
        """Fail as long as there are failures left."""
        self.tries += 1
        if self.tries <= len(self.failures):
            raise self.failures[self.tries - 1]
        return "done"

    async def call(self, *, repeatable: bool = True) -> str:
        """Operate as a call does: until it succeeds, or until the retrier has had enough."""
        retrier = Retrier(self.policy, self.quota, self.sleep, lambda: self.luck)
        result = ""
        async for attempt in retrier.loop(
            self.verdict,
            repeatable=lambda error: repeatable and error.retryable,
            time_left=lambda: self.deadline - self.now,
            hold=lambda: self.held,
            wanted=lambda: self.wanted,
        ):
            with attempt:
                result = await self.operate()
        retrier.succeeded(self.verdict)
        return result


def test_quota_begins_full() -> None:
    """A quota begins with all its tokens."""
    assert Quota(500).tokens == 500


def test_quota_take() -> None:
    """Taking tokens lessens them, down to none."""
    quota = Quota(10)

    assert (quota.take(4), quota.tokens) == (True, 6)
    assert (quota.take(6), quota.tokens) == (True, 0)


def test_quota_too_few() -> None:
    """If there are too few tokens none are taken."""
    quota = Quota(4)

    assert (quota.take(5), quota.tokens) == (False, 4)


def test_quota_give() -> None:
    """Tokens that are given back fill the quota, and never more than that."""
    quota = Quota(10)
    quota.take(6)

    quota.give(5)
    assert quota.tokens == 9
    quota.give(5)
    assert quota.tokens == 10


@given(size=st.integers(1, 100), steps=st.lists(st.integers(1, 20).flatmap(lambda n: st.sampled_from([n, -n]))))
def test_quota_bounds(size: int, steps: list[int]) -> None:
    """Whatever is taken and given, there are never fewer tokens than none, nor more than at the start."""
    quota = Quota(size)

    for step in steps:
        if step > 0:
            quota.give(step)
        else:
            quota.take(-step)
        assert 0 <= quota.tokens <= size


async def test_success() -> None:
    """What succeeds is not repeated."""
    world = World()

    assert await world.call() == "done"
    assert (world.tries, world.slept) == (1, [])


async def test_repeats_until_success() -> None:
    """What may pass is repeated until it does."""
    world = World([server_error(500), timed_out(), never_sent()])

    assert await world.call() == "done"
    assert (world.tries, world.verdict.failures) == (4, 3)


@pytest.mark.parametrize(
    ("luck", "pauses"),
    [
        pytest.param(1.0, [0.5, 1.0, 2.0, 4.0, 5.0, 5.0], id="longest"),
        pytest.param(0.5, [0.25, 0.5, 1.0, 2.0, 2.5, 2.5], id="middle"),
        pytest.param(0.0, [0.0] * 6, id="shortest"),
    ],
)
async def test_full_jitter(luck: float, pauses: list[float]) -> None:
    """A pause is drawn from 0 to a ceiling that doubles from `base` to `cap`."""
    world = World([server_error() for _ in range(6)], RetryPolicy(base=0.5, cap=5.0), luck)

    await world.call()

    assert world.slept == pytest.approx(pauses)


@given(
    base=st.floats(1e-6, 1e308),
    cap=st.floats(1e-6, 1e308),
    luck=st.floats(0, 1, exclude_max=True),
    failures=st.integers(0, 2000),
)
def test_pause_bounds(base: float, cap: float, luck: float, failures: int) -> None:
    """However often a call has failed, a pause is a number from 0 to `cap`."""
    world = World(policy=RetryPolicy(base=base, cap=cap))
    retrier = Retrier(world.policy, world.quota, world.sleep, lambda: luck)

    pause = retrier._wait(Verdict(failures=failures), server_error())

    assert 0 <= pause <= min(cap, base * 2.0 ** min(failures, 1000))


@pytest.mark.parametrize(
    ("retry_after", "luck", "slept"),
    [
        pytest.param(7.0, 1.0, 7.0, id="longer than the pause"),
        pytest.param(0.1, 1.0, 0.5, id="shorter than the pause"),
        pytest.param(0.1, 0.0, 0.1, id="never shorter than asked"),
        pytest.param(100.0, 1.0, 100.0, id="longer than the cap"),
        pytest.param(LONGEST_WAIT_OBEYED, 1.0, 3600.0, id="an hour"),
    ],
)
async def test_retry_after_obeyed(retry_after: float, luck: float, slept: float) -> None:
    """A 503 that asks to wait is repeated when it asks to, and never earlier."""
    world = World([server_error(retry_after=retry_after)], luck=luck)

    await world.call()

    assert world.slept == [slept]


@pytest.mark.parametrize(
    "error", [pytest.param(server_error(retry_after=3600.5), id="503"), pytest.param(refused(3600.5), id="429")]
)
async def test_retry_after_too_long(error: LegitmarkError) -> None:
    """A server that asks to wait for more than an hour is not waited for: the error is raised at once."""
    world = World([error])

    with pytest.raises(type(error)) as raised:
        await world.call()

    assert raised.value is error
    assert (world.tries, world.slept, world.verdict.too_late) == (1, [], None)


async def test_pause_beyond_deadline() -> None:
    """A pause that does not fit into the deadline is not begun: the error is raised at once."""
    error = server_error(retry_after=60.0)
    world = World([error], deadline=59.9)

    with pytest.raises(ServerError) as raised:
        await world.call()

    assert raised.value is error
    assert world.slept == []
    assert world.verdict.too_late == 60.0
    assert world.quota.tokens == 500


async def test_pause_within_deadline() -> None:
    """A pause that just fits into the deadline is slept through."""
    world = World([server_error(retry_after=60.0)], deadline=60.0)

    assert await world.call() == "done"
    assert world.verdict.too_late is None


async def test_deadline_counts_down() -> None:
    """Of the deadline only what is left counts."""
    world = World([server_error() for _ in range(9)], RetryPolicy(base=1.0, attempts=20), deadline=10.0)

    with pytest.raises(ServerError):
        await world.call()

    assert world.slept == [1.0, 2.0, 4.0]
    assert world.verdict.too_late == 8.0


@pytest.mark.parametrize("error", [refused(), server_error()], ids=["429", "503"])
async def test_hold_beyond_deadline(error: LegitmarkError) -> None:
    """If the pacer lets nobody leave before the deadline, the error is raised at once."""
    world = World([error], deadline=5.0, held=30.0)

    with pytest.raises(type(error)):
        await world.call()

    assert (world.slept, world.verdict.too_late) == ([], 30.0)


async def test_refusals_use_no_attempts() -> None:
    """A refusal is no failed attempt, and needs no pause of its own: the pacer holds it."""
    world = World([refused(60.0) for _ in range(10)] + [never_sent()], RetryPolicy(attempts=2))

    assert await world.call() == "done"
    assert (world.verdict.refusals, world.verdict.failures) == (10, 1)
    assert world.slept == [0.0] * 10 + [0.5]
    assert world.quota.tokens == 500


@pytest.mark.parametrize("attempts", [2, 6])
async def test_refusals_have_a_ceiling(attempts: int) -> None:
    """A call that the rate limit refuses too often gives up with the last refusal."""
    refusals = [refused() for _ in range(9)]
    world = World(refusals, RetryPolicy(attempts=attempts, refusals=5))

    with pytest.raises(RateLimitError) as raised:
        await world.call()

    assert raised.value is refusals[4]
    assert world.tries == 5


async def test_looks_have_a_ceiling() -> None:
    """Looks for what a call may have made may fail twice as often as the call itself."""
    failures = [server_error() for _ in range(9)]
    world = World(failures, RetryPolicy(attempts=2), verdict=Verdict(looking=True))

    with pytest.raises(ServerError) as raised:
        await world.call()

    assert raised.value is failures[3]
    assert (world.verdict.looks, world.verdict.failures) == (4, 0)
    assert world.slept == [0.5, 1.0, 2.0]


async def test_attempts_have_a_ceiling() -> None:
    """A call that fails too often gives up with the last failure."""
    failures = [server_error() for _ in range(9)]
    world = World(failures, RetryPolicy(attempts=3))

    with pytest.raises(ServerError) as raised:
        await world.call()

    assert raised.value is failures[2]
    assert (world.tries, len(world.slept)) == (3, 2)


@pytest.mark.parametrize(
    "error", [refused(), server_error(), never_sent(), timed_out()], ids=lambda e: type(e).__name__
)
async def test_one_attempt(error: LegitmarkError) -> None:
    """One attempt means one: nothing is repeated, not even a refusal."""
    world = World([error], RetryPolicy(attempts=1))

    with pytest.raises(type(error)):
        await world.call()

    assert (world.tries, world.slept, world.quota.tokens) == (1, [], 500)


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError(*CALL, status=404, envelope=ErrorEnvelope()),
        server_error(501),
        ConnectionFailedError(*CALL, detail="certificate", retryable=False),
        ConfigurationError("closed"),
        OutcomeUnknownError("R"),
        ValueError("a bug"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_not_retryable(error: BaseException) -> None:
    """What won't pass by itself, and what isn't ours, is raised at once, and is the very error."""
    world = World([error])

    with pytest.raises(type(error)) as raised:
        await world.call()

    assert raised.value is error
    assert (world.tries, world.slept) == (1, [])


UNCERTAIN: list[LegitmarkError] = [
    timed_out(),
    TransportError(*CALL),
    server_error(500),
    server_error(503),
    MalformedResponseError(*CALL, status=200, problems=["$ is not JSON"]),
]


@pytest.mark.parametrize("error", UNCERTAIN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("repeatable", "tries"),
    [pytest.param(False, 1, id="create"), pytest.param(True, 2, id="repeatable")],
)
async def test_perhaps_processed(error: LegitmarkError, tries: int, *, repeatable: bool) -> None:
    """What may have been carried out is repeated only if the call says that it may be."""
    world = World([error])

    try:
        await world.call(repeatable=repeatable)
    except LegitmarkError as raised:
        assert raised is error  # noqa: PT017  # one of the cases only

    assert world.tries == tries


@pytest.mark.parametrize("error", [refused(), never_sent()], ids=["refused", "never sent"])
async def test_surely_not_processed(error: LegitmarkError) -> None:
    """What was surely not carried out is repeated, be it repeatable or not."""
    world = World([error])

    assert await world.call(repeatable=False) == "done"


@pytest.mark.parametrize(
    ("error", "left"),
    [pytest.param(server_error(), 5, id="failure"), pytest.param(timed_out(), 0, id="timeout")],
)
async def test_retry_costs(error: LegitmarkError, left: int) -> None:
    """A retry takes 5 tokens of the quota, and one after a timeout 10."""
    world = World([error, NotFoundError(*CALL, status=404, envelope=ErrorEnvelope())], quota=Quota(10))

    with pytest.raises(NotFoundError):
        await world.call()

    assert world.quota.tokens == left


async def test_quota_used_up() -> None:
    """A call that finds the quota used up gives up at once, and its verdict says why."""
    failures = [server_error(), server_error(), server_error()]
    world = World(failures, quota=Quota(9))

    with pytest.raises(ServerError) as raised:
        await world.call()

    assert raised.value is failures[1]
    assert world.verdict.note == "not tried again: the retry quota of the client is used up"
    assert (world.tries, world.quota.tokens) == (2, 4)


async def test_quota_has_no_say_in_refusals() -> None:
    """Refusals are repeated without tokens."""
    world = World([refused(), refused()], quota=Quota(1))
    world.quota.take(1)

    assert await world.call() == "done"


async def test_tokens_given_back() -> None:
    """A success after retries gives back what the last of them cost."""
    world = World([server_error(), server_error(), timed_out()])

    await world.call()

    assert world.quota.tokens == 500 - 5 - 5 - 10 + 10


@pytest.mark.parametrize(
    "verdict", [pytest.param(None, id="first try"), pytest.param(Verdict(refusals=3), id="after refusals")]
)
def test_token_for_success(verdict: Verdict | None) -> None:
    """A success that cost nothing gives one token back."""
    world = World(quota=Quota(100))
    world.quota.take(50)

    Retrier(world.policy, world.quota, world.sleep, lambda: 0.0).succeeded(verdict)

    assert world.quota.tokens == 51


async def test_calls_side_by_side() -> None:
    """Calls of one retrier that overlap don't share what became of them."""
    quota = Quota(500)
    worlds = [World([server_error()] * failures, quota=quota) for failures in (0, 1, 3, 7)]

    results = await asyncio.gather(*(world.call() for world in worlds))

    assert results == ["done"] * 4
    assert [world.verdict.failures for world in worlds] == [0, 1, 3, 7]


@pytest.mark.parametrize("failure", [refused(1.0), never_sent()], ids=["refusal", "failure"])
async def test_nobody_waits(failure: LegitmarkError) -> None:
    """A call that nobody waits for any more is not tried again."""
    world = World([failure], wanted=False)

    with pytest.raises(type(failure)):
        await world.call()

    assert (world.tries, world.slept) == (1, [])
