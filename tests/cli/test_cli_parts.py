"""Parts of the command that no command line comes to easily: broken outputs, deep JSON, what is not installed."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from legitmark_async import ConfigurationError, cli
from legitmark_async.cli import _app, _output
from legitmark_async.cli._input import Input
from legitmark_async.cli._lines import Lines
from legitmark_async.cli._report import _write
from legitmark_async.cli._stdin import _give_all


def test_broken_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a part of the package itself can't be imported that is told as it is: no extra would mend it."""
    monkeypatch.setitem(sys.modules, "legitmark_async.cli._app", None)

    with pytest.raises(ModuleNotFoundError, match=r"cli\._app"):
        cli.main()


def test_no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the package that was never installed has no version to tell."""
    monkeypatch.setattr(sys, "path", [])

    assert _app._version() == "legitmark (not installed)"


def test_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without stderr words go nowhere, and without stdout JSON has nowhere to go."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)

    _output.say("nobody listens")
    _app._flush()
    with pytest.raises(OSError, match="stdout is closed"):
        _output.stdout()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here: run it on Linux")
def test_full_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be written at the end is dropped: else Python would complain of it at exit."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        full.write("{}")
        monkeypatch.setattr(sys, "stdout", full)

        _app._flush()

        assert os.path.samestat(os.fstat(full.fileno()), os.stat(os.devnull))  # noqa: PTH116  # a device, by its name


def test_deep_json() -> None:
    """What is nested too deep to be written is null; the rest is written."""
    deep: list[object] = []
    for _ in range(200_000):
        deep = [deep]

    assert json.loads(_output.encode_json({"reference_id": "A", "extra": deep})) == {"reference_id": "A", "extra": None}
    assert json.loads(_output.encode_json(deep)) is None


def test_no_terminal(tmp_path: Path) -> None:
    """A file shows nothing as it is written."""
    with Lines(tmp_path / "out.jsonl") as lines:
        assert not lines.in_terminal


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here: run it on Linux")
async def test_slow_reader(tmp_path: Path) -> None:
    """A long line waits for its reader in a thread, and comes whole."""
    pipe = tmp_path / "out"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    with await asyncio.to_thread(Lines, pipe) as lines:
        await lines.put(b"x" * 200_000)

    assert await reading == b"x" * 200_000


def test_disk_that_tells_late(tmp_path: Path) -> None:
    """A disk that tells only at the end that it could not take what was written is heard."""
    lines = Lines(tmp_path / "out.jsonl")
    os.close(lines._file.fileno())

    with pytest.raises(OSError, match="Bad file descriptor"), lines:
        pass


def test_uncountable_rows(tmp_path: Path) -> None:
    """A file whose rows can't be counted is worked on without a total."""
    path = tmp_path / "items.csv"
    path.write_text("reference_id,category,type\nA,Bag,Tote\n")
    counted = Input(str(path), None).count()
    path.write_text(f"reference_id,category,type\nA,{'x' * 200_000},Tote\n")

    assert (counted, Input(str(path), None).count()) == (1, None)


def test_page_in_no_folder(tmp_path: Path) -> None:
    """A page that can't be written is told with its path."""
    with pytest.raises(ConfigurationError, match=r"can't write '\S+report.html': No such file or directory"):
        _write(tmp_path / "no" / "report.html", "<p>")


def test_nobody_reads_any_more() -> None:
    """The thread that reads stdin ends when the event loop is closed."""
    given: list[object] = []

    def rows() -> Iterator[str]:
        yield "first"
        raise ValueError("broken pipe")

    def give(row: object) -> None:
        given.append(row)
        if len(given) == 2:
            raise RuntimeError("Event loop is closed")

    _give_all(rows(), give)

    assert [given[0], len(given)] == ["first", 2]
