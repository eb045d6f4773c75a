"""Parts of requests that several endpoints have. Pure."""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from legitmark_async._wire import Request
from legitmark_async.errors import ConfigurationError
from legitmark_async.options import checked_language

T = TypeVar("T")

_STEPS = frozenset({".", ".."})


def encode_segment(name: str, value: object) -> str:
    """Return a value as one segment of a path; ids are not checked any further (contract, sections 13.36 and 13.40).

    Raises:
        ConfigurationError: It is no text, empty, or a step of a path.
    """
    if not isinstance(value, str) or not value.strip() or value in _STEPS:
        raise ConfigurationError(f"{name} must be an id, not {value!r}", problems=[name])
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} can't be written as UTF-8: {value!r}", problems=[name]) from None


def encode_language(language: str | None) -> Mapping[str, str]:
    """Return the header that asks for a language, if one is asked for (contract, section 5).

    Raises:
        ConfigurationError: The API doesn't speak it.
    """
    return {} if checked_language(language) is None else {"Accept-Language": str(language)}


def encode_get(
    path: str, read: Callable[[object], T], *, endpoint: str | None = None, language: str | None = None
) -> Request[T]:
    """Return a GET, which may be repeated.

    Args:
        path: With its query.
        read: Reads the answer.
        endpoint: The path's template; the path itself if None.
        language: Of its names.

    Raises:
        ConfigurationError: The API doesn't speak the language.
    """
    return Request(
        method="GET",
        path=path,
        endpoint=path if endpoint is None else endpoint,
        repeatable=True,
        headers=encode_language(language),
        read=read,
    )
