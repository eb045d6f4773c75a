"""Sends bytes and reads whole answers, and translates what aiohttp raises; the only module that knows its client."""

import asyncio
import functools
import platform
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, TypeVar, cast

import aiohttp
from attrs import define, field
from multidict import istr
from yarl import URL

from legitmark_async._wire import Content, Request, Response
from legitmark_async.errors import (
    AttemptTimeoutError,
    ConfigurationError,
    ConnectionFailedError,
    MalformedResponseError,
    TransportError,
    redact,
)
from legitmark_async.options import Random, Secret, Timeouts

T = TypeVar("T")

# A gzip of 200 KB can become 200 MB, so the limit is on what comes out of it.
LARGEST_BODY = 16 * 1024 * 1024
_ID_RANGE = 1 << 40
_REQUEST_ID = istr("X-Request-Id")
_AMAZON_REQUEST_ID = istr("x-amzn-RequestId")

# From the most special class to the most general one: what became of the request, told by what aiohttp raised.
_NEVER_SENT: tuple[type[BaseException], ...] = (
    aiohttp.ClientConnectorError,  # no name, no route, refused, TLS failed, proxy unreachable
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
# They are kinds of InvalidURL and NonHttpUrlClientError, but speak of a URL that an answer named.
_SENT = aiohttp.RedirectClientError
_HOPELESS: tuple[type[BaseException], ...] = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
_TRANSLATED: tuple[type[BaseException], ...] = (aiohttp.ClientError, TimeoutError, OSError)


@functools.cache
def user_agent() -> str:
    """Return what the client calls itself."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # reading metadata costs a lot

    try:
        ours = version("legitmark-async")
    except PackageNotFoundError:
        ours = "0"
    theirs = aiohttp.__version__
    return f"legitmark-async/{ours} Python/{platform.python_version()} aiohttp/{theirs}"


@define(eq=False)
class Transport:
    """One aiohttp session, opened and closed as often as the client is.

    It does not limit how many requests are in flight: the pacer stands in front of it, because aiohttp counts the
    wait for a free connection as time of the request.

    Attributes:
        base_url: Scheme, host and path that each call's path is put behind.
        key: The API key.
        timeouts: Seconds for connecting, reading and a whole try.
        random: Gives the prefix of the request ids.
        foreign: A session of the caller's to use and never to close.
        asset_url: The same of the host where uploads are asked for; empty if nobody has said.
    """

    base_url: str
    key: Secret = field(repr=False)
    timeouts: Timeouts
    random: Random
    foreign: aiohttp.ClientSession | None = None
    asset_url: str = ""
    _session: aiohttp.ClientSession | None = field(default=None, init=False)
    _bare: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _headers: dict[str, str] = field(factory=dict[str, str], init=False, repr=False)
    _timeout: aiohttp.ClientTimeout = field(init=False)
    _upload_timeout: aiohttp.ClientTimeout = field(init=False)
    _id_prefix: str = field(init=False)
    _sent: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=self.timeouts.attempt, connect=self.timeouts.connect, sock_read=self.timeouts.read
        )
        # An upload is answered after its last byte: only the whole of it is timed.
        self._upload_timeout = aiohttp.ClientTimeout(total=self.timeouts.attempt, connect=self.timeouts.connect)
        self._id_prefix = f"lm-{int(self.random() * _ID_RANGE):010x}"

    @property
    def opened(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    @property
    def connections(self) -> int | None:
        """How many connections a session of the caller's allows, or None for any number."""
        connector = None if self.foreign is None else self.foreign.connector
        limits = [] if connector is None else [connector.limit, connector.limit_per_host]
        return min((limit for limit in limits if limit > 0), default=None)

    async def open(self) -> None:
        """Open the session in the running event loop.

        Raises:
            ConfigurationError: It is open already.
        """
        if self.opened:
            raise ConfigurationError(
                "the client is open already: enter it once, and share it between tasks (or aclose() it first)"
            )
        self._loop = asyncio.get_running_loop()
        headers = {
            # `Secret` shows in no repr, so neither in a traceback that prints aiohttp's locals.
            "Authorization": Secret(f"Bearer {str.__str__(self.key)}"),
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": user_agent(),
        }
        if self.foreign is not None:
            self._session, self._bare, self._headers = self.foreign, self.foreign, headers
            return
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            raise_for_status=False,
            timeout=self._timeout,
        )
        # The same connections, without the key: for presigned URLs.
        self._bare = aiohttp.ClientSession(
            connector=self._session.connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent()},
        )

    async def aclose(self) -> None:
        """Close the session, unless it is the caller's."""
        sessions = self._bare, self._session
        self._bare = self._session = None
        for session in sessions:
            if session is not None and session is not self.foreign:
                await session.close()

    def next_request_id(self) -> str:
        """Return the id that the next try is sent with: a prefix per client and a count."""
        self._sent += 1
        return f"{self._id_prefix}-{self._sent}"

    def require_open(self) -> aiohttp.ClientSession:
        """Return the session.

        Raises:
            ConfigurationError: It can't be used here and now; the message names the fix.
        """
        if self._session is None:
            raise ConfigurationError("the client is not open: use it inside 'async with Legitmark(...) as legitmark:'")
        if self._session.closed:
            raise ConfigurationError("the session passed to Legitmark() is closed: keep it open as long as the client")
        if self._loop is not asyncio.get_running_loop():
            raise ConfigurationError(
                "the client was opened in another event loop: close it there, and open it in this one"
            )
        return self._session

    async def send(self, request: Request[T], request_id: str, headers: Mapping[str, str]) -> Response:
        """Send one try and read the whole answer.

        Raises:
            TransportError: There is no complete answer; the class and `maybe_processed` tell how far it got.
            MalformedResponseError: The answer is larger than `LARGEST_BODY`.
        """
        presigned = request.presigned
        content = None if presigned is None else await _opened(presigned.content)
        try:
            async with self._ask(request, request_id, headers, content) as answer:
                body = await answer.content.readany()
                if not answer.content.at_eof():
                    body = await _read_on(answer, body, request, request_id)
                return Response(answer.status, answer.headers, body, _request_id(answer) or request_id)
        except _TRANSLATED as error:
            translated = self._translate(request, error)
        finally:
            if content is not None:
                content.close()
        # Raised out here, so that no frame of aiohttp, with its buffers, hangs on it.
        raise translated

    def _ask(
        self, request: Request[T], request_id: str, headers: Mapping[str, str], content: BinaryIO | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        session = self.require_open()
        if request.presigned is not None:
            bare = cast("aiohttp.ClientSession", self._bare)  # it is open as long as the other
            return bare.put(
                # As it is: quoting it anew would break its signature.
                URL(request.presigned.url, encoded=True),
                data=content,
                headers=request.presigned.headers,
                timeout=self._upload_timeout,
                allow_redirects=False,
                raise_for_status=False,
            )
        base = self.asset_url if request.site == "asset" else self.base_url
        return session.request(
            request.method,
            base + request.path,
            data=request.body,
            headers={_REQUEST_ID: request_id, **headers, **self._headers},
            timeout=self._timeout,
            allow_redirects=False,
            raise_for_status=False,
        )

    def _translate(self, request: Request[T], error: BaseException) -> TransportError:
        call = (request.method, request.path)
        cause = _without_frames(error)
        translated: TransportError
        if isinstance(error, _NEVER_SENT) and not isinstance(error, _SENT):
            hopeless = isinstance(error, _HOPELESS)
            translated = ConnectionFailedError(*call, detail=str(cause), retryable=not hopeless)
        elif isinstance(error, TimeoutError):
            limit = self.timeouts.read if isinstance(error, aiohttp.SocketTimeoutError) else self.timeouts.attempt
            translated = AttemptTimeoutError(*call, detail=f"nothing more came within {limit:.6g} s")
        else:
            translated = TransportError(*call, detail=str(cause))
        translated.__cause__ = cause
        return translated


async def _opened(content: Content) -> BinaryIO:
    opening = asyncio.ensure_future(asyncio.to_thread(content.open))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # The thread goes on, and nobody else would close what it opens.
        opening.add_done_callback(_close)
        raise


def _close(opening: "asyncio.Future[BinaryIO]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _read_on(answer: aiohttp.ClientResponse, body: bytes, request: Request[T], request_id: str) -> bytes:
    whole = bytearray(body)
    while not answer.content.at_eof():
        whole += await answer.content.readany()
        if len(whole) > LARGEST_BODY:
            raise MalformedResponseError(
                request.method,
                request.path,
                status=answer.status,
                problems=[f"$ is larger than {LARGEST_BODY} bytes"],
                request_id=_request_id(answer) or request_id,
            )
    return bytes(whole)


def _request_id(answer: aiohttp.ClientResponse) -> str | None:
    return answer.headers.get(_REQUEST_ID) or answer.headers.get(_AMAZON_REQUEST_ID)


class ForeignError(Exception):
    """What the network library raised, as text: its own objects hold sockets, headers and buffers."""


def _without_frames(error: BaseException) -> ForeignError:
    text = redact(str(error))
    name = f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"
    return ForeignError(f"{name}: {text}" if text else name)
