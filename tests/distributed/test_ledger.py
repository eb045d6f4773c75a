"""The ledger: what its scripts allow, on a real Redis. Each is run twice where an answer may have been lost."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from local_servers import RedisServer

from legitmark_async import ConfigurationError, LedgerError
from legitmark_async.distributed import Job, Ledger, _scripts
from legitmark_async.distributed._desk import Desk as NoteDesk
from legitmark_async.distributed._lease import CRASHES, Lease, Standing
from legitmark_async.distributed._ledger import within
from legitmark_async.distributed._records import Record
from legitmark_async.distributed._safety import warn_of_losses
from legitmark_async.journal import NO_OUTCOME, Status


class Desk:
    """A job in a ledger, whose scripts are run by hand."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.job = Job(secrets.token_hex(4), ledger)
        self.keys = ledger.keys(self.job.id)

    async def run(self, script: str, key: str, *arguments: object) -> object:
        """Run a script twice, as if the first answer was lost, and return the second."""
        keys = [*self.keys.common, key]
        await self.ledger.run(script, keys, arguments, within(1.0))
        return await self.ledger.run(script, keys, arguments, within(1.0))

    async def submit(self, who: str = "me", *, replace: bool = False) -> object:
        """Begin a submission."""
        return await self.run(
            _scripts.SUBMIT, self.keys.submitter, who, time.time(), 30_000, 4, 1, int(replace), self.keys.lease("")
        )

    async def add(self, chunk: str, items: int, who: str = "me") -> object:
        """Enqueue a chunk."""
        return await self.run(_scripts.ADD, self.keys.submitter, who, 30_000, chunk, items)

    async def seal(self, who: str = "me") -> object:
        """End a submission."""
        sealed = await self.run(_scripts.SEAL, self.keys.submitter, who)
        await self.run(_scripts.LEAVE, self.keys.submitter, who)
        return sealed

    async def begin(self, chunk: str) -> Lease:
        """Take a chunk."""
        lease = Lease(self.ledger, self.job.id, chunk)
        assert await lease.begin() is Standing.OURS
        return lease

    async def note(self, lease: Lease, *notes: tuple[str, str, str]) -> Sequence[str]:
        """Hand notes over, twice."""
        keys = [*self.keys.common, *(self.keys.bucket_of(name, 4) for _, name, _ in notes)]
        arguments = [lease.chunk, lease.turn, *(part for note in notes for part in note)]
        await self.ledger.run(_scripts.NOTE, keys, arguments, within(1.0))
        told = await self.ledger.run(_scripts.NOTE, keys, arguments, within(1.0))
        answers: list[str]
        *answers, left, active = told
        assert left == (await self.job.progress()).left
        assert active == await self.ledger.ask(lambda redis: redis.hlen(self.keys.common[2]), within())
        return answers

    async def counts(self) -> dict[str, int]:
        """Return what is not 0."""
        progress = await self.job.progress()
        assert progress.items == sum(
            (progress.created, progress.failed, progress.unknown, progress.skipped, progress.dead, progress.left)
        )
        names = ("items", "created", "failed", "unknown", "skipped", "dead", "left", "chunks", "chunks_done")
        return {name: getattr(progress, name) for name in names if getattr(progress, name)}


def sent(lease: Lease) -> str:
    """A mark."""
    return Record(state="S", owner=lease.owner, digest="d", not_before=1.8e9).encode()


def done(lease: Lease, state: str) -> str:
    """An outcome."""
    return Record(state=state, owner=lease.owner, digest="d", uuid="U", not_before=1.8e9).encode()


@pytest.fixture
async def desk(ledger: Ledger) -> Desk:
    """A job with two chunks of two items."""
    desk = Desk(ledger)
    assert await desk.submit() == [1, 4]
    for chunk in ("1-1", "1-2"):
        assert await desk.add(chunk, 2) == 1
    assert await desk.seal() == 1
    return desk


async def test_one_has_a_chunk(desk: Desk) -> None:
    """While one worker has a chunk another waits; it has the next turn when the first gives it back."""
    first, second = await desk.begin("1-1"), Lease(desk.ledger, desk.job.id, "1-1")
    waiting = asyncio.create_task(second.begin())

    await asyncio.sleep(0.2)
    assert not waiting.done()
    await first.release()

    assert await waiting is Standing.OURS
    assert (first.turn, second.turn) == (1, 2)
    assert await desk.note(first, ("M", "A", sent(first))) == ["lost"]
    assert await desk.note(second, ("M", "A", sent(second))) == [""]


