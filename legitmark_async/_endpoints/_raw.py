"""Endpoints that are not known here. Pure."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from legitmark_async import _codec
from legitmark_async._endpoints._parts import encode_language
from legitmark_async._wire import Request
from legitmark_async.errors import ConfigurationError

Parameters = Mapping[str, str | int | float | bool | None]

_METHOD = re.compile(r"[A-Z]{3,10}")
_PATH = re.compile(r"/[!-~]*")
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
# Ids in a path are no endpoints of their own.
_ID = re.compile(r"(?<=/)(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9]+)(?=/|$)")


def raw_request(  # one for each part that a request has
    method: str,
    path: str,
    *,
    params: Parameters | None = None,
    json: object = None,
    language: str | None = None,
    repeatable: bool | None = None,
) -> Request[Any]:
    """Encode a request to any endpoint; gives the JSON value of its answer, None if it has none.

    Raises:
        ConfigurationError: A part of it is none.
    """
    method = str(method).upper()
    if not _METHOD.fullmatch(method):
        raise ConfigurationError(f"method must be such as GET or POST, not {method!r}", problems=["method"])
    return Request(
        method=method,
        path=_encode_path(path, params or {}),
        endpoint=_ID.sub("{id}", path),
        body=_encode_body(json),
        repeatable=method in _HARMLESS if repeatable is None else repeatable,
        bodiless=True,
        headers=encode_language(language),
        read=lambda payload: payload,
    )


def _encode_path(path: object, params: Parameters) -> str:
    if not isinstance(path, str) or not _PATH.fullmatch(path) or path.startswith("//") or any(m in path for m in "?#"):
        raise ConfigurationError(
            f"path must begin with one slash, be percent-encoded and have no query (that is `params`), not {path!r}",
            problems=["path"],
        )
    # The API writes truth values so (contract, section 7.2).
    told = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
    query = urlencode({name: value for name, value in told.items() if value is not None})
    return f"{path}?{query}" if query else path


def _encode_body(json: Any) -> bytes | None:  # noqa: ANN401  # JSON is anything
    if json is None:
        return None
    try:
        return _codec.dumps(json)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"json can't be written as JSON: {error}", problems=["json"]) from None
