"""The bulk engine: drafts in, one outcome for each of them out, with bounded tasks and memory."""

import asyncio
from collections import Counter, deque
from types import TracebackType
from typing import Self

from legitmark_async import _endpoints
from legitmark_async._call import WAITING, Caller
from legitmark_async.bulk._drafts import Source
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._line import Line, wait_in, wake_one
from legitmark_async.bulk._outcomes import (
    INPUT_ENDED,
    REPEATED,
    Created,
    Failed,
    Outcome,
    RunProgress,
    Skipped,
    Unknown,
)
from legitmark_async.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    LegitmarkError,
    OutcomeUnknownError,
)

# Outcomes that may wait to be taken, for each task, before the tasks wait in their turn.
_AHEAD = 2
# Fewer outcomes than this don't make a share of failures.
_SAMPLE = 100
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

    def __init__(
        self,
        caller: Caller,
        source: Source,
        *,
        concurrency: int,
        max_failures: float | None = None,
        ordered: bool = False,
    ) -> None:
        self.leftover: tuple[Outcome, ...] = ()
        self._caller = caller
        self._source = source
        self._concurrency = concurrency
        self._max_failures = max_failures
        self._ordered = ordered
        # What the workers share. They run in one event loop and never await in the middle of a change.
        self._workers: set[asyncio.Task[None]] = set()
        self._active: set[Job] = set()
        self._lane: deque[Job] = deque()  # in an ordered run, the jobs whose outcomes are not due yet
        self._ready: deque[Outcome] = deque()
        self._waiting: Line = deque()  # for an outcome
        self._blocked: Line = deque()  # until an outcome is taken
        self._references: set[str] = set()
        self._taken = self._seen = self._refused = 0
        self._counts: Counter[type[Outcome]] = Counter()
        self._stopped: str | None = None
        self._withdrawing = False
        self._fault: BaseException | None = None
        self._started: float | None = None
        self._ended: float | None = None

    @property
    def progress(self) -> RunProgress:
        """How far the run is, at this moment."""
        seconds = 0.0
        if self._started is not None:
            seconds = (self._caller.clock() if self._ended is None else self._ended) - self._started
        opens_in, reason = self._caller.pacer.wait(_endpoints.CREATE) if self._workers else (0.0, "")
        return RunProgress(
            taken=self._taken,
            created=self._counts[Created],
            failed=self._counts[Failed],
            unknown=self._counts[Unknown],
            skipped=self._counts[Skipped],
            active=len(self._active),
            refused=self._refused + sum(job.state.refusals for job in self._active),
            seconds=seconds,
            waiting=sum(job.state.phase == WAITING for job in self._active),
            opens_in=opens_in,
            reason=reason or None,
            total=self._total,
            ends_in=self._ends_in(seconds, opens_in),
            stopped=self._stopped,
        )

    @property
    def _total(self) -> int | None:
        return self._source.read if self._stopped else self._source.total

    def _ends_in(self, seconds: float, opens_in: float) -> float | None:
        if self._ended is not None:
            return 0.0
        if self._total is None or not self._workers:
            return None
        left = self._total - self._counts.total()
        in_flight = sum(job.state.in_flight for job in self._active)
        by_limits = self._caller.pacer.ends_in(_endpoints.CREATE, left - in_flight)
        if by_limits is not None:
            return by_limits
        created = self._counts[Created]
        return max(left * seconds / created, opens_in) if created else None

    async def __aenter__(self) -> Self:
        """Begin to read and to send.

        Raises:
            ConfigurationError: The run was begun before, or the client is not open.
        """
        self._caller.transport.require_open()
        if self._started is not None:
            raise ConfigurationError("a bulk run can't be run twice: call create_many again")
        self._started = self._caller.clock()
        self._announce()
        for _ in range(self._concurrency):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_done)
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """Wait for the next outcome.

        Raises:
            StopAsyncIteration: Every draft that was read has had its outcome.
            ConfigurationError: The run is not inside its `async with` block.
        """
        if self._started is None:
            raise ConfigurationError("use a bulk run as a block: 'async with ….create_many(drafts) as run:'")
        while not self._ready:
            if not self._workers:
                self._raise_fault()
                raise StopAsyncIteration
            await wait_in(self._waiting)
        self._seen += 1
        wake_one(self._blocked)
        return self._ready.popleft()

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Account for every draft that was read; see the class."""
        try:
            if self._workers:
                self._withdraw("left early")
                await asyncio.wait(self._workers, timeout=_GRACE)
        finally:
            for worker in self._workers:
                worker.cancel()
            if self._workers:
                await asyncio.wait(self._workers)
            self._ended = self._caller.clock()
            self.leftover = tuple(self._ready)
            await self._source.aclose()

    async def _work(self) -> None:
        while (job := await self._take()) is not None:
            self._active.add(job)
            outcome = await self._outcome_of(job)
            self._active.discard(job)
            self._settle(job, outcome)

    async def _take(self) -> Job | None:
        """Read one draft, as soon as there is room for its outcome."""
        while self._stopped is None and self._taken - self._seen >= _AHEAD * self._concurrency:
            await wait_in(self._blocked)
        try:
            draft = None if self._stopped else await self._source.next()
        except Exception as error:  # noqa: BLE001  # the input is the user's, and what was read of it goes on
            self._fault = error
            self._stop("the input failed")
            return None
        if draft is None:
            self._stop(INPUT_ENDED)
            return None
        self._taken += 1
        self._announce()
        job = Job(draft, asyncio.current_task())
        if self._ordered:
            self._lane.append(job)
        return job

    async def _outcome_of(self, job: Job) -> Outcome:
        draft = job.draft
        try:
            request = _endpoints.create_service_request(draft)
            if draft.reference_id in self._references:
                return Skipped(draft, REPEATED)
            self._references.add(draft.reference_id)
            return Created(draft, await self._caller.call(request, job.state))
        except OutcomeUnknownError as error:
            # The frames of a failure are of no use to whoever gets it as a value, and keep a lot alive.
            return Unknown(draft, error.with_traceback(None))
        except LegitmarkError as error:
            if self._withdrawing and error.retryable and not error.maybe_processed:
                return self._withdrawn(job)
            return Failed(draft, error.with_traceback(None))
        except asyncio.CancelledError:
            return self._withdrawn(job)

    def _withdrawn(self, job: Job) -> Outcome:
        self._withdraw("cancelled")
        if not job.state.unsettled:
            return Skipped(job.draft, f"not sent: {self._stopped}")
        error = OutcomeUnknownError(job.draft.reference_id)
        error.attempts, error.request_id = tuple(job.state.attempts), job.state.request_id
        return Unknown(job.draft, error)

    def _settle(self, job: Job, outcome: Outcome) -> None:
        """Record an outcome, and hand on those that are due."""
        self._refused += job.state.refusals
        self._counts[type(outcome)] += 1
        job.outcome, job.worker = outcome, None
        if not self._ordered:
            self._ready.append(outcome)
        while self._lane and (due := self._lane[0].outcome) is not None:
            self._ready.append(due)
            self._lane.popleft()
        wake_one(self._waiting)
        if isinstance(outcome, (Failed, Unknown)):
            self._stop_if_hopeless(outcome)

    def _stop_if_hopeless(self, outcome: Failed | Unknown) -> None:
        if isinstance(outcome.error, _STOPPERS):
            self._withdraw(str(outcome.error))
        elif self._max_failures is not None:
            failures = self._counts[Failed] + self._counts[Unknown]
            allowed, done = self._max_failures, self._counts.total()
            if 0 < allowed < 1:
                allowed = allowed * done if done >= _SAMPLE else _SAMPLE
            if failures > allowed:
                self._withdraw(f"{failures} of {done} failed, more than max_failures allows")

    def _announce(self) -> None:
        # The pacer spends a window otherwise if more is to come than it holds.
        self._caller.pacer.announce(self, 0 if self._stopped else self._source.left)

    def _stop(self, why: str) -> None:
        """Read no more drafts."""
        self._stopped = self._stopped or why
        self._announce()
        while self._blocked:
            wake_one(self._blocked)

    def _withdraw(self, why: str) -> None:
        """Read no more drafts, and send none that has not been sent."""
        if self._withdrawing:
            return
        self._withdrawing, self._stopped = True, why
        self._stop(why)
        in_flight = {job.worker for job in self._active if job.state.in_flight}
        for job in self._active:
            # The try that is in flight may go on, and is the last one.
            job.state.withdrawn = True
        for worker in self._workers - in_flight - {asyncio.current_task()}:
            worker.cancel()

    def _worker_done(self, worker: "asyncio.Task[None]") -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (fault := worker.exception()) is not None:
            self._fault = fault
            self._withdraw(f"{type(fault).__name__} in the engine")
        if not self._workers:
            self._ended = self._caller.clock()
            while self._waiting:
                wake_one(self._waiting)

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
