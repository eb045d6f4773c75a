"""Many items, the whole way: by the bulk engine, with a journal that knows how far each got."""

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from waiting import until

from legitmark_async import (
    BulkRun,
    ConfigurationError,
    Created,
    Failed,
    ForbiddenError,
    Item,
    JournalReader,
    Legitmark,
    Outcome,
    PhotoError,
    RetryPolicy,
    RunProgress,
    ServiceRequestDraft,
    Skipped,
    Stuck,
    Submitted,
    Unknown,
    photos_in,
    read_csv,
)
from legitmark_async.bulk import SUBMITTED_BEFORE
from legitmark_async.journal import Status
from legitmark_async.sandbox import Limits, Sandbox
from legitmark_async.testing import make_photo

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]

SIDES = ("Front", "Back", "base", "interior_label", "Hardware Engraving", "serial-number")
SOON = RetryPolicy(attempts=20, base=0.001, quota=10_000, confirm_pauses=(0.001, 0.002))
PHOTO = make_photo(kind="png")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "run.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the photos are."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def fill(folder: Path, references: Iterable[str], sides: Iterable[str] = SIDES) -> None:
    """Write photos, the same for all: one for each side that needs one."""
    for reference in references:
        (folder / reference).mkdir(parents=True, exist_ok=True)
        for side in sides:
            (folder / reference / f"{side}.png").write_bytes(PHOTO)


async def outcomes_of(run: BulkRun) -> list[Outcome]:
    """Run to the end, and give all outcomes."""
    async with run:
        return [outcome async for outcome in run]


def statuses_in(path: Path) -> dict[str, Status]:
    """Read how far each item is."""
    with JournalReader(path) as journal:
        return {entry.reference_id: entry.status for entry in journal.entries()}


def requests(sandbox: Sandbox) -> int:
    """Count the requests that the API has seen."""
    return len(sandbox.requests_seen)


@pytest.mark.parametrize("ordered", [False, True])
async def test_the_whole_way(
    client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path, *, ordered: bool
) -> None:
    """Each item is created, photographed and submitted once, with four requests; again, nothing is sent."""
    fill(folder, (f"ITEM-{number}" for number in range(30)))

    run = client.workflow.submit_many(drafts(30), photos_in(folder), journal=path, ordered=ordered, concurrency=4)
    seen = await outcomes_of(run)
    sent, ledger = requests(sandbox), sandbox.ledger
    again = await outcomes_of(client.workflow.submit_many(drafts(30), photos_in(folder), journal=path, ordered=ordered))

    assert [type(outcome) for outcome in seen] == [Submitted] * 30
    assert all(isinstance(outcome, Created) and outcome.service_request.state.primary == "QC" for outcome in seen)
    assert (ledger.created, ledger.duplicates, ledger.photos, ledger.submitted) == (30, 0, 180, 30)
    assert (run.progress.created, run.progress.submitted, run.progress.done) == (30, 30, 30)
    assert sent == ledger.intents + ledger.photos + 4 * 30
    assert set(statuses_in(path).values()) == {Status.SUBMITTED}
    with JournalReader(path) as journal:
        summary = journal.summary()
        assert all(entry.uuid for entry in journal.entries())
    assert (summary.created, summary.submitted, summary.stuck, summary.items) == (30, 30, 0, 30)
    assert {outcome.reason for outcome in again if isinstance(outcome, Skipped)} == {SUBMITTED_BEFORE}
    assert (len(again), requests(sandbox)) == (30, sent)
    if ordered:
        assert [outcome.draft.reference_id for outcome in seen] == [f"ITEM-{number}" for number in range(30)]


