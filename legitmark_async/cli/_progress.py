"""How far a bulk run is, on stderr: a bar in a terminal, else a line from time to time."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from legitmark_async import BulkRun, RunProgress
from legitmark_async.cli._output import say

# Seconds between two pictures of the bar, and between two lines.
_FRAME = 0.1
_LINE = 5.0
# Columns for the words beside the bar, and for the bar.
_WORDS = 66
_SHORTEST, _LONGEST = 10, 40


def has_terminal() -> bool:
    """Whether stderr is a terminal on which a bar can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.asynccontextmanager
async def shown(run: BulkRun, *, total: int | None, bar: bool) -> AsyncIterator[None]:
    """Show the progress of a run while the block lasts."""
    task = asyncio.create_task(_draw_bar(run, total) if bar else _say_lines(run, total))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _draw_bar(run: BulkRun, total: int | None) -> None:
    console = Console(stderr=True)
    width = min(max(console.width - _WORDS, _SHORTEST), _LONGEST)
    columns = BarColumn(width), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bar = progress.add_task("", total=total)
        try:
            while True:
                now = run.progress
                progress.update(bar, completed=now.done, description=describe(now, total), refresh=True)
                await asyncio.sleep(_FRAME)
        finally:
            now = run.progress
            progress.update(bar, completed=now.done, description=describe(now, total), refresh=True)


async def _say_lines(run: BulkRun, total: int | None) -> None:
    while True:
        await asyncio.sleep(_LINE)
        say(describe(run.progress, total))


def describe(progress: RunProgress, total: int | None) -> str:
    """Tell of a run that is under way, in the words beside the bar."""
    words = [
        f"{progress.created}{'' if total is None else f'/{total}'} created",
        f"{progress.per_second:.0f}/s",
        f"{progress.refused} refused",
        f"{progress.failed} failed" if progress.failed else "",
        f"{progress.unknown} unknown" if progress.unknown else "",
        f"rate limit: opens in {progress.opens_in:.1f} s" if progress.opens_in else "",
    ]
    return "  ".join(filter(None, words))
