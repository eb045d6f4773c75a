"""The real command, in processes of its own, and sandboxes that the command itself serves."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

_COMMAND = (sys.executable, "-m", "legitmark_async")
# No command takes so long, on however slow a machine (s).
_SECONDS = 100.0


@pytest.fixture(scope="session")
def environment() -> Mapping[str, str]:
    """What is around a command: none of the developer's own settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LEGITMARK_")}
    return ours | {"COLUMNS": "80", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def start(environment: Mapping[str, str]) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a command, with pipes; keywords are environment variables. At the end of the tests it is killed."""
    with contextlib.ExitStack() as stack:

        def begin(*words: str, **variables: str) -> "subprocess.Popen[bytes]":
            pipe = subprocess.PIPE
            process = subprocess.Popen(  # noqa: S603  # our own command
                [*_COMMAND, *words], env={**environment, **variables}, stdin=pipe, stdout=pipe, stderr=pipe
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


@pytest.fixture(scope="session")
def legitmark(environment: Mapping[str, str]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a command to its end; keywords are environment variables, and `stdin` what it reads."""

    def run(*words: str | Path, stdin: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(  # noqa: S603  # our own command
            [*_COMMAND, *map(str, words)],
            env={**environment, **variables},
            input=stdin.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def serve(start: Callable[..., "subprocess.Popen[bytes]"]) -> Callable[..., Mapping[str, str]]:
    """Start a sandbox with these options, and return the environment in which commands use it."""

    def begin(*options: str) -> Mapping[str, str]:
        process = start("sandbox", "--port", "0", *options)
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        return {
            "LEGITMARK_BASE_URL": told["url"],
            "LEGITMARK_API_KEY": told["api_key"],
            "LEGITMARK_ASSET_URL": told["asset_url"],
        }

    return begin


@pytest.fixture(scope="module")
def sandbox(serve: Callable[..., Mapping[str, str]]) -> Mapping[str, str]:
    """The environment of a sandbox without limits: a file of tests has one of its own."""
    return serve("--limit-partner", "0", "--latency", "0")
