"""Files of drafts: CSV and JSON Lines, read row by row.

A file that is wrong as a whole (it isn't there, a needed column is missing) is told before the first draft. A row
that is wrong is a draft that can't be sent: a bulk run makes it a `Failed` outcome that names file and line, and the
other rows go on.
"""

import csv
import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

from attrs import field, frozen

from legitmark_async.bulk._drafts import FaultyDraft
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import Item, ServiceRequestDraft

Source = str | PathLike[str] | TextIO

_NEEDED = ("reference_id", "category", "type")
_KNOWN = (*_NEEDED, "service", "brand", "model")
_ITEM = ("category", "type", "brand", "model")
# Spreadsheets write semicolons where a comma is in numbers.
_SEPARATORS = ",;\t"
# How files begin that come from spreadsheets and are no text in UTF-8: a byte that can't be read is a surrogate here.
_FOREIGN = (
    ("PK\x03\x04", "an Excel workbook or another ZIP"),
    ("\udcd0\udccf", "an Excel workbook"),
    ("\udcff\udcfe", "UTF-16"),
    ("\udcfe\udcff", "UTF-16"),
)


@frozen
class Row:
    """Where a draft stands in a file; the `origin` of drafts that are read from files.

    Attributes:
        file: Name of the file.
        line: Number of the line it begins on, from 1.
        extra: The columns or keys that are no part of a draft.
    """

    file: str
    line: int
    extra: Mapping[str, Any] = field(factory=dict[str, Any])

    def __str__(self) -> str:
        """As editors and compilers write it."""
        return f"{self.file}:{self.line}"


def read_csv(source: Source, *, name: str | None = None) -> Iterator[ServiceRequestDraft]:
    """Read drafts from a CSV file with a header line.

    Columns `reference_id`, `category` and `type` are needed, `service`, `brand` and `model` are known; any others are
    kept in `draft.origin.extra`. The file is UTF-8, with or without a byte order mark. Cells are separated by
    commas, semicolons or tabs: by those between the needed columns of the header line.

    Args:
        source: A path, or an open text file (opened with `newline=""`), which is not closed.
        name: What to call the file in messages; by default its path.

    Returns:
        The drafts, one after the other; `draft.origin` is a `Row`.

    Raises:
        ConfigurationError: The file can't be read, or lacks a needed column.
    """
    name = name or _name(source)
    if isinstance(source, (str, PathLike)):
        with _open(source) as file:
            lines, separator = _begin(file, name)
            _header(csv.reader(lines, delimiter=separator, strict=True), name)
    return _csv_drafts(source, name)


def read_jsonl(source: Source, *, name: str | None = None) -> Iterator[ServiceRequestDraft]:
    """Read drafts from a file with a JSON object on each line.

    An object has the keys of the CSV columns, or is shaped like the request of the API, with an `item` in it.

    Args:
        source: A path, or an open text file, which is not closed.
        name: What to call the file in messages; by default its path.

    Returns:
        The drafts, one after the other; `draft.origin` is a `Row`.

    Raises:
        ConfigurationError: The file can't be read.
    """
    if isinstance(source, (str, PathLike)):
        _open(source).close()
    return _json_drafts(source, name or _name(source))


def _csv_drafts(source: Source, name: str) -> Iterator[ServiceRequestDraft]:
    with _opened(source) as file:
        lines, separator = _begin(file, name)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        columns = _columns(_header(reader, name))
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _unreadable(Row(name, line), f"is not CSV: {error}")
                continue
            if cells:
                yield _csv_draft(columns, cells, name, line)


@frozen
class _Columns:
    """Where the cells of a row stand; a column that isn't there stands behind the last one."""

    count: int
    reference_id: int
    category: int
    type: int
    service: int
    brand: int
    model: int
    extra: tuple[tuple[int, str], ...]


def _columns(header: list[str]) -> _Columns:
    places = {column: header.index(column) if column in header else len(header) for column in _KNOWN}
    extra = tuple((place, column) for place, column in enumerate(header) if column not in _KNOWN)
    return _Columns(count=len(header), extra=extra, **places)


