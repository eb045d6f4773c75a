"""A job, from any machine: how far it is, what became of its items, and how to cancel it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from attrs import frozen

from legitmark_async.distributed import _scripts
from legitmark_async.distributed._books import APART
from legitmark_async.distributed._ledger import Keys, Ledger, within
from legitmark_async.distributed._messages import VERSION, decode_chunk
from legitmark_async.distributed._records import STATUS, Record
from legitmark_async.errors import LedgerError
from legitmark_async.journal import NO_OUTCOME, Entry, Status

# Buckets that are read at once.
_TOGETHER = 100


@frozen(kw_only=True)
class JobProgress:
    """How far a job is. `items` is always the sum of `created`, `failed`, `unknown`, `skipped`, `dead` and `left`.

    Attributes:
        id: Of the job.
        submitted_at: When its first drafts were.
        items: Drafts that were enqueued, by all submissions under this id.
        created: Those that became service requests.
        failed: Those that surely did not.
        unknown: Those of which it isn't known.
        skipped: Those that weren't sent: their reference was there already, or the job was cancelled.
        dead: Those in dead letters that have no outcome.
        left: Those that are queued, or under way.
        chunks: Messages that were enqueued.
        chunks_done: Of those, the ones with which nothing is left to do.
        dead_letters: Of those, the ones that could not be worked on; `Job.dead_letters` tells why.
        sealed: Whether all drafts were enqueued.
        cancelled: Whether the job was cancelled.
    """

    id: str
    submitted_at: datetime
    items: int
    created: int
    failed: int
    unknown: int
    skipped: int
    dead: int
    left: int
    chunks: int
    chunks_done: int
    dead_letters: int
    sealed: bool
    cancelled: bool

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.sealed and self.chunks_done + self.dead_letters >= self.chunks


@frozen
class DeadLetter:
    """A chunk that could not be worked on.

    Attributes:
        chunk: Its id: the number of the submission, and its own in there.
        cause: Why not.
        reference_ids: Of its drafts, if they can be read.
    """

    chunk: str
    cause: str
    reference_ids: tuple[str, ...]


@frozen
class Job:
    """A job of a ledger; nothing is looked up before it is asked something.

    Attributes:
        id: As `submit_job` was told, or made up.
        ledger: Where it is kept.
    """

    id: str
    ledger: Ledger

    async def progress(self) -> JobProgress:
        """Tell how far it is.

        Raises:
            LedgerError: There is no such job, or Redis can't be reached.
        """
        facts = await self._facts()
        counts = {
            name: int(facts.get(name, 0)) for name in ("items", "created", "failed", "unknown", "skipped", "chunks")
        }
        dead = int(facts.get("dead_items", 0))
        done = sum(counts[name] for name in ("created", "failed", "unknown", "skipped"))
        return JobProgress(
            id=self.id,
            submitted_at=datetime.fromtimestamp(float(facts["submitted_at"]), UTC),
            **counts,
            dead=dead,
            left=counts["items"] - done - dead,
            chunks_done=int(facts.get("done", 0)),
            dead_letters=int(facts.get("dead", 0)),
            sealed=facts.get("sealed") == "1",
            cancelled="cancelled" in facts,
        )

    async def results(self, *statuses: Status) -> AsyncIterator[Entry]:
        """Tell what became of each item that was begun, in no order; also while workers go on.

        Items of dead letters that were not begun are told as failed. Entries of items that were created don't tell the
        file and line that they came from, nor other columns.

        Args:
            statuses: Which of them: `Status.CREATED`, `FAILED` or `UNKNOWN`; all if none is given.

        Raises:
            LedgerError: There is no such job, or Redis can't be reached.
        """
        async for entry in self._entries():
            if not statuses or entry.status in statuses:
                yield entry

    async def _entries(self) -> AsyncIterator[Entry]:
        buckets = int((await self._facts())["buckets"])
        unbegun = {
            reference: letter.cause for letter in await self.dead_letters() for reference in letter.reference_ids
        }
        for first in range(0, buckets, _TOGETHER):
            for items in await self._items(range(first, min(first + _TOGETHER, buckets))):
                for name, text in items.items():
                    unbegun.pop(name, None)
                    yield _entry(name, Record.decode(text))
        for reference, cause in unbegun.items():
            yield Entry(reference_id=reference, status=Status.FAILED, error=f"dead letter: {cause}", cause=cause)

    async def dead_letters(self) -> list[DeadLetter]:
        """Tell which chunks could not be worked on, and why.

        Raises:
            LedgerError: There is no such job, or Redis can't be reached.
        """
        await self._facts()
        (*_, dead) = self._keys.common
        found: dict[str, str] = await self.ledger.ask(lambda redis: redis.hgetall(dead), within())
        return [_dead_letter(chunk, text) for chunk, text in found.items()]

    async def cancel(self) -> None:
        """Let nothing more of it be sent. Requests in flight end first; what was created stays.

        Submitting it again takes it up again.

        Raises:
            LedgerError: There is no such job, or Redis can't be reached.
        """
        await self._facts()
        name = self._keys.common[0]
        await self.ledger.ask(lambda redis: redis.hset(name, "cancelled", "1"), within())

    async def wait(self, *, poll: float = 1.0) -> JobProgress:
        """Wait until nothing is left to do.

        Args:
            poll: Seconds between two looks.

        Raises:
            LedgerError: There is no such job, or Redis can't be reached.
        """
        while not (progress := await self.progress()).finished:  # noqa: ASYNC110  # others change it, far away
            await asyncio.sleep(poll)
        return progress

    async def delete(self) -> None:
        """Forget the job and all its items; what is still queued of it is sent no more.

        Submitted again, also under the same id, its drafts would be created again.

        Raises:
            LedgerError: There is no such job, or Redis can't be reached.
        """
        buckets = int((await self._facts())["buckets"])
        # The job itself first: whatever comes later finds none.
        names = [*self._keys.common, self._keys.submitter, *map(self._keys.items, range(buckets))]
        for first in range(0, len(names), _TOGETHER):
            some = names[first : first + _TOGETHER]
            await self.ledger.ask(partial(_unlink, some), within())

    @property
    def _keys(self) -> Keys:
        return self.ledger.keys(self.id)

    async def _facts(self) -> dict[str, str]:
        name = self._keys.common[0]
        facts: dict[str, str] = await self.ledger.ask(lambda redis: redis.hgetall(name), within())
        if not facts:
            raise LedgerError(self.ledger.where, f"there is no job {self.id!r}")
        check_layout(self.id, facts.get("version"))
        return facts

    async def _items(self, buckets: range) -> list[dict[str, str]]:
        async def ask(redis: Any) -> list[dict[str, str]]:  # noqa: ANN401  # redis is an extra, and may not be there
            async with redis.pipeline(transaction=False) as pipeline:
                for bucket in buckets:
                    pipeline.hgetall(self._keys.items(bucket))
                answers: list[dict[str, str]] = await pipeline.execute()
            return answers

        found: list[dict[str, str]] = await self.ledger.ask(ask, within())
        return found


def _unlink(names: list[str], redis: Any) -> Any:  # noqa: ANN401  # redis is an extra, and may not be there
    return redis.unlink(*names)


def check_layout(job: str, version: str | None) -> None:
    """Check that a job is kept in the way of this release.

    Raises:
        LedgerError: It isn't.
    """
    if version != str(_scripts.LAYOUT):
        raise LedgerError(f"job {job}", f"another release keeps it, in version {version}: use that one")


def _entry(name: str, record: Record) -> Entry:
    told = record.told
    apart = name.startswith(APART)
    error, cause = told.get("error"), told.get("cause")
    if record.state == "S":
        error = cause = NO_OUTCOME
    return Entry(
        reference_id=told.get("reference", "") if apart else name,
        status=STATUS[record.state],
        uuid=record.uuid or None,
        micro_id=record.micro_id or None,
        error=error,
        cause=cause,
        file=told.get("file"),
        line=told.get("line"),
        extra=told.get("extra") or {},
    )


def _dead_letter(chunk: str, text: str) -> DeadLetter:
    kept = json.loads(text)
    try:
        drafts = decode_chunk(VERSION, kept["drafts"])
    except LedgerError:
        drafts = []
    return DeadLetter(chunk, kept["cause"], tuple(str(draft.reference_id) for draft in drafts))
