"""`legitmark submit-many`: rows and folders of photos in, each item created, photographed and submitted once."""

import json
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from served_sandbox import ledger_of

from legitmark_async import JournalReader
from legitmark_async.journal import Status
from legitmark_async.testing import BAG, CROSSBODY, make_photo

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Serve = Callable[..., Mapping[str, str]]

SIDES = ("Front", "Back", "Base", "Interior Label", "Hardware Engraving", "Serial Number")
PHOTO = make_photo(kind="png")
KILLS = 5


@pytest.fixture
def around(serve: Serve) -> Mapping[str, str]:
    """The environment of a sandbox of its own."""
    return serve("--limit-partner", "0", "--latency", "0")


def write(folder: Path, count: int, *, start: int = 0) -> tuple[Path, Path]:
    """Write a file of so many rows, and the photos of those from `start` on; return both."""
    file, photos = folder / "items.csv", folder / "photos"
    rows = "".join(f"S-{number},Bag,Crossbody,{number % 7}\n" for number in range(count))
    file.write_text(f"reference_id,category,type,shelf\n{rows}")
    photos.mkdir(exist_ok=True)
    for number in range(start, count):
        own = photos / f"S-{number}"
        own.mkdir()
        for side in SIDES:
            (own / f"{side}.png").write_bytes(PHOTO)
    return file, photos


def lines_of(text: str) -> dict[str, dict[str, Any]]:
    """Read outcomes, by their references."""
    lines = [json.loads(line) for line in text.splitlines()]
    return {line["reference_id"]: line for line in lines}


def test_the_whole_way(legitmark: Run, around: Mapping[str, str], tmp_path: Path) -> None:
    """Each row has its line; the same again does nothing."""
    file, photos = write(tmp_path, 12)
    words = ("submit-many", file, "--photos", photos, "--journal", tmp_path / "run.db")

    done = legitmark(*words, **around)
    again = legitmark(*words, **around)

    told, ledger = lines_of(done.stdout), ledger_of(around)
    assert (done.returncode, again.returncode, again.stdout) == (0, 0, "")
    assert {line["status"] for line in told.values()} == {"submitted"}
    assert len({line["uuid"] for line in told.values()}) == 12
    assert told["S-3"]["extra"] == {"shelf": "3"}
    assert "12 submitted, 0 stuck, 0 failed" in done.stderr
    assert again.stderr.splitlines()[-1].endswith("s, 12 submitted before")
    assert (ledger["created"], ledger["duplicates"], ledger["submitted"], ledger["photos"]) == (12, 0, 12, 72)


def test_stuck(legitmark: Run, around: Mapping[str, str], tmp_path: Path) -> None:
    """A row that lacks photos is stuck, or fails if it has none; when they are there, both go on."""
    file, photos = write(tmp_path, 3, start=1)
    (photos / "S-1" / "Base.png").rename(tmp_path / "Base.png")
    words = ("submit-many", file, "--photos", photos, "--journal", tmp_path / "run.db")

    done = legitmark(*words, **around)
    write(tmp_path, 1)
    (tmp_path / "Base.png").rename(photos / "S-1" / "Base.png")
    file, _ = write(tmp_path, 3, start=3)
    again = legitmark(*words, **around)

    told = lines_of(done.stdout)
    assert {name: line["status"] for name, line in told.items()} == {
        "S-0": "failed",
        "S-1": "stuck",
        "S-2": "submitted",
    }
    assert f"{file}:2: photos: " in told["S-0"]["error"]
    assert "stuck at requirements: no photo for 'Base'" in told["S-1"]["error"]
    assert told["S-1"]["uuid"]
    assert done.returncode == 1
    assert "1 submitted, 1 stuck, 1 failed" in done.stderr
    assert "go on with: legitmark submit-many" in done.stderr
    assert again.returncode == 0
    assert set(lines_of(again.stdout)) == {"S-0", "S-1"}
    assert lines_of(again.stdout)["S-1"]["uuid"] == told["S-1"]["uuid"]
    assert (ledger_of(around)["created"], ledger_of(around)["submitted"]) == (3, 3)