def _csv_draft(columns: _Columns, cells: list[str], name: str, line: int) -> ServiceRequestDraft:
    if len(cells) > columns.count:
        row = Row(name, line)
        return _unreadable(row, f"has {len(cells)} cells, and the header {columns.count}", cells[0])
    # An empty cell is a field that isn't there, and so is one that the line doesn't reach.
    cells.append("")
    if len(cells) <= columns.count:
        cells += [""] * (columns.count + 1 - len(cells))
    item = _item(cells[columns.category], cells[columns.type], cells[columns.brand], cells[columns.model])
    extra = {column: _clean(cells[place]) for place, column in columns.extra if cells[place]}
    service = cells[columns.service].strip() or None
    return ServiceRequestDraft(cells[columns.reference_id], item, service, origin=Row(name, line, extra))


# The kinds of items in a file are few, and the same again and again.
@functools.lru_cache(maxsize=4096)
def _item(category: str, type_: str, brand: str, model: str) -> Item:
    return Item(category.strip(), type_.strip(), brand.strip() or None, model.strip() or None)


def _begin(file: TextIO, name: str) -> tuple[Iterator[str], str]:
    """Return the lines of a file, and what its cells are separated by."""
    lines = iter(_lines(file))
    first = next(lines, "")
    for beginning, what in _FOREIGN:
        if first.startswith(beginning):
            raise ConfigurationError(f"{name}: is {what}: save it as CSV, in UTF-8", problems=[name])
    return itertools.chain([first], lines), _separator(first)


def _separator(header: str) -> str:
    # The one by which the needed columns are there; a file that lacks some is told by what it has most of.
    for mark in _SEPARATORS:
        if {column.strip(' "\r\n\t') for column in header.split(mark)}.issuperset(_NEEDED):
            return mark
    return max(_SEPARATORS, key=header.count)


def _header(reader: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise ConfigurationError(f"{name}:1: is not CSV: {error}", problems=[f"{name}:1"]) from None
    missing = [column for column in _NEEDED if column not in header]
    if missing:
        has = ", ".join(repr(_clean(column)) for column in header) or "nothing"
        raise ConfigurationError(
            f"{name}:1: the header has no column {', '.join(map(repr, missing))}; it has {has}",
            problems=missing,
        )
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise ConfigurationError(
            f"{name}:1: the header has the column {', '.join(map(repr, twice))} twice", problems=twice
        )
    return header


def _json_drafts(source: Source, name: str) -> Iterator[ServiceRequestDraft]:
    with _opened(source) as file:
        for line, text in enumerate(_lines(file), start=1):
            if text.strip():
                yield _json_draft(text, name, line)


def _lines(file: TextIO) -> Iterable[str]:
    for number, text in enumerate(file):
        yield text if number else text.removeprefix("\ufeff")


def _json_draft(text: str, name: str, line: int) -> ServiceRequestDraft:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _unreadable(Row(name, line), f"is not JSON: {error}")
    if not isinstance(value, dict):
        return _unreadable(Row(name, line), f"is no JSON object but {_clean(text.strip())[:80]!r}")
    item = value.get("item", {})
    if not isinstance(item, dict):
        return _unreadable(Row(name, line), "item: is no JSON object", value.get("reference_id"))
    known = {key: value[key] for key in _KNOWN if key in value} | {key: item[key] for key in _ITEM if key in item}
    extra = {key: value[key] for key in value if key not in {*_KNOWN, "item"}}
    return _draft(known, Row(name, line, extra))


def _draft(known: Mapping[str, Any], row: Row) -> ServiceRequestDraft:
    # Missing and wrong values are let through: the draft itself tells what is wrong with it, all at once.
    item = Item(
        category=known.get("category") or "",
        type=known.get("type") or "",
        brand=known.get("brand"),
        model=known.get("model"),
    )
    return ServiceRequestDraft(known.get("reference_id", ""), item, known.get("service"), origin=row)


def _unreadable(row: Row, fault: str, reference_id: object = "") -> ServiceRequestDraft:
    reference = reference_id if isinstance(reference_id, str) else ""
    return FaultyDraft(reference, Item("", ""), origin=row, fault=fault)


def _open(path: str | PathLike[str]) -> TextIO:
    try:
        # A byte that is no UTF-8 spoils its own row, not the file.
        return Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"can't read {str(path)!r}: {why}", problems=[str(path)]) from None


def _opened(source: Source) -> AbstractContextManager[TextIO]:
    # A file that the caller has opened is the caller's to close.
    return _open(source) if isinstance(source, (str, PathLike)) else nullcontext(source)


def _name(source: Source) -> str:
    if isinstance(source, (str, PathLike)):
        return str(source)
    return str(getattr(source, "name", "input"))


def _clean(text: str) -> str:
    if text.isascii():
        return text
    return text.encode(errors="surrogateescape").decode(errors="replace")
