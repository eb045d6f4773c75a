"""FILE of `create-many`: CSV or JSON Lines, a file or a pipe."""

import csv
import io
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

from attrs import frozen

from legitmark_async import ConfigurationError, ServiceRequestDraft, read_csv, read_jsonl
from legitmark_async.cli._conventions import STDIN
from legitmark_async.cli._stdin import read_in_thread

Format = Literal["csv", "jsonl"]
Drafts = Iterator[ServiceRequestDraft] | AsyncIterator[ServiceRequestDraft]

_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_READERS = {"csv": read_csv, "jsonl": read_jsonl}
_SNIFFED = 65536
_BOM = b"\xef\xbb\xbf"


@frozen
class Input:
    """The input of a run.

    Attributes:
        file: Its name, or `STDIN`.
        format: As the command line has it.
    """

    file: str
    format: Format | None

    @property
    def streams(self) -> bool:
        """Whether it can be read only once, and may keep its reader waiting: stdin and named pipes."""
        return self.file == STDIN or _exists_as_pipe(self.file)

    def drafts(self) -> Drafts:
        """Return the drafts, read as they are asked for.

        Raises:
            ConfigurationError: The file can't be read or lacks a needed column; of a stream, told when it is read.
        """
        if self.streams:
            return read_in_thread(_streamed(self.file, self.format))
        return _READERS[self._format()](self.file)

    def count(self) -> int | None:
        """Return the number of its rows, or None if it isn't known beforehand."""
        if self.streams:
            return None
        with Path(self.file).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            try:
                rows = csv.reader(file) if self._format() == "csv" else map(str.strip, file)
                count = sum(1 for row in rows if row)
            except csv.Error:
                return None
        return count - 1 if self._format() == "csv" else count

    def _format(self) -> Format:
        if self.format is None and Path(self.file).suffix.lower() not in _BY_SUFFIX:
            with _opened(self.file) as file:
                return _sniff(file.read(_SNIFFED))
        return self.format or _BY_SUFFIX[Path(self.file).suffix.lower()]


def _exists_as_pipe(file: str) -> bool:
    try:
        mode = Path(file).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _streamed(file: str, format_: Format | None) -> Iterator[ServiceRequestDraft]:
    with _opened(file) as raw:
        chosen = format_ or _sniff(raw.peek(_SNIFFED))
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        yield from _READERS[chosen](text, name=file)


def _opened(file: str) -> io.BufferedReader:
    try:
        return open(0, "rb", closefd=False) if file == STDIN else Path(file).open("rb")
    except OSError as error:
        raise ConfigurationError(f"can't read {file!r}: {os.strerror(error.errno or 0)}") from None


def _sniff(head: bytes) -> Format:
    return "jsonl" if head.removeprefix(_BOM).lstrip().startswith(b"{") else "csv"
