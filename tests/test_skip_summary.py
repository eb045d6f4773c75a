"""The last line of a test run."""

import subprocess
import sys
from pathlib import Path

from skip_summary import NO_SERVERS, SLOW, skip_summary


def test_reasons() -> None:
    """Each reason has its number of tests, the most frequent first; all of them are counted."""
    assert skip_summary([SLOW, NO_SERVERS, NO_SERVERS]) == f"3 tests skipped: 2 {NO_SERVERS}; 1 {SLOW}"
    assert skip_summary([]) == "0 tests skipped"


def test_ends_the_run(tmp_path: Path) -> None:
    """A run ends with the line, and slow tests are skipped unless they are asked for."""
    test = tmp_path / "test_one.py"
    test.write_text(
        "import pytest\n"
        "@pytest.mark.slow\n"
        "def test_slow(): pass\n"
        "def test_other(): pytest.skip('no moon: run it at night')\n"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", f"--confcutdir={here}", f"--rootdir={here.parent}", "-p", "conftest"]
    lines: dict[str, list[str]] = {}
    for option in ("-q", "--slow"):
        done = subprocess.run(  # noqa: S603  # pytest
            [*command, option, str(test)],
            capture_output=True,
            text=True,
            check=True,
            cwd=here.parent,
            env={"PYTHONPATH": str(here), "PYTHONSAFEPATH": "1"},
        )
        lines[option] = done.stdout.splitlines()

    assert lines["-q"][-1] in {
        f"2 tests skipped: 1 {SLOW}; 1 no moon: run it at night",
        f"2 tests skipped: 1 no moon: run it at night; 1 {SLOW}",
    }
    assert lines["--slow"][-1] == "1 test skipped: 1 no moon: run it at night"
    assert any("1 passed, 1 skipped" in line for line in lines["--slow"])
