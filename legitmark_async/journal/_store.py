"""The file of a journal: opened, checked, read and written. Blocking; the writer's thread calls it."""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from legitmark_async.errors import JournalError
from legitmark_async.journal._known import Known
from legitmark_async.journal._lock import HeldError, Lock
from legitmark_async.journal._schema import migrate, version_of

# seq, reference, digest, status, sent_at, settled_at, uuid, micro_id, error, cause, file, line, extra
Row = Sequence[Any]
# reference, uuid, sent_at, and the clock_offset of the run that sent it
Found = tuple[str, str | None, float | None, float | None]

# What an outcome doesn't tell again (reference, digest, file, line, extra, ids) stays as it was told before.
_INSERT = """
    INSERT INTO items (seq, reference, digest, status, sent_at, settled_at, uuid, micro_id, error, cause, file, line,
                       extra, run, sent_run)
    VALUES """
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = """
    ON CONFLICT (seq) DO UPDATE SET
        digest = coalesce(excluded.digest, digest), status = excluded.status, run = excluded.run,
        sent_run = iif(excluded.sent_at IS NULL, sent_run, excluded.sent_run),
        sent_at = coalesce(excluded.sent_at, sent_at), settled_at = excluded.settled_at,
        uuid = coalesce(excluded.uuid, uuid), micro_id = coalesce(excluded.micro_id, micro_id),
        error = excluded.error, cause = excluded.cause,
        file = coalesce(excluded.file, file), line = coalesce(excluded.line, line),
        extra = coalesce(excluded.extra, extra)
"""
# One statement for so many rows: a thread that gets the interpreter back after each would wait for it each time.
_ROWS = 64
_SAMPLE = "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHUNK = 10_000


@frozen
class Account:
    """Whose journal it is.

    Attributes:
        base_url: The API that is written to.
        key: The API key; only a salted hash of it is written down.
    """

    base_url: str
    key: str = field(repr=False)


