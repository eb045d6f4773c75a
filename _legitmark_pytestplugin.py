"""The fixtures and marks of `legitmark_async.testing`.

A module of its own, beside the package: pytest imports it at each start, and the package only when one of them is used.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from legitmark_async import Legitmark
    from legitmark_async.sandbox import Sandbox
    from legitmark_async.testing import VirtualClock

_CLOCK = "legitmark_clock"


def _unusable(function: Callable[..., Any]) -> Any:  # noqa: ANN401  # pytest's fixtures have a private type
    """Make a fixture that tells what is missing."""

    @pytest.fixture(name=function.__name__)
    def unusable() -> None:
        pytest.fail("pytest-asyncio is missing: python -m pip install 'legitmark-async[testing]'", pytrace=False)

    return unusable


_async_fixture: Callable[[Callable[..., Any]], Any]
try:
    from pytest_asyncio import fixture as _async_fixture
except ModuleNotFoundError:
    _async_fixture = _unusable


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    for name, what in (("sandbox", "the options of its Sandbox"), ("client", "the options of its Legitmark")):
        config.addinivalue_line("markers", f"legitmark_{name}(**options): {what}, for the fixture of that name.")


def _options(request: pytest.FixtureRequest, name: str) -> dict[str, Any]:
    # The closest mark has the last word on each option.
    options: dict[str, Any] = {}
    for mark in request.node.iter_markers(name):
        options = {**mark.kwargs, **options}
    return options


@_async_fixture
async def _legitmark_time(request: pytest.FixtureRequest) -> "AsyncIterator[VirtualClock | None]":
    from legitmark_async.testing import virtual_time  # noqa: PLC0415  # only when it is used

    # Before the sandbox and the client are opened, so that they know no other time.
    with virtual_time() if _CLOCK in request.fixturenames else nullcontext() as clock:
        yield clock


@pytest.fixture
def legitmark_clock(_legitmark_time: "VirtualClock") -> "VirtualClock":
    """The event loop's time, which is virtual: whatever the test waits for passes at once."""
    return _legitmark_time


@_async_fixture
async def legitmark_sandbox(request: pytest.FixtureRequest, _legitmark_time: object) -> "AsyncIterator[Sandbox]":
    """An open sandbox on the event loop's time, with the options of the mark of the same name."""
    from legitmark_async.sandbox import Sandbox  # noqa: PLC0415  # only when it is used

    failed = request.session.testsfailed
    async with Sandbox(**_options(request, "legitmark_sandbox")) as sandbox:
        yield sandbox
    if sandbox.unmatched and request.session.testsfailed == failed:
        # Else a test with a path that is mistyped would pass, and have tried nothing.
        pytest.fail(f"no request came that the sandbox was to answer: {', '.join(sandbox.unmatched)}", pytrace=False)


@_async_fixture
async def legitmark_client(request: pytest.FixtureRequest, legitmark_sandbox: "Sandbox") -> "AsyncIterator[Legitmark]":
    """An open client of the sandbox, with the options of the mark of the same name."""
    from legitmark_async import Legitmark  # noqa: PLC0415  # only when it is used

    where = {"base_url": legitmark_sandbox.url, "asset_url": legitmark_sandbox.asset_url}
    options = {"api_key": legitmark_sandbox.api_key, **where, **_options(request, "legitmark_client")}
    async with Legitmark(**options) as client:
        yield client


@pytest.fixture
def legitmark_environment(legitmark_sandbox: "Sandbox", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment variables by which code finds the sandbox, set while the test lasts."""
    from legitmark_async.testing import environment_of  # noqa: PLC0415  # only when it is used

    environment = environment_of(legitmark_sandbox)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment
