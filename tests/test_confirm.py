"""A create whose answer is lost: looked for before it is made again, and never made twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fault_proxy import Fault, FaultProxy
from waiting import until

from legitmark_async import (
    ConflictError,
    Created,
    DeadlineExceededError,
    Item,
    Legitmark,
    OutcomeUnknownError,
    RetryPolicy,
    ServerError,
    ServiceRequestDraft,
    Timeouts,
    Unknown,
)
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import VirtualClock

Drafts = Callable[[int], Iterator[ServiceRequestDraft]]

AMBIGUOUS = ("drop-before", "drop-after", "error-after", "truncate", "garbage", "slow-after")
EACH = dict.fromkeys(AMBIGUOUS, 0.03)
SOON = RetryPolicy(base=0.01, confirm_pauses=(0.01, 0.02))
READ = Timeouts(read=1.0)
FIND = "GET /api/sr/find/"
UUID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"


class Script:
    """A server of a few lines: what creates are answered, one after the other, and what the looks for them find."""

    def __init__(self) -> None:
        self.creates: list[tuple[int, object]] = []
        self.found: list[tuple[int, object]] = [(404, {})]
        self.got: tuple[int, object] = (404, {})
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as the script has it; the last thing found is found for ever."""
        self.asked.append(f"{request.method} {request.raw_path}")
        if request.method == "POST":
            status, body = self.creates.pop(0)
        elif self.asked[-1].startswith(FIND):
            if self.hold is not None:
                await self.hold.wait()
            status, body = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        else:
            status, body = self.got
        return web.json_response(body, status=status)

    def count(self, beginning: str) -> int:
        """Tell how many requests began so."""
        return sum(asked.startswith(beginning) for asked in self.asked)


@pytest.fixture
def script() -> Script:
    """A script to fill in."""
    return Script()


@pytest.fixture
async def scripted(script: Script) -> AsyncIterator[Legitmark]:
    """A client of the scripted server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    async with (
        TestServer(app) as server,
        Legitmark("leo_key", base_url=str(server.make_url("/")), retry=SOON) as client,
    ):
        yield client


def service_request(draft: ServiceRequestDraft, **fields: object) -> dict[str, object]:
    """Tell of the service request of a draft, as get does."""
    item = {"type": "undefined", "types": {"uuid": draft.item.type}, "category": {"uuid": draft.item.category}}
    told = {"uuid": UUID, "external_id": draft.reference_id, "created_at": "2200-01-01T00:00:00.000Z", "item": item}
    return {"success": True, "sr": {**told, **fields}}


@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_each_fault(fault: str, draft: ServiceRequestDraft) -> None:
    """Whatever hides the answer, the create ends with its service request, and there is one of it."""
    async with (
        Sandbox(faults={fault: 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=SOON, timeouts=Timeouts(read=0.2)) as client,
    ):
        call = asyncio.create_task(client.sr.create(draft))
        while not sandbox.ledger.requests:  # noqa: ASYNC110  # the sandbox has no event for it
            await asyncio.sleep(0.01)
        sandbox.set_faults({})
        sr = await call

    assert sr.external_id == draft.reference_id
    assert sandbox.references == {draft.reference_id: [sr.uuid]}


@pytest.mark.slow
@pytest.mark.parametrize("find_delay", [0.0, 2.0], ids=["fresh", "stale"])
async def test_all_faults(find_delay: float, drafts: Drafts) -> None:
    """Of 1,000 creates under every fault at 3 %, each is created, once; also if find sees them 2 s late."""
    async with (
        Sandbox(faults=EACH, find_delay=find_delay, seed=1) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, timeouts=READ) as client,
        client.sr.create_many(drafts(1000)) as run,
    ):
        outcomes = [outcome async for outcome in run]

    assert [type(outcome) for outcome in outcomes] == [Created] * 1000
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (1000, 0)
    uuids = {outcome.draft.reference_id: [outcome.service_request.uuid] for outcome in outcomes}  # type: ignore[union-attr]  # all are Created
    assert uuids == sandbox.references


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_clock_off(skew: float, drafts: Drafts) -> None:
    """A machine's clock that is an hour off makes no duplicate, even where the first answers are lost."""
    async with (
        Sandbox(faults={"drop-after": 1}, clock_skew=skew) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=SOON) as client,
    ):
        calls = [asyncio.create_task(client.sr.create(draft)) for draft in drafts(20)]
        while sandbox.ledger.created < 20:  # noqa: ASYNC110  # the sandbox has no event for it
            await asyncio.sleep(0.01)
        sandbox.set_faults({})
        await asyncio.gather(*calls)

    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (20, 0)


