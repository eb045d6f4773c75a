"""UUIDs for names, level by level of the taxonomy."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from attrs import evolve, frozen

from legitmark_async.bulk import Drafts, each_draft, faulty_draft
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import Brand, Category, Item, ItemModel, ServiceRequestDraft
from legitmark_async.models._names import R, UnknownNameError, find_named, is_uuid

_Names = tuple[str, str, str | None, str | None]


class ListModels(Protocol):
    """Lists models."""

    def __call__(
        self,
        *,
        search: str | None = None,
        brand: str | None = None,
        type: str | None = None,  # noqa: A002  # the API's own word
    ) -> AsyncIterable[ItemModel]:
        """List those of a search, a brand and a type."""
        ...


@frozen(eq=False)
class Resolver:
    """Finds UUIDs by names.

    Attributes:
        tree: Gives the categories with their types.
        brands_of: Gives the brands of a type.
        models: Lists models.
    """

    tree: Callable[[], Awaitable[tuple[Category, ...]]]
    brands_of: Callable[[str], Awaitable[tuple[Brand, ...]]]
    models: ListModels

    async def resolve(self, category: str, type_: str, brand: str | None, model: str | None) -> Item:
        """See `Taxonomy.resolve`."""
        given = (category, type_, brand, model)
        if all(part is None or is_uuid(part) for part in given):
            return Item(*[part.strip() if part else part for part in given])  # type: ignore[arg-type]  # two are texts
        return await self._resolve(category, type_, brand, model)

    async def resolve_drafts(self, drafts: Drafts) -> AsyncIterator[ServiceRequestDraft]:
        """See `Taxonomy.resolve_drafts`."""
        known: dict[_Names, Item | str] = {}
        async with aclosing(each_draft(drafts)) as given:
            async for draft in given:
                names = _names(draft.item)
                if names is None:
                    yield draft
                    continue
                if names not in known:
                    known[names] = await self._try_to_resolve(names)
                resolved = known[names]
                if isinstance(resolved, str):
                    yield faulty_draft(draft, resolved)
                else:
                    yield evolve(draft, item=resolved)

    async def _try_to_resolve(self, names: _Names) -> Item | str:
        try:
            return await self.resolve(*names)
        except ConfigurationError as error:
            return str(error)

    async def _resolve(self, category: str, type_: str, brand: str | None, model: str | None) -> Item:
        found = _find(await self.tree(), category, "category", "categories")
        kind = _find(found.types, type_, "type", f"types of {found.name}")
        if brand is None or is_uuid(brand):
            brand_uuid, label = brand, brand
        else:
            row = _find(await self.brands_of(kind.uuid), brand, "brand", f"brands of {kind.name}")
            brand_uuid, label = row.uuid, row.name
        if model is not None and not is_uuid(model):
            models = [each async for each in self.models(search=model, type=kind.uuid, brand=brand_uuid)]
            if not models and brand_uuid is not None:
                # The API's own search may be stricter than ours, and tells of nothing that is near.
                models = [each async for each in self.models(type=kind.uuid, brand=brand_uuid)]
            model = _find(models, model, "model", f"models of {label or kind.name}").uuid
        return Item(found.uuid, kind.uuid, brand_uuid, model)


def _names(item: object) -> _Names | None:
    """Return what an item is told by, if there is a name to look up."""
    if not isinstance(item, Item) or not item.category or not item.type or not item.problems():
        return None
    given = (item.category, item.type, item.brand, item.model)
    return given if all(part is None or isinstance(part, str) for part in given) else None


def _find(rows: "tuple[R, ...] | list[R]", name: str, level: str, what: str) -> R:
    try:
        return find_named(rows, name, what)
    except UnknownNameError as error:
        problem = f"item.{level}: {error}"
        raise ConfigurationError(problem, problems=[problem]) from None
