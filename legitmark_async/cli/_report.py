"""`legitmark report`: a page that tells what happened."""

import os
from pathlib import Path
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter

from legitmark_async import ConfigurationError, JournalReader
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._findings import find
from legitmark_async.cli._lines import require_free
from legitmark_async.cli._output import say
from legitmark_async.cli._page import render
from legitmark_async.cli._run import command, stop_at_once


@Parameter(name="*", group=Group("Output", sort_key=1))
@frozen(kw_only=True)
class PageOptions:
    """Where the page goes.

    Attributes:
        html: File to write the page to.
        force: Overwrite it if it is there and not empty.
    """

    html: Path
    force: bool = False


@command
async def report(
    journal: Annotated[Path, Parameter(help="File that a run has written.")], /, *, page: PageOptions
) -> int:
    """Write a page that tells what happened."""
    require_free(page.html, str(journal), force=page.force, option="--html")
    stop_at_once()
    with JournalReader(journal) as reader:
        text = render(find(reader.summary(), reader.samples, reader.entries))
    _write(page.html, text)
    say(f"written: {page.html}")
    return ALL_DONE


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"can't write {str(path)!r}: {os.strerror(error.errno or 0)}") from None
