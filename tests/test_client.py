"""The client as a whole: how it is made, opened and closed, what its views share, and how a service uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version

import aiohttp
import pytest
from aiohttp import web
from waiting import until

import legitmark_async
from legitmark_async import ConfigurationError, Legitmark, RetryPolicy, ServiceRequest, ServiceRequestDraft
from legitmark_async._pacer import Lane, Pacer, Refusal
from legitmark_async.models import LimitType
from legitmark_async.sandbox import Limits, Sandbox
from legitmark_async.testing import make_item, virtual_time

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]
KEY = "leo_0123456789abcdef"
CLIENT = web.AppKey("client", Legitmark)


def pacer_of(client: Legitmark) -> Pacer:
    """Give the pacer of a client."""
    return client._shared.api.pacer


def new_loop() -> "asyncio.Runner":
    """Make an event loop of its own, as `asyncio.run` does."""
    return asyncio.Runner(debug=True, loop_factory=asyncio.new_event_loop)


@pytest.mark.parametrize("limits", [None, Limits(partner=10, window=0.2)], ids=["without-limit", "under-a-limit"])
def test_three_loops(limits: Limits | None, drafts: Drafts) -> None:
    """One client may be opened in one event loop after the other; what it learned of the limits goes along."""
    sandbox = Sandbox(limits=limits)
    clients: list[Legitmark] = []

    async def create() -> list[str | None]:
        with virtual_time():
            return await create_in_sandbox()

    async def create_in_sandbox() -> list[str | None]:
        async with sandbox:
            if not clients:
                clients.append(Legitmark(sandbox.api_key, base_url=sandbox.url))
            async with clients[0] as client:
                created = await asyncio.gather(*[client.sr.create(draft) for draft in drafts(25)])
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        return [sr.external_id for sr in created]

    for _ in range(3):
        with new_loop() as runner:
            references = runner.run(create())
        assert references == [f"ITEM-{number}" for number in range(25)]
        assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (25, 0)
        sandbox = Sandbox(limits=limits, port=int(sandbox.url.rpartition(":")[2]))


async def test_opened_twice(client: Legitmark) -> None:
    """A client that is open can't be opened once more."""
    with pytest.raises(ConfigurationError, match="open already: enter it once, and share it"):
        await client.__aenter__()


async def test_view_opened_twice(client: Legitmark) -> None:
    """A view is the same client, so it is open already."""
    with pytest.raises(ConfigurationError, match="open already"):
        await client.with_options(deadline=1).__aenter__()


