"""What the tests of the whole client share: a sandbox, a client on it, and drafts."""

import asyncio
import inspect
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from skip_summary import SLOW, skip_summary

from legitmark_async import Item, Legitmark, ServiceRequestDraft
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import VirtualClock, make_draft, make_item

# The asyncio plugin asks for "the" event loop before its first test; where none was ever set that makes one, which
# nobody closes.
asyncio.set_event_loop(None)

# Each change to the code is tried in a process of its own, forked from one that has run the tests before.
settings.register_profile(
    "mutants", suppress_health_check=list(HealthCheck), derandomize=True, deadline=None, database=None
)

# Their tests start processes, or servers that are processes.
_REAL_TIME = {"cli", "distributed", "limits"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the slow tests be asked for."""
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the slow tests unless they are asked for."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(SLOW))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run with a line on the skipped tests."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):  # of pytest-xdist's workers
        skipped = reporter.getreports("skipped")
        reporter.write_line(skip_summary(report.longrepr[2].removeprefix("Skipped: ") for report in skipped))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run each async test on virtual time, except those that start processes: nothing else depends on real time."""
    if (
        isinstance(item, pytest.Function)
        and inspect.iscoroutinefunction(item.function)
        and item.path.parent.name not in _REAL_TIME
        and item.get_closest_marker("real_time") is None
        and "legitmark_clock" not in item.fixturenames
    ):
        item.fixturenames.insert(0, "legitmark_clock")


Drafts = Callable[[int], Iterator[ServiceRequestDraft]]


@pytest.fixture
def item() -> Item:
    """A crossbody bag."""
    return make_item()


@pytest.fixture
def drafts(item: Item) -> Drafts:
    """Make so many drafts, lazily: ITEM-0, ITEM-1 and so on."""
    return lambda count: (ServiceRequestDraft(f"ITEM-{number}", item) for number in range(count))


@pytest.fixture
def draft() -> ServiceRequestDraft:
    """The draft of the seed's example, without its service."""
    return make_draft("ITEM-2024-0891")


@pytest.fixture
def sandbox(legitmark_sandbox: Sandbox) -> Sandbox:
    """A sandbox without limits and faults."""
    return legitmark_sandbox


@pytest.fixture
def client(legitmark_client: Legitmark) -> Legitmark:
    """A client of the sandbox."""
    return legitmark_client


@pytest.fixture
def clock(legitmark_clock: VirtualClock) -> VirtualClock:
    """The time of the event loop, virtual: whatever is waited for passes at once."""
    return legitmark_clock
