"""The file of a journal: who may open it, what it says when it can't be used, and how it survives."""

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from waiting import until

from legitmark_async import (
    BulkRun,
    ConfigurationError,
    Created,
    Item,
    JournalError,
    JournalReader,
    Legitmark,
    Outcome,
    ServiceRequestDraft,
    Skipped,
)
from legitmark_async.bulk._journal_books import JournalBooks
from legitmark_async.journal import NO_OUTCOME, Entry, Journal, Known, Sample, State, Status, digest_of
from legitmark_async.journal._lock import HeldError, Lock, _describe
from legitmark_async.journal._schema import MIGRATIONS, VERSION
from legitmark_async.journal._store import Account, Row, Store, _advice, _first_that_reads, _transaction
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import make_item

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]


OURS = Account("https://api.legitmark.com", "leo_key")


def instant(seconds: float) -> datetime:
    """An instant of the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "run.db"


async def outcomes_of(run: BulkRun) -> list[Outcome]:
    """Run to the end, and give all outcomes."""
    async with run:
        return [outcome async for outcome in run]


async def problem_with(client: Legitmark, sandbox: Sandbox, path: Path) -> str:
    """Try to run with a journal that can't be used: tell what is wrong with it, and check that nothing was sent."""
    before = sandbox.ledger.requests
    item = make_item()
    with pytest.raises(JournalError) as caught:
        await outcomes_of(client.sr.create_many([ServiceRequestDraft("NEW", item)], journal=path))
    assert sandbox.ledger.requests == before
    assert caught.value.path == str(path)
    return str(caught.value)


async def test_one_at_a_time(client: Legitmark, sandbox: Sandbox, path: Path) -> None:
    """A second run is told who holds the journal, and the first one's end sets it free."""
    async with client.sr.create_many([], journal=path):
        told = await problem_with(client, sandbox, path)

    assert f"it is in use by process {os.getpid()} on " in told
    assert await outcomes_of(client.sr.create_many([], journal=path)) == []


async def test_dead_holder(client: Legitmark, path: Path) -> None:
    """The lock of a process that was killed is taken, whatever is written in it."""
    lock = path.with_name("run.db.lock")
    holder = (
        "import sys; from pathlib import Path; from legitmark_async.journal._lock import Lock\n"
        "lock = Lock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603, ASYNC220  # this Python, and it answers at once
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(JournalError, match=f"in use by process {process.pid} on "):
            await outcomes_of(client.sr.create_many([], journal=path))
        process.kill()

    assert json.loads(lock.read_text())["pid"] == process.pid
    assert await outcomes_of(client.sr.create_many([], journal=path)) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"reference_id,category,type\n" * 100, "file is not a database; choose another", id="text"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 4000, "can't use it: ", id="torn head"),
    ],
)
async def test_no_journal(content: bytes, words: str, client: Legitmark, sandbox: Sandbox, path: Path) -> None:
    """A file that is no journal is told, and left as it is."""
    path.write_bytes(content)

    assert words in await problem_with(client, sandbox, path)
    assert path.read_bytes() == content
    with pytest.raises(JournalError), JournalReader(path):
        pass


async def test_other_database(client: Legitmark, sandbox: Sandbox, path: Path) -> None:
    """A database of something else is told, and left as it is."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cats (name TEXT)")
    database.close()

    assert "it is a database of something else; choose another file" in await problem_with(client, sandbox, path)
    with pytest.raises(JournalError, match="something else"), JournalReader(path):
        pass


async def test_damaged(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """A journal with a torn page is told, with what to do."""
    await outcomes_of(client.sr.create_many(drafts(500), journal=path))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)

    assert "malformed; it is damaged; restore it" in await problem_with(client, sandbox, path)


async def test_later_release(client: Legitmark, sandbox: Sandbox, path: Path) -> None:
    """A journal of a later release isn't touched."""
    await outcomes_of(client.sr.create_many([], journal=path))
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()

    told = await problem_with(client, sandbox, path)

    assert f"written by a later release (version {VERSION + 1}, this one knows {VERSION}); upgrade" in told


