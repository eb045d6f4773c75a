"""Stores that don't do what they should, in virtual time."""

import asyncio
import random

import pytest
from sharing_simulator import MemoryLimits, Process
from simulator import LimitedServer, simulate

from legitmark_async.sandbox import Limits


class BusyLimits(MemoryLimits):
    """A store in which others are always first."""

    async def save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        """Store nothing: another process has."""
        return await super().save(key, document, version - 1, alarm=alarm)


def test_store_busy(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever never gets to store anything goes on alone, and says why."""

    async def main() -> Process:
        rng = random.Random(1)
        process = Process.of(BusyLimits(rng), 64, rng)
        await process.bulk(LimitedServer(Limits(partner=500, window=2.0), 0.02, rng), 10, 10)
        await process.aclose()
        return process

    assert simulate(main()).done == 10
    assert ["others came first" in record.getMessage() for record in caplog.records] == [True]


class DeafLimits(MemoryLimits):
    """A store that takes the first cancellation for a failure, as clients of servers do at times."""

    async def alarm(self, key: str) -> int:
        """Wait for an alarm."""
        try:
            return await super().alarm(key)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None


def test_store_deaf() -> None:
    """A store that misses that it was cancelled keeps no client from being closed, not even twice."""

    async def main() -> Process:
        rng = random.Random(1)
        process = Process.of(DeafLimits(rng), 64, rng)
        await process.bulk(LimitedServer(Limits(partner=500, window=2.0), 0.02, rng), 10, 10)
        await process.aclose()
        await process.sharer.aclose()
        return process

    assert simulate(main()).done == 10
