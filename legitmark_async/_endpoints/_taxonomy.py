"""The endpoints of the taxonomy (contract, section 7.7). Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import AttrsInstance

from legitmark_async import _codec
from legitmark_async._endpoints._pages import Listing
from legitmark_async._endpoints._parts import encode_get, encode_segment
from legitmark_async._endpoints._raw import Parameters
from legitmark_async._wire import Request
from legitmark_async.models import Brand, Category, ItemModel, ItemType, Service

M = TypeVar("M", bound=AttrsInstance)

CATEGORIES = "/api/v2/categories"
TYPES = "/api/v2/types"
BRANDS = "/api/v2/brands"
MODELS = "/api/v2/models"
SERVICES = "/api/services"


def get_tree(language: str | None = None) -> Request[tuple[Category, ...]]:
    """Encode `GET /api/v2/categories/tree`; its metadata is another one, and it has no pages.

    Raises:
        ConfigurationError: There is no such language.
    """
    path = f"{CATEGORIES}/tree"
    return encode_get(path, lambda payload: _read_rows(payload, ("data", "categories"), Category), language=language)


def get_category(uuid: str, language: str | None = None) -> Request[Category]:
    """Encode `GET /api/v2/categories/{uuid}`.

    Raises:
        ConfigurationError: The id is none, or there is no such language.
    """
    return _get_one(CATEGORIES, uuid, language, "data", Category)


def get_type(uuid: str, language: str | None = None) -> Request[ItemType]:
    """Encode `GET /api/v2/types/{uuid}`.

    Raises:
        ConfigurationError: The id is none, or there is no such language.
    """
    return _get_one(TYPES, uuid, language, "data", ItemType)


def get_service(uuid: str, language: str | None = None) -> Request[Service]:
    """Encode `GET /api/services/{uuid}`; there is no v2 of it (contract, section 13.23).

    Raises:
        ConfigurationError: The id is none, or there is no such language.
    """
    return _get_one(SERVICES, uuid, language, "service", Service)


def get_brands_of(
    type_uuid: str, *, include_inactive: bool = False, language: str | None = None
) -> Request[tuple[Brand, ...]]:
    """Encode `GET /api/v2/types/{uuid}/brands`, which has no pages.

    Raises:
        ConfigurationError: The id is none, or there is no such language.
    """
    query = "?include_inactive=true" if include_inactive else ""
    return encode_get(
        f"{TYPES}/{encode_segment('type_uuid', type_uuid)}/brands{query}",
        lambda payload: _read_rows(payload, ("data", "brands"), Brand),
        endpoint=f"{TYPES}/{{uuid}}/brands",
        language=language,
    )


def list_categories(params: Parameters, page_size: int, language: str | None) -> Listing[Category]:
    """Describe `GET /api/v2/categories`."""
    return Listing(CATEGORIES, _reader(Category), params, page_size, language=language)


def list_types(
    params: Parameters, page_size: int, language: str | None, category: str | None = None
) -> Listing[ItemType]:
    """Describe `GET /api/v2/types`, or `GET /api/v2/categories/{uuid}/types`.

    Raises:
        ConfigurationError: The id is none.
    """
    path = TYPES if category is None else f"{CATEGORIES}/{encode_segment('category', category)}/types"
    return Listing(path, _reader(ItemType), params, page_size, language=language)


def list_brands(params: Parameters, page_size: int, language: str | None) -> Listing[Brand]:
    """Describe `GET /api/v2/brands`."""
    return Listing(BRANDS, _reader(Brand), params, page_size, language=language)


def list_models(params: Parameters, page_size: int, language: str | None) -> Listing[ItemModel]:
    """Describe `GET /api/v2/models`."""
    return Listing(MODELS, _reader(ItemModel), params, page_size, language=language)


def read_rows(rows: Sequence[object], cls: type[M], path: str = "$") -> tuple[M, ...]:
    """Read the rows of a list.

    Raises:
        UnreadableError: One of them is no object, or has no id.
    """
    return tuple(_codec.structure(row, cls, f"{path}[{number}]") for number, row in enumerate(rows))


def _get_one(path: str, uuid: str, language: str | None, key: str, cls: type[M]) -> Request[M]:
    def read(payload: object) -> M:
        told = payload.get(key) if isinstance(payload, dict) else None
        return _codec.structure(told, cls, f"$.{key}")

    return encode_get(f"{path}/{encode_segment('uuid', uuid)}", read, endpoint=f"{path}/{{uuid}}", language=language)


def _read_rows(payload: object, keys: tuple[str, ...], cls: type[M]) -> tuple[M, ...]:
    for key in keys:
        rows = payload.get(key) if isinstance(payload, dict) else None
        if isinstance(rows, list):
            return read_rows(rows, cls, f"$.{key}")
    raise _codec.UnreadableError(f"$.{keys[0]} is no list")


def _reader(cls: type[M]) -> Callable[[Mapping[str, Any], str], M]:
    def read(row: Mapping[str, Any], path: str) -> M:
        return _codec.structure(row, cls, path)

    return read