async def test_migration(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """A journal of the first version can be read as it is, and is gone on with in today's tables."""
    await outcomes_of(client.sr.create_many(drafts(3), journal=path))
    with sqlite3.connect(path) as database:
        database.executescript("DROP TABLE samples; PRAGMA user_version = 1")
    database.close()
    assert len(MIGRATIONS) == VERSION == 3
    with JournalReader(path) as journal:
        assert list(journal.samples()) == []

    seen = await outcomes_of(client.sr.create_many(drafts(5), journal=path))

    assert [type(outcome) for outcome in seen].count(Created) == 2
    assert sandbox.ledger.created == 5
    with JournalReader(path) as journal:
        assert journal.summary().created == 5
        assert sum(sample.created for sample in journal.samples()) == 2


async def test_other_account(client: Legitmark, sandbox: Sandbox, path: Path) -> None:
    """A journal of another key or another base URL isn't written to, and tells no key."""
    await outcomes_of(client.sr.create_many([], journal=path))
    async with Legitmark("leo_other", base_url=sandbox.url) as other:
        assert ": it belongs to another API key; choose another file" in await problem_with(other, sandbox, path)
    async with Sandbox() as second, Legitmark(sandbox.api_key, base_url=second.url) as elsewhere:
        told = await problem_with(elsewhere, second, path)

    assert f"it belongs to {sandbox.url}, not to {second.url}" in told
    assert sandbox.api_key.encode() not in path.read_bytes()


async def test_no_folder(client: Legitmark, sandbox: Sandbox, path: Path) -> None:
    """A folder that isn't there is told."""
    told = await problem_with(client, sandbox, path.parent / "missing" / "run.db")

    assert "can't write run.db.lock beside it: No such file or directory; make its folder writable" in told


@pytest.mark.slow
async def test_full_disk(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """Where the disk is full nothing more is sent; every draft has its outcome, and the next run goes on."""
    run = client.sr.create_many(drafts(1500), journal=path)
    seen: list[Outcome] = []

    async def run_into_it() -> None:
        async with run:
            run._maker.books.journal._store._connection.execute("PRAGMA max_page_count = 30")  # type: ignore[attr-defined]  # it has one
            async for outcome in run:
                seen.append(outcome)  # noqa: PERF401  # what there is has to be kept when the loop raises

    with pytest.raises(JournalError, match="database or disk is full; free some space and run the same again"):
        await run_into_it()

    assert len(seen) + len(run.leftover) == run.progress.taken < 1500
    assert sandbox.ledger.created < 1500
    again = await outcomes_of(client.sr.create_many(drafts(1500), journal=path))
    assert {type(outcome) for outcome in again} <= {Created, Skipped}
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (1500, 0)


async def test_failure_that_nobody_reads(client: Legitmark, drafts: Drafts, path: Path) -> None:
    """If the journal can't be written, and no outcome was waited for that would have told it, leaving the run does."""
    run = client.sr.create_many(drafts(50), journal=path)

    async def leave() -> None:
        async with run:
            run._maker.books.journal._store._connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]  # it has one
            await until(lambda: run.progress.stopped not in {None, "input ended"})

    with pytest.raises(JournalError, match="attempt to write a readonly database"):
        await leave()

    assert len(run.leftover) == run.progress.taken


async def test_same_hash(client: Legitmark, drafts: Drafts, path: Path) -> None:
    """Two references of one hash are told apart by what the file says."""
    async with client.sr.create_many(drafts(1), journal=path) as run:
        assert len([outcome async for outcome in run]) == 1
        books = run._maker.books
        assert isinstance(books, JournalBooks)

        assert [await books._changed(draft, [1]) for draft in drafts(2)] == [1, 0]


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no other users here: run it on Linux as root")
@pytest.mark.parametrize(
    ("folder", "words"),
    [
        pytest.param(0o777, "attempt to write a readonly database; make it and its folder writable", id="file"),
        pytest.param(0o555, "can't write run.db.lock beside it: Permission denied; make its folder", id="folder"),
    ],
)
def test_read_only(folder: int, words: str) -> None:
    """A journal that can't be written to is told."""
    script = (
        "import os, sys; from pathlib import Path; from legitmark_async.journal._store import Account, Store\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "Store.open(Path(sys.argv[1]), Account('https://api.legitmark.com', 'leo_key'))"
    )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "run.db"
        Store.open(path, OURS).close(None, 0)
        path.with_name("run.db.lock").unlink()
        path.chmod(0o444)
        Path(name).chmod(folder)
        done = subprocess.run(  # noqa: S603  # this Python
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
        )
        Path(name).chmod(0o777)

    assert words in done.stderr


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may write nothing, where this one may write all."""
    everybody = os.geteuid()
    if everybody == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(everybody)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no other users here: run it on Linux as root")
def test_read_where_nothing_is_written() -> None:
    """A journal can be read from a medium that can't be written to, and nothing else is taken for one there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, other = folder / "run.db", folder / "none.db"
        Store.open(path, OURS).close(None, 0)
        other.write_bytes(b"no journal")
        folder.chmod(0o555)

        with nobody():
            with JournalReader(path) as journal:
                summary = journal.summary()
            with pytest.raises(JournalError, match="file is not a database"), JournalReader(other):
                pass
        folder.chmod(0o777)

        left = {file.name for file in folder.iterdir()}
        with JournalReader(path) as journal:
            assert journal.summary() == summary
    # Opened as what never changes, it leaves nothing beside it.
    assert left == {"none.db", "run.db", "run.db.lock"}


async def test_durable_before_sent(client: Legitmark, sandbox: Sandbox, drafts: Drafts, path: Path) -> None:
    """Each draft whose request has arrived is marked in the file, and those whose outcome was given have it there."""
    sandbox.latency = 0.02
    async with client.sr.create_many(drafts(300), journal=path) as run:
        async for _ in run:
            with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
                rows = dict(database.execute("SELECT reference, status FROM items").fetchall())
            database.close()
            assert sandbox.references.keys() <= rows.keys()
            assert sum(state == State.CREATED for state in rows.values()) >= run.progress.created


def test_reader_needs_block(path: Path) -> None:
    """A reader outside its block, or of a file that isn't there, says so."""
    with pytest.raises(
        ConfigurationError, match=r"^use a journal reader as a block: 'with JournalReader\(path\) as journal:'$"
    ):
        JournalReader(path).summary()
    with pytest.raises(JournalError, match=r": there is no such file$") as told, JournalReader(path):
        pass
    assert told.value.path == str(path)


async def test_read_while_written(client: Legitmark, drafts: Drafts, path: Path) -> None:
    """A journal may be read while a run writes to it: what was sent and is open is unknown."""
    async with client.sr.create_many(drafts(200), journal=path) as run:
        async for _ in run:
            with JournalReader(path) as journal:
                told = journal.summary()
            assert told.items <= 200
            assert told.created >= run.progress.created
    with JournalReader(path) as journal:
        told = journal.summary()

    assert (told.created, told.failed, told.unknown, told.items) == (200, 0, 0, 200)
    assert [(record.number, record.stopped) for record in told.runs] == [(1, "input ended")]


def test_known_grows(item: Item) -> None:
    """The table finds each of many references by its number, and nothing else."""
    known = Known()
    drafts = [ServiceRequestDraft(f"ITEM-{number}", item) for number in range(20_000)]
    for number, draft in enumerate(drafts, start=1):
        assert known.add(draft.reference_id, digest_of(draft), State.SENT) == number

    assert [known.find(draft.reference_id) for draft in drafts] == [[number] for number in range(1, 20_001)]
    assert known.find("ITEM-20000") == []


def test_known_with_gaps(item: Item) -> None:
    """Numbers that the file has no more, and rows that nobody looks for, keep their places."""
    draft = ServiceRequestDraft("A", item)
    known = Known()

    known.load([(2, "A", digest_of(draft), State.CREATED), (5, "", None, State.FAILED), (6, "B", 7, State.SENT)])

    assert (known.find("A"), known.find("B"), known.find(""), len(known)) == ([2], [6], [], 6)
    assert [known.states[2], known.states[6]] == [State.CREATED, State.SENT]


def test_statuses() -> None:
    """Each status of an entry is a word of the outcomes."""
    assert set(Status) == {"created", "uploaded", "submitted", "stuck", "failed", "unknown"}


@pytest.mark.real_time
async def test_closed_loop(path: Path, sandbox: Sandbox) -> None:
    """A run that is never ended keeps no process alive."""
    script = (
        "import asyncio, sys; from legitmark_async import *\n"
        "async def main():\n"
        "    client = Legitmark(sys.argv[2], base_url=sys.argv[3]); await client.__aenter__()\n"
        "    await client.sr.create_many([], journal=sys.argv[1]).__aenter__()\n"
        "asyncio.run(main())"
    )
    words = [sys.executable, "-c", script, str(path), sandbox.api_key, sandbox.url]
    process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)

    assert await asyncio.wait_for(process.wait(), 20) == 0


