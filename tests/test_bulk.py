"""Many drafts at once: what becomes of each, and of the run."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from waiting import until

from legitmark_async import (
    AuthenticationError,
    BulkRun,
    ConfigurationError,
    Created,
    Failed,
    ForbiddenError,
    Item,
    Legitmark,
    Outcome,
    RetryPolicy,
    ServiceRequestDraft,
    Skipped,
    Timeouts,
    Unknown,
)
from legitmark_async.bulk import each_draft
from legitmark_async.bulk._books import Memory
from legitmark_async.sandbox import Limits, Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]


async def outcomes_of(run: BulkRun) -> list[Outcome]:
    """Run to the end, and give all outcomes."""
    async with run:
        return [outcome async for outcome in run]


def accounted(run: BulkRun, seen: list[Outcome]) -> None:
    """Check that each draft that was read has exactly one outcome, seen or left over."""
    every = [*seen, *run.leftover]
    references = [outcome.draft.reference_id for outcome in every]
    assert len(references) == run.progress.taken == run.progress.done
    assert run.progress.active == 0
    assert len(set(references)) == len(references)


def workers() -> list[str]:
    """Tell which tasks of a run are alive."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("BulkRun")]


async def stalled_requests(sandbox: Sandbox, number: int) -> None:
    """Wait until the sandbox has carried out so many requests that it doesn't answer."""
    async with asyncio.timeout(10):
        while sandbox.ledger.created < number:  # noqa: ASYNC110  # the sandbox has no event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("journal", [False, True], ids=["", "journal"])
async def test_announced_once(drafts: Drafts, tmp_path: Path, *, journal: bool) -> None:
    """The pacer hears of every draft once: as one that waits, or as one to come."""
    async with (
        Sandbox(limits=Limits(partner=10, window=3.0)) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url) as client,
    ):
        pacer = client._shared.api.pacer
        # The second of them learns of the limit, and then nothing is left for a while.
        await outcomes_of(client.sr.create_many(drafts(11)))
        await outcomes_of(client.sr.create_many(drafts(9)))
        run = client.sr.create_many(list(drafts(60)), concurrency=20, journal=tmp_path / "run.db" if journal else None)
        async with run:
            await until(lambda: pacer.waiting == 20)
            waiting, to_come = pacer.demand()

    assert sum(waiting.values()) == 20
    assert to_come == 40


