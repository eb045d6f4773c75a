"""What calls tell of themselves: log records, spans and metrics."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from attrs import evolve
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from tracing import Tracing
from waiting import until

from legitmark_async import Legitmark, NotFoundError, OutcomeUnknownError, RetryPolicy, ServiceRequestDraft
from legitmark_async.sandbox import Limits, Sandbox
from legitmark_async.testing import VirtualClock, make_drafts

QUICK = RetryPolicy(base=0.001, confirm_pauses=(0.001, 0.001))
CREATE = "POST /api/v2/sr"


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Legitmark]:
    """A client of the sandbox that doesn't wait long."""
    async with Legitmark(sandbox.api_key, base_url=sandbox.url, retry=QUICK) as client:
        yield client


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return our records."""
    return [record for record in caplog.records if record.name == "legitmark_async"]


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what a record has beside its text."""
    return {name: value for name, value in vars(record).items() if "." in name}


class TestRecords:
    """Log records."""

    @pytest.fixture(autouse=True)
    def _everything(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "legitmark_async")

    async def test_call(self, client: Legitmark, draft: ServiceRequestDraft, caplog: pytest.LogCaptureFixture) -> None:
        """A call that goes well has two records at DEBUG, one of its try and one of its own, with fields."""
        await client.sr.create(draft)

        one, whole = records(caplog)
        assert (one.levelname, whole.levelname) == ("DEBUG", "DEBUG")
        assert one.getMessage().startswith(f"{CREATE}: try 1 answered 200 after ")
        assert whole.getMessage().startswith(f"{CREATE}: done; 1 try in ")
        told = fields(one)
        assert told.pop("http.response.header.date")
        assert str(told.pop("legitmark.request_id"))
        assert isinstance(told.pop("legitmark.attempt.duration"), float)
        assert isinstance(told.pop("legitmark.wait.duration"), float)
        assert told == {
            "http.request.method": "POST",
            "url.path": "/api/v2/sr",
            "url.template": "/api/v2/sr",
            "legitmark.reference_id": draft.reference_id,
            "legitmark.attempt.number": 1,
            "http.response.status_code": 200,
        }
        told = fields(whole)
        spent = [value for name, value in told.items() if name.startswith("legitmark.spent.")]
        assert told["legitmark.attempts"] == 1
        assert told["legitmark.duration"] == pytest.approx(sum(value for value in spent if isinstance(value, float)))

    async def test_refused(self, draft: ServiceRequestDraft, caplog: pytest.LogCaptureFixture) -> None:
        """A refusal tells at INFO how long all wait, and by its try what the headers said; the call is no news."""
        limits = Limits(partner=1, window=0.3)
        async with Sandbox(limits=limits) as sandbox, Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
            await client.sr.create(draft)
            caplog.clear()
            await client.sr.create(ServiceRequestDraft("ITEM-2", draft.item))

        gate, refused, again, whole = records(caplog)
        assert [record.levelname for record in (gate, refused, again, whole)] == ["INFO", "DEBUG", "DEBUG", "DEBUG"]
        assert gate.getMessage().startswith("partner limit of 1 reached: all calls wait for ")
        told = fields(refused)
        assert (told["http.response.status_code"], told["error.type"]) == (429, "RateLimitError")
        assert told["http.response.header.x-ratelimit-limit-partner"] == ["1"]
        assert told["http.response.header.retry-after"] == ["1"]
        waited = fields(again)
        assert waited["legitmark.wait.reason"] == "partner limit of 1"
        assert waited["legitmark.wait.duration"] == pytest.approx(0.3, abs=0.25)
        assert fields(whole)["legitmark.refusals"] == 1

    async def test_failed_try(
        self, client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A call that went well after failures is told at INFO."""
        sandbox.will_fail("drop-after")
        await client.sr.create(draft)

        *tries, whole = records(caplog)
        assert whole.levelname == "INFO"
        assert whole.getMessage().startswith(f"{CREATE}: done; {len(tries)} tries in ")
        assert [record.levelname for record in tries] == ["DEBUG"] * len(tries)
        assert [fields(record)["legitmark.attempt.number"] for record in tries] == [*range(1, len(tries) + 1)]
        assert "TransportError" in tries[0].getMessage()
        assert tries[-1].getMessage().startswith("GET /api/v2/sr/")

    async def test_error(self, client: Legitmark, caplog: pytest.LogCaptureFixture) -> None:
        """A call that ends in an error is told at INFO, as its caller has the error."""
        with pytest.raises(NotFoundError):
            await client.sr.get("11111111-1111-4111-8111-111111111111")

        *_, whole = records(caplog)
        assert whole.levelname == "INFO"
        assert "ended in NotFoundError: GET /api/v2/sr/11111111" in whole.getMessage()
        assert fields(whole)["url.template"] == "/api/v2/sr/{uuid}"
        assert fields(whole)["error.type"] == "NotFoundError"
        assert fields(whole)["http.response.status_code"] == 404

    async def test_unknown(
        self, client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A create of which nobody knows what became of it is a warning, whatever is made of the error."""
        sandbox.set_faults({"drop-after": 1.0})

        with pytest.raises(OutcomeUnknownError):
            await client.with_options(on_ambiguous="raise").sr.create(draft)

        *_, whole = records(caplog)
        assert whole.levelname == "WARNING"
        assert draft.reference_id in whole.getMessage()

    async def test_cancelled(
        self, sandbox: Sandbox, client: Legitmark, draft: ServiceRequestDraft, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What was cancelled ended as somebody wanted: DEBUG."""
        sandbox.set_faults({"stall-before": 1.0})
        creating = asyncio.ensure_future(client.sr.create(draft))
        await until(lambda: sandbox.ledger.requests == 1)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating

        one, whole = records(caplog)
        assert (one.levelname, whole.levelname) == ("DEBUG", "DEBUG")
        assert fields(one)["error.type"] == fields(whole)["error.type"] == "CancelledError"

    async def test_headers(
        self, client: Legitmark, draft: ServiceRequestDraft, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Only headers that are known to be harmless are told."""
        await client.sr.create(draft)

        told = {name for record in records(caplog) for name in fields(record) if ".header." in name}
        assert told == {"http.response.header.date"}  # and neither Server nor Content-Type


class SlowFilter(logging.Filter):
    """Takes 0.1 s for the record of a refused attempt, as a handler does that can't write."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        self.clock.advance(0.1 if "answered 429" in record.getMessage() else 0.0)
        return True


class TestSpans:
    """Spans and metrics of OpenTelemetry."""

    @pytest.fixture
    def tracing(self, client: Legitmark) -> Tracing:
        """What the client tells."""
        tracing = Tracing()
        tracing.listen(client)
        return tracing

    async def test_call(self, client: Legitmark, tracing: Tracing, draft: ServiceRequestDraft) -> None:
        """A call has one span, with its try as an event."""
        await client.sr.create(draft)

        span, attributes = tracing.span, tracing.span.attributes or {}
        assert (span.name, span.kind, span.status.status_code) == (CREATE, SpanKind.INTERNAL, StatusCode.UNSET)
        assert attributes["url.template"] == "/api/v2/sr"
        assert attributes["legitmark.reference_id"] == draft.reference_id
        assert attributes["legitmark.attempts"] == 1
        assert [event.name for event in span.events] == ["attempt"]
        assert tracing.events("attempt")[0]["http.response.status_code"] == 200
        assert tracing.metrics["legitmark.call.duration"] == {("POST", "/api/v2/sr"): 1}
        assert tracing.metrics["legitmark.attempts"] == {("POST", "/api/v2/sr", 200): 1}

    async def test_refused(
        self,
        clock: VirtualClock,
        draft: ServiceRequestDraft,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A refusal and the wait for the limit are events of the call, in the order of their times; and are counted.

        It doesn't matter how long the logging of the refused try takes.
        """
        caplog.set_level(logging.DEBUG, "legitmark_async")
        # Spans have wall-clock times: here the system's clock keeps to the virtual one.
        monkeypatch.setattr(time, "time", lambda: 1_764_000_000.0 + clock.now)
        limits, tracing = Limits(partner=1, window=0.6), Tracing()
        async with Sandbox(limits=limits) as sandbox, Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
            await client.sr.create(draft)
            tracing.listen(client)
            with caplog.filtering(SlowFilter(clock)):
                await client.sr.create(ServiceRequestDraft("ITEM-2", draft.item))

        events = tracing.span.events
        assert [event.name for event in events] == ["attempt", "wait", "attempt"]
        # Nanoseconds; a float of epoch seconds is good to 238 of them.
        assert all(later.timestamp - earlier.timestamp > -500 for earlier, later in pairwise(events))
        assert events[-1].timestamp - events[0].timestamp > 200_000_000
        (wait,) = tracing.events("wait")
        waited = (events[2].timestamp - events[1].timestamp) / 1e9
        assert waited == pytest.approx(wait["legitmark.wait.duration"], abs=1e-6)
        assert wait["legitmark.wait.reason"] == "partner limit of 1"
        assert [told["http.response.status_code"] for told in tracing.events("attempt")] == [429, 200]
        assert tracing.metrics["legitmark.refusals"] == {("POST", "/api/v2/sr", "partner_level"): 1}
        assert tracing.metrics["legitmark.wait.duration"] == {("POST", "/api/v2/sr", "partner limit of 1"): 1}
        assert tracing.metrics["legitmark.call.duration"] == {("POST", "/api/v2/sr"): 1}

    async def test_error(self, client: Legitmark, tracing: Tracing) -> None:
        """A call that fails has the status of an error, and tells it without a traceback."""
        with pytest.raises(NotFoundError) as raised:
            await client.sr.get("11111111-1111-4111-8111-111111111111")

        assert tracing.span.name == "GET /api/v2/sr/{uuid}"
        assert tracing.span.status.status_code is StatusCode.ERROR
        assert tracing.events("exception") == [
            {"exception.type": "NotFoundError", "exception.message": str(raised.value)}
        ]
        assert ("GET", "/api/v2/sr/{uuid}", "NotFoundError") in tracing.metrics["legitmark.call.duration"]

    async def test_lost_answer(
        self, client: Legitmark, tracing: Tracing, sandbox: Sandbox, draft: ServiceRequestDraft
    ) -> None:
        """The looks for what a lost create made are events of its span."""
        sandbox.will_fail("drop-after")
        await client.sr.create(draft)

        first, *_, last = tracing.events("attempt")
        assert first["error.type"] == "TransportError"
        assert last["http.response.status_code"] == 200
        assert tracing.span.status.status_code is StatusCode.UNSET

    async def test_cancelled(
        self, client: Legitmark, tracing: Tracing, sandbox: Sandbox, draft: ServiceRequestDraft
    ) -> None:
        """A cancelled call ends its span, and is neither in flight nor under way any more."""
        sandbox.set_faults({"stall-before": 1.0})
        creating = asyncio.ensure_future(client.sr.create(draft))
        await until(lambda: sandbox.ledger.requests == 1)
        during = tracing.metrics
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating

        group = ("POST", "/api/v2/sr")
        assert (during["legitmark.active_calls"][group], during["legitmark.active_requests"][group]) == (1, 1)
        after = tracing.metrics
        assert (after["legitmark.active_calls"][group], after["legitmark.active_requests"][group]) == (0, 0)
        assert tracing.span.status.status_code is StatusCode.ERROR

    async def test_beside_each_other(self, client: Legitmark, tracing: Tracing, draft: ServiceRequestDraft) -> None:
        """Calls beside each other have spans of their own, and so has each of a run."""
        drafts = [ServiceRequestDraft(f"ITEM-{n}", draft.item) for n in range(20)]
        await asyncio.gather(*map(client.sr.create, drafts[:10]))
        async with client.sr.create_many(drafts[10:]) as run:
            assert len([outcome async for outcome in run]) == 10

        assert len(tracing.spans) == 20
        told = sorted(str((span.attributes or {})["legitmark.reference_id"]) for span in tracing.spans)
        assert told == sorted(one.reference_id for one in drafts)
        assert {len(span.events) for span in tracing.spans} == {1}

    async def test_requests_inside(self, sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
        """Whatever traces the requests themselves finds the span of the call around them."""
        seen: list[trace.SpanContext] = []

        async def note(_: aiohttp.ClientSession, __: SimpleNamespace, ___: aiohttp.TraceRequestStartParams) -> None:
            seen.append(trace.get_current_span().get_span_context())

        config, tracing = aiohttp.TraceConfig(), Tracing()
        config.on_request_start.append(note)
        async with (
            aiohttp.ClientSession(trace_configs=[config]) as session,
            Legitmark(sandbox.api_key, base_url=sandbox.url, session=session) as client,
        ):
            tracing.listen(client)
            await client.sr.create(draft)

        assert seen == [tracing.span.get_span_context()]


class Broken(SpanProcessor):
    """A processor of the application's with a mistake in it."""

    def __init__(self, when: str) -> None:
        self.when = when

    def on_start(self, span: object, parent_context: object = None) -> None:
        """See a span begin."""
        del span, parent_context
        if self.when == "start":
            raise ZeroDivisionError(self.when)

    def on_end(self, span: object) -> None:
        """See it end."""
        del span
        if self.when == "end":
            raise ZeroDivisionError(self.when)


@pytest.mark.parametrize("when", ["start", "end"])
async def test_broken_processor(
    when: str, client: Legitmark, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """What the application's tracing does wrong reaches no call, is told once, and leaves no span behind as current."""
    Tracing(Broken(when)).listen(client)

    for draft in make_drafts(3):
        assert (await client.sr.create(draft)).external_id == draft.reference_id
    told = [record for record in caplog.records if record.name == "legitmark_async" and record.levelname == "WARNING"]

    assert [record.getMessage() for record in told] == ["OpenTelemetry failed, and the calls go on; it is told once"]
    assert [record.exc_info and record.exc_info[0] for record in told] == [ZeroDivisionError]
    assert sandbox.ledger.created == 3
    assert not trace.get_current_span().get_span_context().is_valid


async def test_broken_instrument(client: Legitmark, draft: ServiceRequestDraft, sandbox: Sandbox) -> None:
    """Nor does what its metrics do wrong; and an error of the call's own is raised all the same."""
    tracing = Tracing()
    tracing.listen(client)
    none: Any = None  # what has no method at all
    instruments = evolve(tracing._otel.instruments, duration=none, requests=none)
    client._shared.telemetry._otel = evolve(tracing._otel, instruments=instruments)

    await client.sr.create(draft)
    with pytest.raises(NotFoundError):
        await client.sr.get("11111111-1111-4111-8111-111111111111")

    assert sandbox.ledger.created == 1
    assert len(tracing.spans) == 2


_TRACES = "import opentelemetry.sdk.trace as sdk; from opentelemetry import trace as api"
_METRICS = "import opentelemetry.sdk.metrics as sdk; from opentelemetry import metrics as api"
_SETTING_UP = {
    "not imported": ("", False),
    "its API alone": ("from opentelemetry import metrics, trace; trace.get_tracer('app')", False),
    "traces": (f"{_TRACES}; api.set_tracer_provider(sdk.TracerProvider())", True),
    "metrics": (f"{_METRICS}; api.set_meter_provider(sdk.MeterProvider())", True),
}


@pytest.mark.parametrize(("setting_up", "found"), _SETTING_UP.values(), ids=_SETTING_UP)
def test_set_up(setting_up: str, *, found: bool) -> None:
    """OpenTelemetry is used if the application has set it up; if it hasn't, it isn't even imported."""
    script = f"""
import asyncio, json, sys
{setting_up}
import legitmark_async

async def main():
    async with legitmark_async.Legitmark("leo_key") as client:
        return client._shared.telemetry._otel is not None

print(json.dumps([asyncio.run(main()), "opentelemetry" in sys.modules]))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603  # our own script

    assert json.loads(told.stdout) == [found, bool(setting_up)]