def test_not_opened(path: Path) -> None:
    """A reader may be left without having been entered."""
    JournalReader(path).__exit__(None, None, None)


def test_reader_of_no_journal(path: Path) -> None:
    """A database that is no journal, and one that is damaged, is told; where it breaks, if that shows only later."""
    sqlite3.connect(path).close()
    with pytest.raises(JournalError, match=r": it is no journal$") as told, JournalReader(path):
        pass
    assert told.value.path == str(path)

    Store.open(path, OURS).close(None, 0)
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE items")
    database.close()
    with (
        JournalReader(path) as journal,
        pytest.raises(JournalError, match="can't read it: no such table: items") as told,
    ):
        journal.summary()
    assert told.value.path == str(path)


def test_item_that_was_never_sent(path: Path) -> None:
    """An item that was noted and never sent has no status."""
    store = Store.open(path, OURS)
    store._connection.execute(
        "INSERT INTO items (reference, digest, status, run) VALUES ('A', 7, ?, 1)", (State.UNSENT,)
    )
    store.close(None, 0)

    with JournalReader(path) as journal:
        assert journal.summary().items == 0
        assert list(journal.entries()) == []


def test_all_that_is_read(path: Path) -> None:
    """A reader tells everything that was written of items, spans and runs; of what has no outcome, just that."""
    began = datetime.now(UTC)
    store = Store.open(path, OURS)
    settled = ("U-2", "998002", "no such type", "type", "items.csv", 7, '{"shelf": "A3"}')
    store.write([(1, "A", 7, State.SENT, 1000.0, *[None] * 8), (2, "B", 8, State.FAILED, 1001.5, 1002.0, *settled)])
    store.write_sample((1003.0, 1.25, 3, 4, 5, 6, 7, 8, "partner limit"), None)
    store.close("left early", 9)

    with JournalReader(path) as journal:
        entries, samples, runs = list(journal.entries()), list(journal.samples()), journal.summary().runs

    assert entries == [
        Entry(
            reference_id="A",
            status=Status.UNKNOWN,
            error=NO_OUTCOME,
            cause=NO_OUTCOME,
            run=1,
            sent_at=instant(1000.0),
        ),
        Entry(
            reference_id="B",
            status=Status.FAILED,
            uuid="U-2",
            micro_id="998002",
            error="no such type",
            cause="type",
            file="items.csv",
            line=7,
            extra={"shelf": "A3"},
            run=1,
            sent_at=instant(1001.5),
            settled_at=instant(1002.0),
        ),
    ]
    assert samples == [
        Sample(
            run=1, at=instant(1003.0), seconds=1.25, created=3, failed=4, unknown=5, refused=6, in_flight=7, waiting=8,
            reason="partner limit",
        )
    ]  # fmt: skip
    (run,) = runs
    assert (run.number, run.stopped, run.refused) == (1, "left early", 9)
    assert began <= run.started_at <= (run.ended_at or began) <= datetime.now(UTC)


