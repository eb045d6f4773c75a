"""`legitmark authenticate`: one item, the whole way."""

from pathlib import Path
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter

from legitmark_async import ConfigurationError, Item, Legitmark, ServiceRequestDraft, WorkflowError, read_photos
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._calls import WaitOptions, conclude
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._create import resolve, said_to_wait
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._run import command

_PHOTOS = Parameter(help="Folder with a file for each side, called by the side's English name or its UUID.")
_VERDICT = Parameter(help="Wait for the verdict: until it is final, or photos were rejected.")


@Parameter(name="*", group=Group("Item", sort_key=1))
@frozen(kw_only=True)
class ItemOptions:
    """Which item.

    Attributes:
        sr: UUID of a service request that was created before: goes on with it, and needs nothing below.
        reference_id: Your own id of the item; make it unique.
        category: UUID or name of the category.
        type: UUID or name of the type.
        service: UUID of the service; without it the API chooses one.
        brand: UUID or name of the brand.
        model: UUID or name of the model.
    """

    sr: str | None = None
    reference_id: str | None = None
    category: str | None = None
    type: str | None = None
    service: str | None = None
    brand: str | None = None
    model: str | None = None

    async def choose(self, legitmark: Legitmark) -> ServiceRequestDraft | str:
        """Return the draft, or the UUID to go on with.

        Raises:
            ConfigurationError: Neither of them is told, or both.
        """
        described = (self.reference_id, self.category, self.type, self.service, self.brand, self.model)
        if self.sr is not None:
            if any(described):
                raise ConfigurationError("--sr goes on with what was created before: leave the other options out")
            return self.sr
        if not (self.reference_id and self.category and self.type):
            raise ConfigurationError("--reference-id, --category and --type are needed, or --sr to go on")
        item = Item(category=self.category, type=self.type, brand=self.brand, model=self.model)
        return await resolve(legitmark, ServiceRequestDraft(self.reference_id, item, self.service))


_ITEM, _WAIT = ItemOptions(), WaitOptions()


@command
async def authenticate(
    *,
    photos: Annotated[Path, _PHOTOS],
    verdict: Annotated[bool, _VERDICT] = False,
    item: ItemOptions = _ITEM,
    waiting: WaitOptions = _WAIT,
    api: Api = DEFAULT_API,
) -> int:
    """Create, photograph and submit one item, and print it."""
    found = read_photos(photos)
    async with api.client() as legitmark:
        chosen = await item.choose(legitmark)
        try:
            with said_to_wait():
                sr = await legitmark.workflow.authenticate(
                    chosen, found, verdict=verdict, timeout=waiting.timeout, poll=waiting.poll
                )
        except WorkflowError as error:
            say(f"when that is mended, go on with: legitmark authenticate --sr {error.sr_uuid} --photos {photos}")
            raise
    write_json(sr.raw)
    return conclude(sr) if verdict else ALL_DONE
