"""Jobs from end to end: submitted, looked after, gone on with, by users' own brokers too."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from local_servers import RedisServer
from taskiq import BrokerMessage, InMemoryBroker
from waiting import until

from legitmark_async import ConfigurationError, Item, LedgerError, Legitmark, ServiceRequestDraft
from legitmark_async.distributed import Job, Ledger, attach, rabbitmq_broker, submit_job
from legitmark_async.distributed._ledger import within
from legitmark_async.distributed.app import _count
from legitmark_async.journal import Status
from legitmark_async.sandbox import Limits, Sandbox

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]


class Keeping(InMemoryBroker):
    """A user's own broker, in this process, that keeps what was sent; it may lose it, or refuse it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[BrokerMessage] = []
        self.loses = self.refuses = False

    async def kick(self, message: BrokerMessage) -> None:
        """Deliver a message."""
        if self.refuses:
            raise OSError("no route to host")
        self.messages.append(message)
        if not self.loses:
            await super().kick(message)


@pytest.fixture
async def broker(sandbox: Sandbox, redis: RedisServer) -> AsyncIterator[Keeping]:
    """A broker whose worker is this process."""
    broker, ledger = Keeping(), Ledger(redis.url)
    attach(broker, ledger, lambda: Legitmark(sandbox.api_key, base_url=sandbox.url))
    await broker.startup()
    yield broker
    await broker.shutdown()


async def created(job: Job, count: int) -> bool:
    """Tell whether so many are created."""
    return (await job.progress()).created >= count


async def test_job(broker: Keeping, ledger: Ledger, sandbox: Sandbox, drafts: Drafts) -> None:
    """A job is split into chunks, done, and told from anywhere by its id; the key is in no message."""
    job = await submit_job(broker, drafts(250), ledger, chunk_size=100)
    progress = await Job(job.id, ledger).wait(poll=0.05)

    assert (progress.items, progress.created, progress.left, progress.chunks, progress.chunks_done) == (
        250,
        250,
        0,
        3,
        3,
    )
    assert progress.sealed
    assert progress.finished
    assert not progress.cancelled
    entries = [entry async for entry in job.results()]
    assert {entry.reference_id: [entry.uuid] for entry in entries} == sandbox.references
    assert [entry async for entry in job.results(Status.FAILED, Status.UNKNOWN)] == []
    assert len(broker.messages) == 3
    assert all(sandbox.api_key.encode() not in message.message for message in broker.messages)
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (250, 0)


async def test_streamed(broker: Keeping, ledger: Ledger, item: Item) -> None:
    """Async drafts are enqueued as they come: the first chunk is done before the last draft is there."""
    seen = asyncio.Event()

    async def stream() -> AsyncIterator[ServiceRequestDraft]:
        for number in range(10):
            yield ServiceRequestDraft(f"S-{number}", item)
        await asyncio.wait_for(seen.wait(), 10)
        yield ServiceRequestDraft("S-LAST", item)

    submitting = asyncio.create_task(submit_job(broker, stream(), ledger, job_id="streamed", chunk_size=10))
    await until(lambda: bool(broker.messages), every=0.01)
    await until(lambda: created(Job("streamed", ledger), 10), every=0.01)
    progress = await Job("streamed", ledger).progress()
    assert not progress.sealed
    assert not progress.finished
    seen.set()

    assert (await (await submitting).wait(poll=0.05)).created == 11


async def test_submitted_again(broker: Keeping, ledger: Ledger, sandbox: Sandbox, drafts: Drafts, item: Item) -> None:
    """Under the same id only what is new or has failed is sent."""
    bad = ServiceRequestDraft("ITEM-30", Item(category=item.category, type="no uuid"))
    job = await submit_job(broker, [*drafts(30), bad], ledger, chunk_size=10)
    first = await job.wait(poll=0.05)

    again = await submit_job(broker, drafts(40), ledger, job_id=job.id, chunk_size=10)
    second = await again.wait(poll=0.05)

    assert (first.created, first.failed) == (30, 1)
    assert (second.created, second.skipped, second.items) == (40, 30, 71)
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (40, 0)


