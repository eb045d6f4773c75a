"""`legitmark create-many --journal` that is killed or stopped: nothing twice, nothing lost."""

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from served_sandbox import ledger_of

from legitmark_async import JournalReader
from legitmark_async.journal import Status
from legitmark_async.testing import BAG, CROSSBODY

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Serve = Callable[..., Mapping[str, str]]
Rows = Callable[[int], Path]

UUIDS = f"{BAG},{CROSSBODY}"
KILLS = 10


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Write a file of so many rows."""

    def write(count: int) -> Path:
        file = tmp_path / "items.csv"
        lines = "".join(f"CRASH-{number},{UUIDS},{number % 7}\n" for number in range(count))
        file.write_text(f"reference_id,category,type,shelf\n{lines}")
        return file

    return write


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "run.db"


def created_in(journal: Path) -> int:
    """Tell how many items are created; none if there is no journal yet."""
    if not journal.exists() or not journal.stat().st_size:
        return 0
    with JournalReader(journal) as reader:
        return reader.summary().created


def check_complete(journal: Path, around: Mapping[str, str], count: int) -> None:
    """Check that each item was created once, and that the journal has each of them with its id."""
    ledger = ledger_of(around)
    assert (ledger["created"], ledger["duplicates"]) == (count, 0)
    with JournalReader(journal) as reader:
        entries = list(reader.entries())
    assert {entry.status for entry in entries} == {Status.CREATED}
    assert {entry.reference_id for entry in entries} == {f"CRASH-{number}" for number in range(count)}
    assert len({entry.uuid for entry in entries}) == len(entries) == count


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_again_and_again(start: Start, legitmark: Run, serve: Serve, rows: Rows, journal: Path) -> None:
    """10,000 rows, killed ten times at random: in the end each is created, once, and the journal has them all."""
    around, chance, killed = serve("--limit-partner", "0", "--latency", "0.01"), random.Random(7), 0
    words = ("create-many", str(rows(10_000)), "--journal", str(journal), "--out", str(journal.with_name("out.jsonl")))
    for kill in range(1, KILLS + 1):
        process = start(*words, **around)
        wanted = created_in(journal) + chance.randrange(50, 900)
        while process.poll() is None and ledger_of(around)["created"] < min(wanted, kill * 900):
            time.sleep(chance.random() * 0.01)
        killed += process.poll() is None
        process.kill()
        process.communicate()

    done = legitmark(*words, **around)

    assert killed == KILLS
    assert done.returncode == 0
    assert " created before" in done.stderr.splitlines()[-1]
    check_complete(journal, around, 10_000)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(  # one fixture for each thing it needs
    start: Start,
    legitmark: Run,
    serve: Serve,
    rows: Rows,
    journal: Path,
    number: signal.Signals,
) -> None:
    """Stopped in mid-run by a signal, it says how to go on; and going on creates the rest, and nothing twice."""
    around = serve("--limit-partner", "0", "--latency", "0.05")
    words = ("create-many", str(rows(2000)), "--journal", str(journal))
    process = start(*words, **around)
    assert process.stdout is not None
    for _ in range(200):
        process.stdout.readline()

    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    done = legitmark(*words, **around)

    assert process.returncode == 128 + number
    assert told.decode().splitlines()[-1].endswith(f"; go on with: legitmark {' '.join(words)}")
    assert done.returncode == 0
    check_complete(journal, around, 2000)


def test_stopped_twice(start: Start, legitmark: Run, serve: Serve, rows: Rows, journal: Path) -> None:
    """A second Ctrl-C cancels what is in flight: that is unknown, and settled by going on, and by nothing else."""
    around = serve("--limit-partner", "0", "--latency", "3")
    file = rows(40)
    words = ("create-many", str(file), "--journal", str(journal), "--concurrency", "8")
    process = start(*words, **around)
    while ledger_of(around)["created"] < 8:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    # Two that come at the same time count as one.
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    with JournalReader(journal) as reader:
        unknown = [entry.reference_id for entry in reader.entries(Status.UNKNOWN)]
    settled = legitmark(*words, "--settle-unknown", **around)

    assert [json.loads(line)["status"] for line in out.splitlines()].count("unknown") == len(unknown) == 8
    assert settled.returncode == 0
    statuses = [json.loads(line)["status"] for line in settled.stdout.splitlines()]
    assert (statuses.count("created"), statuses.count("skipped")) == (8, 32)
    assert ledger_of(around)["created"] == 8
    with JournalReader(journal) as reader:
        assert {entry.reference_id for entry in reader.entries(Status.CREATED)} == set(unknown)


def test_out_is_added_to(legitmark: Run, sandbox: Mapping[str, str], rows: Rows, journal: Path) -> None:
    """With a journal `--out` is written behind what is there: a line for each row, once."""
    out = journal.with_name("out.jsonl")
    first = legitmark("create-many", rows(5), "--journal", journal, "--out", out, **sandbox)
    again = legitmark("create-many", rows(8), "--journal", journal, "--out", out, **sandbox)

    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert (first.returncode, again.returncode) == (0, 0)
    assert [line["status"] for line in lines] == ["created"] * 8
    assert len({line["uuid"] for line in lines}) == 8
    assert again.stderr.splitlines()[-1].endswith("s, 5 created before")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no journal\n" * 50, "file is not a database; choose another file"), (None, "make its folder writable")],
    ids=["text", "no folder"],
)
def test_unusable(legitmark: Run, sandbox: Mapping[str, str], rows: Rows, content: bytes | None, words: str) -> None:
    """A journal that can't be used is told in one line, with exit status 2, and nothing is sent."""
    file = rows(3)
    journal = file.parent / "missing" / "run.db" if content is None else file.with_name("run.db")
    if content is not None:
        journal.write_bytes(content)
    before = ledger_of(sandbox)["created"]

    done = legitmark("create-many", file, "--journal", journal, **sandbox)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"legitmark: journal '{journal}': ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert ledger_of(sandbox)["created"] == before


def test_settle_needs_journal(legitmark: Run, sandbox: Mapping[str, str], rows: Rows) -> None:
    """`--settle-unknown` without a journal is wrong usage."""
    done = legitmark("create-many", rows(1), "--settle-unknown", **sandbox)

    assert done.returncode == 2
    assert "--settle-unknown needs the --journal" in done.stderr


def test_force_with_a_bad_journal(legitmark: Run, sandbox: Mapping[str, str], rows: Rows, journal: Path) -> None:
    """`--force` empties the file of outcomes only when the run has begun."""
    out = journal.with_name("out.jsonl")
    out.write_text("what is there\n")
    journal.write_bytes(b"no journal\n" * 50)
    words = ("create-many", rows(2), "--out", out, "--force")

    bad = legitmark(*words, "--journal", journal, **sandbox)
    kept = out.read_text()
    good = legitmark(*words, **sandbox)

    assert (bad.returncode, kept, good.returncode) == (2, "what is there\n", 0)
    assert len(out.read_text().splitlines()) == 2
