"""Takes the notes of a chunk, and hands them to the ledger in the order in which they came, many at a time."""

import asyncio
from collections import deque

from attrs import define, field

from legitmark_async.distributed import _scripts
from legitmark_async.distributed._lease import Lease
from legitmark_async.errors import LedgerError

# Notes that go together at most.
_BATCH = 100

# What to do, the item's field, its record, and what is done when that is.
Note = tuple[str, str, str, "asyncio.Future[str]"]


@define(eq=False)
class Desk:
    """Hands notes to the ledger.

    Attributes:
        lease: The right to the chunk; while it lasts a ledger that is away is waited for.
        left: Items of the job that had no outcome at the last note.
        active: Chunks that were worked on then.
    """

    lease: Lease
    left: int = field(default=0, init=False)
    active: int = field(default=1, init=False)
    _notes: deque[Note] = field(factory=deque, init=False)
    _clerk: "asyncio.Task[None] | None" = field(default=None, init=False)

    def mark(self, name: str, record: str) -> "asyncio.Future[str]":
        """Mark an item as about to be sent; what is done then gives an empty text, or what stands in the way."""
        return self._put("M", name, record)

    def record(self, name: str, record: str) -> "asyncio.Future[str]":
        """Record an outcome, or by an empty text that the item was not sent after all."""
        return self._put("R", name, record)

    def _put(self, what: str, name: str, record: str) -> "asyncio.Future[str]":
        promise: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._notes.append((what, name, record, promise))
        if self._clerk is None:
            self._clerk = asyncio.create_task(self._work())
        return promise

    async def _work(self) -> None:
        # Others are about to come, in the same turn of the loop.
        await asyncio.sleep(0)
        while self._notes:
            batch = [self._notes.popleft() for _ in range(min(len(self._notes), _BATCH))]
            try:
                _keep(batch, await self._hand_over(batch))
            except LedgerError as error:
                _break(batch, error.with_traceback(None))
            except Exception as error:  # noqa: BLE001  # whoever waits must be told, whatever it is
                _break(batch, LedgerError(self.lease.ledger.where, f"can't be written: {error!r}"))
        self._clerk = None

    async def _hand_over(self, notes: list[Note]) -> list[str]:
        lease = self.lease
        keys = lease.ledger.keys(lease.job)
        buckets = [keys.bucket_of(name, lease.buckets) for _, name, _, _ in notes]
        arguments: list[object] = [lease.chunk, lease.turn]
        for what, name, record, _ in notes:
            arguments += (what, name, record)
        told = await lease.ledger.run(_scripts.NOTE, [*keys.common, *buckets], arguments, lambda: lease.lasts)
        answers: list[str]
        *answers, self.left, self.active = told
        return answers


def _keep(notes: list[Note], answers: list[str]) -> None:
    for (*_, promise), answer in zip(notes, answers, strict=True):
        if not promise.done():
            promise.set_result(answer)


def _break(notes: list[Note], error: LedgerError) -> None:
    for *_, promise in notes:
        if not promise.done():
            promise.set_exception(error)
