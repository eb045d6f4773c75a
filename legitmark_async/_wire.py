"""A call and its answer as they stand between the endpoints and the transport."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO, Generic, Literal, Protocol, TypeVar

from attrs import field, frozen

from legitmark_async._claim import Claim

T = TypeVar("T")

# Where a call goes to: each has limits and outages of its own.
Site = Literal["api", "asset", "storage"]


class Headers(Protocol):
    """The headers of an answer: any case, and a name may stand there twice."""

    def get(self, key: str, /) -> str | None:
        """Return the first value of a header."""
        ...

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Return every value of a header."""
        ...

    def __contains__(self, key: object, /) -> bool: ...


NOTHING: Mapping[str, str] = MappingProxyType({})


class Content(Protocol):
    """The bytes of a photo, which each try reads anew."""

    def open(self) -> BinaryIO:
        """Return a file to read from; may wait for a disk."""
        ...


@frozen
class Presigned:
    """An upload to a presigned URL: it goes out without the key, with these headers and no other of ours.

    Attributes:
        url: Where to; its query is a secret.
        headers: What the URL was signed with.
        content: What to send.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str]
    content: Content


@frozen(kw_only=True)
class Request(Generic[T]):
    """A call, encoded once, before its first try.

    Attributes:
        method: HTTP method.
        path: Path below the base URL, percent-encoded.
        endpoint: The path's template, such as `/api/v2/sr/{uuid}`: the same for calls that a limit of one endpoint
            counts together.
        body: JSON text, or None.
        repeatable: Whether the call may be repeated although the server may have carried it out.
        claim: Of a create, what its service request is to be known by.
        absences: Statuses that tell that there is no such thing; `read` is given None then.
        read: Takes the JSON value of a success and gives the result.
        site: Whose base URL the path is put behind.
        headers: Headers of this call alone.
        bodiless: Whether a success may be no JSON; `read` is given None if there is no body.
        presigned: Instead of base URL, path and body: an upload.
    """

    method: str
    path: str
    read: Callable[[object], T]
    endpoint: str = ""
    body: bytes | None = None
    repeatable: bool = False
    claim: Claim | None = None
    absences: frozenset[int] = frozenset()
    site: Site = "api"
    headers: Mapping[str, str] = NOTHING
    bodiless: bool = False
    presigned: Presigned | None = None


@frozen
class Response:
    """An answer, read to its end.

    Attributes:
        status: HTTP status.
        headers: HTTP headers.
        body: The whole body, decompressed.
        request_id: The server's id of the request, or else ours.
    """

    status: int
    headers: Headers
    body: bytes
    request_id: str
