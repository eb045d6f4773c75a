"""`legitmark worker` and `legitmark job`, as they are typed; and a user's own broker and app under `taskiq worker`."""

import asyncio
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from local_servers import RabbitServer, RedisServer, Workers
from taskiq_aio_pika import AioPikaBroker, Queue

from legitmark_async import ServiceRequestDraft
from legitmark_async.distributed import Ledger, submit_job
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import BAG, CROSSBODY

Around = Callable[[Sandbox], Mapping[str, str]]
Drafts = Callable[[int], Iterator[ServiceRequestDraft]]
JOB = "commands"
UUIDS = f"{BAG},{CROSSBODY}"
OWN_APP = """
import os

from taskiq_aio_pika import AioPikaBroker, Queue

from legitmark_async import Legitmark
from legitmark_async.distributed import Ledger, RedisLimits, attach

REDIS = os.environ["LEGITMARK_REDIS_URL"]
broker = AioPikaBroker(os.environ["LEGITMARK_AMQP_URL"], task_queues=[Queue(name="mine"), Queue(name="others")])


def client() -> Legitmark:
    return Legitmark.from_env(limits=RedisLimits(REDIS))


attach(broker, Ledger(REDIS, prefix="mine"), client)


@broker.task
async def greet(name: str) -> str:
    return f"hello {name}"
"""


