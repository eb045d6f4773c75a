"""What a worker does with a chunk, on a real Redis and the sandbox; nothing delivers it but the test."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from attrs import define
from local_servers import RedisServer
from waiting import until

from legitmark_async import ConfigurationError, Item, Legitmark, RetryPolicy, Row, ServiceRequestDraft
from legitmark_async.distributed import Job, Ledger, _scripts
from legitmark_async.distributed._lease import CRASHES, Lease, Rhythm, Standing
from legitmark_async.distributed._ledger import within
from legitmark_async.distributed._messages import VERSION, encode_chunk
from legitmark_async.distributed._records import Record
from legitmark_async.distributed._worker import Worker
from legitmark_async.journal import Entry, Status
from legitmark_async.sandbox import Limits, Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]
RETRY = RetryPolicy(base=0.05, confirm_pauses=(0.1, 0.2, 0.4))
FAST = Rhythm(term=2.0, beat=0.2, margin=0.5, pause=0.05, key_pause=0.2)


@define(eq=False)
class Scene:
    """A job, a sandbox, and workers that are handed chunks."""

    ledger: Ledger
    sandbox: Sandbox
    job: Job
    chunks: int = 0

    def client(self, key: str = "") -> Legitmark:
        """Make a client."""
        return Legitmark(key or self.sandbox.api_key, base_url=self.sandbox.url, retry=RETRY, concurrency=8)

    @contextlib.asynccontextmanager
    async def at_work(self, key: str = "", ledger: Ledger | None = None) -> AsyncIterator[Worker]:
        """A worker that is at work."""
        worker = Worker(ledger or self.ledger, lambda: self.client(key), FAST)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()

    async def enqueue(self, count: int) -> str:
        """Enter a chunk of so many drafts into the ledger, and return its id."""
        keys = self.ledger.keys(self.job.id)
        for script, arguments in (
            (_scripts.SUBMIT, (1.8e9, 30_000, 4, 1, 0, "")),
            (_scripts.ADD, (30_000, f"1-{self.chunks + 1}", count)),
            (_scripts.SEAL, ()),
        ):
            await self.ledger.run(script, [*keys.common, keys.submitter], ["me", *arguments], within())
        self.chunks += 1
        return f"1-{self.chunks}"

    async def work(self, worker: Worker, chunk: str, drafts: Sequence[ServiceRequestDraft]) -> None:
        """Let a worker work on a chunk to its end."""
        await worker.work(self.job.id, chunk, VERSION, encode_chunk(drafts))

    async def entries(self) -> dict[str, Entry]:
        """What became of each item, by its reference."""
        return {entry.reference_id: entry async for entry in self.job.results()}


@pytest.fixture
async def scene(ledger: Ledger) -> AsyncIterator[Scene]:
    """A job that is empty yet."""
    async with Sandbox() as sandbox:
        yield Scene(ledger, sandbox, Job(secrets.token_hex(4), ledger))


@pytest.fixture
async def worker(scene: Scene) -> AsyncIterator[Worker]:
    """A worker that is at work."""
    async with scene.at_work() as worker:
        yield worker


async def test_chunk(scene: Scene, worker: Worker, drafts: Drafts, item: Item) -> None:
    """Each draft of a chunk has its outcome; bad ones and repeated ones don't disturb the others."""
    chunk = [*drafts(20), ServiceRequestDraft("", item), ServiceRequestDraft("ITEM-3", item)]
    number = await scene.enqueue(len(chunk))

    await scene.work(worker, number, chunk)

    entries, progress = await scene.entries(), await scene.job.progress()
    assert (progress.created, progress.failed, progress.skipped, progress.left) == (20, 1, 1, 0)
    assert progress.finished
    assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (20, 0)
    assert {entry.status for reference, entry in entries.items() if reference} == {Status.CREATED}
    assert [entries["ITEM-3"].uuid] == scene.sandbox.references["ITEM-3"]
    assert "reference_id: is empty" in (entries[""].error or "")


