"""Change the code in one place at a time, and tell which of these changes no test notices.

    python tests/mutants.py [--part wire|pacer|journal] FOLDER

Why a change needn't be noticed is told in `mutants.toml`; any other one ends it with 1. Works in a copy of the project
within the folder, where a part's state stays: run again, it goes on. The package has to be installed, with what its
tests need, and mutmut.
"""

import argparse
import ast
import difflib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_ROOT = Path(__file__).parents[1]
_COPIED = ("legitmark_async", "tests", "_legitmark_pytestplugin.py", "pyproject.toml")


@frozen
class Part:
    """Some modules, and the tests that hold them.

    Attributes:
        modules: Below the package; patterns.
        tests: Files or folders, below `tests`.
        left_out: Tests that take too long to be run some thousand times, or that can't run where the code is changed.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()


PARTS = {
    "wire": Part(("_headers.py", "_retry.py"), ("test_headers.py", "test_retry.py", "test_server_clock.py")),
    "pacer": Part(
        ("_pacer/*",),
        (
            "pacer/test_pacer_laws.py",
            "pacer/test_pacer_parts.py",
            "pacer/test_pacer_history.py",
            "pacer/test_pacer_doubts.py",
            "pacer/test_pacer_governor.py",
            "pacer/test_pacer_sums.py",
            "pacer/test_pacer_wiring.py",
            "test_pacer.py",
            "sharing/test_sharing_parts.py",
        ),
        (
            "test_pacer.py::test_half_of_the_waiting_are_cancelled",
            "sharing/test_sharing_parts.py::TestCodec::test_round_trip",
        ),
    ),
    "journal": Part(("journal/*",), ("test_journal.py", "test_resume.py"), ("test_journal.py::test_read_only",)),
}


def _configuration(part: Part) -> str:
    options = ["-o", "asyncio_debug=false", "--hypothesis-profile=mutants"]
    told = {
        "source_paths": ["legitmark_async"],
        "only_mutate": [f"legitmark_async/{module}" for module in part.modules],
        "also_copy": ["_legitmark_pytestplugin.py"],
        "pytest_add_cli_args": [*options, *(f"--deselect=tests/{test}" for test in part.left_out)],
        "pytest_add_cli_args_test_selection": [f"tests/{test}" for test in part.tests],
        "use_setproctitle": False,
        "track_dependencies": False,
        "timeout_multiplier": 2.0,
        "timeout_constant": 5.0,
    }
    return "\n[tool.mutmut]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in told.items())


def _copy(folder: Path, part: Part) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        source, target = _ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(_configuration(part))


def _function(tree: ast.Module, name: str) -> list[str]:
    """Return the lines of a function, whatever it is called."""
    found = next(node for node in ast.walk(tree) if getattr(node, "name", None) == name)
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    found.name = "_"
    lines = ast.unparse(found).splitlines()
    found.name = name
    return lines


def _left(folder: Path) -> Iterator[str]:
    """Give each change that no test notices: the function, and the lines as they would be."""
    for file in sorted((folder / "mutants" / "legitmark_async").rglob("*.py.meta")):
        codes = json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
        # 0: the tests passed; 33: there is none that runs through it.
        names = [key.rpartition(".")[2] for key, code in codes.items() if code in {0, 33}]
        tree = ast.parse(file.with_suffix("").read_text(encoding="utf-8")) if names else ast.Module([], [])
        for name in names:
            of, _, _ = name.rpartition("__mutmut_")
            lines = difflib.ndiff(_function(tree, f"{of}__mutmut_orig"), _function(tree, name))
            # A number may have been written in another way only.
            changed = " ".join(line[2:].strip() for line in lines if line.startswith("+ ")) or "nothing"
            yield f"{of.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}: {changed}"


def _unexplained(part: str, folder: Path) -> list[str]:
    reasons = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))[part]
    explained = {change for reason in reasons for change in reason["changes"]}
    return [change for change in _left(folder) if change not in explained]


def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=PARTS, action="append", help="by default all of them")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    unexplained: list[str] = []
    for name in given.part or PARTS:
        folder = given.folder / name
        _copy(folder, PARTS[name])
        subprocess.run([mutmut, "run"], cwd=folder, check=True)  # noqa: S603  # mutmut
        subprocess.run([mutmut, "results"], cwd=folder, check=True)  # noqa: S603  # the same
        unexplained += _unexplained(name, folder)
    for change in unexplained:
        sys.stdout.write(f"no test notices, and nobody explains: {change}\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(_main())
