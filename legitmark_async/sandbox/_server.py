"""The sandbox: opens and closes its two hosts, and tells and steers what happens in them."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import attrs

from legitmark_async.sandbox._api import Api
from legitmark_async.sandbox._faults import FaultKind, Faults
from legitmark_async.sandbox._front import Front
from legitmark_async.sandbox._hosts import Hosts
from legitmark_async.sandbox._ledger import Ledger
from legitmark_async.sandbox._limits import Limits
from legitmark_async.sandbox._records import Photo, Record
from legitmark_async.sandbox._script import ScriptedAnswer
from legitmark_async.sandbox._webhooks import RETRIES, Delivery, Postman
from legitmark_async.sandbox._wire import SeenRequest


def _loop_time() -> float:
    # Virtual in a test that uses virtual time. Outside the event loop the sandbox can only be inspected.
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def _wall_time() -> float:
    return time.time() + _loop_time() - time.monotonic()


@attrs.define(kw_only=True, eq=False)
class Sandbox:
    """A look-alike of the API on a loopback port, open inside `async with`.

    A request passes, in this order: route (404, 405), key (401, 403; find is public), limits (429), fault,
    operation with its validation (400, 404), latency. So a refused request spends no limit, and one with
    an invalid body does. A client that gives up during the latency doesn't undo what was done.

    Attributes:
        limits: What is limited; None for nothing.
        faults: Rates from 0 to 1 by kind, per create, get or find; a request has one fault at most, and rates
            that add up to more than 1 are scaled down together.
        strikes: Whether faults strike a path; all of them if None.
        latency: Seconds an answer takes, give or take a fifth; slept concurrently.
        seed: Of ids, faults and jitter.
        port: 0 for any free one.
        find_delay: Seconds for which find doesn't see a new service request: the API's reads may be stale.
        get_cache: Seconds for which get answers from a cache what it has answered before.
        clock_skew: Seconds by which the server's wall clock is off: in Date, timestamps and resets alike.
        stall: Seconds that `slow-after` and `stall-before` last, unless the client leaves or the sandbox
            closes. A request stalled before is carried out when the stall is over, not if it was cut short.
        verdicts: Weights of what becomes of what is submitted: `authentic` (all, if None), `counterfeit`, `cancelled`,
            `rejected` (its photos, once).
        state_pace: Seconds between two states of a service request that is submitted; None: it moves by `step` and
            `move` alone.
        url_expires: Seconds that a presigned URL is good for.
        signed_headers: Headers that URLs are signed with, beside the host: none, or `content-type`, `cache-control`
            and `x-amz-acl`.
        webhook_url: Where events are sent to, on this machine; None: nowhere.
        webhook_secret: What they are signed with; made up if None.
        webhook_retries: Seconds before each try of an event.
        old_webhooks: Whether events have the fields of the older documentation.
        clock: Monotonic seconds that windows are measured in; the event loop's time by default.
        now: Seconds since the epoch; by default the system's clock, shifted by as much as the event loop's time is.

    Raises:
        ValueError: A limit or fault is out of its range.
    """

    _limits: Limits | None = attrs.field(default=None, alias="limits")
    _rates: Mapping[str, float] = attrs.field(factory=dict[str, float], alias="faults")
    strikes: Callable[[str], bool] | None = None
    latency: float = 0.0
    seed: int = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    port: int = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    find_delay: float = attrs.field(default=0.0, on_setattr=attrs.setters.frozen)
    get_cache: float = attrs.field(default=0.0, on_setattr=attrs.setters.frozen)
    clock_skew: float = 0.0
    stall: float = 60.0
    verdicts: Mapping[str, float] | None = attrs.field(default=None, on_setattr=attrs.setters.frozen)
    state_pace: float | None = attrs.field(default=None, on_setattr=attrs.setters.frozen)
    url_expires: float = attrs.field(default=300.0, on_setattr=attrs.setters.frozen)
    signed_headers: tuple[str, ...] = attrs.field(default=(), on_setattr=attrs.setters.frozen)
    webhook_url: str | None = attrs.field(default=None, on_setattr=attrs.setters.frozen)
    _webhook_secret: str | None = attrs.field(default=None, alias="webhook_secret", repr=False)
    webhook_retries: Sequence[float] = attrs.field(default=RETRIES, on_setattr=attrs.setters.frozen)
    old_webhooks: bool = False
    clock: Callable[[], float] = _loop_time
    now: Callable[[], float] = _wall_time
    requests_seen: deque[SeenRequest] = attrs.field(init=False, repr=False, factory=lambda: deque(maxlen=1000))
    """The last 1,000 requests, oldest first; without the bytes of photos."""
    _api: Api = attrs.field(init=False, repr=False)
    _front: Front = attrs.field(init=False, repr=False)
    _hosts: Hosts = attrs.field(init=False, repr=False, factory=Hosts)
    _mover: asyncio.Task[None] | None = attrs.field(init=False, repr=False, default=None)
    _postman: Postman = attrs.field(init=False, repr=False)
    _url: str | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        stale, signing = (self.find_delay, self.get_cache), (self.signed_headers, self.url_expires)
        self._api = Api(self.seed, stale, self.verdicts, signing)
        events = random.Random(f"{self.seed}/webhooks")
        self._postman = Postman(events, self.webhook_url, self._webhook_secret, self.webhook_retries)
        self._api.states.listener = self._tell
        self._front = Front(self, self, self._api, self.seed, self.requests_seen, Faults(self._rates))
        self.set_limits(self._limits)

    async def __aenter__(self) -> Self:
        if self._hosts.opened:
            message = "this sandbox is open already"
            raise RuntimeError(message)
        self._front.closing = asyncio.Event()
        try:
            self._url = await self._hosts.listen(self._front.handle, self.port)
            self._front.asset_url = await self._hosts.listen(self._front.handle_asset, 0)
        except BaseException:
            await self._close()
            raise
        await self._postman.open()
        if self.state_pace is not None:
            self._mover = asyncio.create_task(self._move_on(self.state_pace))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._front.closing.set()
        if self._mover is not None:
            self._mover.cancel()
            await asyncio.gather(self._mover, return_exceptions=True)
            self._mover = None
        await self._postman.aclose()
        await self._hosts.aclose()

    @property
    def url(self) -> str:
        """Where it listens: scheme, host and port; after closing, where it did."""
        if self._url is None:
            message = "the sandbox has no URL before it is opened: use `async with`"
            raise RuntimeError(message)
        return self._url

    @property
    def asset_url(self) -> str:
        """Where upload intents are answered, and photos are put to: another host, by its port."""
        return self._front.asset_url

    @property
    def webhook_secret(self) -> str:
        """What events are signed with."""
        return self._postman.secret

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """Every event that was sent, and what became of it."""
        return tuple(self._postman.deliveries)

    @property
    def photos(self) -> dict[tuple[str, str], list[Photo]]:
        """The photos stored, by service request and side; all versions, the newest last."""
        return {
            (record.uuid, side): list(versions)
            for record in self._api.records.all
            for side, versions in record.photos.items()
        }

    @property
    def states(self) -> dict[str, tuple[str, str | None]]:
        """The state of each service request, by its uuid."""
        return {record.uuid: (record.primary, record.supplement) for record in self._api.records.all}

    @property
    def api_key(self) -> str:
        """The one key it takes."""
        return self._api.api_key

    @property
    def limits(self) -> Limits | None:
        """The limits in force; `set_limits` replaces them."""
        return self._limits

    @property
    def faults(self) -> Mapping[str, float]:
        """The faults in force; `set_faults` replaces them."""
        return MappingProxyType(dict(self._rates))

    @property
    def ledger(self) -> Ledger:
        """What happened since the start or the last reset."""
        return self._api.ledger

    @property
    def references(self) -> dict[str, list[str]]:
        """The uuids made for each reference id, oldest first."""
        return self._api.records.references

    def set_faults(self, faults: Mapping[str, float]) -> None:
        """Replaces all faults.

        Raises:
            ValueError: A kind is unknown or a rate out of 0 to 1; the faults stay as they were.
        """
        self._front.faults = Faults(faults)
        self._rates = dict(faults)

    def set_limits(self, limits: Limits | None) -> None:
        """Replaces the limits; every window starts anew."""
        self._limits = limits
        self._api.limit(limits)

    def will_answer(  # one for each part of an answer
        self,
        status: int,
        *,
        retry_after: float | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        on: str = "*",
    ) -> None:
        """Answers the next requests so, whatever they ask for, and does nothing else.

        What is asked for first comes first, where several calls match a request.

        Args:
            status: HTTP status.
            retry_after: Seconds for a Retry-After header; a 429 tells them in its body too.
            body: As it is, or as JSON if it is no text and no bytes; None: what the API has for the status.
            headers: Beside those of each answer.
            times: How many requests.
            on: Which ones, by method and path without the query, such as `POST /api/v2/sr` or `GET /api/sr/find/*`.

        Raises:
            ValueError: A status, number of seconds or times is none.
        """
        self._front.script.add(ScriptedAnswer(status, retry_after, body, dict(headers or {})), times, on)

    def will_fail(self, kind: FaultKind, *, times: int = 1, on: str = "*") -> None:
        """Lets a fault strike the next requests that are not refused.

        Args:
            kind: Such as `drop-after`.
            times: How many requests.
            on: Which ones, as in `will_answer`.

        Raises:
            ValueError: There is no such fault, or `times` is less than 1.
        """
        self._front.script.add(kind, times, on)

    @property
    def scripted(self) -> int:
        """Requests for which `will_answer` and `will_fail` still have something."""
        return self._front.script.left

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The `on` of each `will_answer` and `will_fail` that not one request has come for."""
        return self._front.script.unmatched

    def set_s3_fault(self, there: bool) -> None:  # noqa: FBT001  # a switch
        """Switches whether the API can't count photos: progress tells so then."""
        self._api.operations.s3_fault = there

    def expire_urls(self, count: int) -> None:
        """Lets so many of the next presigned URLs have expired when they are given."""
        self._api.asset.stale_urls = count

    def step(self, sr_uuid: str) -> None:
        """Moves a submitted service request one state on.

        Raises:
            KeyError: There is none.
        """
        self._api.states.step(self._api.records.known(sr_uuid), self._front.moment().iso)

    def move(self, sr_uuid: str, primary: str, supplement: str | None = None) -> None:
        """Puts a service request into any state, and tells of it by webhook.

        Raises:
            KeyError: There is none.
        """
        self._api.states.move(self._api.records.known(sr_uuid), primary, supplement, self._front.moment().iso)

    def _tell(self, record: Record) -> None:
        self._postman.send(record, lambda: self._front.moment().wall, old=self.old_webhooks)

    async def _move_on(self, pace: float) -> None:
        while True:
            await asyncio.sleep(pace)
            for identifier in self._api.states.moving:
                self.step(identifier)

    def reset(self) -> None:
        """Forgets records, counts, seen requests, scripted answers and the limits' state; limits and faults stay."""
        self._api.clear()
        self._front.script.clear()
        self.requests_seen.clear()
