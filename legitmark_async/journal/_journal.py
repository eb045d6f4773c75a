"""A journal that is being written: one thread, which commits in one batch everything that arrived during the last one.

A thread that has released the interpreter waits to get it back, up to 5 ms while the event loop is busy. So most
batches are one statement, which is a transaction by itself.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
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
    """A row to write or the number of an item to read, each with the future of its result; or a sample."""

    row: Row | None = None
    number: int | None = None
    promise: Promise | None = None
    sample: Sequence[Any] | None = None
    offset: float | None = None


@define(eq=False)
class _Batch:
    """Notes that are written together.

    Attributes:
        found: Results of the look-ups, by their future.
    """

    rows: list[Row] = field(factory=list[Row])
    promises: list[Promise] = field(factory=list[Promise])  # of the rows
    notes: list[_Note] = field(factory=list[_Note])  # samples and look-ups, done after the rows are written
    found: dict[Promise, Found] = field(factory=dict[Promise, Found])

    def add(self, note: _Note) -> None:
        """Add a note."""
        if note.row is not None and note.promise is not None:
            self.rows.append(note.row)
            self.promises.append(note.promise)
        else:
            self.notes.append(note)

    def resolve(self, fault: JournalError | None) -> None:
        """Give each future that still waits its result, or the fault."""
        waiting = [note.promise for note in self.notes if note.promise is not None]
        for promise in (*self.promises, *waiting):
            if promise.done():
                continue
            if fault is None:
                promise.set_result(self.found.get(promise))
            else:
                promise.set_exception(fault)


class Journal:
    """Writes down what happens to the items of a run; opened by `open`, and closed by `aclose`.

    The event loop hands notes over, and one thread writes them in their order. After the first failure nothing more is
    written: every later call gets that failure.

    Attributes:
        known: The items in the file; used by the event loop alone.
        run: Number of the run, from 1.
    """

    def __init__(self, store: Store) -> None:
        self.known: Known = store.known
        self.run: int = store.run
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._notes: SimpleQueue[_Note] = SimpleQueue()
        self._fault: JournalError | None = None  # set by the thread
        # An executor, so that an event loop on virtual time can see that it is waited for.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="legitmark-journal")
        self._writing = False
        self._closing = False

    @classmethod
    async def open(cls, path: Path, account: Account) -> Self:
        """Open a journal for a new run, or make one.

        Raises:
            JournalError: It can't be used.
        """
        return cls(await asyncio.to_thread(Store.open, path, account))

    def write(self, row: Row) -> Promise:
        """Hand over a row, and return a future that is done as soon as the row is durable, or has failed."""
        promise = self._loop.create_future()
        self._add(_Note(row, promise=promise))
        return promise

    def note(self, sample: Sequence[Any], offset: float | None) -> None:
        """Hand over a sample, and how far the server's clock is ahead of ours (s), without waiting for it."""
        self._add(_Note(sample=sample, offset=offset))

    async def lookup(self, number: int) -> Found:
        """Return an item's reference, its uuid, when it was sent, and how far the clocks were apart in that run.

        Raises:
            JournalError: It can't be read.
        """
        # In the thread, whose connection it is, and after what was handed over before.
        promise: asyncio.Future[Found] = self._loop.create_future()
        self._add(_Note(number=number, promise=promise))
        return await promise

    async def aclose(self, stopped: str | None, refused: int) -> None:
        """Write what is left, note how the run ended, and close the file.

        Raises:
            JournalError: Something could not be written.
        """
        self._closing = True
        self._loop.run_in_executor(self._executor, self._write_batch).add_done_callback(self._written)
        finishing = self._loop.run_in_executor(self._executor, self._finish, stopped, refused)
        # Both are carried out all the same if this is cancelled; then the thread ends.
        self._executor.shutdown(wait=False)
        await finishing

    def _add(self, note: _Note) -> None:
        self._notes.put(note)
        if not self._writing and not self._closing:
            self._write_soon()

    def _write_soon(self) -> None:
        self._writing = True
        self._loop.run_in_executor(self._executor, self._gather_and_write).add_done_callback(self._written)

    def _written(self, writing: "asyncio.Future[_Batch]") -> None:
        self._writing = False
        writing.result().resolve(self._fault)
        if not self._notes.empty() and not self._closing:
            self._write_soon()

    def _finish(self, stopped: str | None, refused: int) -> None:
        if self._fault is None:
            self._store.close(stopped, refused)
        else:
            self._store.abandon()
            raise self._fault

    def _gather_and_write(self) -> _Batch:
        # A commit costs the same for one row and for a hundred, and others are about to come.
        time.sleep(_GATHERING)
        return self._write_batch()

    def _write_batch(self) -> _Batch:
        batch = _Batch()
        while not self._notes.empty():
            batch.add(self._notes.get())
        if self._fault is None:
            self._fault = self._write(batch)
        return batch

    def _write(self, batch: _Batch) -> JournalError | None:
        """Write the rows and samples, and look up what is asked for; return what went wrong."""
        try:
            self._store.write(batch.rows)
            for note in batch.notes:
                if note.sample is not None:
                    self._store.write_sample(note.sample, note.offset)
                elif note.number is not None and note.promise is not None:  # pragma: no branch  # there is no other
                    batch.found[note.promise] = self._store.lookup(note.number)
        except JournalError as error:
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001  # the caller must get it, whatever it is
            return JournalError(str(self._store.path), f"can't write to it: {error!r}")
        return None
