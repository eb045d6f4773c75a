"""`legitmark demo`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
KEYS = ["created", "failed", "unknown", "duplicates", "refused", "seconds", "ideal_seconds"]


def test_demo(legitmark: Run) -> None:
    """The last line on stdout tells that all were created, each once, and how that compares with the ideal."""
    done = legitmark("demo", "--items", "50", "--limit", "20", "--window", "0.5", LEGITMARK_API_KEY="nonsense")

    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0
    assert list(told) == KEYS
    assert (told["created"], told["failed"], told["unknown"], told["duplicates"]) == (50, 0, 0, 0)
    assert told["refused"] > 0
    assert told["ideal_seconds"] == 1.0
    assert 1.0 <= told["seconds"] < 10
    assert "20 requests" in done.stderr


def test_demo_interrupted(start: Start) -> None:
    """Ctrl-C leaves with 130, and no JSON claims that it was done."""
    process = start("demo", "--items", "100", "--limit", "10", "--window", "60")
    assert process.stderr is not None
    while b"very best" not in process.stderr.readline():
        pass

    process.send_signal(signal.SIGINT)
    words = process.stderr.readlines()

    assert process.wait(timeout=10) == 130
    assert words[-1] == b"interrupted\n"
    assert process.stdout is not None
    assert process.stdout.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals here: run it on Linux")
def test_bar(environment: Mapping[str, str]) -> None:
    """In a terminal a bar tells how many are created and when the rate limit opens, in one line of 80 columns."""
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "legitmark_async", "demo", "--items", "30", "--limit", "10", "--window", "0.5"]
    with subprocess.Popen(  # noqa: S603  # our own command
        words, env={**environment, "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = _read_all(ours)

    frames = [frame for frame in seen.replace("\r", "\n").split("\n") if "created" in frame]
    assert "30/30 created" in frames[-1]
    assert [frame for frame in frames if "opens in" in frame] != []
    assert process.returncode == 0


def _read_all(terminal: int) -> str:
    seen = b""
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:
        pass  # how a pseudo-terminal of Linux ends
    os.close(terminal)
    return seen.decode()