async def test_delivered_again(scene: Scene, worker: Worker, drafts: Drafts) -> None:
    """A chunk that is delivered again when it is done, or while it is worked on, is done once."""
    chunk = list(drafts(30))
    number = await scene.enqueue(30)

    await asyncio.gather(*(scene.work(worker, number, chunk) for _ in range(3)))
    await scene.work(worker, number, chunk)

    assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (30, 0)
    assert (await scene.job.progress()).created == 30


class Cable(Ledger):
    """A ledger that can be cut off."""

    async def cut(self) -> None:
        """Let nothing through any more."""
        self._connections.url = "redis://127.0.0.1:1/0"
        await self.aclose()


async def test_cut_off(scene: Scene, redis: RedisServer, drafts: Drafts) -> None:
    """A worker that can't reach Redis any more stops sending; the next one looks for what it may have sent."""
    chunk = list(drafts(60))
    number = await scene.enqueue(60)
    scene.sandbox.set_limits(Limits(partner=30, window=1.0))
    cable = Cable(redis.url)
    async with scene.at_work(ledger=cable) as first:
        working = asyncio.create_task(scene.work(first, number, chunk))
        await until(lambda: scene.sandbox.ledger.created >= 20, every=0.01)
        await cable.cut()

        async with scene.at_work() as second:
            await scene.work(second, number, chunk)

        assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (60, 0)
        assert (await scene.job.progress()).created == 60
        working.cancel()


async def test_answers_are_lost(scene: Scene, redis: RedisServer, drafts: Drafts) -> None:
    """What a worker has sent before it was cut off, and heard nothing of, is found and not sent again."""
    chunk = list(drafts(8))
    number = await scene.enqueue(8)
    scene.sandbox.set_faults({"slow-after": 1.0})
    cable = Cable(redis.url)
    async with scene.at_work(ledger=cable) as first:
        working = asyncio.create_task(scene.work(first, number, chunk))
        await until(lambda: scene.sandbox.ledger.created >= 8, every=0.01)
        await cable.cut()
        scene.sandbox.set_faults({})

        async with scene.at_work() as second:
            await scene.work(second, number, chunk)
        working.cancel()

    assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (8, 0)
    assert {entry.status for entry in (await scene.entries()).values()} == {Status.CREATED}


async def test_worker_stops(scene: Scene, drafts: Drafts) -> None:
    """A worker that is to stop gives its chunk back, and never says that it is done; another goes on with it."""
    chunk = list(drafts(100))
    number = await scene.enqueue(100)
    scene.sandbox.latency = 0.05
    async with scene.at_work() as first:
        working = asyncio.create_task(scene.work(first, number, chunk))
        await until(lambda: scene.sandbox.ledger.created >= 10, every=0.01)
    created = scene.sandbox.ledger.created

    assert created < 100
    assert (await scene.job.progress()).created == created
    assert not working.done()
    async with scene.at_work() as second:
        await scene.work(second, number, chunk)
    working.cancel()

    assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (100, 0)
    assert (await scene.job.progress()).created == 100


async def test_cancelled(scene: Scene, worker: Worker, drafts: Drafts) -> None:
    """A job that is cancelled sends nothing more; what was created is told, and the rest counts as skipped."""
    first, second = await scene.enqueue(100), await scene.enqueue(100)
    everything = list(drafts(200))
    scene.sandbox.latency = 0.2
    task = asyncio.create_task(scene.work(worker, first, everything[:100]))
    await until(lambda: scene.sandbox.ledger.created >= 8, every=0.01)
    await scene.job.cancel()
    await task
    await scene.work(worker, second, everything[100:])

    progress = await scene.job.progress()
    assert progress.cancelled
    assert progress.finished
    assert scene.sandbox.ledger.created == progress.created < 100
    assert progress.skipped == 200 - progress.created


async def test_bad_key(scene: Scene, drafts: Drafts, caplog: pytest.LogCaptureFixture) -> None:
    """A key that isn't accepted burns no items: they wait, for a worker with a good one too."""
    chunk = list(drafts(30))
    number = await scene.enqueue(30)
    async with scene.at_work("leo_nobodys") as bad:
        working = asyncio.create_task(scene.work(bad, number, chunk))
        await until(lambda: "trying again in" in caplog.text, every=0.01)
    working.cancel()
    assert "answered 403" in caplog.text
    assert (await scene.job.progress()).left == 30

    async with scene.at_work() as good:
        await scene.work(good, number, chunk)

    assert (await scene.job.progress()).created == 30