async def test_before_and_after(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """Outside its block a client can't be used, and says how to."""
    client = Legitmark(sandbox.api_key, base_url=sandbox.url)

    with pytest.raises(ConfigurationError, match="not open: use it inside 'async with Legitmark"):
        await client.sr.create(draft)
    async with client:
        await client.sr.create(draft)
    with pytest.raises(ConfigurationError, match="not open: use it inside 'async with Legitmark"):
        await client.sr.create(draft)

    assert sandbox.ledger.requests == 1


def test_other_loop(draft: ServiceRequestDraft) -> None:
    """A client that is open in one event loop can't be used in another."""
    client = Legitmark(KEY, base_url="http://127.0.0.1:9")
    with new_loop() as one, new_loop() as other:
        one.run(client.__aenter__())
        with pytest.raises(ConfigurationError, match="opened in another event loop: close it there"):
            other.run(client.sr.create(draft))
        one.run(client.aclose())


async def test_closed_twice(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """Closing twice, or before opening, does nothing."""
    client = Legitmark(sandbox.api_key, base_url=sandbox.url)

    await client.aclose()
    async with contextlib.aclosing(client):
        async with client:
            await client.sr.create(draft)
        await client.aclose()
    async with client:
        sr = await client.sr.create(draft)

    assert sr.external_id == draft.reference_id


@contextlib.asynccontextmanager
async def waiting_calls(drafts: Drafts) -> AsyncIterator[tuple[Legitmark, "list[asyncio.Task[ServiceRequest]]"]]:
    """An open client with five calls that wait for the rate limit."""
    async with (
        Sandbox(limits=Limits(partner=1, window=60)) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url) as client,
    ):
        first, *others = drafts(6)
        await client.sr.create(first)
        tasks = [asyncio.create_task(client.sr.create(draft)) for draft in others]
        await until(lambda: pacer_of(client).waiting == len(tasks))
        yield client, tasks


async def test_closed_while_calls_wait(drafts: Drafts) -> None:
    """Calls that wait for the rate limit when the client closes fail, and no task is left of it."""
    before = asyncio.all_tasks()
    async with waiting_calls(drafts) as (client, tasks):
        await client.aclose()
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert (pacer_of(client).gate.in_flight, pacer_of(client).waiting) == (0, 0)

    for result in results:
        assert isinstance(result, ConfigurationError)
        assert "the client was closed while the call waited" in str(result)
        assert not result.maybe_processed
    await until(lambda: asyncio.all_tasks() <= before)


async def test_called_while_closing(drafts: Drafts, draft: ServiceRequestDraft) -> None:
    """A call that is made anew by one that the closing sent away fails too: nobody would ever wake it."""

    async def insist(task: "asyncio.Task[ServiceRequest]", client: Legitmark) -> ServiceRequest:
        await asyncio.wait([task])
        return await client.sr.create(draft)

    async with waiting_calls(drafts) as (client, tasks):
        insisting = [asyncio.create_task(insist(task, client)) for task in tasks]
        await asyncio.sleep(0)
        await client.aclose()
        async with asyncio.timeout(5):
            results = await asyncio.gather(*tasks, *insisting, return_exceptions=True)

        assert pacer_of(client).waiting == 0

    assert all(isinstance(result, ConfigurationError) for result in results)


async def test_closed_between_two_tries(draft: ServiceRequestDraft) -> None:
    """A call that finds the client closed after its pause fails, even though the gate is shut for long."""
    awake, asleep = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds > 0
        asleep.set()
        await awake.wait()

    async with (
        Sandbox(faults={"refuse": 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, on_ambiguous="repeat", sleep=sleep) as client,
    ):
        task = asyncio.create_task(client.sr.create(draft))
        await asleep.wait()
        await client.aclose()
        pacer = pacer_of(client)
        now = asyncio.get_running_loop().time()
        pacer.gate.refused(pacer.gate.admit(now, Lane.BULK, ""), now, Refusal(resets_in=60.0))
        awake.set()
        with pytest.raises(legitmark_async.OutcomeUnknownError, match="the client is not open"):
            await asyncio.wait_for(task, 5)

        assert pacer_of(client).waiting == 0


async def test_closing_is_cancelled(drafts: Drafts) -> None:
    """A closing that is cancelled has closed the connections all the same."""
    async with waiting_calls(drafts) as (client, tasks):
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await asyncio.wait(tasks)

        assert repr(client).endswith("(closed)>")


async def test_views_share(sandbox: Sandbox, client: Legitmark, draft: ServiceRequestDraft) -> None:
    """A view has the gate, the quota and the connections of its client, and options of its own."""
    view = client.with_options(deadline=5, language="zh", retry=RetryPolicy(attempts=2), on_ambiguous="repeat")
    further = view.with_options(deadline=None)

    await client.sr.create(draft)
    await view.sr.create(draft)
    await further.sr.create(draft)

    assert view._shared is further._shared is client._shared
    assert pacer_of(client).gate.sent == 3
    assert (client._options.deadline, view._options.deadline, further._options.deadline) == (None, 5, None)
    assert (client._options.on_ambiguous, further._options.on_ambiguous) == ("confirm", "repeat")
    assert (client._options.retry.attempts, further._options.retry.attempts) == (8, 2)
    assert [seen.headers.get("Accept-Language") for seen in sandbox.requests_seen] == [None, "zh", "zh"]
    assert type(view) is Legitmark


async def test_view_of_closed(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A view made before the client is opened works as soon as it is, and no longer than it is."""
    client = Legitmark(sandbox.api_key, base_url=sandbox.url)
    view = client.with_options(deadline=5)

    async with client:
        await view.sr.create(draft)
    with pytest.raises(ConfigurationError, match="not open"):
        await view.sr.create(draft)

    assert sandbox.ledger.created == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"deadline": 0}, "deadline must be a number above 0", id="deadline"),
        pytest.param({"language": "de"}, "language must be one of en, zh, ja", id="language"),
        pytest.param(
            {"on_ambiguous": "ask"}, "on_ambiguous must be one of 'confirm', 'raise', 'repeat'", id="on_ambiguous"
        ),
    ],
)
def test_wrong_view(options: dict[str, object], told: str) -> None:
    """A wrong option of a view is told at once, and by the client too."""
    client = Legitmark(KEY)

    with pytest.raises(ConfigurationError, match=told):
        client.with_options(**options)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, "64", None])
def test_wrong_concurrency(concurrency: object) -> None:
    """The number of requests in flight is a whole number of 1 or more."""
    with pytest.raises(ConfigurationError, match="concurrency must be a whole number of 1 or more") as caught:
        Legitmark(KEY, concurrency=concurrency)  # type: ignore[arg-type]  # wrong on purpose

    assert caught.value.problems == ("concurrency",)


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and URLs come from the environment."""
    monkeypatch.setenv("LEGITMARK_API_KEY", KEY)
    monkeypatch.setenv("LEGITMARK_BASE_URL", "http://127.0.0.1:8080/")
    monkeypatch.setenv("LEGITMARK_ASSET_URL", "http://localhost:8081")

    client = Legitmark.from_env()

    assert client.base_url == "http://127.0.0.1:8080"
    assert client._shared.transport.asset_url == "http://localhost:8081"
    assert client._shared.transport.key == KEY


def test_from_env_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs that are not set, or empty, are the vendor's."""
    monkeypatch.setenv("LEGITMARK_API_KEY", KEY)
    monkeypatch.setenv("LEGITMARK_BASE_URL", "")
    monkeypatch.delenv("LEGITMARK_ASSET_URL", raising=False)

    client = Legitmark.from_env()

    assert client.base_url == "https://api.legitmark.com"
    assert client._shared.transport.asset_url == "https://asset.legitmark.com"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        pytest.param("LEGITMARK_API_KEY", "", "API key is missing.*set LEGITMARK_API_KEY", id="no-key"),
        pytest.param("LEGITMARK_API_KEY", "sk_1", "must begin with 'leo_'", id="wrong-key"),
        pytest.param("LEGITMARK_BASE_URL", "http://example.com", "base_url must use https", id="base-url"),
        pytest.param("LEGITMARK_ASSET_URL", "ftp://example.com", "asset_url must be an https URL", id="asset-url"),
    ],
)
def test_from_wrong_env(monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str) -> None:
    """A variable that is missing or wrong is named."""
    monkeypatch.setenv("LEGITMARK_API_KEY", KEY)
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=told):
        Legitmark.from_env()


