"""What the tests of the whole client share: a sandbox, a client on it, and drafts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from legitmark_async import Item, Legitmark, ServiceRequestDraft
from legitmark_async.sandbox import Sandbox

BAG = "cc30b104-7c47-11ef-a623-02595575faeb"
CROSSBODY = "95e42d6b-7c4f-11ef-a623-02595575faeb"

# The asyncio plugin asks for "the" event loop before its first test; where none was ever set that makes one, which
# nobody closes.
asyncio.set_event_loop(None)

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]


@pytest.fixture
def item() -> Item:
    """A crossbody bag."""
    return Item(category=BAG, type=CROSSBODY)


@pytest.fixture
def drafts(item: Item) -> Drafts:
    """Make so many drafts, lazily: ITEM-0, ITEM-1 and so on."""
    return lambda count: (ServiceRequestDraft(f"ITEM-{number}", item) for number in range(count))


@pytest.fixture
def draft(item: Item) -> ServiceRequestDraft:
    """The draft of the seed's example, without its service."""
    return ServiceRequestDraft("ITEM-2024-0891", item)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox without limits and faults."""
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Legitmark]:
    """A client of the sandbox."""
    async with Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client:
        yield client
