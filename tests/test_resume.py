"""Bulk runs that go on from a journal: nothing twice, and nothing lost."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legitmark_async import (
    BulkRun,
    ConfigurationError,
    Created,
    Failed,
    Item,
    JournalReader,
    Legitmark,
    Outcome,
    RetryPolicy,
    ServiceRequestDraft,
    Skipped,
    Unknown,
    read_csv,
)
from legitmark_async.bulk import DONE_BEFORE, NOT_UNKNOWN, REPEATED
from legitmark_async.journal import Status
from legitmark_async.sandbox import Limits, Sandbox
from legitmark_async.testing import BAG, CROSSBODY

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]

SOON = RetryPolicy(base=0.01, confirm_pauses=(0.01, 0.02))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "run.db"


async def outcomes_of(run: BulkRun) -> list[Outcome]:
    """Run to the end, and give all outcomes."""
    async with run:
        return [outcome async for outcome in run]


async def left_after(run: BulkRun, count: int) -> list[Outcome]:
    """Leave a run after so many outcomes, and give all there are."""
    seen: list[Outcome] = []
    async with run:
        async for outcome in run:
            seen.append(outcome)
            if len(seen) == count:
                break
    return [*seen, *run.leftover]


async def cancelled_in_flight(run: BulkRun, sandbox: Sandbox, count: int) -> None:
    """Cancel a run for good while so many creates have been carried out and not answered."""

    async def consume() -> None:
        async with run:
            async for _ in run:
                pass

    task = asyncio.create_task(consume())
    while sandbox.ledger.created < count:  # noqa: ASYNC110  # the sandbox has no event for it
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def statuses_in(path: Path) -> dict[str, Status]:
    """Tell what the journal says of each reference."""
    with JournalReader(path) as journal:
        return {entry.reference_id: entry.status for entry in journal.entries()}


@pytest.mark.parametrize("ordered", [False, True])
async def test_goes_on(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, *, ordered: bool) -> None:
    """A run that was left early is gone on with: what is created is skipped, the rest is sent, new drafts too."""
    sandbox.latency = 0.01
    first = await left_after(client.sr.create_many(drafts(300), journal=path), 100)
    created = {outcome.draft.reference_id for outcome in first if isinstance(outcome, Created)}

    run = client.sr.create_many(drafts(400), journal=path, ordered=ordered)
    again = await outcomes_of(run)

    skipped = {outcome.draft.reference_id for outcome in again if isinstance(outcome, Skipped)}
    assert skipped == created
    assert {outcome.reason for outcome in again if isinstance(outcome, Skipped)} == {DONE_BEFORE}
    assert run.progress.done_before == len(created)
    assert len({outcome.draft.reference_id for outcome in again}) == len(again) == 400
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (400, 0)
    assert statuses_in(path) == {f"ITEM-{number}": Status.CREATED for number in range(400)}
    if ordered:
        assert [outcome.draft.reference_id for outcome in again] == [f"ITEM-{number}" for number in range(400)]


async def test_ends_of_a_run(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """A run over what is all done sends nothing."""
    await outcomes_of(client.sr.create_many(drafts(50), journal=path))
    before = sandbox.ledger.requests

    again = await outcomes_of(client.sr.create_many(drafts(50), journal=path))

    assert again == [Skipped(draft, DONE_BEFORE) for draft in drafts(50)]
    assert sandbox.ledger.requests == before


@pytest.mark.parametrize("skew", [0.0, -3600.0, 3600.0])
@pytest.mark.parametrize("find_delay", [0.0, 0.2], ids=["fresh", "stale"])
async def test_cancelled_in_flight(skew: float, find_delay: float, drafts: Drafts, path: Path) -> None:
    """What was in flight when a run was cancelled is looked for, and adopted, by whatever clock."""
    retry = RetryPolicy(base=0.01, confirm_pauses=(0.1, 0.2, 0.3))
    async with Sandbox(latency=0.05, clock_skew=skew, find_delay=find_delay) as sandbox:
        async with Legitmark(sandbox.api_key, base_url=sandbox.url, retry=retry) as client:
            await outcomes_of(client.sr.create_many(drafts(5), journal=path))
            sandbox.latency = 30
            await cancelled_in_flight(client.sr.create_many(drafts(20), journal=path, concurrency=8), sandbox, 13)
        assert list(statuses_in(path).values()).count(Status.UNKNOWN) == 8
        sandbox.latency = 0
        async with Legitmark(sandbox.api_key, base_url=sandbox.url, retry=retry) as client:
            again = await outcomes_of(client.sr.create_many(drafts(20), journal=path))

        assert [type(outcome) for outcome in again].count(Created) == 15
        assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (20, 0)
    assert set(statuses_in(path).values()) == {Status.CREATED}


async def test_raise_still_looks(drafts: Drafts, path: Path) -> None:
    """What an earlier run has sent is looked for first, even where a doubt of this run is raised."""
    async with (
        Sandbox(faults={"drop-after": 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=SOON, on_ambiguous="raise") as client,
    ):
        first = await outcomes_of(client.sr.create_many(drafts(10), journal=path))
        sandbox.set_faults({})
        again = await outcomes_of(client.sr.create_many(drafts(10), journal=path))

    assert {type(outcome) for outcome in first} == {Unknown}
    assert {type(outcome) for outcome in again} == {Created}
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (10, 0)


async def test_settle_only(drafts: Drafts, path: Path) -> None:
    """Only what is unknown is settled: nothing that is new or has failed is sent."""
    async with (
        Sandbox(faults={"drop-after": 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=SOON, on_ambiguous="raise") as client,
    ):
        await outcomes_of(client.sr.create_many(drafts(10), journal=path))
        sandbox.set_faults({})
        again = await outcomes_of(client.sr.create_many(drafts(30), journal=path, settle_only=True))

    assert [type(outcome) for outcome in again].count(Created) == 10
    assert {outcome.reason for outcome in again if isinstance(outcome, Skipped)} == {NOT_UNKNOWN}
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (10, 0)


async def test_settle_only_needs_journal(client: Legitmark) -> None:
    """There is nothing to settle without a journal."""
    with pytest.raises(ConfigurationError, match="settle_only needs the journal"):
        client.sr.create_many([], settle_only=True)


@pytest.mark.parametrize("fault", [{}, {"drop-after": 1.0}], ids=["created", "sent"])
async def test_changed(fault: dict[str, float], item: Item, path: Path) -> None:
    """A draft that has changed since it was sent is an outcome that says so; the journal keeps what was sent."""
    changed = ServiceRequestDraft("A", item, service="31670fe9-9272-11ef-b98d-06fb0f2a63e5")
    async with (
        Sandbox(faults=fault) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, on_ambiguous="raise") as client,
    ):
        await outcomes_of(client.sr.create_many([ServiceRequestDraft("A", item)], journal=path))
        sandbox.set_faults({})
        (outcome,) = await outcomes_of(client.sr.create_many([changed], journal=path))

        assert isinstance(outcome, Failed)
        what = "it was sent" if fault else rf"service request {sandbox.references['A'][0]} was created from it"
        assert f"the draft of 'A' is not what it was when {what}; give it another" in str(outcome.error)
        assert sandbox.ledger.created == 1
        with JournalReader(path) as journal:
            kept, told = journal.entries()
        assert kept.status == (Status.UNKNOWN if fault else Status.CREATED)
        assert (told.status, told.cause) == (Status.FAILED, "reference_id: its draft has changed since it was sent")

        # It is told of each run anew, and not for ever.
        await outcomes_of(client.sr.create_many([ServiceRequestDraft("A", item)], journal=path))
        assert statuses_in(path) == {"A": Status.CREATED}


async def test_failed_is_sent_again(client: Legitmark, item: Item, path: Path) -> None:
    """A draft that could not be sent may be mended and is sent again; then it is created, and no failure is left."""
    wrong = ServiceRequestDraft("B", Item("bag", item.type))
    await outcomes_of(client.sr.create_many([wrong], journal=path))
    assert statuses_in(path) == {"B": Status.FAILED}

    (mended,) = await outcomes_of(client.sr.create_many([ServiceRequestDraft("B", item)], journal=path))

    assert isinstance(mended, Created)
    assert statuses_in(path) == {"B": Status.CREATED}


async def test_refused_is_sent_again(drafts: Drafts, item: Item, path: Path) -> None:
    """A create that surely failed is sent again, as the draft is now."""
    changed = ServiceRequestDraft("ITEM-0", Item(item.category, item.type, brand=item.type))
    async with Sandbox() as sandbox:
        async with Legitmark(sandbox.api_key, base_url=sandbox.url, retry=RetryPolicy(attempts=1)) as client:
            sandbox.set_limits(Limits(partner=1, window=60))
            first = await outcomes_of(client.sr.create_many(drafts(2), journal=path, ordered=True, concurrency=1))
        sandbox.set_limits(None)
        async with Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
            again = await outcomes_of(
                client.sr.create_many([changed, *list(drafts(2))[1:]], journal=path, ordered=True)
            )

    assert [type(outcome) for outcome in first] == [Created, Failed]
    assert [type(outcome) for outcome in again] == [Failed, Created]
    assert sandbox.references.keys() == {"ITEM-0", "ITEM-1"}


async def test_repeated(client: Legitmark, item: Item, path: Path) -> None:
    """A reference that comes again in the same input is skipped, changed or not."""
    other = ServiceRequestDraft("A", Item(item.category, item.type, brand=item.type))
    input_ = [ServiceRequestDraft("A", item), ServiceRequestDraft("A", item), other]

    first = await outcomes_of(client.sr.create_many(input_, journal=path, ordered=True))
    again = await outcomes_of(client.sr.create_many(input_, journal=path, ordered=True))

    assert isinstance(first[0], Created)
    assert first[1:] == [Skipped(draft, REPEATED) for draft in input_[1:]]
    assert again == [
        Skipped(input_[0], DONE_BEFORE),
        Skipped(input_[1], REPEATED),
        Skipped(other, REPEATED),
    ]


async def test_rows_of_files(client: Legitmark, path: Path, tmp_path: Path) -> None:
    """The journal knows the file, the line and the other columns of each row, and tells causes without them."""
    file = tmp_path / "items.csv"
    uuids = f"{BAG},{CROSSBODY}"
    file.write_text(f"reference_id,category,type,shelf\nR-1,{uuids},A3\nR-2,,,\nR-3,,,=1+1\n")

    await outcomes_of(client.sr.create_many(read_csv(file), journal=path))

    with JournalReader(path) as journal:
        entries = {entry.reference_id: entry for entry in journal.entries()}
    assert (entries["R-1"].file, entries["R-1"].line, entries["R-1"].extra) == (str(file), 2, {"shelf": "A3"})
    assert entries["R-2"].cause == entries["R-3"].cause
    assert entries["R-3"].error == f"{file}:4: {entries['R-3'].cause}"
    assert entries["R-3"].extra == {"shelf": "=1+1"}


async def test_strange_texts(client: Legitmark, item: Item, path: Path) -> None:
    """Whatever texts come, the journal holds them or something readable in their place."""
    drafts = [
        ServiceRequestDraft("\ud800", item),
        ServiceRequestDraft(17, item),  # type: ignore[arg-type]  # drafts come from anywhere
        ServiceRequestDraft("R\n\"'\x7f", item),
        ServiceRequestDraft("D", None),  # type: ignore[arg-type]  # the same
    ]

    seen = await outcomes_of(client.sr.create_many(drafts, journal=path, ordered=True))

    assert [type(outcome) for outcome in seen] == [Failed, Failed, Created, Failed]
    assert statuses_in(path) == {
        "?": Status.FAILED,
        "": Status.FAILED,
        "R\n\"'\x7f": Status.CREATED,
        "D": Status.FAILED,
    }


async def test_limits_and_samples(drafts: Drafts, path: Path) -> None:
    """The samples of a journal add up to its run, and tell what it waited for."""
    async with (
        # Samples are taken once a second, so some of them are taken while all wait.
        Sandbox(limits=Limits(partner=50, window=3.0)) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url) as client,
    ):
        run = client.sr.create_many(drafts(80), journal=path)
        await outcomes_of(run)

    with JournalReader(path) as journal:
        samples = list(journal.samples())
        (record,) = journal.summary().runs
    assert sum(sample.created for sample in samples) == 80
    assert sum(sample.refused for sample in samples) == run.progress.refused == record.refused > 0
    assert "partner limit of 50" in {sample.reason for sample in samples}
    assert abs(sum(sample.seconds for sample in samples) - run.progress.seconds) < 0.5
