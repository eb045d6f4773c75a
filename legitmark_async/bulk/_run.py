"""The bulk engine: drafts in, one outcome for each of them out, with bounded tasks and memory."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

from legitmark_async._call import Caller
from legitmark_async.bulk._books import Memory
from legitmark_async.bulk._drafts import Source
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._line import Line, wait_in, wake_one
from legitmark_async.bulk._maker import Maker
from legitmark_async.bulk._options import RunOptions
from legitmark_async.bulk._outbox import Outbox
from legitmark_async.bulk._outcomes import (
    BY_EARLIER_RUNS,
    INPUT_ENDED,
    Failed,
    Outcome,
    RunProgress,
    Skipped,
    Stuck,
    Unknown,
)
from legitmark_async.bulk._tally import Tally
from legitmark_async.bulk._watch import Watch
from legitmark_async.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    LegitmarkError,
    RecordError,
    WorkflowError,
)
from legitmark_async.journal import Promise
from legitmark_async.models import ServiceRequestDraft

# Without these the rest of the run would fail too, one by one.
_STOPPERS = (AuthenticationError, ForbiddenError)
# Seconds that requests in flight may take to end when a run is left early.
_GRACE = 5.0


class BulkRun:
    """A run over many drafts: an async context manager, to be iterated over once inside its block.

    Drafts are read only as fast as they are worked on and their outcomes are taken, so the input may be endless.
    Each draft that was read gets exactly one outcome.

    Leaving the block early (by `break`, an exception or a cancellation) reads no more drafts, withdraws those that
    still wait for the rate limit (`Skipped`), lets requests in flight end for up to 5 s, and then cancels them
    (`Unknown`); a second cancellation cancels them at once. What the loop has not seen is then in `leftover`.

    Attributes:
        leftover: After the block, the outcomes that the loop has not seen.
    """

    def __init__(self, caller: Caller, source: Source, options: RunOptions) -> None:
        self.leftover: tuple[Outcome, ...] = ()
        self._caller = caller
        self._source = source
        self._options = options
        # What the workers share. They run in one event loop and never await in the middle of a change.
        self._tally = Tally()
        self._workers: set[asyncio.Task[None]] = set()
        self._active: set[Job] = set()
        self._watch = Watch(caller, options.beside, self._tally, self._active, options.requests)
        self._maker = Maker(caller, Memory(), asyncio.Semaphore(options.concurrency), options.plan, self._announce)
        self._sampler: asyncio.Task[None] | None = None
        # With books as many again are under way, of which some are being noted while others are in flight.
        self._under_way = options.concurrency * (1 if options.books is None else 2)
        self._outbox = Outbox(self._tally, concurrency=self._under_way, ordered=options.ordered)
        self._noting: deque[tuple[Job, Outcome, Promise]] = deque()  # outcomes on their way into the journal
        self._unnoted: Line = deque()  # for one of those
        self._clerk: asyncio.Task[None] | None = None  # who settles them
        self._stopped: str | None = None
        self._withdrawing = False
        self._fault: BaseException | None = None

    @property
    def progress(self) -> RunProgress:
        """How far the run is, at this moment."""
        total = self._source.read if self._stopped else self._source.total
        return self._watch.progress(total, self._stopped, working=bool(self._workers))

    async def __aenter__(self) -> Self:
        """Begin to read and to send.

        Raises:
            ConfigurationError: The run was begun before, or the client is not open.
            RecordError: The journal can't be used.
        """
        self._caller.transport.require_open()
        if self._tally.started is not None:
            raise ConfigurationError("a bulk run can't be run twice: call create_many again")
        self._tally.started = self._caller.clock()
        options = self._options
        if options.books is not None:
            self._maker.books = await options.books(self._caller)
            self._sampler = asyncio.create_task(self._watch.sample(self._maker.books))
            self._clerk = self._employ(self._settle_noted())
        self._announce()
        for _ in range(self._under_way):
            self._employ(self._work())
        return self

    def _employ(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        worker = asyncio.create_task(work)
        self._workers.add(worker)
        worker.add_done_callback(self._worker_done)
        return worker

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """Wait for the next outcome.

        Raises:
            StopAsyncIteration: Every draft that was read has had its outcome.
            ConfigurationError: The run is not inside its `async with` block.
            RecordError: The journal can't be written any more; nothing more was sent then.
        """
        if self._tally.started is None:
            raise ConfigurationError("use a bulk run as a block: 'async with ….create_many(drafts) as run:'")
        while not self._outbox.ready:
            if not self._workers:
                fault, self._fault = self._fault, None
                raise StopAsyncIteration if fault is None else fault
            await self._outbox.wait()
        return self._outbox.take()

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Account for every draft that was read; see the class."""
        try:
            if self._workers:
                self._withdraw("left early")
                await asyncio.wait(self._workers, timeout=_GRACE)
        finally:
            for worker in self._workers - {self._clerk}:
                worker.cancel()
            if self._workers:
                await asyncio.wait(self._workers)
            self._tally.ended = self._caller.clock()
            self.leftover = tuple(self._outbox.ready)
            await self._source.aclose()
            await self._close_books(told=error is not None)

    async def _close_books(self, *, told: bool) -> None:
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.wait([self._sampler])
        try:
            await self._maker.books.aclose(self._stopped, self._caller.calls.refused)
        except RecordError:
            # Whoever iterates to the end has been told already.
            if not told and self._fault is not None:
                raise

    async def _work(self) -> None:
        while (draft := await self._take()) is not None:
            job = Job(draft, asyncio.current_task())
            self._active.add(job)
            self._outbox.expect(job)
            self._announce()
            outcome = self._maker.books.recall(draft) if self._options.ordered else None
            outcome = outcome or await self._outcome_of(job)
            noted = self._maker.books.record(job, outcome)
            if noted is None:
                self._settle(job, outcome)
            else:
                self._noting.append((job, outcome, noted))
                wake_one(self._unnoted)

    async def _settle_noted(self) -> None:
        """Settle outcomes when they are durable, in the order in which they came, until no worker is left."""
        while True:
            while self._noting:
                job, outcome, noted = self._noting.popleft()
                try:
                    await noted
                except RecordError as error:
                    self._fail(error)
                self._settle(job, outcome)
            if len(self._workers) == 1:
                return
            await wait_in(self._unnoted)

    async def _take(self) -> ServiceRequestDraft | None:
        """Read until a draft has to be sent, or is the next one in order; wait for room for its outcome."""
        while True:
            while self._stopped is None and self._outbox.room <= 0:
                await self._outbox.wait_for_room()
            if self._stopped:
                return None
            # Without a coroutine where there is nothing to wait for: an earlier run may have done most of them.
            draft = self._source.next_now() if self._source.plain else await self._source.next()
            if draft is None:
                self._end_input()
                return None
            self._tally.taken += 1
            outcome = None if self._options.ordered else self._maker.books.recall(draft)
            if outcome is None:
                return draft
            self._count(outcome)
            self._outbox.put(outcome)

    def _end_input(self) -> None:
        self._fault = self._fault or self._source.fault
        self._stop(INPUT_ENDED if self._source.fault is None else "the input failed")

    async def _outcome_of(self, job: Job) -> Outcome:
        try:
            outcome = await self._maker.make(job)
        except RecordError as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._withdraw("cancelled")
        else:
            if not (self._withdrawing and isinstance(outcome, Failed) and _would_be_sent_again(outcome.error)):
                return outcome
        return job.withdrawn(f"not sent: {self._stopped}")

    def _fail(self, error: RecordError) -> None:
        """Send nothing more, since it could not be noted."""
        self._fault = self._fault or error.with_traceback(None)
        self._withdraw(str(error))

    def _settle(self, job: Job, outcome: Outcome) -> None:
        """Count an outcome, and hand on those that are due."""
        self._active.discard(job)
        self._announce()
        self._count(outcome)
        self._outbox.settle(job, outcome)

    def _count(self, outcome: Outcome) -> None:
        self._tally.counts[type(outcome)] += 1
        if isinstance(outcome, (Failed, Stuck, Unknown)):
            self._stop_if_hopeless(outcome.error)
        elif isinstance(outcome, Skipped) and outcome.reason in BY_EARLIER_RUNS:
            self._tally.recalled += 1

    def _stop_if_hopeless(self, error: LegitmarkError) -> None:
        if is_of_the_key(error.__cause__ if isinstance(error, WorkflowError) else error):
            self._withdraw(str(error))
        elif self._options.max_failures is not None and self._tally.too_many(self._options.max_failures):
            self._withdraw(f"{self._tally.failures} of {self._tally.done} failed, more than max_failures allows")

    def _announce(self) -> None:
        # The pacer spends a window otherwise if more is to come than it holds.
        left = self._maker.preparing + (0 if self._stopped else self._source.left)
        to_come = self._watch.requests_to_come(left)
        self._caller.pacer.announce(self, 0 if self._withdrawing else to_come)

    def _stop(self, why: str) -> None:
        """Read no more drafts."""
        self._stopped = self._stopped or why
        self._announce()
        self._outbox.read_no_more()

    def _withdraw(self, why: str) -> None:
        """Read no more drafts, and send none that has not been sent."""
        if self._withdrawing:
            return
        self._withdrawing, self._stopped = True, why
        self._stop(why)
        busy = {job.worker for job in self._active if job.state.in_flight} | {self._clerk, asyncio.current_task()}
        for job in self._active:
            # The try that is in flight may go on, and is the last one.
            job.state.withdrawn = True
        for worker in self._workers - busy:
            worker.cancel()

    def _worker_done(self, worker: "asyncio.Task[None]") -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (fault := worker.exception()) is not None:
            self._fault = self._fault or fault
            self._withdraw(f"{type(fault).__name__} in the engine")
        if self._workers == {self._clerk}:
            wake_one(self._unnoted)
        if not self._workers:
            self._tally.ended = self._caller.clock()
            self._outbox.end()


def is_of_the_key(error: BaseException | None) -> bool:
    """Whether an error is the key's fault, so that every other item would fail like this one."""
    # The storage of the photos knows no key: what it forbids is one photo.
    return isinstance(error, _STOPPERS) and error.method != "PUT"


def _would_be_sent_again(error: LegitmarkError) -> bool:
    return error.retryable and not error.maybe_processed
