"""How the parts of a client are put together."""

import asyncio
import hashlib
from contextlib import suppress
from typing import Self

from attrs import define, field, frozen

from legitmark_async._call import Caller, Sender
from legitmark_async._headers import ServerClock
from legitmark_async._pacer import Gate, Pacer
from legitmark_async._retry import Quota, Retrier
from legitmark_async._sharing import LAYOUT, LimitStore, Sharer, Switch
from legitmark_async._telemetry import Telemetry
from legitmark_async._transport import Transport
from legitmark_async.options import Clock, OnAmbiguous, RetryPolicy, Sleep
from legitmark_async.resources import Images, ServiceRequests, Shelf, Taxonomy
from legitmark_async.workflow import Workflow

# A store may take so long (s) to close its connections.
_STORE_CLOSES = 2.0


@frozen
class Timing:
    """Where time comes from."""

    clock: Clock
    sleep: Sleep


@frozen(eq=False)
class Host:
    """What is known of one of the hosts: their limits, outages and clocks have nothing to do with each other."""

    pacer: Pacer
    sharer: Sharer | None = None
    server_clock: ServerClock = field(factory=ServerClock)


@define(eq=False)
class Shared:
    """What a client shares with its views."""

    transport: Transport
    api: Host
    asset: Host
    storage: Host
    quota: Quota
    shelf: Shelf
    concurrency: int
    timing: Timing
    limits: LimitStore | None
    telemetry: Telemetry

    @classmethod
    def of(
        cls,
        transport: Transport,
        timing: Timing,
        *,
        quota: Quota,
        shelf: Shelf,
        concurrency: int,
        limits: LimitStore | None,
    ) -> Self:
        """Make what is shared over one transport."""
        capacity = min(concurrency, transport.connections or concurrency)

        def host(url: str = "") -> Host:
            if limits is None or not url:
                return Host(Pacer(Gate(capacity, transport.random), clock=timing.clock, sleep=timing.sleep))
            switch = Switch()
            pacer = Pacer(Gate(capacity, transport.random, switch), clock=timing.clock, sleep=timing.sleep)
            sharer = Sharer(limits, _group_name(url, transport), switch, pacer, timing.clock, transport.random)
            return Host(pacer, sharer)

        # The storage of the photos has limits that have nothing to do with the key.
        api, asset, storage = host(transport.base_url), host(transport.asset_url), host()
        return cls(transport, api, asset, storage, quota, shelf, concurrency, timing, limits, Telemetry(timing.clock))

    async def open(self) -> None:
        """Open the transport in the running event loop, and be ready to share limits.

        Raises:
            ConfigurationError: It is open already.
        """
        await self.transport.open()
        self.telemetry.open()
        for host in (self.api, self.asset):
            if host.sharer is not None:
                host.sharer.start()

    async def aclose(self) -> None:
        """Close the transport, leave the others, and send away whoever still waits for a turn."""
        # The transport first: from then on no call can begin to wait, and nobody would be left to wake it.
        try:
            await self.transport.aclose()
        finally:
            for host in (self.api, self.asset, self.storage):
                if host.sharer is not None:
                    await host.sharer.aclose()
                await host.pacer.aclose()
            if self.limits is not None:
                with suppress(Exception):  # whatever a store raises, or if it hangs, the client is closed
                    async with asyncio.timeout(_STORE_CLOSES):
                        await self.limits.aclose()


def _group_name(url: str, transport: Transport) -> str:
    # A hash, for the key is nobody's business but the API's.
    text = f"{url} {str.__str__(transport.key)}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}:{LAYOUT}"


@frozen
class Options:
    """What a view may have of its own."""

    retry: RetryPolicy
    deadline: float | None
    language: str | None
    on_ambiguous: OnAmbiguous


@frozen(eq=False)
class Resources:
    """What a client or a view of it hands out."""

    caller: Caller
    sr: ServiceRequests
    images: Images
    taxonomy: Taxonomy
    workflow: Workflow


def assemble(shared: Shared, options: Options) -> Resources:
    """Put together what a client or a view of it hands out."""
    retrier = Retrier(options.retry, shared.quota, shared.timing.sleep, shared.transport.random)
    # Contract, section 5: no header means the API's default.
    headers = {} if options.language is None else {"Accept-Language": options.language}
    caller, asset, storage = [
        Caller(
            Sender(shared.transport, host.pacer, host.server_clock, shared.telemetry, headers),
            retrier,
            options.on_ambiguous,
            options.deadline,
        )
        for host in (shared.api, shared.asset, shared.storage)
    ]
    return Resources(
        caller,
        ServiceRequests(caller, concurrency=shared.concurrency),
        Images(asset, storage),
        Taxonomy(caller, shared.shelf, options.language),
        Workflow(caller, asset, storage, concurrency=shared.concurrency),
    )
