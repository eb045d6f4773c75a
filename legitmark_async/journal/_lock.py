"""One process a journal: a lock that the system lets go of when its holder dies."""

import json
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _seize(descriptor: int) -> None:
        # Beyond what is written there, so that others can read who holds it.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _seize(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class HeldError(Exception):
    """Another run holds the lock; the text says who."""


class Lock:
    """The lock beside a journal, in a file of its own that stays when the lock is let go of."""

    def __init__(self, journal: Path) -> None:
        self.path: Path = journal.with_name(f"{journal.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, at once or not at all.

        Raises:
            HeldError: Somebody has it.
            OSError: Its file can't be written.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                _seize(descriptor)
            except OSError:
                raise HeldError(_describe(os.read(descriptor, 1000))) from None
            os.ftruncate(descriptor, 0)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}).encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _describe(told: bytes) -> str:
    try:
        holder = json.loads(told)
    except ValueError:
        holder = None
    if not isinstance(holder, dict) or "pid" not in holder:
        return "another process"
    return f"process {holder['pid']} on {holder.get('host')}, since {holder.get('since')}"
