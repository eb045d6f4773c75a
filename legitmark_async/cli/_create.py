"""`legitmark create`: one service request."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from attrs import asdict, evolve, frozen
from cyclopts import Group, Parameter, validators

from legitmark_async import Item, Legitmark, ServiceRequest, ServiceRequestDraft
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._run import command

# Seconds after which silence needs a word.
_PATIENCE = 3.0


@Parameter(name="*", group=Group("What to create", sort_key=1))
@frozen(kw_only=True)
class Draft:
    """What to create.

    Attributes:
        reference_id: Your own id of the item; make it unique.
        category: UUID or name of the category.
        type: UUID or name of the type.
        service: UUID of the service; without it the API chooses one.
        brand: UUID or name of the brand.
        model: UUID or name of the model.
        deadline: Seconds for the call, with all its tries and waits. Without it the call takes the time it needs.
    """

    reference_id: str
    category: str
    type: str
    service: str | None = None
    brand: str | None = None
    model: str | None = None
    deadline: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None

    def build(self) -> ServiceRequestDraft:
        """Return it as the library has it, with what may be names."""
        item = Item(category=self.category, type=self.type, brand=self.brand, model=self.model)
        return ServiceRequestDraft(self.reference_id, item, self.service)


@command
async def create(*, draft: Draft, api: Api = DEFAULT_API) -> int:
    """Create one service request, and print it."""
    async with api.client(deadline=draft.deadline) as legitmark:
        with said_to_wait():
            service_request = await _create(legitmark, await resolve(legitmark, draft.build()))
    write_json(service_request.raw)
    return ALL_DONE


async def resolve(legitmark: Legitmark, draft: ServiceRequestDraft) -> ServiceRequestDraft:
    """Return the draft with UUIDs where it has names.

    Raises:
        ConfigurationError: There is no such name.
    """
    item = draft.item
    if not item.problems() or not item.category or not item.type:
        return draft
    return evolve(draft, item=await legitmark.taxonomy.resolve(**asdict(item)))


async def _create(legitmark: Legitmark, draft: ServiceRequestDraft) -> ServiceRequest:
    try:
        return await legitmark.sr.create(draft)
    except asyncio.CancelledError:
        words = f"it isn't known whether {draft.reference_id!r} was created; look for it before you create it again"
        raise asyncio.CancelledError(words) from None


@contextmanager
def said_to_wait() -> Iterator[None]:
    """Say that it goes on, if the block takes long."""
    words = "waiting for the API (its answer, its rate limit, or a connection); Ctrl-C stops"
    handle = asyncio.get_running_loop().call_later(_PATIENCE, say, words)
    try:
        yield
    finally:
        handle.cancel()