async def test_all_created(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """Every draft becomes one service request, and its outcome has both."""
    sandbox.latency = 0.01
    run = client.sr.create_many(drafts(300))

    seen = await outcomes_of(run)

    assert all(isinstance(outcome, Created) for outcome in seen)
    for outcome in seen:
        assert isinstance(outcome, Created)
        assert outcome.service_request.external_id == outcome.draft.reference_id
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (300, 0)
    assert (run.progress.created, run.progress.stopped) == (300, "input ended")
    assert run.progress.seconds > 0
    assert run.progress.per_second > 0
    assert not workers()
    accounted(run, seen)


class Feed:
    """An async iterator that is no generator."""

    def __init__(self, drafts: Iterable[ServiceRequestDraft]) -> None:
        self.left = list(drafts)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> ServiceRequestDraft:
        """Give the last one."""
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


async def test_input_of_ones_own(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """Whatever can be iterated asynchronously will do."""
    assert len(await outcomes_of(client.sr.create_many(Feed(drafts(3))))) == sandbox.ledger.created == 3
    assert len([draft async for draft in each_draft(Feed(drafts(3)))]) == 3


async def test_slow_reader(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """Nothing more is read than has room until outcomes are taken; then it goes on to the end."""
    async with client.sr.create_many(drafts(40), concurrency=2) as run:
        await until(lambda: (run.progress.taken, run.progress.active) == (4, 0))
        await asyncio.sleep(0.05)
        ahead = run.progress.taken
        seen = [outcome async for outcome in run]

    assert ahead == 4
    assert len(seen) == sandbox.ledger.created == 40


async def test_left_while_there_is_no_room(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """A run may be left while its workers wait for somebody to take outcomes."""
    async with client.sr.create_many(drafts(40), concurrency=2) as run:
        await until(lambda: (run.progress.taken, run.progress.active) == (4, 0))

    assert not workers()
    assert len(run.leftover) == sandbox.ledger.created == 4


class BrokenBooks(Memory):
    """Books of somebody who has made a mistake."""

    def recall(self, draft: ServiceRequestDraft) -> Outcome | None:
        """Make it."""
        raise ZeroDivisionError(draft.reference_id)


async def test_books_that_break(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """A mistake in books of one's own ends the run, and is told as it is."""

    async def open_books(_: object) -> BrokenBooks:
        return BrokenBooks()

    run = client.sr.create_many(drafts(10), journal=open_books)
    with pytest.raises(ZeroDivisionError, match="ITEM-0"):
        await outcomes_of(run)

    assert run.progress.stopped == "ZeroDivisionError in the engine"
    assert sandbox.ledger.created == 0


async def test_async_input(client: Legitmark, drafts: Drafts) -> None:
    """An async iterable will do as well, and is read by one task at a time."""
    reading = 0

    async def feed() -> AsyncIterator[ServiceRequestDraft]:
        nonlocal reading
        for draft in drafts(100):
            reading += 1
            assert reading == 1
            await asyncio.sleep(0)
            reading -= 1
            yield draft

    seen = await outcomes_of(client.sr.create_many(feed(), concurrency=8))

    assert {outcome.draft.reference_id for outcome in seen} == {f"ITEM-{number}" for number in range(100)}


async def test_in_order(drafts: Drafts) -> None:
    """An ordered run gives the outcomes in the order of the input, however the answers come."""
    async with Sandbox(latency=0.01) as slow, Legitmark(slow.api_key, base_url=slow.url) as client:
        seen = await outcomes_of(client.sr.create_many(drafts(200), ordered=True, concurrency=16))

    assert [outcome.draft.reference_id for outcome in seen] == [f"ITEM-{number}" for number in range(200)]


async def test_bad_drafts_fail_alone(client: Legitmark, item: Item) -> None:
    """A draft that can't be sent is an outcome that says why; the others go on."""
    wrong = Item(category="bag", type=item.type)
    input_ = [ServiceRequestDraft("A", item), ServiceRequestDraft("B", wrong), ServiceRequestDraft("", item)]

    first, second, third = await outcomes_of(client.sr.create_many(input_, ordered=True))

    assert isinstance(first, Created)
    assert isinstance(second, Failed)
    assert isinstance(third, Failed)
    assert isinstance(second.error, ConfigurationError)
    assert "item.category: 'bag' is not a UUID" in str(second.error)
    assert "reference_id: is empty" in str(third.error)


async def test_same_reference_twice(client: Legitmark, sandbox: Sandbox, item: Item) -> None:
    """A reference that was in the input before is skipped."""
    twice = [ServiceRequestDraft("A", item), ServiceRequestDraft("A", item)]

    _, second = await outcomes_of(client.sr.create_many(twice, ordered=True))

    assert second == Skipped(twice[1], "its reference_id was in the input before")
    assert sandbox.ledger.created == 1


async def test_unknown_outcomes(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """With "raise", a create whose answer is lost is `Unknown`, is not repeated, and the others go on."""
    sandbox.set_faults({"drop-after": 0.2})
    run = client.with_options(on_ambiguous="raise").sr.create_many(drafts(200))

    seen = await outcomes_of(run)

    unknown = [outcome for outcome in seen if isinstance(outcome, Unknown)]
    assert 10 < len(unknown) < 90
    assert all(outcome.error.reference_id == outcome.draft.reference_id for outcome in unknown)
    assert (sandbox.ledger.created, sandbox.ledger.duplicates, sandbox.ledger.requests) == (200, 0, 200)
    accounted(run, seen)


async def test_wrong_key_stops_the_run(sandbox: Sandbox, drafts: Drafts) -> None:
    """A key that is not accepted stops the run, instead of failing a million times."""
    async with Legitmark("leo_wrong", base_url=sandbox.url) as client:
        run = client.sr.create_many(drafts(10_000), concurrency=8)

        seen = await outcomes_of(run)

    assert any(isinstance(outcome, Failed) and isinstance(outcome.error, ForbiddenError) for outcome in seen)
    assert len(seen) <= 24
    assert run.progress.stopped is not None
    assert "answered 403" in run.progress.stopped
    accounted(run, seen)


async def test_stopped_run_sends_no_more(item: Item) -> None:
    """A draft that is refused by the limit after the run was stopped is skipped: it doesn't wait for a window."""
    answers = {"A": asyncio.Event(), "B": asyncio.Event()}

    async def answer(request: web.Request) -> web.Response:
        reference = (await request.json())["reference_id"]
        answers[reference].set()
        if reference == "A":
            await answers["B"].wait()
            return web.json_response({"error": {"message": "go away"}}, status=401)
        while "401" not in (run.progress.stopped or ""):  # noqa: ASYNC110  # the run has no event for it
            await asyncio.sleep(0)
        return web.json_response({"error": {}}, status=429, headers={"Retry-After": "60"})

    app = web.Application()
    app.router.add_post("/api/v2/sr", answer)
    async with TestServer(app) as server, Legitmark("leo_key", base_url=str(server.make_url("/"))) as client:
        run = client.sr.create_many([ServiceRequestDraft(name, item) for name in "AB"], ordered=True)

        first, second = await asyncio.wait_for(outcomes_of(run), timeout=5)

    assert isinstance(first, Failed)
    assert isinstance(second, Skipped)
    assert second.reason.startswith("not sent: POST /api/v2/sr answered 401")


@pytest.mark.parametrize(("allowed", "at_most"), [(5, 30), (0.1, 140)], ids=["number", "share"])
async def test_too_many_failures_stop_the_run(
    client: Legitmark, sandbox: Sandbox, drafts: Drafts, allowed: float, at_most: int
) -> None:
    """More failures than are allowed stop the run."""
    sandbox.set_faults({"error-after": 0.5})
    run = client.with_options(on_ambiguous="raise").sr.create_many(drafts(2000), max_failures=allowed, concurrency=4)

    seen = await outcomes_of(run)

    assert 5 < len(seen) <= at_most
    assert run.progress.stopped is not None
    assert "more than max_failures allows" in run.progress.stopped
    accounted(run, seen)


async def test_few_failures_are_allowed(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """As long as there are not too many failures the run goes to its end."""
    sandbox.set_faults({"error-after": 0.02})
    run = client.with_options(on_ambiguous="raise").sr.create_many(drafts(300), max_failures=0.2)

    seen = await outcomes_of(run)

    assert len(seen) == 300
    assert run.progress.stopped == "input ended"


async def test_no_deadline_in_bulk(drafts: Drafts) -> None:
    """A deadline that is shorter than the window doesn't fail the drafts that wait for it."""
    limits, timeouts = Limits(partner=20, window=0.5), Timeouts(deadline=0.1)
    async with (
        Sandbox(limits=limits) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, timeouts=timeouts) as client,
    ):
        run = client.sr.create_many(drafts(50))

        await outcomes_of(run)

    assert run.progress.created == 50
    assert run.progress.refused == sandbox.ledger.refused > 0


async def test_break_drains(drafts: Drafts) -> None:
    """After a `break` nothing new is sent, what is in flight ends, and everything is accounted for."""
    async with Sandbox(latency=0.02) as slow, Legitmark(slow.api_key, base_url=slow.url) as client:
        run = client.sr.create_many(drafts(10_000), concurrency=16)
        seen: list[Outcome] = []
        async with run:
            async for outcome in run:
                seen.append(outcome)
                if len(seen) == 50:
                    break

        accounted(run, seen)
        assert slow.ledger.created == run.progress.created
        assert (run.progress.failed, run.progress.unknown) == (0, 0)
        assert run.progress.stopped == "left early"
        assert not workers()


async def test_waiting_drafts_are_withdrawn(drafts: Drafts) -> None:
    """Drafts that wait for the rate limit when the run is left are skipped: they were surely not created."""
    limits = Limits(partner=10, window=60.0)
    async with Sandbox(limits=limits) as sandbox, Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
        run = client.sr.create_many(drafts(1000), concurrency=16)
        seen: list[Outcome] = []
        async with run:
            async for outcome in run:
                seen.append(outcome)
                if len(seen) == 10:
                    break

        accounted(run, seen)
        skipped = [outcome for outcome in run.leftover if isinstance(outcome, Skipped)]
        assert len(skipped) == run.progress.taken - 10
        assert skipped[0].reason == "not sent: left early"
        assert sandbox.ledger.created == 10
        assert not workers()


async def test_cancellation_drains(drafts: Drafts) -> None:
    """A cancelled run lets its requests in flight end, and then raises on."""
    async with Sandbox(latency=0.05) as slow, Legitmark(slow.api_key, base_url=slow.url) as client:
        run = client.sr.create_many(drafts(10_000), concurrency=16)
        seen: list[Outcome] = []
        under_way = asyncio.Event()

        async def work() -> None:
            async with run:
                async for outcome in run:
                    seen.append(outcome)
                    under_way.set()

        task = asyncio.create_task(work())
        await under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        accounted(run, seen)
        assert run.progress.unknown == 0
        assert slow.ledger.created == run.progress.created
        assert not workers()


async def test_second_cancellation_does_not_wait(drafts: Drafts) -> None:
    """A second cancellation cancels the requests in flight: their outcome is unknown, and nothing is lost."""
    async with (
        Sandbox(faults={"slow-after": 1.0}, stall=60) as stalled,
        Legitmark(stalled.api_key, base_url=stalled.url) as client,
    ):
        run = client.sr.create_many(drafts(1000), concurrency=8)

        async def work() -> None:
            async with run:
                async for _ in run:
                    pass

        task = asyncio.create_task(work())
        await stalled_requests(stalled, 8)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        accounted(run, [])
        assert run.progress.unknown == 8
        assert all(isinstance(outcome, Unknown) for outcome in run.leftover)
        assert not workers()


async def test_broken_input(client: Legitmark, drafts: Drafts) -> None:
    """An input that fails in the middle raises its own error, after the outcomes of what was read."""

    def broken() -> Iterator[ServiceRequestDraft]:
        yield from drafts(20)
        raise OSError("disk on fire")

    run = client.sr.create_many(broken(), concurrency=4)
    seen: list[Outcome] = []

    async def iterate() -> None:
        async with run:
            async for outcome in run:
                seen.append(outcome)  # noqa: PERF401  # what was seen before the error is the point

    with pytest.raises(OSError, match="disk on fire"):
        await iterate()

    assert len(seen) == 20
    assert all(isinstance(outcome, Created) for outcome in seen)
    accounted(run, seen)


async def test_input_of_another_kind(client: Legitmark) -> None:
    """Something that is no draft is told by name."""
    with pytest.raises(ConfigurationError, match="takes ServiceRequestDraft objects, not dict"):
        await outcomes_of(client.sr.create_many([{"reference_id": "A"}]))  # type: ignore[list-item]  # that is the test


async def test_input_is_read_as_it_is_worked_on(client: Legitmark, item: Item) -> None:
    """An endless input is fine: it is read no faster than its outcomes are taken."""
    read = 0

    def endless() -> Iterator[ServiceRequestDraft]:
        nonlocal read
        for number in count():
            read += 1
            yield ServiceRequestDraft(f"ITEM-{number}", item)

    async with client.sr.create_many(endless(), concurrency=4) as run:
        taken = 0
        async for _ in run:
            taken += 1
            assert read <= taken + 8
            if taken == 100:
                break


async def test_generators_are_closed(client: Legitmark, drafts: Drafts) -> None:
    """A generator that is not at its end is closed with the run, so that it frees what it holds."""
    closed: list[str] = []

    def plain() -> Iterator[ServiceRequestDraft]:
        with contextlib.ExitStack() as stack:
            stack.callback(closed.append, "plain")
            yield from drafts(100)

    async def feed() -> AsyncIterator[ServiceRequestDraft]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(closed.append, "async")
            for draft in drafts(100):
                yield draft

    for source in (plain(), feed()):
        async with client.sr.create_many(source, concurrency=2) as run:
            await anext(run)

    assert closed == ["plain", "async"]


async def test_waiting_feed_is_left(client: Legitmark, item: Item) -> None:
    """A feed that has nothing to give for now doesn't keep a run from being left."""

    async def feed() -> AsyncIterator[ServiceRequestDraft]:
        yield ServiceRequestDraft("A", item)
        await asyncio.Event().wait()

    async with client.sr.create_many(feed(), concurrency=4) as run:
        async for outcome in run:
            assert isinstance(outcome, Created)
            break

    assert run.progress.taken == 1
    assert not workers()


async def test_progress_tells_what_is_waited_for(drafts: Drafts) -> None:
    """While the limit is spent, the progress tells which, who waits for it, for how long, and when the run ends."""
    async with (
        Sandbox(limits=Limits(partner=5, window=1.0)) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url) as client,
    ):
        run = client.sr.create_many(list(drafts(8)))
        assert (run.progress.total, run.progress.ends_in, run.progress.reason) == (8, None, None)
        async with run:
            async with asyncio.timeout(5):
                while run.progress.waiting < 3:  # noqa: ASYNC110  # the limit has no event for it
                    await asyncio.sleep(0.01)
            waits = run.progress
            seen = [outcome async for outcome in run]

    assert waits.reason == "partner limit of 5"
    assert waits.waiting == 3
    assert (waits.in_flight, waits.waits) == (0, {"partner limit of 5": 3})
    assert waits.ends_in is not None
    assert waits.opens_in <= waits.ends_in < 2
    assert len(seen) == 8
    assert (run.progress.waiting, run.progress.ends_in, run.progress.total) == (0, 0.0, 8)


@pytest.mark.parametrize(
    ("fault", "pause", "waits"),
    [
        pytest.param("refuse", RetryPolicy(base=60.0, cap=60.0), {"backoff": 2}, id="backoff"),
        pytest.param("drop-after", RetryPolicy(base=0.001, confirm_pauses=(60.0,)), {"lookup": 2}, id="lookup"),
    ],
)
async def test_other_waits(drafts: Drafts, fault: str, pause: RetryPolicy, waits: dict[str, int]) -> None:
    """The progress tells also of waits for another try, and for a look for what was made."""
    async with (
        Sandbox(faults={fault: 1.0}, strikes=lambda path: path == "/api/v2/sr", find_delay=60.0) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=pause) as client,
        client.sr.create_many(list(drafts(2))) as run,
    ):
        await until(lambda: run.progress.waits == waits)
        assert (run.progress.active, run.progress.in_flight, run.progress.waiting) == (2, 0, 0)


async def test_wait_for_requests_in_flight(drafts: Drafts) -> None:
    """The progress tells of waits for others of the same client, and of requests in flight."""
    async with (
        Sandbox(faults={"stall-before": 1.0}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, concurrency=1) as client,
        client.sr.create_many(list(drafts(3)), concurrency=3) as run,
    ):
        await until(lambda: run.progress.in_flight == 1 and run.progress.waits == {"requests in flight": 2})
        assert (run.progress.active, run.progress.waiting) == (3, 2)


@pytest.mark.parametrize(("total", "known"), [(None, None), (3, 3), (50, 50)])
async def test_total(client: Legitmark, drafts: Drafts, total: int | None, known: int | None) -> None:
    """How many drafts there are can be told, rightly or wrongly; when the input has ended it is known."""
    run = client.sr.create_many(drafts(10), total=total)

    assert run.progress.total == known
    assert len(await outcomes_of(run)) == 10
    assert run.progress.total == 10


async def test_interactive_call_in_a_bulk_run(drafts: Drafts, draft: ServiceRequestDraft) -> None:
    """A call that is awaited during a bulk run goes before all that waits for the next window."""
    async with (
        Sandbox(limits=Limits(partner=20, window=0.5)) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url) as client,
    ):
        run = client.sr.create_many(list(drafts(100)))
        async with run:
            async with asyncio.timeout(5):
                while run.progress.opens_in == 0:  # noqa: ASYNC110  # the limit has no event for it
                    await asyncio.sleep(0.01)
            await client.sr.create(draft)
            created = run.progress.created
            seen = [outcome async for outcome in run]

    assert created <= 45
    assert len(seen) == 100


async def test_empty_input(client: Legitmark) -> None:
    """No drafts, no outcomes."""
    assert await outcomes_of(client.sr.create_many([])) == []


async def test_used_wrongly(client: Legitmark, drafts: Drafts) -> None:
    """A run outside its block, or run twice, says what to do."""
    run = client.sr.create_many(drafts(1))

    with pytest.raises(ConfigurationError, match="use a bulk run as a block"):
        await anext(aiter(run))
    await outcomes_of(run)
    with pytest.raises(ConfigurationError, match="call create_many again"):
        await outcomes_of(run)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"max_failures": -1}, {"concurrency": 1.5}, {"total": -1}], ids=str
)
def test_wrong_options(options: dict[str, int]) -> None:
    """A wrong option is told before anything begins."""
    client = Legitmark("leo_key")

    with pytest.raises(ConfigurationError, match=next(iter(options))):
        client.sr.create_many([], **options)  # type: ignore[arg-type]  # that is the test


