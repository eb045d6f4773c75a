"""`legitmark create-many` when it is stopped, or when nobody listens."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from served_sandbox import ledger_of

from legitmark_async.testing import BAG, CROSSBODY

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Serve = Callable[..., Mapping[str, str]]
UUIDS = f"{BAG},{CROSSBODY}"
COUNTED = re.compile(r"(\d+) created, (\d+) failed, (\d+) unknown, (\d+) skipped, \d+ refused, in [\d.]+ s")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 5,000 rows."""
    file = tmp_path / "items.csv"
    rows = "".join(f"STOP-{number},{UUIDS}\n" for number in range(5000))
    file.write_text(f"reference_id,category,type\n{rows}")
    return file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal(start: Start, serve: Serve, file: Path, number: signal.Signals) -> None:
    """Every row that was read has its line, the last words count them, and the exit status tells the signal."""
    process = start("create-many", str(file), **serve("--limit-partner", "0", "--latency", "0.05"))
    assert process.stdout is not None
    assert process.stderr is not None
    first = [process.stdout.readline() for _ in range(100)]

    process.send_signal(number)
    lines = [json.loads(line) for line in first + process.stdout.readlines()]
    last = process.stderr.readlines()[-1].decode()

    counted = COUNTED.search(last)
    assert process.wait(timeout=10) == 128 + number
    assert last.startswith("interrupted: ")
    assert counted is not None
    statuses = [line["status"] for line in lines]
    assert [statuses.count(name) for name in ("created", "failed", "unknown", "skipped")] == [
        int(count) for count in counted.groups()
    ]
    assert len({line["reference_id"] for line in lines}) == len(lines) < 5000


def test_second_signal(start: Start, serve: Serve, file: Path) -> None:
    """A second Ctrl-C doesn't wait for what is in flight: that is then unknown."""
    around = serve("--latency", "60")
    process = start("create-many", str(file), "--concurrency", "4", **around)
    while ledger_of(around)["in_flight_peak"] < 4:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    # Two that come at the same time count as one.
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    # Far less than the answers take, and time enough for a busy machine.
    out, words = process.communicate(timeout=15)

    assert process.returncode == 130
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["unknown"] * 4
    assert b"Traceback" not in words


def test_idle_stdin(start: Start, sandbox: Mapping[str, str]) -> None:
    """Rows are sent as they come through a pipe, and Ctrl-C ends a run whose pipe is silent."""
    process = start("create-many", "-", **sandbox)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"reference_id,category,type\nIDLE-1,{UUIDS}\n".encode())
    process.stdin.flush()
    first = json.loads(process.stdout.readline())

    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)

    assert first["status"] == "created"
    assert process.returncode == 130
    assert process.stderr is not None
    assert process.stderr.read().decode().startswith("interrupted: 1 created")


def test_broken_pipe(start: Start, sandbox: Mapping[str, str], file: Path) -> None:
    """`| head` ends the run early and without a traceback; the summary still counts what was created."""
    process = start("create-many", str(file), **sandbox)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None

    _, words = process.communicate(timeout=15)

    assert process.returncode == 1
    assert COUNTED.search(words.decode().splitlines()[-1])
    assert b"Traceback" not in words
    assert b"Exception" not in words


def test_slow_reader(start: Start, serve: Serve, file: Path) -> None:
    """A reader that takes its time makes the run wait, and no request is given up for it."""
    process = start("create-many", str(file), **serve("--limit-partner", "0", "--latency", "0"))
    assert process.stdout is not None
    time.sleep(2.0)

    out, words = process.communicate(timeout=30)

    assert process.returncode == 0
    assert len(out.splitlines()) == 5000
    assert words.decode().splitlines()[-1].startswith("5000 created")


def test_lines_of_progress(legitmark: Run, serve: Serve) -> None:
    """Where there is no terminal, a line tells every few seconds how far it is."""
    rows = "".join(f"LINE-{number},{UUIDS}\n" for number in range(4))
    around = serve("--limit-partner", "3", "--window", "6")

    done = legitmark("create-many", "-", stdin=f"reference_id,category,type\n{rows}", **around)

    assert done.returncode == 0
    told = r"^3/4 created  \d+/s  1 refused  ends in \d+ s  partner limit of 3: opens in [\d.]+ s$"
    assert re.search(told, done.stderr, re.MULTILINE)
