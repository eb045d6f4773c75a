"""How far a bulk run is, on stderr: a bar in a terminal, else a line from time to time."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from legitmark_async import BulkRun, RunProgress
from legitmark_async.cli._output import say

# What rows are to become.
Goal = Literal["created", "submitted"]
# Seconds between two pictures of the bar, and between two lines.
_FRAME = 0.1
_LINE = 5.0
# What drafts wait for in trouble, and how it is told.
_TROUBLE = {"backoff": "another try", "lookup": "a look-up", "failures of the server": "the server to recover"}
# Columns for the words beside the bar, and for the bar.
_WORDS = 68
_SHORTEST, _LONGEST = 10, 40


def has_terminal() -> bool:
    """Whether stderr is a terminal on which a bar can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextlib.asynccontextmanager
async def shown(run: BulkRun, goal: Goal, *, bar: bool) -> AsyncIterator[None]:
    """Show the progress of a run while the block lasts, and how many rows have come to its goal."""
    task = asyncio.create_task(_draw_bar(run, goal) if bar else _say_lines(run, goal))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _draw_bar(run: BulkRun, goal: Goal) -> None:
    console = Console(stderr=True)
    width = min(max(console.width - _WORDS, _SHORTEST), _LONGEST)
    columns = BarColumn(width), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bar = progress.add_task("", total=run.progress.total)
        try:
            while True:
                now = run.progress
                progress.update(
                    bar, completed=now.done, total=now.total, description=describe(now, goal, brief=True), refresh=True
                )
                await asyncio.sleep(_FRAME)
        finally:
            now = run.progress
            progress.update(
                bar, completed=now.done, total=now.total, description=describe(now, goal, brief=True), refresh=True
            )


async def _say_lines(run: BulkRun, goal: Goal) -> None:
    while True:
        await asyncio.sleep(_LINE)
        say(describe(run.progress, goal))


def describe(progress: RunProgress, goal: Goal = "created", *, brief: bool = False) -> str:
    """Tell of a run that is under way; `brief` is for the words beside the bar, without what it waits for."""
    done = progress.created if goal == "created" else progress.submitted
    why = "" if brief else f"{progress.reason or 'rate limit'}: "
    words = [
        f"{done}{'' if progress.total is None else f'/{progress.total}'} {goal}",
        f"{progress.per_second:.0f}/s",
        f"{progress.refused} refused",
        f"{progress.stuck} stuck" if progress.stuck else "",
        f"{progress.failed} failed" if progress.failed else "",
        f"{progress.unknown} unknown" if progress.unknown else "",
        f"ends in {progress.ends_in:.0f} s" if progress.ends_in else "",
        f"{why}opens in {progress.opens_in:.1f} s" if progress.opens_in else _others(progress),
    ]
    return "  ".join(filter(None, words))


def _others(progress: RunProgress) -> str:
    """Tell of waits for something other than a limit: of trouble, so."""
    trouble = {what: count for what, count in progress.waits.items() if what in _TROUBLE}
    return ", ".join(f"{count} wait for {_TROUBLE[what]}" for what, count in sorted(trouble.items()))
