"""The API key, and the query of a presigned URL, show in nothing that a failure leaves behind."""

import asyncio
import contextlib
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace

import pytest
from aiohttp import web
from tracing import Tracing

from legitmark_async import (
    AttemptTimeoutError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    Legitmark,
    LegitmarkError,
    MalformedResponseError,
    OutcomeUnknownError,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    ServiceRequestDraft,
    Timeouts,
    TransportError,
)

KEY = "leo_CANARY0123456789abcdef"
SIGNATURE = "51c0ffee51c0ffee51c0ffee51c0ffee"
PRESIGNED = f"https://bucket.s3.amazonaws.com/a.jpg?X-Amz-Expires=900&X-Amz-Signature={SIGNATURE}"
# The parts that must show nowhere: also half a key would be too much.
SECRETS = ("CANARY0123", "51c0ffee51c0ffee")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def never(_: web.BaseRequest) -> web.StreamResponse:
    """Give no answer."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def cut(request: web.BaseRequest) -> web.StreamResponse:
    """Send half an answer, with the key in it, and cut the connection."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Location": PRESIGNED})
    await response.prepare(request)
    await response.write(f'{{"key": "{KEY}", "url": "{PRESIGNED}"'.encode())
    assert request.transport is not None
    request.transport.abort()
    return response


async def malformed(request: web.BaseRequest) -> web.StreamResponse:
    """Send what is no HTTP, with the key in it."""
    assert request.transport is not None
    request.transport.write(f"{KEY} {PRESIGNED}\r\nno header {KEY}: {PRESIGNED}\r\n\r\n".encode())
    request.transport.close()
    return web.StreamResponse()


def telling(status: int, payload: object, **headers: str) -> Handler:
    """Answer this; a text is sent as it is."""
    body = payload if isinstance(payload, str) else json.dumps(payload)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, headers=names)

    return answer


def envelope(status: int, **extra: object) -> dict[str, object]:
    """The error envelope, with the key and a presigned URL wherever there is room for them."""
    error = {"code": status, "message": f"no access for {KEY} to {PRESIGNED}", "details": f"{KEY}/{PRESIGNED}"}
    errors = [{"code": KEY, "message": PRESIGNED}]
    return {"success": False, KEY: PRESIGNED, "error": {**error, "errors": errors, **extra}}


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[SimpleNamespace]:
    """A server with such a handler; `arrived` is set with its first request."""
    server = SimpleNamespace(arrived=asyncio.Event(), keys=[])

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        server.keys.append(request.headers["Authorization"])
        server.arrived.set()
        return await handler(request)

    # The server's own log of what it can't parse is not the client's.
    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def failure_of(awaitable: Awaitable[object]) -> BaseException:
    """Give what it fails with; no local of this frame holds a secret."""
    try:
        await awaitable
    except BaseException as error:  # noqa: BLE001  # a cancellation is one of the failures
        return error
    raise AssertionError("it did not fail")


def chain(error: BaseException | None) -> list[BaseException]:
    """Give the error, with everything that it hangs on."""
    found: list[BaseException] = []
    rest = [error]
    while rest:
        one = rest.pop()
        if one is not None and one not in found:
            found.append(one)
            rest += [one.__cause__, one.__context__]
    return found


def shown_by(error: BaseException) -> list[str]:
    """Give all the texts that a program could make of an error."""
    texts: list[str] = []
    for one in chain(error):
        texts += [str(one), repr(one), repr(one.args), repr(vars(one)), pickle.dumps(one).decode("latin-1")]
        texts += traceback.TracebackException.from_exception(one, capture_locals=True).format(chain=True)
    return texts