def test_summary(path: Path) -> None:
    """All is counted, and what was sent and has no outcome beside what is unknown for another reason."""
    store = Store.open(path, OURS)
    states = [state for number, state in enumerate(State, 1) for _ in range(number)]
    store.write([(number, f"R{number}", number, state, *[None] * 9) for number, state in enumerate(states, 1)])
    count = {state: states.count(state) for state in State}
    store.close(None, 0)

    with JournalReader(path) as journal:
        told = journal.summary()

    assert (told.path, told.base_url) == (str(path), "https://api.legitmark.com")
    made = (State.CREATED, State.UPLOADED, State.SUBMITTED, State.STUCK)
    assert told.created == sum(count[state] for state in made)
    assert (told.submitted, told.stuck) == (count[State.SUBMITTED], count[State.STUCK])
    assert (told.failed, told.unknown) == (count[State.FAILED], count[State.UNKNOWN] + count[State.SENT])


def test_salted(path: Path, tmp_path: Path) -> None:
    """Of one key two journals keep two fingerprints, of 128 bits, and neither the key."""
    kept = []
    for file in (path, tmp_path / "other.db"):
        Store.open(file, OURS).close(None, 0)
        with sqlite3.connect(file) as database:
            kept.append(dict(database.execute("SELECT name, value FROM facts")))
        database.close()

    assert {len(facts["key"]) for facts in kept} == {32}
    assert kept[0]["key"] != kept[1]["key"]
    assert OURS.key not in str(kept)


def test_same_digest_for_ever() -> None:
    """The digest of a draft stays as it is: journals of older releases hold it."""
    draft = ServiceRequestDraft("A-1", Item(category="c", type="t", brand="b", model="m"))

    assert digest_of(draft) == 7_121_744_077_779_609_197