async def test_unreadable(scene: Scene, worker: Worker) -> None:
    """A chunk that can't be read is a dead letter at once, with its cause."""
    number = await scene.enqueue(3)

    await worker.work(scene.job.id, number, VERSION + 1, "[]")

    (letter,) = await scene.job.dead_letters()
    assert letter.cause == f"message: is of version 2, and this worker reads {VERSION}: update the older side"
    progress = await scene.job.progress()
    assert (progress.dead, progress.left, progress.dead_letters, progress.finished) == (3, 0, 1, True)


class Broken(Worker):
    """A worker that is out of order."""

    async def _create(self, *_: object) -> str | None:
        raise RuntimeError("out of order")


async def test_poisoned(scene: Scene, drafts: Drafts, caplog: pytest.LogCaptureFixture) -> None:
    """A chunk whose work fails again and again ends as a dead letter, with the cause and all that it held."""
    number, worker = await scene.enqueue(3), Broken(scene.ledger, scene.client, FAST)
    await worker.start()

    await scene.work(worker, number, list(drafts(3)))
    await worker.stop()

    (letter,) = await scene.job.dead_letters()
    assert (letter.cause, letter.reference_ids) == ("RuntimeError: out of order", ("ITEM-0", "ITEM-1", "ITEM-2"))
    assert caplog.text.count("trying again") == CRASHES - 1
    assert scene.sandbox.ledger.requests == 0
    entries = await scene.entries()
    assert {entry.status for entry in entries.values()} == {Status.FAILED}
    assert entries["ITEM-1"].error == "dead letter: RuntimeError: out of order"
    assert "is a dead letter: RuntimeError: out of order" in caplog.text


async def test_forgotten(scene: Scene, worker: Worker, drafts: Drafts, caplog: pytest.LogCaptureFixture) -> None:
    """If the ledger has lost the job nothing is sent, and it is told."""
    await scene.work(worker, "1-1", list(drafts(3)))

    assert scene.sandbox.ledger.requests == 0
    assert "doesn't know chunk 1-1 any more, so nothing of it is sent" in caplog.text


