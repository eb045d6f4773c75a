"""The tables of a journal, and how those of older releases become today's."""

import sqlite3
from enum import IntEnum

# Marks the file as ours, in SQLite's header: "LEGI".
APPLICATION_ID = 0x4C454749

# Each step makes the tables of the version before into those of its own. Never changed once released, only added to.
MIGRATIONS = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, stopped TEXT,
        refused INTEGER NOT NULL DEFAULT 0, clock_offset REAL
    );
    CREATE TABLE items (
        seq INTEGER PRIMARY KEY, reference TEXT NOT NULL, digest INTEGER, status INTEGER NOT NULL, run INTEGER NOT NULL,
        sent_run INTEGER, sent_at REAL, settled_at REAL, uuid TEXT, micro_id TEXT, error TEXT, cause TEXT,
        file TEXT, line INTEGER, extra TEXT
    );
    """,
    """
    CREATE TABLE samples (
        run INTEGER NOT NULL, at REAL NOT NULL, seconds REAL NOT NULL, created INTEGER NOT NULL,
        failed INTEGER NOT NULL, unknown INTEGER NOT NULL, refused INTEGER NOT NULL, in_flight INTEGER NOT NULL,
        waiting INTEGER NOT NULL, reason TEXT
    );
    """,
    # The same tables; from here on items may be uploaded, submitted or stuck, which older releases don't know.
    "",
)
VERSION = len(MIGRATIONS)


class State(IntEnum):
    """How far an item is, as the file has it."""

    UNSENT = 0  # it was marked as sent, and then surely wasn't
    SENT = 1
    CREATED = 2
    FAILED = 3
    UNKNOWN = 4
    UPLOADED = 5  # created, and all photos are there
    SUBMITTED = 6
    STUCK = 7  # created, and got no further


# Of which there is a service request.
MADE = frozenset({State.CREATED, State.UPLOADED, State.SUBMITTED, State.STUCK})


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a journal's tables; 0 if it has none yet.

    Raises:
        ValueError: It is a database, and none of ours; or one of a later release.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise ValueError("it is a database of something else; choose another file")
    if version > VERSION:
        raise ValueError(f"it was written by a later release (version {version}, this one knows {VERSION}); upgrade")
    return int(version)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables to today's version, in one transaction each step, so that a crash leaves one or the other."""
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        mark = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};"
        connection.executescript(f"BEGIN IMMEDIATE; {script} {mark} COMMIT;")