def test_what_is_told_of_it(legitmark: Run, around: Mapping[str, str], tmp_path: Path) -> None:
    """Status, export and report tell what is stuck, and why."""
    file, photos = write(tmp_path, 3, start=1)
    (photos / "S-1" / "Base.png").unlink()
    journal, html = tmp_path / "run.db", tmp_path / "report.html"
    legitmark("submit-many", file, "--photos", photos, "--journal", journal, **around)

    status, export = legitmark("status", journal), legitmark("export", journal)
    legitmark("report", journal, "--html", html)

    assert json.loads(status.stdout) | {"runs": []} == {
        "journal": str(journal),
        "base_url": around["LEGITMARK_BASE_URL"],
        "items": 3,
        "created": 2,
        "submitted": 1,
        "stuck": 1,
        "failed": 1,
        "unknown": 0,
        "runs": [],
    }
    assert "2 created (1 submitted, 1 stuck)" in status.stderr
    assert "run submit-many again" in status.stderr
    assert lines_of(export.stdout)["S-1"]["status"] == "stuck"
    page = html.read_text()
    assert "requirements: no photo for &#x27;Base&#x27;" in page
    assert "<dt>stuck</dt><dd>1</dd>" in page


@pytest.mark.parametrize("key", [True, False])
def test_dry_run(legitmark: Run, around: Mapping[str, str], tmp_path: Path, *, key: bool) -> None:
    """Photos are checked without a key too; nothing is sent but look-ups of names."""
    file, photos = write(tmp_path, 3, start=1)
    uuids = f"{BAG},{CROSSBODY}"
    file.write_text(file.read_text().replace("Bag,Crossbody", uuids))
    (photos / "S-1" / "Front.png").write_bytes(b"no photo")

    variables = around if key else {}
    done = legitmark("submit-many", file, "--photos", photos, "--dry-run", "--limit", "3", "--window", "2", **variables)

    bad = {line["reference_id"]: line for line in map(json.loads, done.stdout.splitlines()[:-1])}
    assert done.returncode == 1
    assert f"{file}:2: photos: '{photos / 'S-0'}' can't be read" in bad["S-0"]["error"]
    assert f"{file}:3: Front: photo: is no photo" in bad["S-1"]["error"]
    # Four requests, three a window.
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "items": 3,
        "valid": 1,
        "invalid": 2,
        "duplicates": 0,
        "predicted_seconds": 2.0,
    }
    assert ledger_of(around)["created"] == 0


def test_usage(legitmark: Run, tmp_path: Path) -> None:
    """A folder is needed, and it must be there."""
    file, _ = write(tmp_path, 1)

    without, nowhere = legitmark("submit-many", file), legitmark("submit-many", file, "--photos", tmp_path / "nowhere")

    assert (without.returncode, nowhere.returncode) == (2, 2)
    assert "--photos" in without.stderr
    assert "nowhere' is no folder" in nowhere.stderr


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_killed_again_and_again(start: Start, legitmark: Run, serve: Serve, tmp_path: Path) -> None:
    """Killed at random, in whichever step: in the end each item is created and submitted once, with all its photos."""
    around, chance, killed = serve("--limit-partner", "0", "--latency", "0.01"), random.Random(3), 0
    (file, photos), journal = write(tmp_path, 150), tmp_path / "run.db"
    words = ("submit-many", str(file), "--photos", str(photos), "--journal", str(journal), "--concurrency", "8")
    for kill in range(1, KILLS + 1):
        process = start(*words, "--out", str(tmp_path / "out.jsonl"), **around)
        while process.poll() is None and ledger_of(around)["submitted"] < 20 * kill + chance.randrange(8):
            time.sleep(chance.random() * 0.01)
        killed += process.poll() is None
        process.kill()
        process.communicate()

    done = legitmark(*words, **around)

    ledger = ledger_of(around)
    assert killed == KILLS
    assert done.returncode == 0
    assert (ledger["created"], ledger["duplicates"], ledger["submitted"]) == (150, 0, 150)
    # What was under way when it was killed may be sent again, and nothing else.
    assert 150 * len(SIDES) <= ledger["photos"] <= (150 + KILLS * 16) * len(SIDES)
    with JournalReader(journal) as reader:
        entries = list(reader.entries())
    assert {entry.status for entry in entries} == {Status.SUBMITTED}
    assert len({entry.uuid for entry in entries}) == len(entries) == 150
