"""Whose turn it is to work on a chunk."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from legitmark_async.distributed import _scripts
from legitmark_async.distributed._ledger import Ledger, Patience, milliseconds, within

# A chunk whose workers have died so often is not tried again.
CRASHES = 5
# A chunk that is another's is looked at again after so long (s), at least and at most.
_LEAST_LOOK = 0.05
_LOOK = 1.0
# Redis is waited for so long (s) to give a chunk back: if it stays away, others have the chunk after the term anyway.
_RELEASE = 2.0


@frozen(kw_only=True)
class Rhythm:
    """How long a worker waits for what, all in seconds.

    Attributes:
        term: After it a chunk whose worker gives no sign of life may be another's.
        beat: Between two signs of life.
        margin: So long before the end of the term it stops sending: as a request may need to get onto the wire.
        pause: Before a chunk is tried again whose work was stopped.
        key_pause: The same, if it was the key that stopped it.
    """

    term: float = 10.0
    beat: float = 2.0
    margin: float = 1.0
    pause: float = 1.0
    key_pause: float = 60.0


class Standing(StrEnum):
    """How a chunk stands to a worker."""

    OURS = "ours"
    OVER = "over"  # it is done, dead or superseded: nothing is left to do
    CANCELLED = "cancelled"
    POISONED = "poisoned"
    GONE = "gone"  # the ledger doesn't know it: it has lost what it had
    FOREIGN = "foreign"  # it is kept in the way of another release
    HELD = "held"
    LOST = "lost"


@define(eq=False)
class Lease:
    """The right of one worker to work on a chunk, for as long as it gives signs of life.

    Each time it is given the chunk's turn is counted on. The ledger lets nobody mark an item in an older turn, so that
    a worker that was taken for dead sends nothing more.

    Attributes:
        ledger: Where it is kept.
        job: Id of the job.
        chunk: Id of the chunk.
        rhythm: How long it lasts.
        turn: Number of the turn.
        buckets: How many the items of the job are spread over.
        cause: Why the chunk is poisoned.
    """

    ledger: Ledger
    job: str
    chunk: str
    rhythm: Rhythm = field(factory=Rhythm)
    turn: int = field(default=0, init=False)
    buckets: int = field(default=1, init=False)
    cause: str = field(default="", init=False)
    _token: str = field(factory=lambda: secrets.token_hex(8), init=False)
    _until: float = field(default=0.0, init=False)

    @property
    def owner(self) -> str:
        """Chunk and turn, as records have it."""
        return f"{self.chunk}.{self.turn}"

    @property
    def lasts(self) -> bool:
        """Whether the right surely lasts, whatever Redis does."""
        return asyncio.get_running_loop().time() < self._until

    @property
    def _surely(self) -> float:
        return self.rhythm.term - self.rhythm.margin

    async def begin(self) -> Standing:
        """Wait until nobody else has the chunk, and take it, if something is left to do.

        Raises:
            LedgerError: Redis can't be reached.
        """
        while True:
            asked_at = asyncio.get_running_loop().time()
            word, *told = await self._run(
                _scripts.BEGIN, self.chunk, self._token, milliseconds(self.rhythm.term), CRASHES, _scripts.LAYOUT
            )
            standing = Standing(word)
            if standing is not Standing.HELD:
                break
            await asyncio.sleep(min(max(told[0] / 1000, _LEAST_LOOK), _LOOK))
        if standing is Standing.OURS:
            self.turn, self.buckets = told
            self._until = asked_at + self._surely
        elif standing is Standing.POISONED:
            self.cause = told[0]
        return standing

    @contextlib.asynccontextmanager
    async def kept(self, lost: Callable[[Standing], None]) -> AsyncIterator[None]:
        """Give signs of life inside the block.

        Args:
            lost: Is called, once, when the chunk is another's or may be, or the job was cancelled.
        """
        beating = asyncio.create_task(self._beat(lost))
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def end(self, state: str, kept: str = "") -> bool:
        """Note that nothing is left to do; False if the chunk is another's by now.

        Args:
            state: As `_scripts` has it.
            kept: What is kept of a dead letter.

        Raises:
            LedgerError: Redis can't be reached.
        """
        return bool(await self._run(_scripts.END, self.chunk, self.turn or "", state, kept))

    async def release(self, cause: str = "") -> None:
        """Let others have the chunk.

        Args:
            cause: Why its work failed; it counts like a crash then.

        Raises:
            LedgerError: Redis can't be reached.
        """
        await self._run(_scripts.RELEASE, self._token, self.chunk, cause, going_on=within(_RELEASE))

    async def _beat(self, lost: Callable[[Standing], None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(min(self.rhythm.beat, self._until - loop.time()), 0.0))
            asked_at = loop.time()
            standing = await self._renew()
            if standing is not Standing.OURS:
                lost(standing)
                return
            self._until = asked_at + self._surely

    async def _renew(self) -> Standing:
        """Give a sign of life; while Redis is away, again and again as long as the right lasts."""
        try:
            async with asyncio.timeout_at(self._until):
                arguments = (self.chunk, self.turn, self._token, milliseconds(self.rhythm.term))
                word: str = await self._run(_scripts.RENEW, *arguments, going_on=lambda: self.lasts)
        except Exception:  # noqa: BLE001  # whatever it was, nobody can tell whose it is
            return Standing.LOST
        return Standing(word)

    async def _run(self, script: str, *arguments: object, going_on: Patience | None = None) -> Any:  # noqa: ANN401  # as it has it
        keys = self.ledger.keys(self.job)
        return await self.ledger.run(script, [*keys.common, keys.lease(self.chunk)], arguments, going_on or within())
