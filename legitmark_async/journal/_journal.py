"""A journal that is being written: one thread, which commits all that has come together while it last committed.

A thread that has released the interpreter waits to get it back, up to 5 ms while the event loop is busy. So most
batches are one statement, which is a transaction by itself.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from attrs import define, field, frozen

from legitmark_async.errors import JournalError
from legitmark_async.journal._known import Known
from legitmark_async.journal._store import Account, Found, Row, Store

# Seconds for which rows gather before they are written.
_GATHERING = 0.004
Promise = asyncio.Future[Any]


@frozen(eq=False)
class _Note:
    """A row to write, or the number of an item to read, and who waits for it; or a sample; or the end."""

    row: Row | None = None
    number: int | None = None
    promise: Promise | None = None
    sample: Sequence[Any] | None = None
    offset: float | None = None


@define(eq=False)
class _Batch:
    """What has come together."""

    rows: list[Row] = field(factory=list[Row])
    promises: list[Promise] = field(factory=list[Promise])
    notes: list[_Note] = field(factory=list[_Note])  # that are done after the rows are written
    last: bool = False

    def add(self, note: _Note) -> None:
        """Sort in a note."""
        if note.row is not None and note.promise is not None:
            self.rows.append(note.row)
            self.promises.append(note.promise)
        elif note.sample is not None or note.number is not None:
            self.notes.append(note)
        else:
            self.last = True


class Journal:
    """Writes down what happens to the items of a run; opened by `open`, and closed by `aclose`.

    The event loop hands notes over, and its thread writes them in their order. After the first failure nothing more is
    written: whoever hands something over then gets the failure.

    Attributes:
        known: The items that it knows; the event loop's own.
        run: Number of the run, from 1.
    """

    def __init__(self, store: Store) -> None:
        self.known: Known = store.known
        self.run: int = store.run
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._notes: SimpleQueue[_Note] = SimpleQueue()
        self._fault: JournalError | None = None  # the thread's own, until it has ended
        self._thread = threading.Thread(target=self._write_all, name="legitmark-journal", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, account: Account) -> Self:
        """Open a journal for a new run, or make one.

        Raises:
            JournalError: It can't be used.
        """
        return cls(await asyncio.to_thread(Store.open, path, account))

    def write(self, row: Row) -> Promise:
        """Hand over a row, and return what is done as soon as it is durable, or has failed."""
        promise = self._loop.create_future()
        self._notes.put(_Note(row, promise=promise))
        return promise

    def note(self, sample: Sequence[Any], offset: float | None) -> None:
        """Hand over a sample, and how far the server's clock is before ours (s), for which nobody waits."""
        self._notes.put(_Note(sample=sample, offset=offset))

    async def lookup(self, number: int) -> Found:
        """Return an item's reference, its uuid, when it was sent, and how far the clocks were apart in that run.

        Raises:
            JournalError: It can't be read.
        """
        # In the thread, whose connection it is, and behind what was handed over a moment ago.
        promise: asyncio.Future[Found] = self._loop.create_future()
        self._notes.put(_Note(number=number, promise=promise))
        return await promise

    async def aclose(self, stopped: str | None, refused: int) -> None:
        """Write what is left, note how the run ended, and close the file.

        Raises:
            JournalError: Something could not be written.
        """
        self._notes.put(_Note())
        await asyncio.to_thread(self._finish, stopped, refused)

    def _finish(self, stopped: str | None, refused: int) -> None:
        self._thread.join()
        if self._fault is None:
            self._store.close(stopped, refused)
        else:
            self._store.abandon()
            raise self._fault

    def _write_all(self) -> None:
        last = False
        while not last:
            batch = self._next_batch()
            last = batch.last
            found = self._work_off(batch) if self._fault is None else {}
            waiting = [note.promise for note in batch.notes if note.promise is not None]
            self._tell([*batch.promises, *waiting], found)

    def _next_batch(self) -> _Batch:
        batch = _Batch()
        batch.add(self._notes.get())
        # A commit costs the same for one row and for a hundred, and others are about to come.
        time.sleep(_GATHERING)
        while not batch.last:
            try:
                batch.add(self._notes.get_nowait())
            except Empty:
                break
        return batch

    def _work_off(self, batch: _Batch) -> dict[Promise, Found]:
        """Write what there is to write, and return what was looked up."""
        found: dict[Promise, Found] = {}
        try:
            self._store.write(batch.rows)
            for note in batch.notes:
                if note.sample is not None:
                    self._store.write_sample(note.sample, note.offset)
                elif note.number is not None and note.promise is not None:  # pragma: no branch  # there is no other
                    found[note.promise] = self._store.lookup(note.number)
        except JournalError as error:
            self._fault = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001  # whoever waits must be told, whatever it is
            self._fault = JournalError(str(self._store.path), f"can't write to it: {error!r}")
        return found

    def _tell(self, promises: list[Promise], found: dict[Promise, Found]) -> None:
        try:
            self._loop.call_soon_threadsafe(_keep, promises, found, self._fault)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more


def _keep(promises: list[Promise], found: dict[Promise, Found], fault: JournalError | None) -> None:
    for promise in promises:
        if promise.done():
            continue
        if fault is None:
            promise.set_result(found.get(promise))
        else:
            promise.set_exception(fault)
