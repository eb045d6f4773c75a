"""The two steps of an upload: where to, and the photo itself (contract, section 8). Pure."""

from urllib.parse import parse_qs, urlencode, urlsplit

from legitmark_async import _codec
from legitmark_async._endpoints._parts import encode_segment
from legitmark_async._wire import Content, Presigned, Request
from legitmark_async.errors import ConfigurationError
from legitmark_async.options import checked_host

INTENT = "/intent"
_SIGNED_HEADERS = "x-amz-signedheaders"
# What a URL may be signed with, and has to be sent then; the rest is the network library's (contract, section 8).
_SIGNABLE = {
    "cache-control": "max-age=10",
    "x-amz-acl": "public-read",
    "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
}
_AUTOMATIC = frozenset({"host", "content-length", "content-type"})


def request_upload(sr_uuid: str, side_uuid: str, extension: str) -> Request[str]:
    """Encode `GET {asset}/intent`; gives a presigned URL, which is a secret.

    Raises:
        ConfigurationError: An id is none.
    """
    for name, value in (("sr_uuid", sr_uuid), ("side_uuid", side_uuid)):
        encode_segment(name, value)
    return Request(
        method="GET",
        path=f"{INTENT}?{urlencode({'sr': sr_uuid, 'side': f'{side_uuid}.{extension}'})}",
        endpoint=INTENT,
        repeatable=True,
        site="asset",
        read=_read_url,
    )


def put_photo(url: str, content: Content, content_type: str) -> Request[None]:
    """Encode the PUT to a presigned URL, with the headers that it was signed with and the type of the content.

    A PUT that is repeated makes another version of the same photo, so it may be.
    """
    headers = {"Content-Type": content_type}
    headers |= {name: _SIGNABLE[name] for name in _signed(url) if name in _SIGNABLE}
    return Request(
        method="PUT",
        path=urlsplit(url).path,
        endpoint="/{key}",
        repeatable=True,
        site="storage",
        bodiless=True,
        presigned=Presigned(url, headers, content),
        read=lambda _: None,
    )


def _read_url(payload: object) -> str:
    url = payload.get("url") if isinstance(payload, dict) else None
    if not isinstance(url, str) or not url:
        raise _codec.UnreadableError("$.url is missing")
    try:
        checked_host("url", url)
    except ConfigurationError:
        raise _codec.UnreadableError("$.url is no https URL") from None
    if unknown := _signed(url) - _AUTOMATIC - _SIGNABLE.keys():
        raise _codec.UnreadableError(f"$.url is signed with a header that isn't known: {min(unknown)!r}")
    return url


def _signed(url: str) -> frozenset[str]:
    query = {name.lower(): values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    return frozenset(query.get(_SIGNED_HEADERS, "").lower().split(";")) - {""}
