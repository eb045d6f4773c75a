"""The client: opens and closes what the calls share, and hands out the resources."""

import asyncio
import os
import random as _random
import time
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
from attrs import evolve

from legitmark_async import _endpoints
from legitmark_async._assembly import Options, Shared, Timing, assemble
from legitmark_async._endpoints import Parameters
from legitmark_async._retry import Quota
from legitmark_async._sharing import LimitStore, checked_store
from legitmark_async._transport import Transport
from legitmark_async.models import RateLimit
from legitmark_async.options import (
    DEFAULT_ASSET_URL,
    DEFAULT_BASE_URL,
    DEFAULT_CONCURRENCY,
    Clock,
    OnAmbiguous,
    Random,
    RetryPolicy,
    Sleep,
    Timeouts,
    checked_asset_url,
    checked_count,
    checked_deadline,
    checked_key,
    checked_language,
    checked_on_ambiguous,
    checked_url,
)
from legitmark_async.resources import Images, Pages, ServiceRequests, Shelf, Taxonomy
from legitmark_async.workflow import Workflow


class _Unset(Enum):
    UNSET = auto()


_UNSET: Literal[_Unset.UNSET] = _Unset.UNSET


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Legitmark:
    """A client of the Legitmark Partner API.

    ```python
    async with Legitmark("leo_your_api_key") as legitmark:
        sr = await legitmark.sr.create(draft)
    ```

    All tasks of a client share its connections, its place in the rate limits and its retry quota: make one and use it
    everywhere. It may be closed and opened again, in another event loop too.

    Attributes:
        sr: Service requests.
        images: Photos.
        taxonomy: Categories, types, brands and models, and services.
        workflow: The whole way of items, from their drafts to their verdicts.
    """

    sr: ServiceRequests
    images: Images
    taxonomy: Taxonomy
    workflow: Workflow

    def __init__(  # noqa: PLR0913  # one keyword for each thing there is to choose
        self,
        api_key: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        asset_url: str = DEFAULT_ASSET_URL,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        on_ambiguous: OnAmbiguous = "confirm",
        language: str | None = None,
        limits: LimitStore | None = None,
        session: aiohttp.ClientSession | None = None,
        taxonomy_cache: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        random: Random = _random.random,
    ) -> None:
        """Make a client; nothing is opened yet.

        Args:
            api_key: Begins with `leo_`. It shows in no repr, log, error or pickle.
            base_url: Where the API is; https, or http for a loopback host.
            asset_url: Where upload intents are asked for; same rule. It is needed for uploads if `base_url` is on this
                machine: a sandbox tells its own.
            retry: When a call is tried again.
            timeouts: How long to wait, in seconds; `Timeouts.deadline` is for the whole call.
            concurrency: Requests in flight at most, over all tasks of the client; to the API, to the host of the upload
                intents, and to the storage of the photos each.
            on_ambiguous: What to do when a create may or may not have been processed: `"confirm"` looks for it by its
                `reference_id` before it is sent again; `"raise"` raises `OutcomeUnknownError`; `"repeat"` repeats it
                blindly, which can create it twice.
            language: Of names and texts in answers: `en`, `zh` or `ja`; the API's default is English.
            limits: Where what is learned of the rate limits lives, so that processes share it: a `RedisLimits` or a
                `SqliteLimits`. None: in this client alone.
            session: An `aiohttp.ClientSession` to use. It is never closed, and its headers, cookies and proxies apply.
            taxonomy_cache: A file that keeps the taxonomy's names for 24 hours, beyond the process; made if it isn't
                there. None: in memory alone.
            clock: Monotonic seconds; the event loop's if None.
            sleep: As `asyncio.sleep`.
            random: As `random.random`.

        Raises:
            ConfigurationError: One of them is wrong; `.problems` names it.
        """
        retry, timeouts = retry or RetryPolicy(), timeouts or Timeouts()
        clock = clock or _loop_time
        where = checked_url("base_url", base_url)
        transport = Transport(
            where, checked_key(api_key), timeouts, random, session, checked_asset_url(asset_url, where)
        )
        checked_count("concurrency", concurrency)
        shelf = Shelf(None if taxonomy_cache is None else Path(taxonomy_cache))
        shared = Shared.of(
            transport,
            Timing(clock, sleep),
            quota=Quota(retry.quota),
            shelf=shelf,
            concurrency=concurrency,
            limits=checked_store(limits),
        )
        options = Options(retry, timeouts.deadline, checked_language(language), checked_on_ambiguous(on_ambiguous))
        self._assemble(shared, options)

    @classmethod
    def from_env(cls, *, concurrency: int = DEFAULT_CONCURRENCY, limits: LimitStore | None = None) -> Self:
        """Make a client from `LEGITMARK_API_KEY`, and `LEGITMARK_BASE_URL` and `LEGITMARK_ASSET_URL` if they are set.

        Args:
            concurrency: As in `Legitmark`.
            limits: As in `Legitmark`.

        Raises:
            ConfigurationError: The key is not set, or one of them is wrong.
        """
        return cls(
            os.environ.get("LEGITMARK_API_KEY", ""),
            base_url=os.environ.get("LEGITMARK_BASE_URL") or DEFAULT_BASE_URL,
            asset_url=os.environ.get("LEGITMARK_ASSET_URL") or DEFAULT_ASSET_URL,
            concurrency=concurrency,
            limits=limits,
        )

    def with_options(
        self,
        *,
        deadline: float | Literal[_Unset.UNSET] | None = _UNSET,
        retry: RetryPolicy | Literal[_Unset.UNSET] = _UNSET,
        language: str | Literal[_Unset.UNSET] | None = _UNSET,
        on_ambiguous: OnAmbiguous | Literal[_Unset.UNSET] = _UNSET,
    ) -> Self:
        """Return a view of this client with other options, over the same connections, gate, limits and quota.

        Args:
            deadline: Seconds for a whole call, or None for no end.
            retry: When a call is tried again; its `quota` is not looked at.
            language: As in `Legitmark`.
            on_ambiguous: As in `Legitmark`.

        Raises:
            ConfigurationError: One of them is wrong.
        """
        options = self._options
        if deadline is not _UNSET:
            options = evolve(options, deadline=checked_deadline(deadline))
        if retry is not _UNSET:
            options = evolve(options, retry=retry)
        if language is not _UNSET:
            options = evolve(options, language=checked_language(language))
        if on_ambiguous is not _UNSET:
            options = evolve(options, on_ambiguous=checked_on_ambiguous(on_ambiguous))
        view = object.__new__(type(self))
        view._assemble(self._shared, options)
        return view

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._shared.transport.base_url

    @property
    def rate_limits(self) -> tuple[RateLimit, ...]:
        """What the client has learned of the rate limits, and what else its calls wait for, at this moment.

        Empty as long as no answer told of any limit, and no call waits.
        """
        return self._shared.api.pacer.rate_limits(time.time())

    async def request(  # one keyword for each part of a request
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        json: object = None,
        language: str | None = None,
        repeatable: bool | None = None,
    ) -> Any:  # noqa: ANN401  # JSON is anything
        """Call an endpoint that has no method here, with the same retries, pacing and errors.

        Args:
            method: HTTP method.
            path: Path below the base URL, percent-encoded, such as `/api/v2/reasons`.
            params: The query; a truth value is sent as `true` or `false`, None not at all.
            json: The body, as values that JSON knows.
            language: Of names and texts in the answer, instead of the client's.
            repeatable: Whether it may be sent again although it may have been carried out. None: GET, HEAD and OPTIONS.

        Returns:
            The JSON value of the answer, None if it is empty.

        Raises:
            ConfigurationError: A part of it is none.
            LegitmarkError: As any call. `.maybe_processed` tells whether it may have been carried out.
        """
        return await self._caller.call(
            _endpoints.raw_request(method, path, params=params, json=json, language=language, repeatable=repeatable)
        )

    def pages(
        self,
        path: str,
        *,
        params: Parameters | None = None,
        key: str | None = None,
        page_size: int = 100,
        language: str | None = None,
    ) -> Pages[dict[str, Any]]:
        """List all rows of an endpoint that has no method here and gives them in pages.

        ```python
        async for reason in legitmark.pages("/api/v2/reasons"):
            print(reason["name"])
        ```

        Args:
            path: As in `request`.
            params: The query, without `page_number` and `page_size`.
            key: The name that the list stands under in the answer, if it isn't a usual one such as `data`.
            page_size: Rows a page; the API's limit is 100.
            language: Of names and texts in the answers, instead of the client's.

        Returns:
            The rows, as JSON objects: `async for` over it. One page is asked for ahead.

        Raises:
            ConfigurationError: A part of it is none.
        """
        listing = _endpoints.list_rows(path, params or {}, checked_count("page_size", page_size), key, language)
        return Pages(self._caller, listing)

    async def __aenter__(self) -> Self:
        """Open the client in the running event loop.

        Raises:
            ConfigurationError: It is open already.
        """
        await self._shared.open()
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client; see `aclose`."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Calls that still wait for the rate limit fail with `ConfigurationError`.

        A session that was passed in stays open. Closing twice does nothing.
        """
        await self._shared.aclose()

    def __repr__(self) -> str:
        state = "open" if self._shared.transport.opened else "closed"
        return f"<{type(self).__name__} {self.base_url} ({state})>"

    def _assemble(self, shared: Shared, options: Options) -> None:
        self._shared, self._options = shared, options
        resources = assemble(shared, options)
        self._caller = resources.caller
        self.sr, self.images, self.taxonomy = resources.sr, resources.images, resources.taxonomy
        self.workflow = resources.workflow
