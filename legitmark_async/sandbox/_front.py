"""The way of a request: read, decided, answered with latency and faults."""

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol

import attrs
from aiohttp import web

from legitmark_async.sandbox._api import Api, Call
from legitmark_async.sandbox._asset import INTENT
from legitmark_async.sandbox._control import PREFIX, Controllable, answer_control
from legitmark_async.sandbox._envelopes import Answer, Moment, encode_error
from legitmark_async.sandbox._faults import FaultKind, Faults
from legitmark_async.sandbox._limits import NANOSECONDS
from legitmark_async.sandbox._routes import Route
from legitmark_async.sandbox._script import Script
from legitmark_async.sandbox._storage import refuse
from legitmark_async.sandbox._wire import SeenRequest, cut, make_response, truncate

_SANE_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_REFUSED = 429
_GARBAGE = Answer(200, b"<html><body><h1>Bad gateway</h1></body></html>", content_type="text/html")


class Settings(Protocol):
    """What of the sandbox may be changed while it serves."""

    strikes: Callable[[str], bool] | None
    latency: float
    stall: float
    clock_skew: float
    clock: Callable[[], float]
    now: Callable[[], float]


@attrs.define(eq=False)
class Front:
    """Takes the requests of both hosts.

    Attributes:
        settings: As they are at each moment.
        control: What the control calls reach.
        api: Decides.
        seed: Of faults and jitter.
        seen: The last requests, oldest first.
        faults: Those in force.
        script: What the next requests are answered.
        closing: Set when the sandbox closes, which ends every stall.
        asset_url: Of the second host.
    """

    settings: Settings
    control: Controllable
    api: Api
    seed: int
    seen: deque[SeenRequest]
    faults: Faults
    script: Script = attrs.field(factory=Script)
    closing: asyncio.Event = attrs.field(factory=asyncio.Event)
    asset_url: str = ""
    _fault_rng: random.Random = attrs.field(init=False)
    _jitter_rng: random.Random = attrs.field(init=False)
    _date: tuple[int, str] = attrs.field(init=False, default=(0, ""))

    def __attrs_post_init__(self) -> None:
        self._fault_rng = random.Random(f"{self.seed}/faults")
        self._jitter_rng = random.Random(f"{self.seed}/jitter")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers what is asked of the API's host, or by control calls."""
        path, _, query = request.raw_path.partition("?")
        if path.startswith(PREFIX):
            body = await request.read()
            return self._respond(request, answer_control(self.control, request.method, path, body))
        self.api.tally.begin()
        try:
            return await self._serve(request, path, query)
        finally:
            self.api.tally.end()

    async def handle_asset(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers what is asked of the asset host."""
        path, _, query = request.raw_path.partition("?")
        seen = SeenRequest(request.method, request.raw_path, dict(request.headers), b"")
        self.seen.append(seen)
        answer, fault = self._scripted(request.method, path), None
        if answer is None:
            fault = self._draw(request.method, path)
            answer = await self._perform_asset(request, path, query, fault)
        if self.settings.latency:
            await asyncio.sleep(self.settings.latency * self._jitter_rng.uniform(0.8, 1.2))
        return await self._deliver(request, seen, answer, fault)

    async def _perform_asset(
        self, request: web.BaseRequest, path: str, query: str, fault: FaultKind | None
    ) -> Answer | None:
        moment = self.moment()
        intent = path == INTENT and request.method == "GET"
        if not intent and request.method != "PUT":
            return encode_error(moment, 404, f"No such endpoint: {path}")
        if fault == "drop-before" or (fault == "stall-before" and await self._stall()):
            return None
        if fault == "refuse":
            unavailable = encode_error(moment, 503, "Service unavailable")
            return unavailable if intent else refuse(503, "SlowDown", "Please reduce your request rate")
        if intent:
            answer = self.api.asset.intend(self.asset_url, query, moment)
        else:
            refusal = self.api.asset.refuse(request, path, query, moment)
            answer = refusal or await self.api.asset.store(request, path, moment)
        return _spoil(answer, moment, fault)

    async def _serve(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        seen = SeenRequest(request.method, request.raw_path, dict(request.headers), b"")
        self.seen.append(seen)
        answer = await self._read(request, seen) or self._scripted(request.method, path)
        fault: FaultKind | None = None
        if answer is None:
            call = Call(request.method, path, query, request.headers, seen.body)
            answer, fault = await self._decide(call)
        if self.settings.latency:
            await asyncio.sleep(self.settings.latency * self._jitter_rng.uniform(0.8, 1.2))
        return await self._deliver(request, seen, answer, fault)

    async def _read(self, request: web.BaseRequest, seen: SeenRequest) -> Answer | None:
        if not request.body_exists:
            return None
        try:
            seen.body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit = request.client_max_size
            return encode_error(self.moment(), 413, f"The body is larger than {limit} bytes")
        except web.RequestPayloadError:
            return encode_error(self.moment(), 400, "The body can't be decoded")
        return None

    async def _decide(self, call: Call) -> tuple[Answer | None, FaultKind | None]:
        """The answer, or None if the connection is to be cut before anything is done; and the fault drawn."""
        moment = self.moment()
        outcome = self.api.screen(call, moment)
        if isinstance(outcome, Answer):
            return outcome, None
        fault = self._draw(call.method, call.path)
        limit_headers = self.api.limit_headers(moment)
        answer = await self._perform(outcome, call, moment, fault)
        if answer is not None and limit_headers:
            answer = attrs.evolve(answer, headers=limit_headers)
        return answer, fault

    def _scripted(self, method: str, path: str) -> Answer | None:
        scripted = self.script.next_answer(method, path)
        if scripted is None:
            return None
        self.api.tally.refused += scripted.status == _REFUSED
        return scripted.encode(self.moment())

    def _draw(self, method: str, path: str) -> FaultKind | None:
        if fault := self.script.next_fault(method, path):
            return fault
        strikes = self.settings.strikes
        return self.faults.draw(self._fault_rng) if strikes is None or strikes(path) else None

    async def _perform(self, route: Route, call: Call, moment: Moment, fault: FaultKind | None) -> Answer | None:
        if fault == "drop-before":
            return None
        if fault == "refuse":
            return encode_error(moment, 503, "Service unavailable")
        if fault == "stall-before":
            if await self._stall():
                return None
            moment = self.moment()
        answer = self.api.perform(route, call, moment)
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
            return await asyncio.wait_for(self.closing.wait(), self.settings.stall)
        except TimeoutError:
            return False

    def _respond(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        request_id = request.headers.get("X-Request-Id", "")
        if not _SANE_REQUEST_ID.fullmatch(request_id):
            request_id = self.api.make_request_id()
        return make_response(answer, self._format_date(), request_id)

    def moment(self) -> Moment:
        """Now, on both clocks."""
        return Moment(int(self.settings.clock() * NANOSECONDS), self.settings.now() + self.settings.clock_skew)

    def _format_date(self) -> str:
        second = int(self.settings.now() + self.settings.clock_skew)
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]


def _spoil(answer: Answer, moment: Moment, fault: FaultKind | None) -> Answer:
    if fault == "error-after":
        return encode_error(moment, 500, "Internal server error")
    return _GARBAGE if fault == "garbage" else answer
