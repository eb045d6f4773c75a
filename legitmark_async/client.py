"""The client: opens and closes what the calls share, and hands out the resources."""

import asyncio
import os
import random as _random
import time
from enum import Enum, auto
from types import TracebackType
from typing import Literal, Self

import aiohttp
from attrs import define, evolve, frozen

from legitmark_async._call import Caller, Sender
from legitmark_async._headers import ServerClock
from legitmark_async._pacer import Gate, Pacer
from legitmark_async._retry import Quota, Retrier
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
    checked_count,
    checked_deadline,
    checked_key,
    checked_language,
    checked_on_ambiguous,
    checked_url,
)
from legitmark_async.resources import ServiceRequests


class _Unset(Enum):
    UNSET = auto()


_UNSET: Literal[_Unset.UNSET] = _Unset.UNSET


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


@define(eq=False)
class _Shared:
    """What a client shares with its views."""

    transport: Transport
    pacer: Pacer
    server_clock: ServerClock
    quota: Quota
    concurrency: int
    asset_url: str
    clock: Clock
    sleep: Sleep
    random: Random


@frozen
class _Options:
    """What a view may have of its own."""

    retry: RetryPolicy
    deadline: float | None
    language: str | None
    on_ambiguous: OnAmbiguous


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
    """

    sr: ServiceRequests

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
        session: aiohttp.ClientSession | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        random: Random = _random.random,
    ) -> None:
        """Make a client; nothing is opened yet.

        Args:
            api_key: Begins with `leo_`. It shows in no repr, log, error or pickle.
            base_url: Where the API is; https, or http for a loopback host.
            asset_url: Where upload intents are asked for; same rule.
            retry: When a call is tried again.
            timeouts: How long to wait, in seconds; `Timeouts.deadline` is for the whole call.
            concurrency: Requests in flight at most, over all tasks of the client.
            on_ambiguous: What to do when a create may or may not have been processed: `"confirm"` looks for it by its
                `reference_id` before it is sent again; `"raise"` raises `OutcomeUnknownError`; `"repeat"` repeats it
                blindly, which can create it twice.
            language: Of names and texts in answers: `en`, `zh` or `ja`; the API's default is English.
            session: An `aiohttp.ClientSession` to use. It is never closed, and its headers, cookies and proxies apply.
            clock: Monotonic seconds; the event loop's if None.
            sleep: As `asyncio.sleep`.
            random: As `random.random`.

        Raises:
            ConfigurationError: One of them is wrong; `.problems` names it.
        """
        retry, timeouts = retry or RetryPolicy(), timeouts or Timeouts()
        clock = clock or _loop_time
        asset_url = checked_url("asset_url", asset_url)
        transport = Transport(checked_url("base_url", base_url), checked_key(api_key), timeouts, random, session)
        capacity = min(checked_count("concurrency", concurrency), transport.connections or concurrency)
        pacer = Pacer(Gate(capacity, random), clock=clock, sleep=sleep)
        shared = _Shared(
            transport, pacer, ServerClock(), Quota(retry.quota), concurrency, asset_url, clock, sleep, random
        )
        options = _Options(retry, timeouts.deadline, checked_language(language), checked_on_ambiguous(on_ambiguous))
        self._assemble(shared, options)

    @classmethod
    def from_env(cls) -> Self:
        """Make a client from `LEGITMARK_API_KEY`, and `LEGITMARK_BASE_URL` and `LEGITMARK_ASSET_URL` if they are set.

        Raises:
            ConfigurationError: The key is not set, or one of them is wrong.
        """
        return cls(
            os.environ.get("LEGITMARK_API_KEY", ""),
            base_url=os.environ.get("LEGITMARK_BASE_URL") or DEFAULT_BASE_URL,
            asset_url=os.environ.get("LEGITMARK_ASSET_URL") or DEFAULT_ASSET_URL,
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
        """What the client has learned of the rate limits, at this moment; empty as long as no answer told of any."""
        return self._shared.pacer.rate_limits(time.time())

    async def __aenter__(self) -> Self:
        """Open the client in the running event loop.

        Raises:
            ConfigurationError: It is open already.
        """
        await self._shared.transport.open()
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
        # The transport first: from then on no call can begin to wait, and nobody would be left to wake it.
        try:
            await self._shared.transport.aclose()
        finally:
            await self._shared.pacer.aclose()

    def __repr__(self) -> str:
        state = "open" if self._shared.transport.opened else "closed"
        return f"<{type(self).__name__} {self.base_url} ({state})>"

    def _assemble(self, shared: _Shared, options: _Options) -> None:
        self._shared, self._options = shared, options
        retrier = Retrier(options.retry, shared.quota, shared.sleep, shared.random)
        # Contract, section 5: no header means the API's default.
        headers = {} if options.language is None else {"Accept-Language": options.language}
        sender = Sender(shared.transport, shared.pacer, shared.server_clock, shared.clock, headers)
        caller = Caller(sender, retrier, options.on_ambiguous, options.deadline)
        self.sr = ServiceRequests(caller, concurrency=shared.concurrency)