async def test_under_way(desk: Desk) -> None:
    """An item that is marked, and has no outcome yet, is told as unknown."""
    lease = await desk.begin("1-1")
    await desk.note(lease, ("M", "A", sent(lease)))

    (entry,) = [entry async for entry in desk.job.results()]

    assert (entry.reference_id, entry.status, entry.error) == ("A", Status.UNKNOWN, NO_OUTCOME)


async def test_notes_that_cannot_be(desk: Desk) -> None:
    """Whatever keeps notes from being written is told to all who wait; who waits no more is left out."""
    lease = await desk.begin("1-1")
    notes = NoteDesk(lease)

    with pytest.raises(LedgerError, match="can't be written: UnicodeEncodeError"):
        await notes.mark("A", "\ud800")
    left, waiting = notes.mark("A", sent(lease)), notes.mark("B", sent(lease))
    left.cancel()
    assert await waiting == ""
    left, waiting = notes.mark("C", "\ud800"), notes.mark("D", sent(lease))
    left.cancel()
    with pytest.raises(LedgerError, match="UnicodeEncodeError"):
        await waiting


async def test_lease_that_ran_out(desk: Desk) -> None:
    """A lease that ran out while Redis was away is still there, unless another had a turn since."""
    lease = await desk.begin("1-1")
    await desk.ledger.ask(lambda redis: redis.delete(desk.keys.lease("1-1")), within())

    assert await lease._renew() is Standing.OURS
    await desk.ledger.ask(lambda redis: redis.delete(desk.keys.lease("1-1")), within())
    await desk.begin("1-1")

    assert await lease._renew() is Standing.LOST
    assert not await lease.end("D")


async def test_outcomes_are_counted_once(desk: Desk) -> None:
    """Whatever is handed over twice counts once; what a chunk leaves is skipped."""
    lease = await desk.begin("1-1")
    assert await desk.note(lease, ("M", "A", sent(lease))) == [""]
    assert await desk.note(lease, ("R", "A", done(lease, "C"))) == [""]
    assert await desk.counts() == {"items": 4, "created": 1, "left": 3, "chunks": 2}

    assert await lease.end("D")
    assert await lease.end("D")

    assert await desk.counts() == {"items": 4, "created": 1, "skipped": 1, "left": 2, "chunks": 2, "chunks_done": 1}
    assert await Lease(desk.ledger, desk.job.id, "1-1").begin() is Standing.OVER


async def test_not_sent_after_all(desk: Desk) -> None:
    """A mark that is taken back leaves nothing, and the next turn may send."""
    lease = await desk.begin("1-1")
    await desk.note(lease, ("M", "A", sent(lease)))
    await desk.note(lease, ("R", "A", ""))
    await lease.release()

    again = await desk.begin("1-1")

    assert await desk.note(again, ("M", "A", sent(again))) == [""]


async def test_doubt_outlives_turns(desk: Desk) -> None:
    """What an earlier turn may have sent is told to each later one, also if one of them takes its mark back."""
    first = await desk.begin("1-1")
    await desk.note(first, ("M", "A", sent(first)))
    for _ in range(2):
        await desk.ledger.ask(lambda redis: redis.delete(desk.keys.lease("1-1")), within())
        later = await desk.begin("1-1")
        (told,) = await desk.note(later, ("M", "A", sent(later)))
        assert Record.decode(told).not_before == 1.8e9
        await desk.note(later, ("R", "A", ""))


async def test_repeated_reference(desk: Desk) -> None:
    """A reference of another chunk that is under way is not sent; one that was created is told."""
    first, second = await desk.begin("1-1"), await desk.begin("1-2")
    await desk.note(first, ("M", "A", sent(first)))
    assert await desk.note(second, ("M", "A", sent(second))) == ["busy"]
    await desk.note(first, ("R", "A", done(first, "C")))
    assert await desk.note(second, ("M", "A", sent(second))) == [done(first, "C")]


async def test_created_is_the_last_word(desk: Desk) -> None:
    """What is created stays so, whoever says what; and it is believed of a worker that has lost its chunk."""
    first = await desk.begin("1-1")
    await desk.note(first, ("M", "A", sent(first)))
    await desk.ledger.ask(lambda redis: redis.delete(desk.keys.lease("1-1")), within())
    second = await desk.begin("1-1")
    await desk.note(second, ("M", "A", sent(second)))

    await desk.note(first, ("R", "A", done(first, "F")))
    assert "failed" not in await desk.counts()
    await desk.note(first, ("R", "A", done(first, "C")))
    await desk.note(second, ("R", "A", done(second, "F")))

    assert await desk.counts() == {"items": 4, "created": 1, "left": 3, "chunks": 2}


