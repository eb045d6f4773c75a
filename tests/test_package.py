"""The package as it is imported."""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import legitmark_async

_HEAVY = ("aiohttp", "attrs", "cattrs", "email", "sqlite3", "tenacity")


def _imported(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps([name for name in sys.modules]))"
    # Where the coverage of branches is measured that would import a lot too.
    around = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=around
    )
    return set(json.loads(done.stdout))


def test_light() -> None:
    """Importing the package imports nothing else; a name of it, what it needs."""
    assert not _imported("import legitmark_async") & {*_HEAVY, "legitmark_async.client"}
    assert not _imported("from legitmark_async import RateLimitError") & {
        "aiohttp",
        "tenacity",
        "legitmark_async.client",
    }
    assert _imported("from legitmark_async import Legitmark") >= {"aiohttp", "legitmark_async.client"}


def test_help_is_light() -> None:
    """The help of the command needs no client."""
    printing = "with contextlib.redirect_stdout(io.StringIO()): app.help_print([])"
    code = f"import contextlib, io\nfrom legitmark_async.cli._app import app\n{printing}"

    assert not _imported(code) & {"aiohttp", "cattrs", "legitmark_async.client"}


def test_names() -> None:
    """What type checkers see is what there is: each name of `__all__`, from where it is."""
    source = ast.parse(Path(legitmark_async.__file__ or "").read_text(encoding="utf-8"))
    block = next(node for node in source.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }

    assert sorted(seen) == legitmark_async.__all__
    for name, module in seen.items():
        assert getattr(legitmark_async, name) is getattr(importlib.import_module(module), name)


def test_packages() -> None:
    """The public packages are there without being imported by name."""
    code = "import legitmark_async\nlegitmark_async.webhooks.verify\nlegitmark_async.sandbox.Sandbox"

    assert _imported(code) >= {"legitmark_async.webhooks", "legitmark_async.sandbox"}


def test_star() -> None:
    """All names can be imported at once, and listed."""
    namespace: dict[str, object] = {}
    exec("from legitmark_async import *", namespace)  # noqa: S102  # that is the test

    assert set(legitmark_async.__all__) <= namespace.keys()
    assert {*legitmark_async.__all__, "webhooks", "__version__"} <= set(dir(legitmark_async))


def test_no_such_name() -> None:
    """A name that isn't there is told as by any module."""
    with pytest.raises(AttributeError, match="module 'legitmark_async' has no attribute 'Legitimark'"):
        _ = legitmark_async.Legitimark  # type: ignore[attr-defined]  # that is the test
