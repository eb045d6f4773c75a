"""Lists that come in pages: how a page is asked for, and how it is read (contract, section 4). Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import define, frozen

from legitmark_async import _codec
from legitmark_async._endpoints._raw import Parameters, raw_request
from legitmark_async._wire import Request

T = TypeVar("T")

LARGEST_PAGE = 100
# The names that lists have been seen under (contract, sections 3 and 13.22).
_LISTS = ("data", "models", "brands", "categories", "types", "services", "items", "results")


@frozen
class Page(Generic[T]):
    """One page.

    Attributes:
        rows: What it holds.
        pages: How many pages there are, if the answer tells.
    """

    rows: tuple[T, ...]
    pages: int | None


@define(eq=False)
class Listing(Generic[T]):
    """A list that comes in pages.

    Attributes:
        path: Of its endpoint.
        read_row: Reads one row.
        params: Its query, without the page.
        page_size: Rows a page.
        key: The name that the list stands under, if it isn't a usual one.
        language: Of its names.
    """

    path: str
    read_row: Callable[[Mapping[str, Any], str], T]
    params: Parameters
    page_size: int = LARGEST_PAGE
    key: str | None = None
    language: str | None = None

    def page(self, number: int) -> Request[Page[T]]:
        """Encode the request for one page, the first being 1."""
        params = {**self.params, "page_number": number, "page_size": self.page_size}
        request = raw_request("GET", self.path, params=params, language=self.language)
        return Request(
            method="GET",
            path=request.path,
            endpoint=request.endpoint,
            repeatable=True,
            headers=request.headers,
            read=self._read,
        )

    def _read(self, payload: object) -> Page[T]:
        key, rows = self._rows(payload)
        read = tuple(self.read_row(row, f"$.{key}[{number}]") for number, row in enumerate(rows))
        metadata = payload.get("metadata") if isinstance(payload, dict) else None
        return Page(read, self._pages(metadata if isinstance(metadata, dict) else {}))

    def _rows(self, payload: object) -> tuple[str, list[Any]]:
        told: dict[str, Any] = payload if isinstance(payload, dict) else {}
        for key in _LISTS if self.key is None else (self.key,):
            if isinstance(told.get(key), list):
                return key, told[key]
        raise _codec.UnreadableError(f"$.{self.key or _LISTS[0]} is no list")

    def _pages(self, metadata: Mapping[str, Any]) -> int | None:
        pages, count = metadata.get("total_pages"), metadata.get("total_count")
        if type(pages) is int:
            return pages
        size = metadata.get("page_size")
        size = size if type(size) is int and size > 0 else self.page_size
        return -(-count // size) if type(count) is int else None


def list_rows(
    path: str, params: Parameters, page_size: int, key: str | None, language: str | None
) -> Listing[dict[str, Any]]:
    """Describe any list that comes in pages, with its rows as they are.

    Raises:
        ConfigurationError: A part of it is none.
    """
    listing = Listing(path, _read_object, params, page_size, key, language)
    # A wrong one is told before anything is read.
    listing.page(1)
    return listing


def _read_object(row: object, path: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise _codec.UnreadableError(f"{path} is not an object")
    return row