async def test_outcome_of_the_same_chunk(desk: Desk) -> None:
    """When a chunk comes again, what has failed in it is not sent again."""
    first = await desk.begin("1-1")
    await desk.note(first, ("M", "A", sent(first)))
    await desk.note(first, ("R", "A", done(first, "F")))
    await first.release()

    again = await desk.begin("1-1")

    assert await desk.note(again, ("M", "A", sent(again))) == ["done"]


@pytest.mark.parametrize("state", ["F", "U"])
async def test_submitted_again(desk: Desk, state: str) -> None:
    """A later submission sends what has failed again, and looks for what is unknown; the counts stay right."""
    first = await desk.begin("1-1")
    await desk.note(first, ("M", "A", sent(first)))
    await desk.note(first, ("R", "A", done(first, state)))
    assert await first.end("D")

    assert await desk.submit("again") == [2, 4]
    await desk.add("2-1", 1, "again")
    later = await desk.begin("2-1")
    (told,) = await desk.note(later, ("M", "A", sent(later)))
    assert (told == "") == (state == "F")
    await desk.note(later, ("R", "A", done(later, "C")))
    assert await later.end("D")

    counts = await desk.counts()
    assert counts == {"items": 5, "created": 1, "skipped": 2, "left": 2, "chunks": 3, "chunks_done": 2}


async def test_interrupted_submission(ledger: Ledger) -> None:
    """What an interrupted submission has left is superseded by the next one, but for what is worked on."""
    desk = Desk(ledger)
    await desk.submit("first")
    for chunk in ("1-1", "1-2", "1-3"):
        await desk.add(chunk, 2, "first")
    begun = await desk.begin("1-1")
    assert (await desk.submit("second"))[0] == 0  # type: ignore[index]  # it is a list
    await ledger.ask(lambda redis: redis.delete(desk.keys.submitter), within())

    assert await desk.submit("second") == [2, 4]

    assert await desk.counts() == {"items": 2, "left": 2, "chunks": 1}
    assert await Lease(ledger, desk.job.id, "1-2").begin() is Standing.OVER
    assert await desk.add("1-4", 2, "first") == 0
    assert await desk.seal("first") == 0
    assert await begun.end("D")
    assert not (await desk.job.progress()).finished
    assert await desk.seal("second") == 1
    assert (await desk.job.progress()).finished


async def test_replaced(desk: Desk) -> None:
    """Who replaces what is queued supersedes all that nobody works on; what it has left in doubt is told."""
    dead, alive = await desk.begin("1-1"), await desk.begin("1-2")
    await desk.note(dead, ("M", "A", sent(dead)), ("M", "B", sent(dead)))
    await desk.note(dead, ("R", "A", done(dead, "C")))
    await desk.ledger.ask(lambda redis: redis.delete(desk.keys.lease("1-1")), within())

    await desk.submit("again", replace=True)

    assert await desk.counts() == {"items": 3, "created": 1, "left": 2, "chunks": 1}
    assert await dead._renew() is Standing.LOST
    assert await alive._renew() is Standing.OURS
    await desk.add("2-1", 1, "again")
    later = await desk.begin("2-1")
    (told,) = await desk.note(later, ("M", "B", sent(later)))
    assert Record.decode(told).state == "S"


async def test_poisoned(desk: Desk) -> None:
    """A chunk whose worker dies again and again is given to nobody any more, with the last cause that is known."""
    for number in range(1, CRASHES):
        lease = await desk.begin("1-1")
        await lease.release(f"cause {number}")
    lease = Lease(desk.ledger, desk.job.id, "1-1")

    assert await lease.begin() is Standing.POISONED
    assert lease.cause == f"cause {CRASHES - 1}"


async def test_given_back_is_no_crash(desk: Desk) -> None:
    """Whoever gives a chunk back without a fault may do so for ever."""
    for _ in range(2 * CRASHES):
        await (await desk.begin("1-1")).release()


async def test_dead_letter(desk: Desk) -> None:
    """A dead letter keeps what it held, and is worked off when its drafts are submitted again."""
    lease = await desk.begin("1-1")
    await desk.note(lease, ("M", "A", sent(lease)), ("M", "B", sent(lease)))
    await desk.note(lease, ("R", "A", done(lease, "C")))
    assert await lease.end("X", '{"cause": "why", "drafts": "?"}')

    (letter,) = await desk.job.dead_letters()
    assert (letter.chunk, letter.cause, letter.reference_ids) == ("1-1", "why", ())
    assert await desk.counts() == {"items": 4, "created": 1, "dead": 1, "left": 2, "chunks": 2}
    assert (await desk.submit("again")) == [2, 4]
    await desk.add("2-1", 2, "again")
    later = await desk.begin("2-1")
    first, second = await desk.note(later, ("M", "A", sent(later)), ("M", "B", sent(later)))
    assert Record.decode(first).state == "C"
    assert Record.decode(second).state == "S"
    await desk.note(later, ("R", "B", done(later, "C")))
    assert await later.end("D")

    assert await desk.job.dead_letters() == []
    assert await desk.counts() == {"items": 5, "created": 2, "skipped": 1, "left": 2, "chunks": 2, "chunks_done": 1}


