"""The command line itself: help, version, mistakes, and what is missing."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_help_lists_the_commands(legitmark: Run) -> None:
    """`--help` tells what there is, on stdout."""
    done = legitmark("--help")

    assert done.returncode == 0
    assert [word for word in ("create", "create-many", "demo", "sandbox") if f" {word} " not in done.stdout] == []
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["create", "create-many", "demo", "sandbox"])
def test_every_command_has_help(legitmark: Run, name: str) -> None:
    """The help of a command explains it, and every option has words."""
    done = legitmark(name, "--help")

    assert done.returncode == 0
    assert f"Usage: legitmark {name}" in done.stdout
    assert "Exit status" in done.stdout
    bare = [line for line in done.stdout.splitlines() if line.startswith("│ --") and len(line.split()) < 4]
    assert bare == []


def test_help_loads_no_command() -> None:
    """The list of commands is told without loading a command, the progress bar or the sandbox."""
    code = (
        "import sys; from legitmark_async.cli import main\n"
        "sys.argv = ['legitmark', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'rich.progress', 'legitmark_async.sandbox', 'legitmark_async.cli._demo'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  # ours

    assert done.stdout.splitlines()[-1] == "[]"


def test_version(legitmark: Run) -> None:
    """`--version` tells the version of the installed distribution."""
    try:
        version = importlib.metadata.version("legitmark-async")
    except importlib.metadata.PackageNotFoundError:
        version = "(not installed)"

    done = legitmark("--version")

    assert (done.returncode, done.stdout) == (0, f"legitmark {version}\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("creat", "Did you mean"),
        ("create --reference-id R", "--category"),
        ("create-many", "FILE"),
        ("create-many a.csv --dryrun", "--dry-run"),
        ("create-many a.csv --format xml", "--format"),
        ("create-many a.csv --limit 5", "--dry-run"),
        ("demo --items 0", "--items"),
        ("sandbox --port 0 --window 0", "window"),
        ("sandbox --port 0 --fault refuse", "KIND=RATE"),
        ("sandbox --port 0 --fault refuse=2", "from 0 to 1"),
        ("sandbox --port 0 --fault melt=0.5", "drop-after"),
    ],
)
def test_wrong_usage(legitmark: Run, words: str, told: str) -> None:
    """A mistake in the command line is told in one line on stderr, with exit status 2."""
    done = legitmark(*words.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_extra() -> None:
    """Without the extra `cli` the command says how to install it."""
    code = "import sys; sys.modules['cyclopts'] = None\nfrom legitmark_async.cli import main; main()"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603  # ours

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("pip install 'legitmark-async[cli]'\n")
    assert done.stderr.count("\n") == 1
