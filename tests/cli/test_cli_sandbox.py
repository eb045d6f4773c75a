"""`legitmark sandbox`."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable

import pytest
from served_sandbox import ledger_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_stopped(start: Start, number: signal.Signals) -> None:
    """The first line tells URL and key while it serves; a signal ends it with exit status 0."""
    process = start("sandbox", "--port", "0", "--fault", "refuse=0.5", "--fault", "drop-after=0.25", "--seed", "4")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    ledger = ledger_of({"LEGITMARK_BASE_URL": told["url"]})

    process.send_signal(number)
    rest, words = process.communicate(timeout=10)

    assert list(told) == ["url", "api_key", "asset_url"]
    assert ledger["created"] == 0
    assert (process.returncode, rest) == (0, b"")
    assert words.decode().splitlines()[-1].startswith("stopped: 0 created")


def test_port_in_use(legitmark: Run, start: Start) -> None:
    """A port that is taken is told in one line, with exit status 2."""
    process = start("sandbox", "--port", "0")
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["url"].rpartition(":")[2]

    done = legitmark("sandbox", "--port", port)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_stdout_that_nobody_reads(start: Start) -> None:
    """If nobody can be told the URL it ends quietly."""
    process = start("sandbox", "--port", "0")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None

    _, words = process.communicate(timeout=10)

    assert (process.returncode, words) == (1, b"")


def test_verdicts(legitmark: Run, start: Start) -> None:
    """Events go to a listener, signed with the secret that is told; what can't be is told with exit status 2."""
    listening = start("webhook", "listen", "--port", "0")
    assert listening.stdout is not None
    url = json.loads(listening.stdout.readline())["url"]
    serving = start("sandbox", "--port", "0", "--webhook-url", url, "--state-pace", "0.1", "--verdict", "counterfeit=1")
    assert serving.stdout is not None
    told = json.loads(serving.stdout.readline())
    around = {"LEGITMARK_BASE_URL": told["url"], "LEGITMARK_API_KEY": told["api_key"]}
    created = legitmark("create", "--reference-id", "R", "--category", "Bag", "--type", "Tote", **around)
    body = json.dumps({"sr_uuid": json.loads(created.stdout)["uuid"], "primary": "CANCELLED"}).encode()
    with urllib.request.urlopen(f"{told['url']}/_sandbox/move", body, timeout=5):  # noqa: S310  # loopback
        events = sorted(json.loads(listening.stdout.readline())["event_type"] for _ in range(2))

    assert told["webhook_secret"].startswith("whsec_")
    assert events == ["invalidate_sr", "state_change"]
    for words in (("--webhook-url", "https://example.com"), ("--verdict", "lost=1"), ("--verdict", "authentic")):
        assert legitmark("sandbox", "--port", "0", *words).returncode == 2