async def test_without_a_journal(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """No journal is needed, and photos may come from anywhere: here from memory, and one from an open file."""

    def find(draft: ServiceRequestDraft) -> dict[str, bytes | io.BytesIO]:
        return {**dict.fromkeys(SIDES, make_photo()), "Front": io.BytesIO(f"{draft.reference_id}".encode() + PHOTO)}

    def spoiled(draft: ServiceRequestDraft) -> dict[str, bytes]:
        return {**dict.fromkeys(SIDES, PHOTO), "Front": draft.reference_id.encode()}

    first = await outcomes_of(client.workflow.submit_many(drafts(1), find))
    second = await outcomes_of(client.workflow.submit_many(drafts(2), spoiled))

    # An open file is read when it is sent, and not before.
    assert [type(outcome) for outcome in first] == [Stuck]
    assert [type(outcome) for outcome in second] == [Failed] * 2
    assert (sandbox.ledger.created, sandbox.ledger.submitted) == (1, 0)


async def test_what_is_missing(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path) -> None:
    """An item without photos isn't created; one that lacks some is stuck; both go on when the photos are there."""
    fill(folder, ["ITEM-0", "ITEM-3"])
    fill(folder, ["ITEM-1"], SIDES[:4])

    run = client.workflow.submit_many(drafts(4), photos_in(folder), journal=path, ordered=True)
    seen = await outcomes_of(run)
    before, created, photos = statuses_in(path), sandbox.ledger.created, sandbox.ledger.photos
    fill(folder, ["ITEM-1", "ITEM-2"])
    again = await outcomes_of(client.workflow.submit_many(drafts(4), photos_in(folder), journal=path, ordered=True))

    assert [type(outcome) for outcome in seen] == [Submitted, Stuck, Failed, Submitted]
    assert isinstance(seen[1], Stuck)
    assert "stuck at requirements: no photo for 'Hardware Engraving', 'Serial Number'" in str(seen[1].error)
    assert isinstance(seen[2], Failed)
    assert "ITEM-2' can't be read: No such file" in str(seen[2].error)
    assert isinstance(seen[2].error, PhotoError)
    assert seen[2].error.problems == ("photos: its folder can't be read: No such file or directory",)
    assert list(before.values()) == [Status.SUBMITTED, Status.STUCK, Status.FAILED, Status.SUBMITTED]
    assert (created, photos) == (3, 12)
    assert (run.progress.created, run.progress.stuck, run.progress.failed) == (3, 1, 1)
    assert [type(outcome) for outcome in again] == [Skipped, Submitted, Submitted, Skipped]
    assert isinstance(again[1], Submitted)
    assert again[1].service_request.uuid == seen[1].service_request.uuid
    assert (sandbox.ledger.created, sandbox.ledger.photos, sandbox.ledger.submitted) == (4, 24, 4)
    assert set(statuses_in(path).values()) == {Status.SUBMITTED}


async def test_after_create_many(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path) -> None:
    """What create_many has created with the journal is gone on with; to create_many, that is done."""
    fill(folder, (f"ITEM-{number}" for number in range(6)))
    await outcomes_of(client.sr.create_many(drafts(4), journal=path))

    seen = await outcomes_of(client.workflow.submit_many(drafts(6), photos_in(folder), journal=path))
    after = await outcomes_of(client.sr.create_many(drafts(6), journal=path))

    assert [type(outcome) for outcome in seen] == [Submitted] * 6
    assert [type(outcome) for outcome in after] == [Skipped] * 6
    assert (sandbox.ledger.created, sandbox.ledger.submitted) == (6, 6)
    assert set(statuses_in(path).values()) == {Status.SUBMITTED}


async def test_photos_that_fail(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """If no photos can be had for what is created already, it is stuck there, with what the function said."""
    await outcomes_of(client.sr.create_many(drafts(1), journal=path))

    def photos(draft: ServiceRequestDraft) -> dict[str, bytes]:
        raise ConfigurationError(f"nothing on the shelf for {draft.reference_id}")

    (outcome,) = await outcomes_of(client.workflow.submit_many(drafts(1), photos, journal=path))

    assert isinstance(outcome, Stuck)
    assert (outcome.error.step, sandbox.ledger.photos) == ("photos", 0)
    assert "nothing on the shelf for ITEM-0" in str(outcome.error)


async def take(run: BulkRun) -> list[Outcome]:
    """Take outcomes until cancelled."""
    seen: list[Outcome] = []
    with suppress(asyncio.CancelledError):
        async for outcome in run:
            seen.append(outcome)  # noqa: PERF401  # what there is has to be kept when it is cancelled
    return seen


async def test_left_early(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path) -> None:
    """Stopped again and again at any step, each item is in the end created and submitted once, with each photo."""
    fill(folder, (f"ITEM-{number}" for number in range(24)))
    kinds: set[type[Outcome]] = set()
    sandbox.latency = 0.01
    for step in ("requests", "created", "photos", "submitted") * 2:
        before = getattr(sandbox.ledger, step)
        run = client.workflow.submit_many(drafts(24), photos_in(folder), journal=path, concurrency=3)
        async with run:
            taker = asyncio.create_task(take(run))
            while getattr(sandbox.ledger, step) == before and not taker.done():  # noqa: ASYNC110  # neither has an event
                await asyncio.sleep(0.001)
            taker.cancel()
        outcomes = [*await taker, *run.leftover]
        kinds |= {type(outcome) for outcome in outcomes}
        assert len(outcomes) == run.progress.taken
    sandbox.latency = 0.0

    seen = await outcomes_of(client.workflow.submit_many(drafts(24), photos_in(folder), journal=path))

    assert {type(outcome) for outcome in seen} <= {Submitted, Skipped}
    assert Created in kinds
    assert (sandbox.ledger.created, sandbox.ledger.duplicates, sandbox.ledger.submitted) == (24, 0, 24)
    assert len({(sr, side) for sr, side in sandbox.photos}) == 24 * 6
    assert set(statuses_in(path).values()) == {Status.SUBMITTED}


@pytest.mark.parametrize("fault", ["refuse", "drop-before", "drop-after", "error-after", "truncate", "garbage"])
@pytest.mark.parametrize("stale", [0.0, 0.05], ids=["fresh", "stale"])
async def test_faults(drafts: Drafts, path: Path, folder: Path, fault: str, stale: float) -> None:
    """Under faults everywhere, with reads that may be stale, nothing is lost and nothing done twice."""
    fill(folder, (f"ITEM-{number}" for number in range(20)))
    retry = RetryPolicy(attempts=20, base=0.001, quota=10_000, confirm_pauses=(0.02, 0.04, 0.08))
    async with (
        Sandbox(faults={fault: 0.1}, find_delay=stale, get_cache=stale) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url, retry=retry) as client,
    ):
        seen = await outcomes_of(client.workflow.submit_many(drafts(20), photos_in(folder), journal=path))
        again = await outcomes_of(client.workflow.submit_many(drafts(20), photos_in(folder), journal=path))
        ledger = sandbox.ledger

    assert [type(outcome) for outcome in seen] == [Submitted] * 20
    assert [type(outcome) for outcome in again] == [Skipped] * 20
    assert (ledger.created, ledger.duplicates, ledger.submitted) == (20, 0, 20)


@pytest.mark.parametrize("fault", ["drop-after", "error-after"])
async def test_stale_reads_of_what_was_left(drafts: Drafts, path: Path, folder: Path, fault: str) -> None:
    """What was left submitted, and can't be seen to be so yet, is not submitted twice."""
    fill(folder, (f"ITEM-{number}" for number in range(8)))
    retry = RetryPolicy(attempts=1, confirm_pauses=(0.001,))
    began = asyncio.get_running_loop().time()
    async with (
        # Its time stands still at first, so that what it has told stays told for however long the first run takes.
        Sandbox(get_cache=0.4, clock=lambda: began) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
    ):
        await outcomes_of(client.sr.create_many(drafts(8), journal=path))
        sandbox.strikes = lambda path: path.endswith("/submit")
        sandbox.set_faults({fault: 1.0})
        hasty = client.with_options(retry=retry)
        left = await outcomes_of(hasty.workflow.submit_many(drafts(8), photos_in(folder), journal=path))
        sandbox.set_faults({})
        stood = asyncio.get_running_loop().time() - began
        sandbox.clock = lambda: asyncio.get_running_loop().time() - stood
        seen = await outcomes_of(client.workflow.submit_many(drafts(8), photos_in(folder), journal=path))
        ledger = sandbox.ledger

    assert [type(outcome) for outcome in left] == [Stuck] * 8
    assert [type(outcome) for outcome in seen] == [Submitted] * 8
    assert (ledger.created, ledger.submitted) == (8, 8)


async def test_uploaded_before(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path) -> None:
    """What is noted as uploaded is submitted without a look at its photos."""
    fill(folder, ["ITEM-0"])
    sandbox.set_faults({"refuse": 1.0})
    sandbox.strikes = lambda path: path.endswith("/submit")
    view = client.with_options(retry=RetryPolicy(attempts=1, confirm_pauses=(0.01,)))
    seen = await outcomes_of(view.workflow.submit_many(drafts(1), photos_in(folder), journal=path))
    sandbox.set_faults({})
    with JournalReader(path) as journal:
        (entry,) = journal.entries(Status.STUCK)
    # As it is when the process is killed between the two steps.
    await edit(path, "UPDATE items SET status = 5")
    uploaded, before = statuses_in(path), requests(sandbox)
    again = await outcomes_of(client.workflow.submit_many(drafts(1), photos_in(folder), journal=path))

    assert [type(outcome) for outcome in (*seen, *again)] == [Stuck, Submitted]
    assert uploaded == {"ITEM-0": Status.UPLOADED}
    assert (entry.cause or "").startswith("submit: ")
    assert "stuck at submit" in (entry.error or "")
    # Its state is read, and it is submitted.
    assert requests(sandbox) == before + 2


async def edit(path: Path, statement: str) -> None:
    """Change a journal behind the back of the library."""
    import sqlite3  # noqa: PLC0415  # what no other test here needs

    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


async def test_cancelled_items(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path) -> None:
    """An item that was cancelled meanwhile gets no photos, and says so."""
    fill(folder, ["ITEM-0"])
    await outcomes_of(client.sr.create_many(drafts(1), journal=path))
    with JournalReader(path) as journal:
        (entry,) = journal.entries()
    sandbox.move(entry.uuid or "", "CANCELLED")

    (outcome,) = await outcomes_of(client.workflow.submit_many(drafts(1), photos_in(folder), journal=path))

    assert isinstance(outcome, Stuck)
    assert "was cancelled" in str(outcome.error)
    assert not sandbox.photos


async def test_rejected_photos(drafts: Drafts, path: Path, folder: Path) -> None:
    """Photos that were rejected are sent again by `authenticate`; to the journal it is submitted."""
    fill(folder, ["ITEM-0"])
    async with (
        Sandbox(state_pace=0.005, verdicts={"rejected": 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
    ):
        (outcome,) = await outcomes_of(client.workflow.submit_many(drafts(1), photos_in(folder), journal=path))
        assert isinstance(outcome, Submitted)
        uuid = outcome.service_request.uuid
        rejected = await client.sr.wait_until(uuid, lambda sr: sr.needs_resubmission, timeout=10, poll=0.01)
        again = await client.workflow.authenticate(uuid, photos_in(folder)(outcome.draft))

    assert (rejected.needs_resubmission, again.state.supplement, sandbox.ledger.photos) == (True, "PENDING", 12)


@pytest.mark.parametrize("photos", [True, False])
async def test_unknown(
    client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path, *, photos: bool
) -> None:
    """What an earlier run left unknown is looked for, and gone on with; without photos it stays unknown."""
    sandbox.set_faults({"drop-after": 1.0})
    view = client.with_options(on_ambiguous="raise")
    await outcomes_of(view.sr.create_many(drafts(3), journal=path))
    sandbox.set_faults({})
    if photos:
        fill(folder, (f"ITEM-{number}" for number in range(3)))

    view = client.with_options(retry=SOON)
    seen = await outcomes_of(view.workflow.submit_many(drafts(3), photos_in(folder), journal=path))

    assert [type(outcome) for outcome in seen] == [Submitted if photos else Unknown] * 3
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (3, 0)
    assert set(statuses_in(path).values()) == {Status.SUBMITTED if photos else Status.UNKNOWN}


async def test_key_that_ends(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path, folder: Path) -> None:
    """A key that isn't accepted any more stops the run, whichever step hears of it."""
    fill(folder, (f"ITEM-{number}" for number in range(50)))
    await outcomes_of(client.sr.create_many(drafts(50), journal=path))
    seen: list[Outcome] = []
    async with client.workflow.submit_many(drafts(50), photos_in(folder), journal=path, concurrency=2) as run:
        async for outcome in run:
            seen.append(outcome)
            sandbox._api.api_key = "leo_another"

    stuck = [outcome for outcome in seen if isinstance(outcome, Stuck)]
    assert isinstance(stuck[0].error.__cause__, ForbiddenError)
    assert "403" in (run.progress.stopped or "")
    assert run.progress.taken < 20
    assert {type(outcome) for outcome in seen} <= {Submitted, Stuck, Created, Skipped}


async def test_too_many_stuck(client: Legitmark, drafts: Drafts, folder: Path) -> None:
    """Items that are stuck count as failures."""
    fill(folder, (f"ITEM-{number}" for number in range(50)), ["Front"])

    run = client.workflow.submit_many(drafts(50), photos_in(folder), max_failures=2, concurrency=2)
    await outcomes_of(run)

    assert (run.progress.stopped or "").endswith("more than max_failures allows")
    assert 3 <= run.progress.stuck < 10


async def test_refusals_of_all_steps(item: Item) -> None:
    """Whatever step the rate limit refuses, the progress counts it, and tells who waits."""
    async with (
        Sandbox(limits=Limits(partner=20, window=0.5)) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
    ):
        drafts = [ServiceRequestDraft(f"ITEM-{number}", item) for number in range(12)]
        run = client.workflow.submit_many(drafts, lambda _: dict.fromkeys(SIDES, PHOTO))
        async with run:
            seen: list[RunProgress] = []
            while run.progress.done < 12:
                seen.append(run.progress)
                await asyncio.sleep(0.001)

        assert run.progress.refused == sandbox.ledger.refused > 0
    assert "partner limit of 20" in {progress.reason for progress in seen if progress.waiting}
    assert (run.progress.submitted, run.progress.waiting) == (12, 0)


async def test_waits_of_photos(item: Item) -> None:
    """The progress tells of photos under way too, though they go to other hosts."""
    async with (
        Sandbox(faults={"stall-before": 1.0}, strikes=lambda path: path.endswith(".png")) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url, concurrency=2) as client,
    ):
        drafts = [ServiceRequestDraft("ITEM-1", item)]
        async with client.workflow.submit_many(drafts, lambda _: dict.fromkeys(SIDES, PHOTO)) as run:
            # All of the six have their URLs then.
            await until(lambda: run.progress.in_flight == 2 and run.progress.waits == {"requests in flight": 4})
            assert run.progress.active == 1


async def test_options(client: Legitmark, folder: Path) -> None:
    """Wrong options are told before anything is read."""
    with pytest.raises(ConfigurationError, match="concurrency"):
        client.workflow.submit_many([], photos_in(folder), concurrency=0)
    with pytest.raises(ConfigurationError, match="total"):
        client.workflow.submit_many([], photos_in(folder), total=-1)


async def test_broken_finder(client: Legitmark, sandbox: Sandbox, drafts: Drafts) -> None:
    """A draft for which the user's own function raises, or gives what is no photos, fails alone, and isn't sent."""

    def find(draft: ServiceRequestDraft) -> dict[str, bytes]:
        if draft.reference_id == "ITEM-1":
            raise LookupError("no such row")
        return [] if draft.reference_id == "ITEM-2" else dict.fromkeys(SIDES, PHOTO)  # type: ignore[return-value]  # wrong on purpose

    seen = await outcomes_of(client.workflow.submit_many(drafts(4), find, ordered=True))

    assert [type(outcome) for outcome in seen] == [Submitted, Failed, Failed, Submitted]
    assert isinstance(seen[1], Failed)
    assert str(seen[1].error) == "photos: LookupError: no such row"
    assert isinstance(seen[1].error.__cause__, LookupError)
    assert sandbox.ledger.created == 2


async def test_submitted_elsewhere(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """What somebody else has submitted meanwhile is left as it is, whatever is said of its photos."""
    await outcomes_of(client.sr.create_many(drafts(1), journal=path))
    with JournalReader(path) as journal:
        (entry,) = journal.entries()
    sandbox.move(entry.uuid or "", "QC")

    seen = await outcomes_of(client.workflow.submit_many(drafts(1), lambda _: {"Front": PHOTO}, journal=path))

    assert [type(outcome) for outcome in seen] == [Submitted]
    assert not sandbox.photos


async def test_outcomes_keep_little(client: Legitmark, drafts: Drafts, sandbox: Sandbox) -> None:
    """A failure that is handed over as a value holds no frames, and so no photos."""
    sandbox.set_faults({"refuse": 1.0})
    sandbox.strikes = lambda path: path.endswith(".png")
    view = client.with_options(retry=RetryPolicy(attempts=1))

    (outcome,) = await outcomes_of(view.workflow.submit_many(drafts(1), lambda _: dict.fromkeys(SIDES, PHOTO)))

    assert isinstance(outcome, Stuck)
    failure: BaseException | None = outcome.error
    while failure is not None:
        assert failure.__traceback__ is None
        failure = failure.__cause__


async def test_names_and_rows(client: Legitmark, sandbox: Sandbox, tmp_path: Path, folder: Path) -> None:
    """Items may be told by names, and what is wrong with photos names the row."""
    file = tmp_path / "items.csv"
    file.write_text("reference_id,category,type\nR-1,Bag,Tote\nR-2,Bag,Crossbody\n")
    fill(folder, ["R-1"])

    drafts = client.taxonomy.resolve_drafts(read_csv(file))
    seen = await outcomes_of(client.workflow.submit_many(drafts, photos_in(folder), ordered=True))

    assert [type(outcome) for outcome in seen] == [Submitted, Failed]
    assert isinstance(seen[1], Failed)
    assert isinstance(seen[1].error, PhotoError)
    assert str(seen[1].error).startswith(f"{file}:3: photos: ")
    assert sandbox.ledger.submitted == 1


class TestPhotosIn:
    """Photos in folders."""

    @pytest.mark.parametrize(
        ("reference", "name"),
        [
            ("A-1", "A-1"),
            ("A/1", "A%2F1"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("../secret", "..%2Fsecret"),
            ("/etc", "%2Fetc"),
            ("100%", "100%25"),
            ("100%", "100%"),
            ("a b:c", "a b:c"),
            ("a b:c", "a b%3Ac"),
            ("袋", "袋"),
        ],
    )
    def test_folders(self, folder: Path, draft: ServiceRequestDraft, reference: str, name: str) -> None:
        """No reference leads out of the folder, and each has a folder that it can be called like."""
        (folder.parent / "secret").mkdir()
        (folder.parent / "secret" / "Front.png").write_bytes(PHOTO)
        fill(folder, [name], ["Front"])

        found = photos_in(folder)(ServiceRequestDraft(reference, draft.item))

        assert found == {"Front": folder / name / "Front.png"}

    def test_files(self, folder: Path, draft: ServiceRequestDraft) -> None:
        """Suffixes of photos are left out of the names; hidden files and systems' clutter aren't taken."""
        own = folder / draft.reference_id
        own.mkdir()
        for name in ("Front.JPG", "No. 2", "back.v2.heic", "uuid", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (own / name).write_bytes(b"")

        assert set(photos_in(str(folder))(draft)) == {"Front", "No. 2", "back.v2", "uuid"}

    @pytest.mark.parametrize(
        ("names", "problem"),
        [
            ((), "has no photos in it"),
            (("Front.jpg", "Front.png"), r"Front.jpg' and '.*Front.png' are of the same side"),
            (None, "can't be read: No such file or directory"),
        ],
    )
    def test_problems(
        self, folder: Path, draft: ServiceRequestDraft, names: tuple[str, ...] | None, problem: str
    ) -> None:
        """A folder that can't be right is told, with its name."""
        if names is not None:
            (folder / draft.reference_id).mkdir()
        for name in names or ():
            (folder / draft.reference_id / name).write_bytes(PHOTO)

        with pytest.raises(PhotoError, match=problem) as caught:
            photos_in(folder)(draft)

        assert str(folder / draft.reference_id) in str(caught.value)

    def test_too_long(self, folder: Path, draft: ServiceRequestDraft) -> None:
        """A reference that no folder can be called like is told too."""
        with pytest.raises(PhotoError, match="File name too long"):
            photos_in(folder)(ServiceRequestDraft("R" * 300, draft.item))

    def test_no_folder(self, folder: Path) -> None:
        """A folder that isn't there is told at once."""
        with pytest.raises(ConfigurationError, match="nowhere' is no folder"):
            photos_in(folder / "nowhere")

    async def test_the_same_side_twice(self, client: Legitmark, folder: Path, drafts: Drafts) -> None:
        """Two photos that turn out to be of one side are told, and none is sent."""
        fill(folder, ["ITEM-0"], [*SIDES, "BACK_"])

        (outcome,) = await outcomes_of(client.workflow.submit_many(drafts(1), photos_in(folder)))

        assert isinstance(outcome, Stuck)
        assert "'BACK_' and 'Back' are the same side" in str(outcome.error)