async def test_messages_are_lost(broker: Keeping, ledger: Ledger, sandbox: Sandbox, drafts: Drafts) -> None:
    """If the broker loses messages the job doesn't end; it does when all is submitted again in their place."""
    broker.loses = True
    job = await submit_job(broker, drafts(20), ledger, chunk_size=10)
    broker.loses = False
    await submit_job(broker, drafts(10), ledger, job_id=job.id, chunk_size=10)
    await until(lambda: created(job, 10), every=0.01)
    assert not (await job.progress()).finished

    await submit_job(broker, drafts(20), ledger, job_id=job.id, chunk_size=10, replace=True)
    progress = await job.wait(poll=0.05)

    assert (progress.created, progress.skipped, progress.left) == (20, 10, 0)
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (20, 0)


async def test_broker_is_away(broker: Keeping, ledger: Ledger, drafts: Drafts) -> None:
    """A broker that is away is waited for; a message that arrives late is sent once."""
    broker.refuses = True
    submitting = asyncio.create_task(submit_job(broker, drafts(20), ledger, chunk_size=10))
    await asyncio.sleep(0.6)
    broker.refuses = False

    progress = await (await submitting).wait(poll=0.05)

    assert (progress.created, len(broker.messages)) == (20, 2)


async def test_broker_stays_away(broker: Keeping, ledger: Ledger, drafts: Drafts) -> None:
    """A broker that stays away is told, and the job is left open: submitted again it is done."""
    broker.refuses = True
    with pytest.raises(LedgerError, match="job away: the broker can't be reached: OSError: no route to host"):
        await submit_job(broker, drafts(20), ledger, job_id="away", patience=0.2)
    assert not (await Job("away", ledger).progress()).sealed
    broker.refuses = False

    job = await submit_job(broker, drafts(20), ledger, job_id="away")

    progress = await job.wait(poll=0.05)
    assert (progress.items, progress.created) == (20, 20)


async def test_cancelled(broker: Keeping, ledger: Ledger, sandbox: Sandbox, drafts: Drafts) -> None:
    """A job that is cancelled ends, and tells what was created and what was not."""
    sandbox.set_limits(Limits(partner=20, window=60.0))
    job = await submit_job(broker, drafts(300), ledger)
    await until(lambda: sandbox.ledger.created >= 20, every=0.01)

    await job.cancel()
    progress = await job.wait(poll=0.05)

    assert progress.cancelled
    assert (progress.created, progress.skipped) == (20, 280)
    assert sandbox.ledger.created == 20


async def test_deleted(broker: Keeping, ledger: Ledger, drafts: Drafts) -> None:
    """A job that is deleted leaves nothing behind."""
    job = await submit_job(broker, drafts(30), ledger, job_id="deleted", chunk_size=10)
    await job.wait(poll=0.05)

    await job.delete()

    with pytest.raises(LedgerError, match="there is no job 'deleted'"):
        await job.progress()
    left = await ledger.ask(lambda redis: redis.keys("*{deleted}*"), within())
    assert [name for name in left if ":lease:" not in name] == []


async def test_submitted_twice_at_once(broker: Keeping, ledger: Ledger, drafts: Drafts, item: Item) -> None:
    """While one process submits a job another may not."""
    hold = asyncio.Event()

    async def stream() -> AsyncIterator[ServiceRequestDraft]:
        yield ServiceRequestDraft("S-1", item)
        await hold.wait()

    first = asyncio.create_task(submit_job(broker, stream(), ledger, job_id="held", chunk_size=1))
    await until(lambda: bool(broker.messages), every=0.01)

    with pytest.raises(LedgerError, match=r"job held: another process is submitting it; if that was stopped"):
        await submit_job(broker, drafts(3), ledger, job_id="held")

    hold.set()
    assert (await (await first).wait(poll=0.05)).created == 1