async def test_not_open(scene: Scene, drafts: Drafts, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that was never started sends nothing, gives the chunk back and tries again; it may be stopped."""
    number, worker = await scene.enqueue(3), Worker(scene.ledger, scene.client, FAST)

    working = asyncio.create_task(scene.work(worker, number, list(drafts(3))))
    await until(lambda: "the worker is not open; trying again" in caplog.text, every=0.01)
    working.cancel()
    await asyncio.wait([working])
    await worker.stop()

    assert (await scene.job.progress()).left == 3
    assert scene.sandbox.ledger.requests == 0


async def test_another_release(scene: Scene, drafts: Drafts, caplog: pytest.LogCaptureFixture) -> None:
    """A job that another release keeps is left alone, and that is told."""
    number, keys = await scene.enqueue(3), scene.ledger.keys(scene.job.id)
    await scene.ledger.ask(lambda redis: redis.hset(keys.common[0], "version", 99), within())
    async with scene.at_work() as worker:
        working = asyncio.create_task(scene.work(worker, number, list(drafts(3))))
        await until(lambda: "another release keeps it: update this worker" in caplog.text, every=0.01)

    assert working.cancel()
    assert scene.sandbox.ledger.requests == 0


async def test_lease_is_taken_away(scene: Scene, drafts: Drafts, caplog: pytest.LogCaptureFixture) -> None:
    """A worker whose chunk another one has taken marks nothing more, and when it gets it back nothing is made twice."""
    chunk, number = list(drafts(40)), await scene.enqueue(40)
    other, keys = Lease(scene.ledger, scene.job.id, number, FAST), scene.ledger.keys(scene.job.id)
    scene.sandbox.latency = 0.1
    # Its next sign of life would tell it too, but comes later.
    worker = Worker(scene.ledger, scene.client, Rhythm(term=9.0, beat=3.0, margin=0.5, pause=0.05))
    await worker.start()
    working = asyncio.create_task(scene.work(worker, number, chunk))
    await until(lambda: scene.sandbox.ledger.created > 0, every=0.001)
    await scene.ledger.ask(lambda redis: redis.delete(keys.lease(number)), within())
    assert await other.begin() is Standing.OURS
    await until(lambda: f"another worker has taken chunk {number}; trying again" in caplog.text, every=0.01)
    await other.release("")
    await working
    await worker.stop()

    assert (await scene.job.progress()).created == 40
    assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (40, 0)


async def test_same_item_at_once(scene: Scene, worker: Worker, drafts: Drafts) -> None:
    """An item that another chunk is about to create is skipped."""
    scene.sandbox.latency = 0.1
    numbers = [await scene.enqueue(1) for _ in range(2)]

    await asyncio.gather(*[scene.work(worker, number, list(drafts(1))) for number in numbers])

    progress = await scene.job.progress()
    assert (progress.created, progress.skipped, scene.sandbox.ledger.created) == (1, 1, 1)


async def test_row_of_a_file(scene: Scene, worker: Worker, item: Item) -> None:
    """What failed is told with its row and its other columns."""
    row = Row("items.csv", 3, {"shelf": "A3"})

    await scene.work(worker, await scene.enqueue(1), [ServiceRequestDraft("A", Item("Bag", item.type), origin=row)])

    (entry,) = (await scene.entries()).values()
    assert (entry.status, entry.file, entry.line, entry.extra) == (Status.FAILED, "items.csv", 3, {"shelf": "A3"})


async def test_changed_draft(scene: Scene, worker: Worker, drafts: Drafts, item: Item) -> None:
    """A draft that is not what it was when it was created is not taken for done."""
    await scene.work(worker, await scene.enqueue(1), list(drafts(1)))
    other = ServiceRequestDraft("ITEM-0", Item(category=item.category, type=item.type, brand=item.type))

    await scene.work(worker, await scene.enqueue(1), [other])

    progress = await scene.job.progress()
    assert (progress.created, progress.failed, progress.items) == (1, 1, 2)
    failed = [entry async for entry in scene.job.results(Status.FAILED)]
    assert "is not what it was when service request" in (failed[0].error or "")


async def test_unknown(scene: Scene, ledger: Ledger, drafts: Drafts) -> None:
    """Of what is unknown it is kept when it was marked, however long ago: by that it is known again later."""
    first, *chunk = drafts(4)
    patient = Worker(
        ledger,
        lambda: Legitmark(scene.sandbox.api_key, base_url=scene.sandbox.url, retry=RETRY, on_ambiguous="raise"),
        FAST,
    )
    await patient.start()
    await scene.work(patient, await scene.enqueue(1), [first])  # so that the server's clock is known
    scene.sandbox.latency = 2.0
    scene.sandbox.set_faults({"error-after": 1.0})
    marked_at = time.time()
    await scene.work(patient, await scene.enqueue(3), chunk)
    await patient.stop()

    assert (await scene.job.progress()).unknown == 3
    keys = ledger.keys(scene.job.id)
    for draft in chunk:
        name = keys.bucket_of(draft.reference_id, 4)
        text = await ledger.ask(partial(hget, name, draft.reference_id), within())
        assert -1.0 <= Record.decode(text).not_before - marked_at <= 1.0

    scene.sandbox.latency = 0.0
    scene.sandbox.set_faults({})
    async with scene.at_work() as worker:
        await scene.work(worker, await scene.enqueue(3), chunk)
    progress = await scene.job.progress()
    assert (progress.created, progress.unknown, progress.skipped) == (4, 0, 3)
    assert (scene.sandbox.ledger.created, scene.sandbox.ledger.duplicates) == (4, 0)


def hget(key: str, name: str, redis: Any) -> Any:  # noqa: ANN401  # redis has no types
    """Ask for a field."""
    return redis.hget(key, name)


async def test_client_that_cant_be_made(ledger: Ledger) -> None:
    """A worker that has no key doesn't start."""
    with pytest.raises(ConfigurationError, match="the API key is missing"):
        await Worker(ledger, lambda: Legitmark("")).start()
