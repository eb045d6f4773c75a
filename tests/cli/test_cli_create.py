"""`legitmark create`."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Serve = Callable[..., Mapping[str, str]]
ITEM = (
    "--category",
    "cc30b104-7c47-11ef-a623-02595575faeb",
    "--type",
    "95e42d6b-7c4f-11ef-a623-02595575faeb",
)


def test_create(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """The service request is printed as one JSON object, as the API told it."""
    done = legitmark("create", "--reference-id", "Größe-1", *ITEM, **sandbox)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["external_id"] == "Größe-1"
    assert "Größe-1" in done.stdout
    assert done.stdout.count("\n") == 1


def test_base_url_option(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """`--base-url` goes before the environment."""
    around = {**sandbox, "LEGITMARK_BASE_URL": "https://localhost:1"}

    done = legitmark("create", "--reference-id", "B", *ITEM, "--base-url", sandbox["LEGITMARK_BASE_URL"], **around)

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"LEGITMARK_API_KEY": ""}, "LEGITMARK_API_KEY is not set"),
        ({"LEGITMARK_API_KEY": "sesame"}, "'leo_'"),
        ({"LEGITMARK_BASE_URL": "http://api.example.com"}, "https"),
        ({"LEGITMARK_ASSET_URL": "ftp://example.com"}, "asset_url"),
    ],
)
def test_wrong_configuration(legitmark: Run, sandbox: Mapping[str, str], changes: Mapping[str, str], told: str) -> None:
    """A wrong key or URL is told in one line that doesn't repeat the key, with exit status 2."""
    done = legitmark("create", "--reference-id", "R", *ITEM, **{**sandbox, **changes})

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "sesame" not in done.stderr


def test_wrong_draft(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """A draft that the API would not take is told before anything is sent, with exit status 2."""
    done = legitmark("create", "--reference-id", " ", "--category", ITEM[1], "--type", "", **sandbox)

    assert (done.returncode, done.stdout) == (2, "")
    assert "reference_id: is empty; item.type: is empty, a UUID is needed" in done.stderr


def test_key_refused(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """A key that the API doesn't take gives exit status 3."""
    done = legitmark("create", "--reference-id", "R", *ITEM, **{**sandbox, "LEGITMARK_API_KEY": "leo_wrong"})

    assert (done.returncode, done.stdout) == (3, "")
    assert "403" in done.stderr
    assert "leo_wrong" not in done.stderr


def test_no_connection(legitmark: Run) -> None:
    """Without a connection nothing could be done: exit status 3."""
    around = {"LEGITMARK_API_KEY": "leo_x", "LEGITMARK_BASE_URL": "http://127.0.0.1:1"}

    # Whatever a deadline cuts short may have been sent: it is so long that it hardly ever ends in the midst of a try.
    done = legitmark("create", "--reference-id", "R", *ITEM, "--deadline", "2", **around)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1


def test_unknown_outcome(legitmark: Run, serve: Serve) -> None:
    """If it isn't known whether it was created, the exit status is 1."""
    done = legitmark("create", "--reference-id", "R-7", *ITEM, "--deadline", "1", **serve("--fault", "drop-after=1"))

    assert (done.returncode, done.stdout) == (1, "")
    assert "'R-7' may or may not have been created" in done.stderr


def test_interrupted(start: Start, serve: Serve) -> None:
    """Ctrl-C in the middle leaves with 130 and says that the outcome is open."""
    process = start("create", "--reference-id", "R-8", *ITEM, **serve("--latency", "30"))
    assert process.stderr is not None
    first = process.stderr.readline().decode()

    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    last = process.stderr.read().decode()

    assert process.wait() == 130
    assert time.monotonic() - began < 5
    assert first.startswith("waiting for the API")
    assert last.startswith("interrupted: it isn't known whether 'R-8' was created")