@define(eq=False)
class Store:
    """An open journal. Its methods raise `JournalError`, and belong to one thread at a time.

    Attributes:
        path: The file.
        run: Number of this run.
        known: The items in it.
    """

    path: Path
    _connection: sqlite3.Connection
    _lock: Lock
    run: int = 0
    known: Known = field(factory=Known)

    @classmethod
    def open(cls, path: Path, account: Account) -> "Store":
        """Open a journal for a new run, or make one.

        Raises:
            JournalError: It can't be used; the text says why, and what to do.
        """
        lock = _locked(path)
        try:
            with _told(path, "open"):
                connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            store = cls(path, connection, lock)
            try:
                store._prepare(account)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        return store

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, durably: all or none."""
        if not rows:
            return
        with _told(self.path, "write to"):
            if len(rows) <= _ROWS:
                self._write(rows)
                return
            with _transaction(self._connection):
                for first in range(0, len(rows), _ROWS):
                    self._write(rows[first : first + _ROWS])

    def _write(self, rows: Sequence[Row]) -> None:
        run = (self.run, self.run)
        statement = f"{_INSERT}{', '.join([_ROW] * len(rows))}{_UPDATE}"
        self._connection.execute(statement, [value for row in rows for value in (*row, *run)])

    def write_sample(self, sample: Sequence[Any], offset: float | None) -> None:
        """Write what happened in a second, and how far the server's clock is before ours (s), if that is known."""
        with _told(self.path, "write to"), _transaction(self._connection) as connection:
            connection.execute(_SAMPLE, (self.run, *sample))
            if offset is not None:
                connection.execute("UPDATE runs SET clock_offset = ? WHERE number = ?", (offset, self.run))

    def lookup(self, number: int) -> Found:
        """Return an item's reference, its uuid, when it was sent, and how far the clocks were apart in that run."""
        with _told(self.path, "read"):
            query = """SELECT reference, uuid, sent_at, clock_offset FROM items LEFT JOIN runs ON number = sent_run
                       WHERE seq = ?"""
            found: Found = self._connection.execute(query, (number,)).fetchone()
            return found

    def close(self, stopped: str | None, refused: int) -> None:
        """Note how the run ended, and close the file; what can't be noted any more isn't."""
        try:
            with _told(self.path, "write to"):
                self._connection.execute(
                    "UPDATE runs SET ended_at = ?, stopped = ?, refused = ? WHERE number = ?",
                    (time.time(), stopped, refused, self.run),
                )
        finally:
            self._connection.close()
            self._lock.release()

    def abandon(self) -> None:
        """Close the file without a word."""
        self._connection.close()
        self._lock.release()

    def _prepare(self, account: Account) -> None:
        connection = self._connection
        with _told(self.path, "use"):
            version = version_of(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, version)
            _require_owner(self.path, connection, account)
            self._load()
            with _transaction(connection):
                # Rows that could not even be sent are told by each run anew: they may have been mended.
                connection.execute("DELETE FROM items WHERE digest IS NULL")
                self.run = connection.execute(
                    "INSERT INTO runs (started_at) VALUES (?) RETURNING number", (time.time(),)
                ).fetchone()[0]

    def _load(self) -> None:
        rows = self._connection.execute("SELECT seq, reference, digest, status FROM items ORDER BY seq")
        while chunk := rows.fetchmany(_CHUNK):
            self.known.load(chunk)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled it back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _told(path: Path, doing: str) -> Iterator[None]:
    """Translate what the database raises."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        raise JournalError(str(path), f"can't {doing} it: {error}{_advice(error)}") from None


def _advice(error: Exception) -> str:
    text = str(error)
    advice: dict[str, str] = {
        "full": "free some space and run the same again",
        "readonly": "make it and its folder writable",
        "unable to open": "make its folder, and see that it may be written to",
        "malformed": "it is damaged; restore it from a backup, or save what there is with SQLite's .recover",
        "not a database": "choose another file",
        "locked": "another program writes to it; close that",
    }
    return "".join(f"; {what}" for sign, what in advice.items() if sign in text)


def _locked(path: Path) -> Lock:
    lock = Lock(path)
    try:
        lock.acquire()
    except HeldError as held:
        raise JournalError(str(path), f"it is in use by {held}; wait until that has ended, or stop it") from None
    except OSError as error:
        raise JournalError(
            str(path), f"can't write {lock.path.name} beside it: {error.strerror}; make its folder writable"
        ) from None
    return lock


def _require_owner(path: Path, connection: sqlite3.Connection, account: Account) -> None:
    facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
    if not facts:
        salt = secrets.token_hex(16)
        facts = {"base_url": account.base_url, "salt": salt, "key": _fingerprint(account.key, salt)}
        with _transaction(connection):
            connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
    if facts["base_url"] != account.base_url:
        raise JournalError(
            str(path), f"it belongs to {facts['base_url']}, not to {account.base_url}; choose another file"
        )
    if facts["key"] != _fingerprint(account.key, facts["salt"]):
        raise JournalError(str(path), "it belongs to another API key; choose another file, or use that key")


def _fingerprint(key: str, salt: str) -> str:
    return blake2b(str.__str__(key).encode(), digest_size=16, salt=bytes.fromhex(salt)).hexdigest()


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal to read it, while a run may write to it.

    Raises:
        JournalError: It can't be read, or is no journal.
    """
    if not path.is_file():
        raise JournalError(str(path), "there is no such file")
    with _told(path, "read"):
        connection = _first_that_reads(
            lambda: sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None),
            # On a medium that can't be written to there is no place for the memory that readers and writers share.
            lambda: sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None),
        )
        try:
            version = version_of(connection)
        except BaseException:
            connection.close()
            raise
    if version == 0:
        connection.close()
        raise JournalError(str(path), "it is no journal")
    return connection


def _first_that_reads(*ways: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    for way in ways[:-1]:
        connection = way()
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
        except sqlite3.Error:
            connection.close()
            raise
        else:
            return connection
    return ways[-1]()
