"""What a worker process does with a chunk."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Coroutine

from attrs import define, field

from legitmark_async._call import Caller
from legitmark_async.bulk import INPUT_ENDED, Books
from legitmark_async.client import Legitmark
from legitmark_async.distributed._books import LedgerBooks
from legitmark_async.distributed._desk import Desk
from legitmark_async.distributed._lease import CRASHES, Lease, Rhythm, Standing
from legitmark_async.distributed._ledger import Ledger, within
from legitmark_async.distributed._messages import decode_chunk
from legitmark_async.distributed._safety import warn_of_losses
from legitmark_async.errors import LedgerError
from legitmark_async.models import ServiceRequestDraft

_log = logging.getLogger("legitmark_async")
# Pauses double, up to this (s).
_LONGEST_PAUSE = 30.0


@define(eq=False)
class Worker:
    """Works on chunks, with one client and one ledger for the process.

    Attributes:
        ledger: Where it is noted what becomes of the items.
        make_client: Makes the client.
        rhythm: How long it waits for what.
    """

    ledger: Ledger
    make_client: Callable[[], Legitmark]
    rhythm: Rhythm = field(factory=Rhythm)
    _client: Legitmark | None = field(default=None, init=False)
    _attempts: set["asyncio.Task[float | None]"] = field(factory=set["asyncio.Task[float | None]"], init=False)
    _stopping: bool = field(default=False, init=False)

    async def start(self) -> None:
        """Open the client, and look at the ledger.

        Raises:
            ConfigurationError: The client can't be made.
            LedgerError: Redis can't be reached.
        """
        self._stopping = False
        await warn_of_losses(self.ledger, within())
        self._client = await self.make_client().__aenter__()

    async def stop(self) -> None:
        """Let requests in flight end, for up to 5 s, note what became of them, and give back what is unfinished."""
        self._stopping = True
        for attempt in self._attempts:
            attempt.cancel()
        if self._attempts:
            await asyncio.wait(self._attempts)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await self.ledger.aclose()

    async def work(self, job: str, chunk: str, version: int, text: str) -> None:
        """Create the items of a chunk, in as many attempts as it takes.

        It returns only when nothing is left to do, for the engine takes the message for done then. When the worker
        stops it doesn't return at all: the engine gives the message to another as soon as this one is gone.

        Args:
            job: Id of the job.
            chunk: Id of the chunk.
            version: Of the text.
            text: The drafts.
        """
        lease = Lease(self.ledger, job, chunk, self.rhythm)
        pause, attempts = await self._watched(self._attempt(lease, version, text)), 0
        while pause is not None:
            pause = min(pause * 2**attempts, max(pause, _LONGEST_PAUSE))
            pause, attempts = await self._watched(self._attempt(lease, version, text, after=pause)), attempts + 1

    async def _watched(self, work: Coroutine[None, None, float | None]) -> float | None:
        attempt = asyncio.create_task(work)
        self._attempts.add(attempt)
        try:
            return await attempt
        except asyncio.CancelledError:
            task = asyncio.current_task()
            # If it was the attempt alone that was cancelled, the worker stops.
            if self._stopping and task is not None and not task.cancelling():
                await asyncio.get_running_loop().create_future()
            raise
        finally:
            self._attempts.discard(attempt)

    async def _attempt(self, lease: Lease, version: int, text: str, after: float = 0.0) -> float | None:
        """Try to do what is left; return the seconds after which to try again, or None if nothing is."""
        await asyncio.sleep(after)
        try:
            standing = await lease.begin()
            if standing is Standing.OURS:
                return await self._turn(lease, version, text)
            return await self._leave(lease, standing, text)
        except LedgerError as error:
            _log.warning("job %s, chunk %s: %s; trying again", lease.job, lease.chunk, error)
            return self.rhythm.pause

    async def _leave(self, lease: Lease, standing: Standing, text: str) -> float | None:
        """Do with a chunk what is to be done with one that isn't to be worked on."""
        match standing:
            case Standing.POISONED:
                died = f"its work has failed {CRASHES - 1} times, or its worker has died"
                await self._bury(lease, lease.cause or died, text)
            case Standing.CANCELLED:
                await lease.end("O")
            case Standing.FOREIGN:
                _log.error("job %s: another release keeps it: update this worker, or whoever submits", lease.job)
                return self.rhythm.key_pause
            case Standing.GONE:
                _log.error(
                    "job %s: the %s doesn't know chunk %s any more, so nothing of it is sent; submit the job "
                    "again under the same id, and look for its items before",
                    *(lease.job, lease.ledger.where, lease.chunk),
                )
        return None

    async def _turn(self, lease: Lease, version: int, text: str) -> float | None:
        """Work on a chunk that is ours."""
        try:
            drafts = decode_chunk(version, text)
        except LedgerError as error:
            await self._bury(lease, str(error), text)
            return None
        try:
            return await self._run(lease, drafts)
        except (LedgerError, asyncio.CancelledError):
            await _give_back(lease)
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it counts against the chunk
            _log.exception("job %s, chunk %s: trying again", lease.job, lease.chunk)
            await _give_back(lease, f"{type(error).__name__}: {error}")
            return self.rhythm.pause

    async def _run(self, lease: Lease, drafts: list[ServiceRequestDraft]) -> float | None:
        run = asyncio.create_task(self._create(lease, drafts))
        lost: list[Standing] = []

        def withdraw(standing: Standing) -> None:
            lost.append(standing)
            run.cancel()

        async with lease.kept(withdraw):
            try:
                stopped = await run
            except asyncio.CancelledError:
                if not lost:
                    raise
                return await self._give_up(lease, lost[0])
            if stopped == INPUT_ENDED:
                return None if await self._end(lease) else self.rhythm.pause
        _log.error("job %s: %s; trying again in %.0f s", lease.job, stopped, self.rhythm.key_pause)
        await _give_back(lease)
        return self.rhythm.key_pause

    async def _end(self, lease: Lease) -> bool:
        ended = await lease.end("D")
        if ended:  # pragma: no branch  # unless its lease has run out just now
            _log.info("job %s: chunk %s is done", lease.job, lease.chunk)
        return ended

    async def _give_up(self, lease: Lease, why: Standing) -> float | None:
        if why is Standing.CANCELLED:
            await lease.end("O")
            return None
        await _give_back(lease)
        return self.rhythm.pause

    async def _create(self, lease: Lease, drafts: list[ServiceRequestDraft]) -> str | None:
        """Create what is left of a chunk; return why no more was read."""
        if self._client is None:
            raise LedgerError(f"job {lease.job}", "the worker is not open")

        async def open_books(caller: Caller) -> Books:
            return LedgerBooks(lease, Desk(lease), caller, caller.clock(), len(drafts))

        async with self._client.sr.create_many(drafts, journal=open_books) as run:
            async for _ in run:
                pass  # the ledger has it
        return run.progress.stopped

    async def _bury(self, lease: Lease, cause: str, text: str) -> None:
        """Keep a chunk that can't be worked on, with why and with its drafts."""
        _log.error("job %s: chunk %s is a dead letter: %s", lease.job, lease.chunk, cause)
        await lease.end("X", json.dumps({"cause": cause, "drafts": text}))


async def _give_back(lease: Lease, cause: str = "") -> None:
    with contextlib.suppress(LedgerError):  # others have it after its term anyway
        await lease.release(cause)