def test_from_no_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key in the environment there is no client."""
    monkeypatch.delenv("LEGITMARK_API_KEY", raising=False)

    with pytest.raises(ConfigurationError, match="the API key is missing") as caught:
        Legitmark.from_env()

    assert caught.value.problems == ("api_key",)


async def test_rate_limits(drafts: Drafts) -> None:
    """What the client has learned of the limits can be looked up, also outside a loop as long as it is nothing."""
    async with Sandbox(limits=Limits(partner=5, user=7, window=0.5, headers="always")) as sandbox:
        client = Legitmark(sandbox.api_key, base_url=sandbox.url)
        async with client:
            before = client.rate_limits
            await asyncio.gather(*[client.sr.create(draft) for draft in drafts(6)])
            known = {limit.type: limit for limit in client.rate_limits}

    assert before == ()
    assert set(known) == {LimitType.PARTNER, LimitType.USER}
    assert (known["partner_level"].limit, known["user_level"].limit) == (5, 7)
    assert {limit.source for limit in known.values()} <= {"headers", "429"}
    assert known["partner_level"].learned_at <= datetime.now(UTC)


def test_rate_limits_outside_a_loop() -> None:
    """A client that has learned nothing yet tells so anywhere."""
    assert Legitmark("leo_key", base_url="http://127.0.0.1:1").rate_limits == ()


async def test_repr(sandbox: Sandbox) -> None:
    """The repr tells where the client goes and whether it is open, and not its key."""
    client = Legitmark(sandbox.api_key, base_url=sandbox.url)

    assert repr(client) == f"<Legitmark {sandbox.url} (closed)>"
    async with client:
        assert repr(client.with_options(deadline=1)) == f"<Legitmark {sandbox.url} (open)>"


async def create_one(request: web.Request) -> web.Response:
    """Create one service request for each request to the service."""
    item = make_item()
    draft = ServiceRequestDraft(request.match_info["reference"], item)
    sr = await request.app[CLIENT].with_options(deadline=15).sr.create(draft)
    return web.json_response({"uuid": sr.uuid, "reference": sr.external_id})


def make_service(sandbox: Sandbox) -> web.Application:
    """A service that opens its client with itself."""

    async def open_client(app: web.Application) -> AsyncIterator[None]:
        async with Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
            app[CLIENT] = client
            yield

    app = web.Application()
    app.cleanup_ctx.append(open_client)
    app.router.add_post("/{reference}", create_one)
    return app


@contextlib.asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve an app, and give its URL."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_service() -> None:
    """500 requests at once to a service are all answered in time under a limit of 100 per 2 s; then nothing is left."""
    before = asyncio.all_tasks()
    async with Sandbox(limits=Limits(partner=100, window=2)) as sandbox:
        async with (
            served(make_service(sandbox)) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):

            async def ask(number: int) -> tuple[int, str]:
                async with session.post(f"{url}/ITEM-{number}") as response:
                    return response.status, (await response.json())["reference"]

            answers = await asyncio.gather(*[ask(number) for number in range(500)])

        assert answers == [(200, f"ITEM-{number}") for number in range(500)]
        ledger = sandbox.ledger
        assert (ledger.created, ledger.duplicates, ledger.over_limit) == (500, 0, 0)
        # The sandbox is still open, so what is left here would be the service's.
        server = sandbox._hosts._runners[0].server
        assert server is not None
        await until(lambda: not server.connections)
    await until(lambda: asyncio.all_tasks() <= before)


def test_names() -> None:
    """Every name that the package promises is there, once and in order."""
    assert [name for name in legitmark_async.__all__ if not hasattr(legitmark_async, name)] == []
    assert len(set(legitmark_async.__all__)) == len(legitmark_async.__all__)


def test_version() -> None:
    """The version is that of the distribution."""
    assert legitmark_async.__version__ == version("legitmark-async")


def test_no_such_name() -> None:
    """A name that isn't there is no name of the package's."""
    name = "no_such_name"

    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        getattr(legitmark_async, name)