def test_many_rows_at_once(path: Path) -> None:
    """However many rows come together, each is written as it is, and only once."""
    store = Store.open(path, OURS)
    statements: list[str] = []
    store._connection.set_trace_callback(lambda statement: statements.append(statement.split()[0]))

    for first, count in ((1, 64), (65, 130)):
        numbers = range(first, first + count)
        store.write([(number, f"R{number}", number, State.SENT, *[None] * 9) for number in numbers])
    store._connection.set_trace_callback(None)
    store.close(None, 0)

    assert statements == ["INSERT", "BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]
    with JournalReader(path) as journal:
        assert [entry.reference_id for entry in journal.entries()] == [f"R{number}" for number in range(1, 195)]


def test_clock_of_a_run(path: Path) -> None:
    """How far the server's clock is before ours is kept for each run, and not forgotten when it isn't told again."""
    store = Store.open(path, OURS)
    store.write([(1, "A", 7, State.SENT, 1000.0, *[None] * 8)])
    found = [store.lookup(1)]
    for offset in (0.5, None):
        store.write_sample((1003.0, 1.0, *[0] * 6, None), offset)
        found.append(store.lookup(1))
    store.close(None, 0)

    assert found == [("A", None, 1000.0, None), *[("A", None, 1000.0, 0.5)] * 2]


async def test_clock_that_is_handed_over(path: Path) -> None:
    """How far the clocks are apart comes with a sample, and is known to who looks an item up afterwards."""
    journal = Journal(Store.open(path, OURS))
    await journal.write((1, "A", 7, State.SENT, 1000.0, *[None] * 8))

    journal.note((1003.0, 1.0, *[0] * 6, None), 0.5)
    found = await journal.lookup(1)
    await journal.aclose(None, 0)

    assert found == ("A", None, 1000.0, 0.5)


async def test_who_waits_no_more(path: Path) -> None:
    """If one of those who wait for a commit is cancelled, the others are told all the same."""
    journal = Journal(Store.open(path, OURS))
    rows = [journal.write((number, f"{number}", number, State.SENT, *[None] * 9)) for number in (1, 2)]

    rows[0].cancel()
    await rows[1]
    await journal.aclose(None, 0)

    with JournalReader(path) as reader:
        assert reader.summary().items == 2


def test_folder_in_its_place(path: Path) -> None:
    """A folder is no journal, and its lock is let go of."""
    path.mkdir()

    for _ in range(2):
        with pytest.raises(
            JournalError, match=f"'{path}': can't open it: unable to open database file; make its folder"
        ):
            Store.open(path, OURS)


@pytest.mark.parametrize("statement", ["PRAGMA application_id = 7", "PRAGMA user_version = 3", "CREATE TABLE t (a)"])
def test_database_of_others(path: Path, statement: str) -> None:
    """A database that says whose it is, that has a version, or that holds anything, is not made a journal of."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()

    with pytest.raises(JournalError, match=r": it is a database of something else; choose another file$"):
        Store.open(path, OURS)


@pytest.mark.parametrize(
    ("use", "doing"),
    [
        (lambda store: store.write_sample((0.0, 1.0, *[0] * 6, None), None), "write to"),
        (lambda store: store.write([(1, "A", 7, State.SENT, *[None] * 9)]), "write to"),
        (lambda store: store.lookup(1), "read"),
        (lambda store: store.close(None, 0), "write to"),
    ],
    ids=["sample", "rows", "lookup", "close"],
)
def test_what_failed(path: Path, use: Callable[[Store], object], doing: str) -> None:
    """A failure tells the file, and what was done with it."""
    store = Store.open(path, OURS)
    store.abandon()

    with pytest.raises(JournalError, match=f"can't {doing} it: Cannot operate on a closed database") as told:
        use(store)

    assert told.value.path == str(path)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("database or disk is full", "; free some space and run the same again"),
        ("attempt to write a readonly database", "; make it and its folder writable"),
        ("unable to open database file", "; make its folder, and see that it may be written to"),
        ("malformed", "; it is damaged; restore it from a backup, or save what there is with SQLite's .recover"),
        ("file is not a database", "; choose another file"),
        ("database is locked", "; another program writes to it; close that"),
        ("something else", ""),
    ],
)
def test_advice(text: str, advice: str) -> None:
    """What SQLite says is told with what to do."""
    assert _advice(sqlite3.OperationalError(text)) == advice


def test_holder_that_is_told() -> None:
    """Whoever holds a journal is told by process, machine and time."""
    told = _describe(b'{"pid": 7, "host": "shop-1", "since": "2026-11-29T10:00:00+00:00"}')

    assert told == "process 7 on shop-1, since 2026-11-29T10:00:00+00:00"


@pytest.mark.parametrize("told", [b"", b"no JSON", b"[]", b'{"host": "h"}'])
def test_holder_that_is_not_told(told: bytes) -> None:
    """Whoever holds a journal without saying who it is, is another process."""
    assert _describe(told) == "another process"


def test_two_ways_to_help() -> None:
    """Each thing that there is to do is told after the others."""
    text = "disk is full and database is locked"

    assert _advice(sqlite3.OperationalError(text)) == (
        "; free some space and run the same again; another program writes to it; close that"
    )


def test_damaged_while_it_is_opened(path: Path) -> None:
    """What goes wrong when a journal is opened to be read tells the file, and what was done."""
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)

    with pytest.raises(JournalError, match="can't read it: ") as told, JournalReader(path):
        pass

    assert told.value.path == str(path)


def test_rolled_back(path: Path) -> None:
    """What fails within a transaction leaves nothing, also if the database has rolled it back itself."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE kept (value INTEGER)")

    def fail(*statements: str) -> None:
        with _transaction(connection):
            for statement in statements:
                connection.execute(statement)
            raise MemoryError

    with pytest.raises(MemoryError):
        fail("INSERT INTO kept VALUES (1)")
    with pytest.raises(MemoryError):
        fail("INSERT INTO kept VALUES (1)", "ROLLBACK")
    rows = connection.execute("SELECT * FROM kept").fetchall()
    connection.close()

    assert rows == []


