"""The taxonomy: `legitmark.taxonomy`."""

from collections.abc import AsyncIterator

from attrs import evolve

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async._endpoints import LARGEST_PAGE, Listing, Parameters, read_rows
from legitmark_async.bulk import Drafts
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import Brand, Category, Item, ItemModel, ItemType, Service, ServiceRequestDraft
from legitmark_async.models._names import R
from legitmark_async.options import checked_count
from legitmark_async.resources._pages import Pages
from legitmark_async.resources._resolver import Resolver
from legitmark_async.resources._shelf import Shelf


class Taxonomy:
    """Categories, types, brands and models, and services; reached as `legitmark.taxonomy`.

    Names are in the client's language, or in the one that a call asks for. Inactive rows are left out unless they are
    asked for.
    """

    def __init__(self, caller: Caller, shelf: Shelf, language: str | None) -> None:
        self._caller = caller
        self._shelf = shelf
        self._language = language
        self._resolver = Resolver(self.tree, self._brands_of, self.models)

    async def tree(self, *, language: str | None = None, fresh: bool = False) -> tuple[Category, ...]:
        """Return all categories with their types: `GET /api/v2/categories/tree` (contract, section 7.7).

        It is kept for 24 hours: for all tasks of the client, and in the file of `Legitmark(taxonomy_cache=...)`.

        Args:
            language: Of the names, instead of the client's.
            fresh: Ask again, whatever is kept.
        """
        language = language or self._language
        tree = await self._shelf.get(
            self._key("tree", language),
            lambda: self._caller.call(_endpoints.get_tree(language)),
            lambda rows: read_rows(rows, Category),
            fresh=fresh,
        )
        return tuple(evolve(row, types=tuple(_active(row.types))) for row in _active(tree))

    def categories(
        self,
        *,
        search: str | None = None,
        active_only: bool = True,
        page_size: int = LARGEST_PAGE,
        language: str | None = None,
    ) -> Pages[Category]:
        """List the categories: `GET /api/v2/categories` (contract, section 7.7).

        ```python
        async for category in legitmark.taxonomy.categories():
            print(category.uuid, category.name)
        ```

        Args:
            search: A part of the name.
            active_only: Leave out those not in use.
            page_size: Rows a page, 1 to 100; one page is asked for ahead.
            language: Of the names, instead of the client's.

        Raises:
            ConfigurationError: `page_size` is none.
        """
        size = _checked_size(page_size)
        return self._pages(_endpoints.list_categories(_query(search, active_only), size, language), active_only)

    def types(
        self,
        *,
        category: str | None = None,
        active_only: bool = True,
        page_size: int = LARGEST_PAGE,
        language: str | None = None,
    ) -> Pages[ItemType]:
        """List the types, or those of a category: `GET /api/v2/types`, `GET /api/v2/categories/{uuid}/types`.

        Neither is in the newest reference of the API (contract, section 7); the tree has all types too.

        Args:
            category: UUID of a category.
            active_only: Leave out those not in use.
            page_size: Rows a page, 1 to 100.
            language: Of the names, instead of the client's.

        Raises:
            ConfigurationError: `page_size` is none, or the id is empty.
        """
        size = _checked_size(page_size)
        return self._pages(_endpoints.list_types(_query(None, active_only), size, language, category), active_only)

    def brands(
        self,
        *,
        search: str | None = None,
        active_only: bool = True,
        page_size: int = LARGEST_PAGE,
        language: str | None = None,
    ) -> Pages[Brand]:
        """List the brands: `GET /api/v2/brands` (contract, section 7.7).

        Args:
            search: A part of the name; it is sent under both names that are documented (contract, section 13.9).
            active_only: Leave out those not in use.
            page_size: Rows a page, 1 to 100.
            language: Of the names, instead of the client's.

        Raises:
            ConfigurationError: `page_size` is none.
        """
        size = _checked_size(page_size)
        return self._pages(_endpoints.list_brands(_query(search, active_only), size, language), active_only)

    def models(  # noqa: PLR0913  # one for each thing there is to search by
        self,
        *,
        search: str | None = None,
        brand: str | None = None,
        type: str | None = None,  # noqa: A002  # the API's own word
        category: str | None = None,
        active_only: bool = True,
        page_size: int = LARGEST_PAGE,
        language: str | None = None,
    ) -> Pages[ItemModel]:
        """List the models: `GET /api/v2/models` (contract, section 7.7).

        Args:
            search: A part of the name.
            brand: UUID of a brand.
            type: UUID of a type.
            category: UUID of a category.
            active_only: Leave out those not in use.
            page_size: Rows a page, 1 to 100.
            language: Of the names, instead of the client's.

        Raises:
            ConfigurationError: `page_size` is none.
        """
        params = {
            **_query(search, active_only),
            "brand_uuid": brand,
            "type_uuid": type,
            "category_uuid": category,
        }
        return self._pages(_endpoints.list_models(params, _checked_size(page_size), language), active_only)

    async def category(self, uuid: str, *, language: str | None = None) -> Category:
        """Read one category: `GET /api/v2/categories/{uuid}` (contract, section 7.7).

        Raises:
            NotFoundError: There is none.
            LegitmarkError: As any call.
        """
        return await self._caller.call(_endpoints.get_category(uuid, language))

    async def type(self, uuid: str, *, language: str | None = None) -> ItemType:
        """Read one type, with its brands and sides: `GET /api/v2/types/{uuid}` (contract, section 7.7).

        Raises:
            NotFoundError: There is none.
            LegitmarkError: As any call.
        """
        return await self._caller.call(_endpoints.get_type(uuid, language))

    async def brands_of(
        self, type_uuid: str, *, active_only: bool = True, language: str | None = None
    ) -> tuple[Brand, ...]:
        """Return the brands of a type: `GET /api/v2/types/{uuid}/brands` (contract, section 7.7).

        Raises:
            NotFoundError: There is no such type.
            LegitmarkError: As any call.
        """
        request = _endpoints.get_brands_of(type_uuid, include_inactive=not active_only, language=language)
        brands = await self._caller.call(request)
        return tuple(_active(brands)) if active_only else brands

    async def service(self, uuid: str, *, language: str | None = None) -> Service:
        """Read one service: `GET /api/services/{uuid}` (contract, section 7.7).

        Raises:
            NotFoundError: There is none.
            LegitmarkError: As any call.
        """
        return await self._caller.call(_endpoints.get_service(uuid, language))

    async def resolve(
        self,
        *,
        category: str,
        type: str,  # noqa: A002  # the API's own word
        brand: str | None = None,
        model: str | None = None,
    ) -> Item:
        """Find the UUIDs of an item by names, such as `resolve(category="Bag", type="Crossbody")`.

        Names are those of the client's language; case, accents, spaces and punctuation don't count. A UUID stands for
        itself and is not looked up, as long as what is below it is told by UUIDs too.

        Raises:
            ConfigurationError: A name is unknown or stands for several rows; it says which are near.
            LegitmarkError: As any call.
        """
        return await self._resolver.resolve(category, type, brand, model)

    def resolve_drafts(self, drafts: Drafts) -> AsyncIterator[ServiceRequestDraft]:
        """Give the drafts with the names in their items made UUIDs, as `resolve` does.

        ```python
        drafts = legitmark.taxonomy.resolve_drafts(read_csv("items.csv"))
        async with legitmark.sr.create_many(drafts) as run: ...
        ```

        A draft with a name that can't be resolved is given all the same: `create_many` tells of it as `Failed`, with
        what is wrong and which names are near.
        """
        return self._resolver.resolve_drafts(drafts)

    async def _brands_of(self, type_uuid: str) -> tuple[Brand, ...]:
        language = self._language
        brands = await self._shelf.get(
            self._key(f"brands/{type_uuid}", language),
            lambda: self._caller.call(_endpoints.get_brands_of(type_uuid, language=language)),
            lambda rows: read_rows(rows, Brand),
        )
        return tuple(_active(brands))

    def _key(self, name: str, language: str | None) -> str:
        return f"{self._caller.transport.base_url}/{language or ''}/{name}"

    def _pages(self, listing: "Listing[R]", active_only: bool) -> "Pages[R]":  # noqa: FBT001  # private, and told apart
        return Pages(self._caller, listing, _is_active if active_only else lambda _: True)


def _active(rows: "tuple[R, ...]") -> "list[R]":
    # The flag may be spelled wrong for the server, which then ignores it (contract, section 13.8).
    return [row for row in rows if _is_active(row)]


def _is_active(row: object) -> bool:
    return getattr(row, "active", None) is not False


def _query(search: str | None, active_only: bool) -> Parameters:  # noqa: FBT001  # private, and told apart
    # Two spellings of each are documented, and it isn't known which counts (contract, sections 13.8 and 13.9).
    return {
        "search": search,
        "search_query": search,
        "activeOnly": active_only or None,
        "active_only": active_only or None,
    }


def _checked_size(page_size: int) -> int:
    if checked_count("page_size", page_size) > LARGEST_PAGE:
        raise ConfigurationError(f"page_size must be {LARGEST_PAGE} at most, not {page_size}", problems=["page_size"])
    return page_size