async def test_closed_client(drafts: Drafts) -> None:
    """A client that isn't open is told once, not for each draft."""
    client = Legitmark("leo_key")

    with pytest.raises(ConfigurationError, match="the client is not open"):
        await outcomes_of(client.sr.create_many(drafts(3)))


async def test_unauthenticated(drafts: Drafts) -> None:
    """Outcomes of a run whose server is gone are failures that were never sent."""
    async with Sandbox() as sandbox:
        url = sandbox.url
    retry = RetryPolicy(attempts=1)
    async with Legitmark("leo_key", base_url=url, retry=retry, timeouts=Timeouts(connect=1)) as client:
        seen = await outcomes_of(client.sr.create_many(drafts(20)))

    assert all(isinstance(outcome, Failed) for outcome in seen)
    assert not any(isinstance(outcome, Failed) and outcome.error.maybe_processed for outcome in seen)
    assert not any(isinstance(outcome, Failed) and isinstance(outcome.error, AuthenticationError) for outcome in seen)


@pytest.mark.slow
def test_memory_of_a_long_run() -> None:
    """The memory of a run doesn't grow with its length, but for the references it has seen."""
    script = Path(__file__).parent / "benchmarks" / "memory.py"

    # The script imports its neighbour.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}

    done = subprocess.run(  # noqa: S603  # our own file
        [sys.executable, str(script), "--creates", "20000"],
        capture_output=True,
        check=True,
        env=environment,
        text=True,
    )

    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["created"] == 20_000
    assert figures["grown_mib"] < 10


def test_progress_without_a_loop(item: Item) -> None:
    """The progress can be asked for before the run, and when its event loop is gone."""

    async def main() -> BulkRun:
        async with Sandbox() as sandbox, Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
            run = client.sr.create_many([ServiceRequestDraft("A", item)])
            async with run:
                assert [type(outcome) async for outcome in run] == [Created]
            return run

    run = asyncio.run(main())

    assert (run.progress.created, run.progress.ends_in) == (1, 0.0)
    assert run.progress.seconds > 0
    assert Legitmark("leo_key").sr.create_many([]).progress.seconds == 0