def test_second_way_to_read(path: Path) -> None:
    """Where a journal can't be read in one way, it is read in the other."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE kept (value INTEGER)")
    holder.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(":memory:")

    found = _first_that_reads(lambda: sqlite3.connect(path, timeout=0), lambda: other)
    holder.close()
    other.close()

    assert found is other


def test_loop_that_is_gone(path: Path) -> None:
    """If the event loop is closed before a row is written, the thread writes it all the same, and tells nobody."""

    async def begin() -> Journal:
        journal = await Journal.open(path, OURS)
        journal.write((1, "A", 7, State.SENT, *[None] * 9))
        return journal

    journal = asyncio.run(begin())
    journal._executor.shutdown()
    journal._store.abandon()

    with JournalReader(path) as reader:
        assert [entry.reference_id for entry in reader.entries()] == ["A"]


def test_lock_tells_its_holder(path: Path) -> None:
    """Whoever finds a lock held is told by whom; what was in its file before doesn't matter, and nobody runs it."""
    lock, other = Lock(path), Lock(path)
    lock.acquire()
    lock.release()
    lock.path.write_text(lock.path.read_text() + "x" * 500)

    lock.acquire()
    with pytest.raises(HeldError) as held:
        other.acquire()
    told = json.loads(lock.path.read_text())
    lock.release()
    other.acquire()
    other.release()

    assert str(held.value) == f"process {os.getpid()} on {socket.gethostname()}, since {told['since']}"
    assert datetime.fromisoformat(told["since"]).tzinfo == UTC
    assert not lock.path.stat().st_mode & 0o111


def test_lock_that_is_not_held(path: Path) -> None:
    """A lock that nobody has taken may be let go of."""
    Lock(path).release()

    assert list(path.parent.iterdir()) == []


class Failing(Store):
    """A journal whose file can't take what it is given, for a reason that SQLite doesn't know."""

    tries = 0

    def write(self, rows: Sequence[Row]) -> None:
        """Fail at the first row."""
        if rows:
            Failing.tries += 1
            raise MemoryError("no room")


async def test_any_failure(path: Path) -> None:
    """Whatever makes writing fail is told to whoever waits, and to all that come later."""
    Failing.tries = 0
    journal = Journal(Failing.open(path, OURS))
    row: Row = (1, "A", 7, State.SENT, *[None] * 9)

    for _ in range(2):
        with pytest.raises(JournalError, match=r"can't write to it: MemoryError\('no room'\)") as told:
            await journal.write(row)
        assert told.value.path == str(path)
    with pytest.raises(JournalError, match="MemoryError"):
        await journal.aclose("left early", 0)

    journal._executor.shutdown()
    assert (journal.run, Failing.tries) == (1, 1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("legitmark-journal")]