async def test_cancelled(desk: Desk) -> None:
    """Of a cancelled job nothing is begun, and who works on it hears of it; submitted again it goes on."""
    lease = await desk.begin("1-1")
    await desk.job.cancel()

    assert await lease._renew() is Standing.CANCELLED
    assert await Lease(desk.ledger, desk.job.id, "1-2").begin() is Standing.CANCELLED
    assert (await desk.job.progress()).cancelled
    await desk.submit("again")
    assert not (await desk.job.progress()).cancelled


async def test_forgotten(desk: Desk) -> None:
    """A ledger that has lost a job lets nothing of it be sent."""
    assert await Lease(desk.ledger, "another", "1-1").begin() is Standing.GONE
    assert await Lease(desk.ledger, desk.job.id, "7-7").begin() is Standing.GONE


async def test_another_release(desk: Desk, ledger: Ledger) -> None:
    """A job that another release keeps in its own way is not touched."""
    await ledger.ask(lambda redis: redis.hset(desk.keys.common[0], "version", "2"), within())

    assert await Lease(ledger, desk.job.id, "1-1").begin() is Standing.FOREIGN
    with pytest.raises(LedgerError, match="another release keeps it, in version 2"):
        await desk.job.progress()


async def test_no_job(ledger: Ledger) -> None:
    """Asked for a job that isn't there, all methods say so."""
    job = Job("nobody", ledger)
    for question in (job.progress(), job.cancel(), job.dead_letters(), anext(aiter(job.results()))):
        with pytest.raises(LedgerError, match=r"there is no job 'nobody'"):
            await question


async def test_no_redis(redis: RedisServer) -> None:
    """A Redis that isn't there is told, without the password."""
    nowhere = RedisServer(redis.folder)
    ledger = Ledger(nowhere.url.replace("redis://", "redis://:s3cret@"))

    with pytest.raises(LedgerError, match=f"ledger at 127.0.0.1:{nowhere.port}: Redis can't be reached") as raised:
        await ledger.ask(lambda redis: redis.ping(), within(0.1))

    assert "s3cret" not in f"{raised.value}{ledger!r}"
    await ledger.aclose()


async def test_redis_refuses(ledger: Ledger) -> None:
    """What Redis refuses is not tried again."""
    with pytest.raises(LedgerError, match=r"Redis refuses: .*unknown command"):
        await ledger.ask(lambda redis: redis.execute_command("NONSENSE"), within())


def test_url() -> None:
    """A URL that is none is told, and not repeated."""
    with pytest.raises(ConfigurationError, match="the URL of Redis must begin with") as raised:
        Ledger("http://:s3cret@localhost")

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, None),
        ({"appendonly": "no"}, "'appendonly' is off"),
        ({"appendfsync": "no"}, "'appendfsync' is 'no'"),
        ({"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"}, "'maxmemory-policy' is 'allkeys-lru'"),
    ],
)
async def test_safety(
    ledger: Ledger, settings: dict[str, str], warned: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that may forget is warned of, with what to set; one that doesn't is not."""
    usual = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory": "0", "maxmemory-policy": "noeviction"}

    def set_it(name: str, value: str, redis: Any) -> Any:  # noqa: ANN401  # redis has no types
        return redis.config_set(name, value)

    async def configure(wanted: dict[str, str]) -> None:
        for setting in wanted.items():
            await ledger.ask(partial(set_it, *setting), within())

    await configure(settings)
    try:
        with caplog.at_level(logging.WARNING, "legitmark_async"):
            await warn_of_losses(ledger, within())
    finally:
        await configure(usual)

    said = [record.getMessage() for record in caplog.records if record.name == "legitmark_async"]
    assert len(said) == (0 if warned is None else 1)
    assert warned is None or warned in said[0]


async def test_settings_are_not_told(redis: RedisServer, ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """Of a Redis that doesn't tell its settings nothing is said."""
    words = ("ACL", "SETUSER", "guest", "on", ">s3cret", "~*", "+@all", "-config")
    await ledger.ask(lambda redis: redis.execute_command(*words), within())
    limited = Ledger(redis.url.replace("redis://", "redis://guest:s3cret@"))

    await warn_of_losses(limited, within())
    await limited.aclose()

    assert [record for record in caplog.records if record.name == "legitmark_async"] == []