@pytest.mark.parametrize("reference", ["C26 / Chanel 23", "100% größer?", "a#b;c=d&e", "+1 %2F", "..%2f..", "ü" * 50])
async def test_any_reference(reference: str, item: Item) -> None:
    """A reference is looked for whatever characters it has."""
    async with (
        Sandbox(faults={"error-after": 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=SOON) as client,
    ):
        call = asyncio.create_task(client.sr.create(ServiceRequestDraft(reference, item)))
        while not sandbox.ledger.created:  # noqa: ASYNC110  # the sandbox has no event for it
            await asyncio.sleep(0.01)
        sandbox.set_faults({})
        sr = await call

    assert sandbox.references == {reference: [sr.uuid]}


async def test_not_findable(script: Script, scripted: Legitmark, item: Item) -> None:
    """A reference that no path can hold can't be looked for: its create isn't repeated."""
    script.creates = [(500, {})]

    with pytest.raises(OutcomeUnknownError, match="looked for: such a reference can't be looked up"):
        await scripted.sr.create(ServiceRequestDraft("..", item))

    assert script.asked == ["POST /api/v2/sr"]


async def test_miss_is_asked_again(clock: VirtualClock, draft: ServiceRequestDraft, script: Script) -> None:
    """A miss is believed only after all pauses, and then the create is repeated."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    script.creates = [(500, {}), (200, service_request(draft))]
    retry = RetryPolicy(base=0.001, confirm_pauses=(0.05, 0.1, 0.2))
    async with TestServer(app) as server, Legitmark("leo_k", base_url=str(server.make_url("/")), retry=retry) as client:
        sr = await client.sr.create(draft)

    assert sr.uuid == UUID
    assert [asked.split(" ")[0] for asked in script.asked] == ["POST", "GET", "GET", "GET", "GET", "POST"]
    assert 0.35 <= clock.passed < 0.4


@pytest.mark.parametrize(
    ("told", "status"),
    [
        pytest.param({"created_at": "2001-01-01T00:00:00Z"}, 200, id="older"),
        pytest.param({"item": {"category": {"uuid": UUID}}}, 200, id="other category"),
        pytest.param({"item": {"types": {"uuid": UUID}}}, 200, id="other type"),
        pytest.param({}, 403, id="not ours"),
        pytest.param({}, 404, id="gone"),
    ],
)
async def test_strangers(
    told: dict[str, object], status: int, draft: ServiceRequestDraft, script: Script, scripted: Legitmark
) -> None:
    """A hit of the same reference that isn't ours is no hit: the create is repeated."""
    script.creates = [(500, {}), (200, service_request(draft, uuid="ours"))]
    script.found = [(200, {"sr": {"uuid": UUID}})]
    script.got = (status, service_request(draft, **told))

    sr = await scripted.sr.create(draft)

    assert sr.uuid == "ours"
    assert script.count("POST") == 2
    assert script.count(f"GET /api/v2/sr/{UUID}?item=true") == script.count(FIND) >= 1


@pytest.mark.parametrize(
    ("found", "got", "words"),
    [
        pytest.param({"external_id": "other"}, {}, "answers with another service request", id="told by find"),
        pytest.param({}, {"external_id": "other"}, "answers with another service request", id="told by get"),
        pytest.param({}, {"external_id": None}, "doesn't tell whether it is this one", id="no reference"),
        pytest.param({}, {"created_at": "yesterday"}, "doesn't tell whether it is this one", id="no instant"),
    ],
)
async def test_open_questions(  # the case, and what it is played with
    found: dict[str, object],
    got: dict[str, object],
    words: str,
    draft: ServiceRequestDraft,
    script: Script,
    scripted: Legitmark,
) -> None:
    """A hit that hides what there may be of ours is neither adopted nor a reason to create it again."""
    script.creates = [(500, {})]
    script.found = [(200, {"sr": {"uuid": UUID, **found}})]
    script.got = (200, service_request(draft, **got))

    with pytest.raises(OutcomeUnknownError, match=f"answered 500.*; looked for: .*{words}") as caught:
        await scripted.sr.create(draft)

    assert isinstance(caught.value.__cause__, ServerError)
    assert script.count("POST") == 1


@pytest.mark.parametrize("name", ["sr", "data", "service_request", None])
async def test_forms_of_find(name: str | None, draft: ServiceRequestDraft, script: Script, scripted: Legitmark) -> None:
    """The form of find's answer isn't known: wherever its id stands, the service request is adopted."""
    summary = {"uuid": UUID, "micro_id": "998001"}
    script.creates = [(502, {})]
    script.found = [(200, summary if name is None else {"success": True, name: summary})]
    script.got = (200, service_request(draft))

    assert (await scripted.sr.create(draft)).uuid == UUID
    assert script.count("POST") == 1


async def test_numeric_reference(item: Item) -> None:
    """A reference that is another's micro id finds that one, which isn't adopted."""
    async with (
        Sandbox() as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, retry=SOON) as client,
    ):
        other = await client.sr.create(ServiceRequestDraft("OTHER", item))
        sandbox.set_faults({"drop-after": 1})
        reference = str(other.micro_id)
        call = asyncio.create_task(client.sr.create(ServiceRequestDraft(reference, item)))
        while sandbox.ledger.created < 2:  # noqa: ASYNC110  # the sandbox has no event for it
            await asyncio.sleep(0.01)
        sandbox.set_faults({})
        with pytest.raises(OutcomeUnknownError, match="answers with another service request"):
            await call

    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (2, 0)


