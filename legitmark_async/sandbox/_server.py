"""The sandbox on its socket: reads requests, asks the `Api`, and answers with latency and faults."""

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from types import MappingProxyType, TracebackType
from typing import Self

import attrs
from aiohttp import web

from legitmark_async.sandbox._api import Api, Call, Route
from legitmark_async.sandbox._control import PREFIX, answer_control
from legitmark_async.sandbox._envelopes import Answer, Moment, encode_error
from legitmark_async.sandbox._faults import FaultKind, Faults
from legitmark_async.sandbox._ledger import Ledger
from legitmark_async.sandbox._limits import NANOSECONDS, Limits
from legitmark_async.sandbox._wire import SeenRequest, cut, make_response, truncate

_HOST = "127.0.0.1"
# aiohttp waits twice for handlers that still sleep out their latency: closing takes half a second at most.
_SHUTDOWN_TIMEOUT = 0.25
_SANE_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_GARBAGE = Answer(200, b"<html><body><h1>Bad gateway</h1></body></html>", content_type="text/html")


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
        latency: Seconds an answer takes, give or take a fifth; slept concurrently.
        seed: Of ids, faults and jitter.
        port: 0 for any free one.
        find_delay: Seconds for which find doesn't see a new service request: the API's reads may be stale.
        clock_skew: Seconds by which the server's wall clock is off: in Date, timestamps and resets alike.
        stall: Seconds that `slow-after` and `stall-before` last, unless the client leaves or the sandbox
            closes. A request stalled before is carried out when the stall is over, not if it was cut short.
        clock: Monotonic seconds, of which windows are made.
        now: Seconds of the epoch.

    Raises:
        ValueError: A limit or fault is out of its range.
    """

    _limits: Limits | None = attrs.field(default=None, alias="limits")
    _rates: Mapping[str, float] = attrs.field(factory=dict[str, float], alias="faults")
    latency: float = 0.0
    seed: int = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    port: int = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    find_delay: float = attrs.field(default=0.0, on_setattr=attrs.setters.frozen)
    clock_skew: float = 0.0
    stall: float = 60.0
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    requests_seen: deque[SeenRequest] = attrs.field(init=False, repr=False, factory=lambda: deque(maxlen=1000))
    """The last 1,000 API requests, oldest first."""
    _api: Api = attrs.field(init=False, repr=False)
    _faults: Faults = attrs.field(init=False, repr=False)
    _fault_rng: random.Random = attrs.field(init=False, repr=False)
    _jitter_rng: random.Random = attrs.field(init=False, repr=False)
    _closing: asyncio.Event = attrs.field(init=False, repr=False, factory=asyncio.Event)
    _runner: web.ServerRunner | None = attrs.field(init=False, repr=False, default=None)
    _url: str | None = attrs.field(init=False, default=None)
    _date: tuple[int, str] = attrs.field(init=False, repr=False, default=(0, ""))

    def __attrs_post_init__(self) -> None:
        self._fault_rng = random.Random(f"{self.seed}/faults")
        self._jitter_rng = random.Random(f"{self.seed}/jitter")
        self._api = Api(self.seed, self.find_delay)
        self.set_limits(self._limits)
        self.set_faults(self._rates)

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            message = "this sandbox is open already"
            raise RuntimeError(message)
        self._closing = asyncio.Event()
        # With handler_cancellation a stall ends when its client leaves.
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, _HOST, self.port, backlog=1024).start()
        except BaseException:
            await self._close()
            raise
        self._url = f"http://{_HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        self._closing.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens: scheme, host and port; after closing, where it did."""
        if self._url is None:
            message = "the sandbox has no URL before it is opened: use `async with`"
            raise RuntimeError(message)
        return self._url

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
        self._faults = Faults(faults)
        self._rates = dict(faults)

    def set_limits(self, limits: Limits | None) -> None:
        """Replaces the limits; every window starts anew."""
        self._limits = limits
        self._api.limit(limits)

    def reset(self) -> None:
        """Forgets records, counts, seen requests and the limits' state; limits and faults stay in force."""
        self._api.clear()
        self.requests_seen.clear()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith(PREFIX):
            body = await request.read()
            return self._respond(request, answer_control(self, request.method, path, body))
        self._api.tally.begin()
        try:
            return await self._serve(request, path, query)
        finally:
            self._api.tally.end()

    async def _serve(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        seen = SeenRequest(request.method, request.raw_path, dict(request.headers), b"")
        self.requests_seen.append(seen)
        answer = await self._read(request, seen)
        fault: FaultKind | None = None
        if answer is None:
            call = Call(request.method, path, query, request.headers, seen.body)
            answer, fault = await self._decide(call)
        if self.latency:
            await asyncio.sleep(self.latency * self._jitter_rng.uniform(0.8, 1.2))
        return await self._deliver(request, seen, answer, fault)

    async def _read(self, request: web.BaseRequest, seen: SeenRequest) -> Answer | None:
        if not request.body_exists:
            return None
        try:
            seen.body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit = request.client_max_size
            return encode_error(self._moment(), 413, f"The body is larger than {limit} bytes")
        except web.RequestPayloadError:
            return encode_error(self._moment(), 400, "The body can't be decoded")
        return None

    async def _decide(self, call: Call) -> tuple[Answer | None, FaultKind | None]:
        """The answer, or None if the connection is to be cut before anything is done; and the fault drawn."""
        moment = self._moment()
        outcome = self._api.screen(call, moment)
        if isinstance(outcome, Answer):
            return outcome, None
        fault = self._faults.draw(self._fault_rng)
        limit_headers = self._api.limit_headers(moment)
        answer = await self._perform(outcome, call, moment, fault)
        if answer is not None and limit_headers:
            answer = attrs.evolve(answer, headers=limit_headers)
        return answer, fault

    async def _perform(self, route: Route, call: Call, moment: Moment, fault: FaultKind | None) -> Answer | None:
        if fault == "drop-before":
            return None
        if fault == "refuse":
            return encode_error(moment, 503, "Service unavailable")
        if fault == "stall-before":
            if await self._stall():
                return None
            moment = self._moment()
        answer = self._api.perform(route, call, moment)
        return _spoil(answer, moment, fault)

    async def _deliver(
        self, request: web.BaseRequest, seen: SeenRequest, answer: Answer | None, fault: FaultKind | None
    ) -> web.StreamResponse:
        cut_short = fault == "slow-after" and await self._stall()
        if cut_short or answer is None or fault == "drop-after":
            return cut(request)
        seen.status = answer.status
        response = self._respond(request, answer)
        if fault == "truncate":
            return await truncate(request, response, answer.body)
        return response

    async def _stall(self) -> bool:
        """Waits out the stall; tells whether the sandbox closes instead."""
        try:
            return await asyncio.wait_for(self._closing.wait(), self.stall)
        except TimeoutError:
            return False

    def _respond(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        request_id = request.headers.get("X-Request-Id", "")
        if not _SANE_REQUEST_ID.fullmatch(request_id):
            request_id = self._api.make_request_id()
        return make_response(answer, self._format_date(), request_id)

    def _moment(self) -> Moment:
        return Moment(int(self.clock() * NANOSECONDS), self.now() + self.clock_skew)

    def _format_date(self) -> str:
        second = int(self.now() + self.clock_skew)
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]


def _spoil(answer: Answer, moment: Moment, fault: FaultKind | None) -> Answer:
    if fault == "error-after":
        return encode_error(moment, 500, "Internal server error")
    return _GARBAGE if fault == "garbage" else answer