@pytest.mark.parametrize("read", [1, 2], ids=["before a chunk", "before the end"])
async def test_submission_is_taken_over(broker: Keeping, ledger: Ledger, drafts: Drafts, item: Item, read: int) -> None:
    """A process that stood still for so long that another one has submitted the job sends no more of it."""
    hold, job_id = asyncio.Event(), f"taken-{read}"

    async def stream() -> AsyncIterator[ServiceRequestDraft]:
        yield ServiceRequestDraft("S-1", item)
        await hold.wait()
        for number in range(2 - read):
            yield ServiceRequestDraft(f"S-{number + 2}", item)

    first = asyncio.create_task(submit_job(broker, stream(), ledger, job_id=job_id, chunk_size=1))
    await until(lambda: bool(broker.messages), every=0.01)
    await ledger.ask(lambda redis: redis.delete(ledger.keys(job_id).submitter), within())

    again = await submit_job(broker, drafts(3), ledger, job_id=job_id)
    hold.set()
    with pytest.raises(LedgerError, match=f"job {job_id}: another process has begun to submit it, so this one stops"):
        await first

    assert (await again.wait(poll=0.05)).items == 4


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_wrong_count(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count in the environment that is none is told by its name."""
    monkeypatch.setenv("LEGITMARK_CHUNKS", text)

    with pytest.raises(ConfigurationError, match=f"LEGITMARK_CHUNKS must be a number above 0, not '{text}'"):
        _count("LEGITMARK_CHUNKS", 4)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"job_id": "a b"}, "a job's id holds letters, digits"),
        ({"job_id": ""}, "a job's id holds letters, digits"),
        ({"chunk_size": 0}, "chunk_size must be"),
    ],
)
async def test_wrong_options(
    broker: Keeping, ledger: Ledger, drafts: Drafts, options: dict[str, object], problem: str
) -> None:
    """A wrong option is told before anything is sent."""
    with pytest.raises(ConfigurationError, match=problem):
        await submit_job(broker, drafts(1), ledger, **options)  # type: ignore[arg-type]  # that's what is tried

    assert broker.messages == []


async def test_input_fails(broker: Keeping, ledger: Ledger, drafts: Drafts) -> None:
    """If the input fails, what was read of whole chunks is enqueued, and the error is told as it is."""

    def broken() -> Iterator[ServiceRequestDraft]:
        yield from drafts(25)
        raise ValueError("row 26")

    with pytest.raises(ValueError, match="row 26"):
        await submit_job(broker, broken(), ledger, job_id="broken", chunk_size=10)

    progress = await Job("broken", ledger).progress()
    assert (progress.items, progress.sealed) == (20, False)


async def test_no_drafts(broker: Keeping, ledger: Ledger) -> None:
    """What is no draft is told; a job of none is finished at once."""
    with pytest.raises(ConfigurationError, match="submit_job takes ServiceRequestDraft objects, not str"):
        await submit_job(broker, ["A"], ledger)  # type: ignore[list-item]  # that's what is tried

    assert (await (await submit_job(broker, [], ledger)).progress()).finished


def test_no_library_of_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library for RabbitMQ the error tells what to install."""
    monkeypatch.setitem(sys.modules, "taskiq_aio_pika", None)

    with pytest.raises(ConfigurationError, match=r"python -m pip install 'legitmark-async\[distributed\]'"):
        rabbitmq_broker("amqp://guest:s3cret@localhost")


def test_broker_url() -> None:
    """A URL that is no broker's is told, without its password."""
    with pytest.raises(ConfigurationError, match="must begin with amqp:// or amqps://") as raised:
        rabbitmq_broker("http://guest:s3cret@localhost")

    assert "s3cret" not in str(raised.value)
