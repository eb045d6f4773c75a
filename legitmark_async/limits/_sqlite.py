"""Shares limits between the processes of one machine, through a file."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from legitmark_async._sharing import Stored

_SCHEMA = """CREATE TABLE IF NOT EXISTS limits
(key TEXT PRIMARY KEY, version INTEGER NOT NULL, alarm INTEGER NOT NULL, document TEXT NOT NULL) WITHOUT ROWID"""
_LOAD = "SELECT document, version FROM limits WHERE key = ?"
_ALARM = "SELECT alarm FROM limits WHERE key = ?"
_INSERT = "INSERT OR IGNORE INTO limits (key, version, alarm, document) VALUES (:key, 1, :alarm, :document)"
_UPDATE = """UPDATE limits SET version = version + 1, document = :document,
alarm = CASE WHEN :alarm THEN version + 1 ELSE alarm END WHERE key = :key AND version = :version"""
# Seconds to wait for another process that writes, and between two looks for alarms.
_BUSY_TIMEOUT, _LOOK = 0.4, 0.02


@define(eq=False)
class SqliteLimits:
    """Keeps what is known of rate limits in a file, for all processes of an API key on one machine.

    ```python
    client = Legitmark("leo_your_api_key", limits=SqliteLimits("limits.db"))
    ```

    Attributes:
        path: The file; made if it isn't there. Not on a network share.
        now: Epoch seconds.
    """

    path: Path = field(converter=Path)
    now: Callable[[], float] = time.time
    _database: sqlite3.Connection | None = field(default=None, init=False, repr=False)
    # One connection serves all threads, one at a time.
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    async def load(self, key: str) -> Stored:
        """Return what is stored under a key, and the time."""
        return await asyncio.to_thread(self._load, key)

    async def save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        """Store a text if nobody has changed it since that version was loaded; False if somebody has."""
        return await asyncio.to_thread(self._save, key, document, version, alarm=alarm)

    async def alarm(self, key: str) -> int:
        """Return the version that somebody has stored with an alarm since it was called."""
        known = await asyncio.to_thread(self._alarm, key)
        while True:
            await asyncio.sleep(_LOOK)
            alarm = await asyncio.to_thread(self._alarm, key)
            if alarm != known:
                return alarm

    async def aclose(self) -> None:
        """Close the file. It may be used again afterwards."""
        await asyncio.to_thread(self._close)

    def _load(self, key: str) -> Stored:
        with self._lock:
            row = self._opened().execute(_LOAD, (key,)).fetchone()
            document, version = row or (None, 0)
            return Stored(document, version, self.now())

    def _save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        values = {"key": key, "document": document, "version": version, "alarm": alarm}
        with self._lock, self._opened() as database:
            return database.execute(_UPDATE if version else _INSERT, values).rowcount == 1

    def _alarm(self, key: str) -> int:
        with self._lock:
            row = self._opened().execute(_ALARM, (key,)).fetchone()
            return int(row[0]) if row else 0

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            database = sqlite3.connect(os.fspath(self.path), timeout=_BUSY_TIMEOUT, check_same_thread=False)
            try:
                # Two that change the mode at once don't wait for each other, and one of them will do.
                with suppress(sqlite3.OperationalError):
                    database.execute("PRAGMA journal_mode = WAL")
                # What a power cut takes is learned anew.
                database.execute("PRAGMA synchronous = OFF")
                database.execute(_SCHEMA)
            except sqlite3.Error:
                database.close()
                raise
            self._database = database
        return self._database

    def _close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
