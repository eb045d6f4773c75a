"""`legitmark status` and `legitmark export`: what a journal tells."""

import csv
import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from legitmark_async.testing import BAG, CROSSBODY

Run = Callable[..., "subprocess.CompletedProcess[str]"]
UUIDS = f"{BAG},{CROSSBODY}"


@pytest.fixture
def journal(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> Path:
    """The journal of two runs, in which one row was created, one is wrong and one was sent without an outcome."""
    file, path = tmp_path / "items.csv", tmp_path / "run.db"
    file.write_text(f"reference_id,category,type,shelf,line\nE-1,{UUIDS},=1+1,x\n-2,,,,\nE-3,{UUIDS},größer,\n")
    for _ in range(2):
        legitmark("create-many", file, "--journal", path, **sandbox)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE items SET status = 1, uuid = NULL, micro_id = NULL WHERE reference = 'E-3'")
        database.execute("UPDATE runs SET ended_at = NULL, stopped = NULL WHERE number = 2")
    database.close()
    return path


def test_status(legitmark: Run, sandbox: Mapping[str, str], journal: Path) -> None:
    """One object tells the counts and the runs; stderr tells how to go on."""
    done = legitmark("status", journal)

    told = json.loads(done.stdout)
    first, second = told.pop("runs")
    assert done.returncode == 0
    assert told == {
        "journal": str(journal),
        "base_url": sandbox["LEGITMARK_BASE_URL"],
        "items": 3,
        "created": 1,
        "submitted": 0,
        "stuck": 0,
        "failed": 1,
        "unknown": 1,
    }
    assert (first["number"], first["stopped"], first["refused"]) == (1, "input ended", 0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["started_at"])
    assert (second["ended_at"], second["stopped"]) == (None, None)
    assert "the last run is still going on or was killed and some are unknown" in done.stderr
    assert "run create-many again with this journal" in done.stderr


def test_export(legitmark: Run, journal: Path) -> None:
    """The lines are those of create-many, rows that could not be sent last; what has no outcome is unknown."""
    done = legitmark("export", journal)

    created, sent, wrong = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 0
    assert list(created) == ["reference_id", "status", "uuid", "micro_id", "error", "extra", "line"]
    assert (created["reference_id"], created["status"], created["line"]) == ("E-1", "created", 2)
    assert created["extra"] == {"shelf": "=1+1", "line": "x"}
    assert (sent["reference_id"], sent["status"], sent["uuid"]) == ("E-3", "unknown", None)
    assert sent["error"] == "it was sent, and no outcome was recorded"
    assert (wrong["reference_id"], wrong["status"]) == ("-2", "failed")
    assert "items.csv:3: item.category: is empty" in wrong["error"]


def test_export_csv(legitmark: Run, journal: Path) -> None:
    """The table has the other columns behind; none of its cells is a formula."""
    out = journal.with_name("out.csv")
    done = legitmark("export", journal, "--format", "csv", "--out", out)

    with out.open(encoding="utf-8", newline="") as file:
        rows = {row["reference_id"]: row for row in csv.DictReader(file)}
    assert done.returncode == 0
    assert list(rows["E-1"]) == [
        "reference_id", "status", "uuid", "micro_id", "error", "line", "shelf", "extra.line",
    ]  # fmt: skip
    assert (rows["E-1"]["shelf"], rows["E-1"]["extra.line"], rows["E-1"]["line"]) == ("'=1+1", "x", "2")
    assert rows["E-3"]["shelf"] == "größer"
    assert rows["'-2"]["status"] == "failed"


def test_export_keeps_files(legitmark: Run, journal: Path) -> None:
    """A file that holds something is overwritten only with --force, and the journal never."""
    out = journal.with_name("out.jsonl")
    out.write_text("mine")

    refused = legitmark("export", journal, "--out", out)
    kept = out.read_text()
    forced = legitmark("export", journal, "--out", out, "--force")
    itself = legitmark("export", journal, "--out", journal, "--force")

    assert (refused.returncode, forced.returncode, itself.returncode) == (2, 0, 2)
    assert kept == "mine"
    assert len(out.read_text().splitlines()) == 3


def set_extra(journal: Path, extra: str) -> None:
    """Give the row that was created other columns, as JSON."""
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE items SET extra = ? WHERE reference = 'E-1'", (extra,))
    database.close()


def multiply(journal: Path, rows: int) -> None:
    """Add so many items to a journal."""
    with sqlite3.connect(journal) as database:
        database.execute(
            """INSERT INTO items (reference, digest, status, run) WITH RECURSIVE numbers (number) AS
            (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) SELECT 'N', 1, 2, 1 FROM numbers""",
            (rows,),
        )
    database.close()


def test_export_csv_of_anything(legitmark: Run, journal: Path) -> None:
    """Columns keep apart whatever they are called, and what JSON or UTF-8 can't say is none or an escape."""
    set_extra(journal, r'{"line": 1, "extra.line": 2, "=k": -Infinity, "half": "\ud800", "deep": ["\ud800", null]}')

    done = legitmark("export", journal, "--format", "csv")

    row = next(row for row in csv.DictReader(done.stdout.splitlines()) if row["reference_id"] == "E-1")
    assert (row["line"], row["extra.line"], row["extra.extra.line"]) == ("2", "1", "2")
    assert (row["'=k"], row["half"], row["deep"]) == ("", r"\ud800", r'["\ud800", null]')


def test_export_to_a_reader_that_leaves(start: "Callable[..., subprocess.Popen[bytes]]", journal: Path) -> None:
    """Nobody is told that whoever reads has enough."""
    multiply(journal, 5000)

    process = start("export", str(journal))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(30)

    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (1, b"")


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_export_is_interrupted(start: "Callable[..., subprocess.Popen[bytes]]", journal: Path, format_: str) -> None:
    """Ctrl-C ends it at once, however much there is to write."""
    multiply(journal, 300_000)
    out = journal.with_name("out")

    process = start("export", str(journal), "--format", format_, "--out", str(out))
    while not (out.exists() and out.stat().st_size):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(30)

    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (130, b"interrupted\n")
    assert len(out.read_bytes().splitlines()) < 300_000


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here: run it on Linux")
def test_report_is_interrupted(start: "Callable[..., subprocess.Popen[bytes]]", journal: Path) -> None:
    """So it does a report, while that reads."""
    multiply(journal, 300_000)
    html = journal.with_name("report.html")

    process = start("report", str(journal), "--html", str(html))
    while str(journal) not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(30)

    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (130, b"interrupted\n")
    assert not html.exists()


@pytest.mark.parametrize("command", ["status", "export"])
@pytest.mark.parametrize("content", [None, b"text " * 100], ids=["missing", "text"])
def test_no_journal(legitmark: Run, tmp_path: Path, command: str, content: bytes | None) -> None:
    """A file that is no journal is told in one line, with exit status 2."""
    path = tmp_path / "run.db"
    if content is not None:
        path.write_bytes(content)

    done = legitmark(command, path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"legitmark: journal '{path}': ")
    assert done.stderr.count("\n") == 1
