"""Remembers events in a file, which the processes of one machine share."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from attrs import define, field

from legitmark_async.errors import WebhookError
from legitmark_async.webhooks._deduplicators import KEPT, LEASE, Claimed

_SCHEMA = """CREATE TABLE IF NOT EXISTS events
(key TEXT PRIMARY KEY, handled INTEGER NOT NULL, since REAL NOT NULL) WITHOUT ROWID"""
_BUSY_TIMEOUT = 10.0
# One claim in so many clears away what is old.
_SWEEP = 500


@define(eq=False)
class SqliteDeduplicator:
    """Remembers in a file, for all processes of one machine, and beyond their end.

    Attributes:
        path: The file; made if it isn't there. Not on a network share.
        kept: Seconds for which an event is remembered.
        lease: Seconds after which an event that is neither done nor released may be claimed again.
        now: Epoch seconds.

    Raises:
        WebhookError: From its methods, if the file can't be used.
    """

    path: Path = field(converter=Path)
    kept: float = KEPT
    lease: float = LEASE
    now: Callable[[], float] = time.time
    _claims: int = field(default=0, init=False)
    _made: bool = field(default=False, init=False)

    async def claim(self, key: str) -> Claimed:
        """Claim an event; see `Deduplicator`."""
        return await asyncio.to_thread(self._claim, key)

    async def done(self, key: str) -> None:
        """Note that an event was handled."""
        statement = "INSERT OR REPLACE INTO events (key, handled, since) VALUES (?, 1, ?)"
        await asyncio.to_thread(self._execute, statement, (key, self.now()))

    async def release(self, key: str) -> None:
        """Note that an event was not handled."""
        await asyncio.to_thread(self._execute, "DELETE FROM events WHERE key = ? AND handled = 0", (key,))

    def _claim(self, key: str) -> Claimed:
        now = self.now()
        try:
            with closing(self._connect()) as database, database:
                database.execute("BEGIN IMMEDIATE")
                self._sweep(database, now)
                row = database.execute("SELECT handled, since FROM events WHERE key = ?", (key,)).fetchone()
                if row is not None and now - row[1] < (self.kept if row[0] else self.lease):
                    return Claimed.DONE if row[0] else Claimed.BUSY
                database.execute("INSERT OR REPLACE INTO events (key, handled, since) VALUES (?, 0, ?)", (key, now))
                return Claimed.NEW
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def _execute(self, statement: str, arguments: tuple[object, ...]) -> None:
        try:
            with closing(self._connect()) as database, database:
                database.execute(statement, arguments)
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(os.fspath(self.path), timeout=_BUSY_TIMEOUT)
        try:
            if not self._made:
                # Two that change the mode at once don't wait for each other, and one of them will do.
                with suppress(sqlite3.OperationalError):
                    database.execute("PRAGMA journal_mode = WAL")
                database.execute(_SCHEMA)
                self._made = True
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _sweep(self, database: sqlite3.Connection, now: float) -> None:
        self._claims += 1
        if self._claims % _SWEEP == 1:
            database.execute("DELETE FROM events WHERE since < ?", (now - max(self.kept, self.lease),))

    def _failure(self, error: sqlite3.Error) -> WebhookError:
        return WebhookError(f"can't remember events in {str(self.path)!r}: {error}")