def check(texts: list[str]) -> None:
    """Check that no secret is in them."""
    leaks = [text for text in texts for secret in SECRETS if secret in text]
    assert not leaks, leaks[0]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give all that was logged: the lines, and the records with what they carry."""
    return [caplog.text, *[repr(vars(record)) for record in caplog.records]]


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Log everything: ours, aiohttp's and asyncio's."""
    caplog.set_level(logging.DEBUG)
    for name in ("legitmark_async", "aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)


FAILURES = {
    "401": (telling(401, envelope(401)), AuthenticationError, None),
    "400": (telling(400, envelope(400)), InvalidRequestError, None),
    "429": (telling(429, envelope(429), Retry_After="1"), RateLimitError, None),
    "302": (telling(302, KEY, Location=PRESIGNED), ResponseError, None),
    "403-text": (telling(403, f"{KEY} may not read {PRESIGNED}"), ResponseError, None),
    "500": (telling(500, envelope(500)), OutcomeUnknownError, ServerError),
    "500-text": (telling(500, "x" * 150 + KEY + PRESIGNED), OutcomeUnknownError, ServerError),
    "no-success": (telling(200, envelope(409)), ResponseError, None),
    "garbage": (telling(200, f"<html>{KEY} {PRESIGNED}</html>"), OutcomeUnknownError, MalformedResponseError),
    "no-sr": (telling(200, {KEY: PRESIGNED, "key": KEY}), OutcomeUnknownError, MalformedResponseError),
    "wrong-sr": (telling(200, {"sr": {"uuid": [KEY], KEY: PRESIGNED}}), OutcomeUnknownError, MalformedResponseError),
    "cut": (cut, OutcomeUnknownError, TransportError),
    "malformed": (malformed, OutcomeUnknownError, TransportError),
    "timeout": (never, OutcomeUnknownError, AttemptTimeoutError),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_failure(name: str, caplog: pytest.LogCaptureFixture, draft: ServiceRequestDraft) -> None:
    """A failure of any kind shows neither key nor signature: in no text, traceback with locals, pickle, log or span."""
    handler, cls, cause = FAILURES[name]
    options, tracing = RetryPolicy(attempts=1), Tracing()
    async with (
        serving(handler) as server,
        Legitmark(KEY, base_url=server.url, retry=options, timeouts=Timeouts(read=0.1), on_ambiguous="raise") as client,
    ):
        tracing.listen(client)
        error = await failure_of(client.sr.create(draft))

    assert server.keys == [f"Bearer {KEY}"]
    check([tracing.span.to_json()])
    assert isinstance(error, cls)
    assert cause is None or isinstance(error.__cause__, cause)
    check(shown_by(error))
    check(logged(caplog))


@pytest.mark.parametrize("name", ["401", "500", "cut", "timeout", "no-success"])
async def test_repeated_failure(name: str, caplog: pytest.LogCaptureFixture, draft: ServiceRequestDraft) -> None:
    """The same holds after several tries, through tenacity's frames."""
    handler, *_ = FAILURES[name]
    async with (
        serving(handler) as server,
        Legitmark(
            KEY,
            base_url=server.url,
            on_ambiguous="repeat",
            retry=RetryPolicy(attempts=3, base=0.001),
            timeouts=Timeouts(read=0.1),
        ) as client,
    ):
        error = await failure_of(client.sr.create(draft))

    assert isinstance(error, LegitmarkError)
    check(shown_by(error))
    check(logged(caplog))


async def test_refused_connection(caplog: pytest.LogCaptureFixture, draft: ServiceRequestDraft) -> None:
    """A connection that isn't made shows no key."""
    async with serving(never) as server:
        pass
    async with Legitmark(KEY, base_url=server.url, retry=RetryPolicy(attempts=2, base=0.001)) as client:
        error = await failure_of(client.sr.create(draft))

    assert isinstance(error, ConnectionFailedError)
    check(shown_by(error))
    check(logged(caplog))


@pytest.mark.parametrize("handler", [never, telling(429, envelope(429), Retry_After="30")], ids=["in-flight", "429"])
async def test_deadline(handler: Handler, caplog: pytest.LogCaptureFixture, draft: ServiceRequestDraft) -> None:
    """A deadline, in flight or before a wait, shows no key; neither does the refusal that is its cause."""
    async with serving(handler) as server, Legitmark(KEY, base_url=server.url) as client:
        error = await failure_of(client.with_options(deadline=0.2).sr.create(draft))

    assert any(isinstance(one, DeadlineExceededError) for one in chain(error))
    check(shown_by(error))
    check(logged(caplog))


async def test_cancelled(caplog: pytest.LogCaptureFixture, draft: ServiceRequestDraft) -> None:
    """A cancelled call shows no key, although its traceback goes through aiohttp."""
    async with serving(never) as server, Legitmark(KEY, base_url=server.url) as client:
        task = asyncio.ensure_future(client.sr.create(draft))
        await server.arrived.wait()
        task.cancel()
        error = await failure_of(task)

        check([repr(task), repr(client)])
    assert isinstance(error, asyncio.CancelledError)
    assert any("aiohttp" in text for text in shown_by(error))
    check(shown_by(error))
    check(logged(caplog))


async def test_not_open(caplog: pytest.LogCaptureFixture, draft: ServiceRequestDraft) -> None:
    """A client that is not open shows no key."""
    error = await failure_of(Legitmark(KEY).sr.create(draft))

    assert isinstance(error, ConfigurationError)
    check(shown_by(error))
    check(logged(caplog))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"api_key": f" {KEY}"}, id="key"),
        pytest.param({"api_key": f"Bearer {KEY}"}, id="bearer"),
        pytest.param({"api_key": KEY, "base_url": "http://example.com"}, id="url"),
        pytest.param({"api_key": KEY, "base_url": f"https://{KEY}@example.com"}, id="user-of-url"),
        pytest.param({"api_key": KEY, "concurrency": 0}, id="concurrency"),
    ],
)
def test_wrong_option(options: dict[str, object]) -> None:
    """A refused option doesn't repeat the key in what the error says, whichever option it was."""
    with pytest.raises(ConfigurationError, match=r"api_key|API key|base_url|concurrency") as caught:
        Legitmark(**options)  # type: ignore[arg-type]  # wrong on purpose

    error = caught.value
    check([str(error), repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1")])


async def test_reprs(draft: ServiceRequestDraft) -> None:
    """No object that a user or a debugger meets shows the key, open or closed."""
    client = Legitmark(KEY, base_url="http://127.0.0.1:9")
    shared = client._shared

    def everything() -> list[str]:
        run, view = client.sr.create_many([draft]), client.with_options(deadline=1)
        seen = [client, view, run, shared, shared.transport, shared.api.pacer, shared.api.pacer.gate, shared.quota]
        seen += [client.sr, client.sr._caller, client.sr._caller.retrier, shared.transport.key, vars(client)]
        seen += [vars(run), vars(client.sr), shared.transport._session, shared.transport._headers]
        return [repr(one) for one in seen]

    closed = everything()
    async with client:
        opened = everything()

    check([*closed, *opened])
    assert "open" in opened[0]


def test_key_is_not_pickled() -> None:
    """The key can't be pickled by accident, with whatever holds it."""
    with pytest.raises(TypeError, match="a secret can't be pickled"):
        pickle.dumps(Legitmark(KEY)._shared.transport.key)


async def test_check_finds_leaks(caplog: pytest.LogCaptureFixture) -> None:
    """The checks of this file find a secret where there is one: in a text, a cause's local, a log record."""

    async def leak() -> None:
        held = [PRESIGNED]
        try:
            held.remove("")
        except ValueError as error:
            raise RuntimeError("nothing to see") from error

    error = await failure_of(leak())
    logging.getLogger("aiohttp.client").debug("sent %s", KEY)

    for texts in (shown_by(error), [str(ValueError(KEY))], logged(caplog)):
        with pytest.raises(AssertionError, match=r"CANARY0123|51c0ffee"):
            check(texts)
