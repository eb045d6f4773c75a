"""Where the outcomes of a run go: stdout or a file, line by line."""

import asyncio
import os
import select
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from legitmark_async import ConfigurationError
from legitmark_async.cli._output import encode_json, stdout

# Bytes that a pipe which is ready takes at once. Where there is no such promise (Windows), none.
_AT_ONCE: int = getattr(select, "PIPE_BUF", 0)


class Lines:
    """Lines to stdout or to a file, behind what is there: a context manager, which closes the file.

    Each line is handed to the system before the next one is begun, so that a crash loses none.

    Attributes:
        written: Lines that were written.
        broken: Whether a line could not be written; no more are tried then.
    """

    def __init__(self, out: Path | None) -> None:
        self.written = 0
        self.broken = False
        self._name = "stdout" if out is None else str(out)
        self._file = stdout() if out is None else _open(out)
        self._owned = out is not None
        self._regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._owned:
            self._close()

    @property
    def in_terminal(self) -> bool:
        """Whether the lines are seen as they are written."""
        return self._file.isatty()

    def empty(self) -> None:
        """Forget what is there, if it is a file of our own."""
        if self._owned and self._regular:
            self._file.truncate(0)

    async def write(self, value: Mapping[str, Any]) -> None:
        """Write a line. Cancelling it doesn't: the line is written all the same.

        Raises:
            OSError: It can't be written.
        """
        await self.put(encode_json(value))

    async def put(self, line: bytes) -> None:
        """Write a line that is encoded already, as `write` does.

        Raises:
            OSError: It can't be written.
        """
        if self._takes(len(line)):
            self._write(line)
        else:
            # A reader that takes its time (a pager) would hold up the event loop, and requests would time out.
            await asyncio.shield(asyncio.to_thread(self._write, line))

    def _takes(self, size: int) -> bool:
        """Whether so many bytes can be written without waiting for a reader."""
        return self._regular or (size <= _AT_ONCE and bool(select.select([], [self._file], [], 0)[1]))

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError:
            # What could not be written can't be at closing either, and has been told.
            if not self.broken:
                raise

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._file.flush()
            self.written += 1
        except OSError as error:
            self.broken = True
            error.filename = self._name
            raise


def require_free(out: Path, source: str, *, force: bool, option: str = "--out") -> None:
    """Check that a file of outcomes may be written, which an option names.

    Raises:
        ConfigurationError: It holds something and `force` is False, or it is the input itself.
    """
    if out.exists() and Path(source).exists() and out.samefile(source):
        raise ConfigurationError(f"{option} {out} is the input itself")
    if not force and out.is_file() and out.stat().st_size:
        raise ConfigurationError(f"{option} {out} is there already and not empty; --force overwrites it")


def _open(out: Path) -> BinaryIO:
    try:
        return out.open("ab")
    except OSError as error:
        raise ConfigurationError(f"can't write {str(out)!r}: {os.strerror(error.errno or 0)}") from None
