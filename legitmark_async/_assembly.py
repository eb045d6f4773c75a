"""How the parts of a client are put together."""

from typing import Self

from attrs import define, field, frozen

from legitmark_async._call import Caller, Sender
from legitmark_async._headers import ServerClock
from legitmark_async._pacer import Gate, Pacer
from legitmark_async._retry import Quota, Retrier
from legitmark_async._transport import Transport
from legitmark_async.options import Clock, OnAmbiguous, RetryPolicy, Sleep
from legitmark_async.resources import Images, ServiceRequests, Shelf, Taxonomy
from legitmark_async.workflow import Workflow


@frozen(eq=False)
class Host:
    """What is known of one of the hosts: their limits, outages and clocks have nothing to do with each other."""

    pacer: Pacer
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
    clock: Clock
    sleep: Sleep

    @classmethod
    def of(  # one for each part
        cls, transport: Transport, quota: Quota, shelf: Shelf, concurrency: int, clock: Clock, sleep: Sleep
    ) -> Self:
        """Make what is shared over one transport."""
        capacity = min(concurrency, transport.connections or concurrency)
        api, asset, storage = [
            Host(Pacer(Gate(capacity, transport.random), clock=clock, sleep=sleep)) for _ in range(3)
        ]
        return cls(transport, api, asset, storage, quota, shelf, concurrency, clock, sleep)


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
    retrier = Retrier(options.retry, shared.quota, shared.sleep, shared.transport.random)
    # Contract, section 5: no header means the API's default.
    headers = {} if options.language is None else {"Accept-Language": options.language}
    caller, asset, storage = [
        Caller(
            Sender(shared.transport, host.pacer, host.server_clock, shared.clock, headers),
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