async def legitmark(around: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "legitmark_async", *words, env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    return subprocess.CompletedProcess(words, process.returncode or 0, stdout.decode(), stderr.decode())


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of 60 rows, of which one is bad."""
    file = tmp_path / "items.csv"
    lines = "".join(f"ROW-{number},{UUIDS},{number % 7}\n" for number in range(59))
    file.write_text(f"reference_id,category,type,shelf\n{lines}ROW-BAD,nothing,{UUIDS[:36]},8\n")
    return file


async def wait_for(around: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Wait for the job."""
    return await legitmark(around, "job", "status", JOB, "--wait")


async def test_job(sandbox: Sandbox, around: Around, work: Callable[..., Workers], rows: Path) -> None:
    """A file is submitted, worked on, looked at, and gone on with."""
    environment, workers = around(sandbox), work(sandbox, "--processes", "2", "--chunks", "2")
    submitted = await legitmark(environment, "job", "submit", str(rows), "--chunk-size", "25", "--id", JOB)
    assert submitted.returncode == 0, submitted.stderr
    assert json.loads(submitted.stdout) == {"job": JOB, "items": 60, "chunks": 3}
    assert f"legitmark job status {JOB}" in submitted.stderr

    status = await wait_for(environment)
    told = json.loads(status.stdout)
    assert status.returncode == 1  # one has failed
    assert (told["created"], told["failed"], told["left"], told["finished"]) == (59, 1, 0, True)
    assert "59 of 60 created, 1 not, 0 left" in status.stderr
    await check_exports(environment, sandbox, rows)

    assert (await legitmark(environment, "job", "submit", str(rows), "--id", JOB)).returncode == 0
    assert json.loads((await wait_for(environment)).stdout)["created"] == 59
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (59, 0)
    cancelled = await legitmark(environment, "job", "cancel", JOB)
    assert (cancelled.returncode, "what was created stays" in cancelled.stderr) == (0, True)
    assert workers.end() == 0


async def check_exports(around: Mapping[str, str], sandbox: Sandbox, rows: Path) -> None:
    """Check that each row is in the exports, with its id or its error."""
    exported = await legitmark(around, "job", "export", JOB)
    lines = {line["reference_id"]: line for line in map(json.loads, exported.stdout.splitlines())}
    assert [lines["ROW-7"]["uuid"]] == sandbox.references["ROW-7"]
    bad = lines["ROW-BAD"]
    assert (bad["status"], bad["line"], bad["extra"]) == ("failed", 61, {"shelf": "8"})
    assert f"{rows}:61: item.category: 'nothing' is none of the categories" in bad["error"]
    out = rows.with_name("out.csv")
    await legitmark(around, "job", "export", JOB, "--format", "csv", "--out", str(out))
    with out.open(newline="") as file:
        assert {row["reference_id"] for row in csv.DictReader(file)} == set(lines)
    assert len(lines) == 60


async def test_submitted_without_a_key(sandbox: Sandbox, around: Around, rows: Path) -> None:
    """Whoever submits a job of UUIDs needs no key."""
    environment = {name: value for name, value in around(sandbox).items() if name != "LEGITMARK_API_KEY"}

    done = await legitmark(environment, "job", "submit", str(rows), "--id", "without-a-key")
    # Else the workers of other tests would do it: RabbitMQ is one for all.
    assert (await legitmark(environment, "job", "cancel", "without-a-key")).returncode == 0

    assert (done.returncode, json.loads(done.stdout)["items"]) == (0, 60)
    assert sandbox.ledger.requests == 0


@pytest.mark.parametrize(
    ("words", "missing", "problem"),
    [
        (("job", "status", "x"), "LEGITMARK_REDIS_URL", "set LEGITMARK_REDIS_URL, or tell --redis"),
        (("job", "status", "nothing"), "", "there is no job 'nothing'"),
        (("job", "export", "nothing"), "", "there is no job 'nothing'"),
        (("job", "cancel", "nothing"), "", "there is no job 'nothing'"),
        (
            ("job", "submit", __file__, "--format", "jsonl", "--amqp", "amqp://127.0.0.1:1"),
            "",
            "RabbitMQ can't be reached",
        ),
        (("worker",), "LEGITMARK_AMQP_URL", "LEGITMARK_AMQP_URL is not set"),
        (("worker",), "LEGITMARK_API_KEY", "the API key is missing"),
        (("worker", "--redis", "http://x"), "", "the URL of Redis must begin with"),
        (("worker", "--amqp", "http://x"), "", "the URL of RabbitMQ must begin with"),
    ],
)
async def test_wrong_usage(
    sandbox: Sandbox, around: Around, words: tuple[str, ...], missing: str, problem: str
) -> None:
    """What is missing or wrong is told, with exit status 2."""
    environment = {name: value for name, value in around(sandbox).items() if name != missing}

    done = await legitmark(environment, *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) <= 2  # the engine may say something of its own


@pytest.mark.parametrize("words", [("job", "status", "x", "--redis", "redis://x"), ("worker",)])
def test_not_installed(words: tuple[str, ...]) -> None:
    """Without the extra it is told how to install it."""
    program = (
        f"import sys; sys.modules['taskiq'] = None; from legitmark_async.cli import _app; sys.exit(_app.run({words}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  # ours

    assert done.returncode == 2
    assert "python -m pip install 'legitmark-async[distributed]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_own_app(
    sandbox: Sandbox, around: Around, rabbit: RabbitServer, redis: RedisServer, tmp_path: Path, drafts: Drafts
) -> None:
    """A user's own broker with queues of its own takes jobs beside the user's own tasks."""
    (tmp_path / "app.py").write_text(OWN_APP)
    command = (sys.executable, "-m", "taskiq", "worker", "app:broker", "--workers", "1")
    worker = await asyncio.create_subprocess_exec(*command, env=around(sandbox), cwd=tmp_path)
    broker = AioPikaBroker(rabbit.url, task_queues=[Queue(name="mine"), Queue(name="others")])
    ledger = Ledger(redis.url, prefix="mine")
    await broker.startup()
    try:
        job = await submit_job(broker, drafts(120), ledger, labels={"queue_name": "mine"})
        progress = await job.wait(poll=0.1)
    finally:
        worker.terminate()
        await asyncio.wait_for(worker.wait(), 30)
        await broker.shutdown()
        await ledger.aclose()

    assert progress.created == 120
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (120, 0)