@pytest.mark.parametrize("status", [409, 501])
async def test_adopted_after_conflict(
    status: int, draft: ServiceRequestDraft, script: Script, scripted: Legitmark
) -> None:
    """A conflict may be with what we made, and any 5xx may have made it: what is found is adopted."""
    script.creates = [(status, {})]
    script.found = [(404, {}), (200, {"sr": {"uuid": UUID}})]
    script.got = (200, service_request(draft))

    assert (await scripted.sr.create(draft)).uuid == UUID


@pytest.mark.parametrize(("status", "cls"), [(409, ConflictError), (501, ServerError)])
async def test_conflict_with_nothing(
    status: int, cls: type[Exception], draft: ServiceRequestDraft, script: Script, scripted: Legitmark
) -> None:
    """Where nothing of ours is found, what a repeating can't mend is raised and not repeated."""
    script.creates = [(status, {})]

    with pytest.raises(cls, match=f"POST /api/v2/sr answered {status}"):
        await scripted.sr.create(draft)

    assert script.count("POST") == 1


async def test_looks_fail(draft: ServiceRequestDraft, script: Script, scripted: Legitmark) -> None:
    """Looks that fail are repeated; if they fail for good, the error tells of the create and of the looks."""
    script.creates = [(500, {})]
    script.found = [(503, {})]
    view = scripted.with_options(retry=RetryPolicy(attempts=2, base=0.01, confirm_pauses=(0.01,)))

    with pytest.raises(OutcomeUnknownError, match=r"sr answered 500.*; looked for: GET \S+ answered 503") as caught:
        await view.sr.create(draft)

    # Looks count apart from tries, twice as many.
    assert [attempt.status for attempt in caught.value.attempts] == [500] + [503] * 4
    assert [attempt.call for attempt in caught.value.attempts] == script.asked
    assert script.count("POST") == 1


async def test_left_while_looking(draft: ServiceRequestDraft, script: Script, scripted: Legitmark) -> None:
    """A run that is left lets the look that is in flight end, and is then open about what it looked for."""
    script.creates, script.hold = [(500, {})], asyncio.Event()

    async with scripted.sr.create_many([draft]) as run:
        await until(lambda: script.count(FIND) == 1)
        asyncio.get_running_loop().call_later(0.05, script.hold.set)

    (outcome,) = run.leftover
    assert isinstance(outcome, Unknown)
    assert (script.count("POST"), script.count(FIND)) == (1, 1)


async def test_key_refused(draft: ServiceRequestDraft, script: Script, scripted: Legitmark) -> None:
    """A look that no repeating mends ends the call, whose outcome is unknown."""
    script.creates = [(500, {})]
    script.found = [(401, {})]

    with pytest.raises(OutcomeUnknownError, match=r"looked for: GET \S+ answered 401"):
        await scripted.sr.create(draft)

    assert len(script.asked) == 2


async def test_refused_at_last(draft: ServiceRequestDraft, script: Script, scripted: Legitmark) -> None:
    """A create that isn't there and is refused when it is repeated has surely failed."""
    script.creates = [(500, {}), (409, {})]

    with pytest.raises(ConflictError):
        await scripted.sr.create(draft)


async def test_deadline(clock: VirtualClock, draft: ServiceRequestDraft, script: Script) -> None:
    """A look that would come after the deadline isn't waited for, and the outcome stays open."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    script.creates = [(500, {})]
    retry = RetryPolicy(base=0.001, confirm_pauses=(30.0,))
    async with TestServer(app) as server, Legitmark("leo_k", base_url=str(server.make_url("/")), retry=retry) as client:
        with pytest.raises(OutcomeUnknownError, match=r"did not fit into 20 s .* next look for it") as caught:
            await client.with_options(deadline=20).sr.create(draft)

    assert clock.passed < 1
    assert isinstance(caught.value.__cause__, DeadlineExceededError)


@pytest.mark.parametrize(
    "fault",
    [Fault.cut(after=-1, side="request"), Fault.reset(after=0, side="answer"), Fault.stall(after=5, side="answer")],
    ids=["request cut", "answer reset", "answer stalled"],
)
async def test_broken_connections(fault: Fault, sandbox: Sandbox, drafts: Drafts) -> None:
    """Whatever breaks the connection of a create, there is one service request of it in the end."""
    async with (
        FaultProxy(sandbox.url) as proxy,
        Legitmark(sandbox.api_key, base_url=proxy.url, retry=SOON, timeouts=Timeouts(read=0.3)) as client,
    ):
        proxy.plan = [None, fault, fault, None, fault]
        created = await asyncio.gather(*[client.sr.create(draft) for draft in drafts(20)])

    assert {sr.external_id: [sr.uuid] for sr in created} == sandbox.references
    assert (sandbox.ledger.created, sandbox.ledger.duplicates) == (20, 0)
