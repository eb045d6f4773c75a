"""`legitmark export`: what became of each row, of all runs over a journal; and how `legitmark job export` writes it."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from attrs import frozen
from cyclopts import Group, Parameter

from legitmark_async import JournalReader
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._lines import Lines, require_free
from legitmark_async.cli._outcomes import describe_entry
from legitmark_async.cli._output import encode_json
from legitmark_async.cli._run import command
from legitmark_async.journal import Entry

_COLUMNS = ("reference_id", "status", "uuid", "micro_id", "error", "line")
# A spreadsheet takes a cell that begins so for a formula, and runs it.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
# Lines, a few milliseconds' worth, after which the event loop has its turn: it is what hears signals.
_TURN = 100


@Parameter(name="*", group=Group("Output", sort_key=1))
@frozen(kw_only=True)
class ExportOptions:
    """What to write, and where.

    Attributes:
        format: JSON Lines, as create-many writes them; or CSV, with the other columns of the rows behind.
        out: File to write, instead of stdout.
        force: Overwrite it if it is there and not empty.
    """

    format: Literal["jsonl", "csv"] = "jsonl"
    out: Path | None = None
    force: bool = False


DEFAULT_EXPORT = ExportOptions()
Entries = Callable[[], AsyncIterator[Entry]]


@command
async def export(
    journal: Annotated[Path, Parameter(help="File that a run has written.")],
    /,
    *,
    output: ExportOptions = DEFAULT_EXPORT,
) -> int:
    """Write a line for each item of a journal."""
    with JournalReader(journal) as reader:
        if output.out is not None:
            require_free(output.out, str(journal), force=output.force)
        await write_entries(lambda: _taking_turns(reader.entries()), output)
    return ALL_DONE


async def write_entries(entries: Entries, output: ExportOptions) -> None:
    """Write a line for each entry.

    Args:
        entries: Iterates over them; for CSV twice, since the columns stand before the rows.
        output: What to write, and where.
    """
    extra = await _extra_columns(entries()) if output.format == "csv" else ()
    with Lines(output.out) as lines:
        lines.empty()
        async for line in _csv_lines(entries(), extra) if output.format == "csv" else _json_lines(entries()):
            await lines.put(line)


async def _taking_turns(entries: Iterable[Entry]) -> AsyncIterator[Entry]:
    for number, entry in enumerate(entries):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        yield entry


async def _json_lines(entries: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    async for entry in entries:
        yield encode_json(describe_entry(entry))


async def _extra_columns(entries: AsyncIterator[Entry]) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    async for entry in entries:
        columns |= dict.fromkeys(entry.extra)
    return tuple(columns)


async def _csv_lines(entries: AsyncIterator[Entry], extra: tuple[str, ...]) -> AsyncIterator[bytes]:
    yield _csv_line(_header(extra))
    async for entry in entries:
        told = describe_entry(entry)
        yield _csv_line([*(told.get(name) for name in _COLUMNS), *(entry.extra.get(name) for name in extra)])


def _header(extra: Iterable[str]) -> list[str]:
    names: list[str] = list(_COLUMNS)
    for name in extra:
        free = name
        while free in names:
            free = f"extra.{free}"
        names.append(free)
    return names


def _csv_line(cells: Iterable[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return line.getvalue().encode(errors="backslashreplace")


def _cell(value: Any) -> str:  # noqa: ANN401  # JSON is anything
    if isinstance(value, str):
        # The apostrophe is what spreadsheets themselves put before a text.
        return f"'{value}" if value.startswith(_FORMULAS) else value
    # What JSON can't say is null there, and empty here.
    text = encode_json({"": value}).decode().removeprefix('{"": ').removesuffix("}\n")
    return "" if text == "null" else text
