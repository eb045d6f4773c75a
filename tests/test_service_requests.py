"""From a service request to its verdict: get, find, progress, requirements, submit and wait_until, over the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from legitmark_async import (
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidRequestError,
    Legitmark,
    MalformedResponseError,
    NotFoundError,
    PrimaryState,
    RetryPolicy,
    ServerError,
    ServiceRequest,
    ServiceRequestDraft,
    State,
    SupplementState,
    TransportError,
)
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import VirtualClock, make_photo
from legitmark_async.webhooks import MediaRejected, parse

# What a test passes on purpose although it isn't what is asked for.
Wrong = Any

BACK = "bf98166d-7119-47f0-a4c5-88d67a28e3e6"
OTHER = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
QUICK = RetryPolicy(base=0.001, confirm_pauses=(0.001, 0.002))


@pytest.fixture
async def sr(client: Legitmark, draft: ServiceRequestDraft) -> ServiceRequest:
    """A new service request."""
    return await client.sr.create(draft)


async def upload_all(client: Legitmark, sr: ServiceRequest) -> None:
    """Upload a photo for each required side."""
    requirements = await client.sr.requirements(sr.uuid)
    async with client.images.upload_many(sr.uuid, {side.uuid: make_photo() for side in requirements.missing}) as run:
        async for _ in run:
            pass
    assert run.progress.uploaded == len(requirements.required)


@asynccontextmanager
async def answering(*answers: object) -> AsyncIterator[Legitmark]:
    """A client of an API that gives these answers, one after the other and the last one for ever."""
    left = list(answers)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(left.pop(0) if len(left) > 1 else left[0])

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Legitmark("leo_key", base_url=f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


async def test_get(client: Legitmark, sr: ServiceRequest) -> None:
    """What was created is read, as it was created."""
    assert await client.sr.get(sr.uuid) == sr


@pytest.mark.parametrize(
    ("include", "query"),
    [
        ((), ""),
        (["summary"], "?summary=true"),
        (["sides"], "?item=true&sides=true"),
        (["requirements"], "?sides=true&item=true&requirements=true"),
        (["item", "outcome"], "?item=true&outcome=true"),
        ("item", "?item=true"),
    ],
)
async def test_include(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, include: Wrong, query: str) -> None:
    """A flag brings those it needs, which the API would ignore it without (trap 18)."""
    await client.sr.get(sr.uuid, include=include)

    assert sandbox.requests_seen[-1].path == f"/api/v2/sr/{sr.uuid}{query}"


async def test_included(client: Legitmark, sr: ServiceRequest) -> None:
    """What flags ask for is read: a summary of two forms, the type under `types`, ids as objects (traps 16 and 17)."""
    read = await client.sr.get(sr.uuid, include=["summary", "user", "service", "sides"])

    assert (sr.summary.style, sr.summary.combined) == ("Crossbody", None)
    assert (read.summary.style, read.summary.combined) == (None, "Bag Crossbody")
    assert (read.user, read.service) == (sr.user, sr.service)
    assert read.item is not None
    assert read.item.type is not None
    assert read.item.type.name == "Crossbody"
    assert read.sides is not None
    assert len(read.sides.required) == 6


async def test_unknown_flag(client: Legitmark) -> None:
    """A flag that doesn't exist is told, with those that do."""
    with pytest.raises(ConfigurationError, match="no flag 'side' to include; there are summary, user"):
        await client.sr.get(OTHER, include=["side"])  # type: ignore[list-item]  # wrong on purpose


@pytest.mark.parametrize("uuid", ["", "  ", ".", "..", None, "\ud800"])
async def test_no_id(client: Legitmark, sandbox: Sandbox, uuid: Wrong) -> None:
    """What can't be an id is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="uuid"):
        await client.sr.get(uuid)

    assert not sandbox.requests_seen


async def test_id_is_quoted(client: Legitmark, sandbox: Sandbox) -> None:
    """Ids are one segment of a path, whatever they are (traps 36 and 40)."""
    with pytest.raises(InvalidRequestError):
        await client.sr.get("service uuid/../1?x#ä")

    assert sandbox.requests_seen[-1].path == "/api/v2/sr/service%20uuid%2F..%2F1%3Fx%23%C3%A4"


async def test_not_there(client: Legitmark) -> None:
    """One that isn't there is a NotFoundError, for each call."""
    for call in (client.sr.get, client.sr.find, client.sr.progress, client.sr.requirements, client.sr.submit):
        with pytest.raises(NotFoundError):
            await call(OTHER)


async def test_find(client: Legitmark, sr: ServiceRequest, draft: ServiceRequestDraft) -> None:
    """It is found by each of its ids (trap 3: the reference comes back as external_id)."""
    for identifier in (sr.uuid, sr.micro_id or "", draft.reference_id):
        found = await client.sr.find(identifier)
        assert (found.uuid, found.external_id, found.state) == (sr.uuid, draft.reference_id, sr.state)


@pytest.mark.parametrize("shape", [{"uuid": "u"}, {"sr": {"uuid": "u"}}, {"data": {"uuid": "u", "micro_id": "7"}}])
async def test_find_any_shape(shape: dict[str, Any]) -> None:
    """The form of what is found isn't known, so several are read."""
    async with answering(shape) as client:
        assert (await client.sr.find("x")).uuid == "u"


async def test_find_nothing_readable() -> None:
    """An answer that tells no id can't be read."""
    async with answering({"success": True}) as client:
        with pytest.raises(MalformedResponseError, match="tells no uuid"):
            await client.with_options(retry=RetryPolicy(attempts=1)).sr.find("x")


async def test_progress(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """The counts are the API's own; a fault of the storage makes `met` neither true nor false (traps 19 and 20)."""
    before = await client.sr.progress(sr.uuid)
    await upload_all(client, sr)
    after = await client.sr.progress(sr.uuid)
    sandbox.set_s3_fault(True)
    broken = await client.sr.progress(sr.uuid)

    assert (before.met, before.current_required, before.total_required) == (False, 0, 6)
    assert (after.met, after.current_required, after.total_optional) == (True, 6, 2)
    assert after.last_updated is not None
    assert (broken.met, broken.s3_error, broken.current_required) == (None, True, 0)
    assert "S3" in (broken.warning or "")


async def test_requirements(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Sides are found by name or UUID; those without a photo are missing (trap 19: an empty list is no photo)."""
    requirements = await client.sr.requirements(sr.uuid)
    front = requirements.side("  fRont ")
    await client.images.upload(sr.uuid, front.uuid, make_photo())
    after = await client.sr.requirements(sr.uuid)

    assert requirements.side(front.uuid.upper()) is front
    assert requirements.side("serial-number") is requirements.side("Serial Number")
    assert (len(requirements.missing), len(after.missing)) == (6, 5)
    assert after.side("front").uploaded
    assert after.progress is not None
    assert after.progress.total_required == 6
    with pytest.raises(KeyError, match="did you mean 'Front'"):
        requirements.side("Fronts")
    assert len(sandbox.photos) == 1


async def test_requirements_in_a_language(client: Legitmark, sr: ServiceRequest) -> None:
    """Names are in the client's language, and in another one for a call that asks for it."""
    chinese = client.with_options(language="zh")

    assert (await chinese.sr.requirements(sr.uuid)).sides[0].name == "正面"
    assert (await chinese.sr.requirements(sr.uuid, language="en")).sides[0].name == "Front"
    with pytest.raises(ConfigurationError, match="language"):
        await client.sr.requirements(sr.uuid, language="de")


async def test_rejected_sides(client: Legitmark, sr: ServiceRequest) -> None:
    """The sides of a rejection are found by their English names, whatever the client's language, or by an older id."""
    sides = [{"side": "back"}, {"side": "?", "side_uuid": BACK}, {"side": "Lid"}, {}]
    event = parse({"event_type": "media_rejected", "sr_uuid": sr.uuid, "sides": sides})
    assert isinstance(event, MediaRejected)

    found = await client.with_options(language="ja").sr.rejected_sides(event)

    assert [side and side.uuid for _, side in found] == [BACK, BACK, None, None]
    assert [rejected for rejected, _ in found] == list(event.sides)


SIDES = [{"uuid": "1", "name": "Front", "required": True}, {"uuid": "2", "name": "Tag", "required": False}]
GROUPS = [{"uuid": "g", "sides": SIDES[:1]}, {"uuid": "h", "sides": SIDES[1:]}]


@pytest.mark.parametrize(
    "answers",
    [
        [{"sr": {"uuid": "u", "sides": {"required": SIDES[:1], "optional": SIDES[1:], "progress": {"met": False}}}}],
        [{"sr": {"uuid": "u", "requirements": {"side_groups": GROUPS, "total_required": 8}}}],
        [{"sr": {"uuid": "u"}}, {"success": True, "data": {"side_groups": GROUPS}}],
    ],
    ids=["sides", "groups", "side-groups"],
)
async def test_requirements_shapes(answers: list[dict[str, Any]]) -> None:
    """Both documented forms are read, and where there is neither the third endpoint is asked (trap 17)."""
    async with answering(*answers) as client:
        requirements = await client.sr.requirements("u")

    assert [side.uuid for side in requirements.required] == ["1"]
    assert [side.uuid for side in requirements.optional] == ["2"]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([[]], r"\$ is not an object"),
        ([{"success": True}], r"\$\.sr is missing"),
        ([{"sr": {"uuid": "u"}}, {"data": {}}], r"\$\.data\.side_groups is missing"),
    ],
    ids=["progress", "requirements", "side-groups"],
)
async def test_unreadable_answers(answers: list[Any], problem: str) -> None:
    """An answer that can't be read is told with the place where something is missing."""
    async with answering(*answers) as client:
        view = client.with_options(retry=RetryPolicy(attempts=1))
        asking = view.sr.progress("u") if "object" in problem else view.sr.requirements("u")
        with pytest.raises(MalformedResponseError, match=problem):
            await asking


async def test_two_sides_of_a_name() -> None:
    """A name that two sides have is no answer: the error tells their UUIDs."""
    twice = {"sr": {"uuid": "u", "sides": {"required": [SIDES[0], {"uuid": "9", "name": "FRONT"}]}}}
    async with answering(twice) as client:
        requirements = await client.sr.requirements("u")

    with pytest.raises(KeyError, match="1, 9"):
        requirements.side("front")


async def test_submit(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """It is submitted once, however often it is asked for."""
    await upload_all(client, sr)

    first = await client.sr.submit(sr.uuid)
    second = await client.sr.submit(sr.uuid)

    assert first.state == second.state == State(primary=PrimaryState.QC, supplement=SupplementState.PENDING)
    assert sandbox.ledger.submitted == 1
    assert [seen.method for seen in sandbox.requests_seen if seen.path.endswith("/submit")] == ["POST"]


async def test_submit_too_early(client: Legitmark, sr: ServiceRequest) -> None:
    """Without its photos it is refused, with what the API says."""
    with pytest.raises(ConflictError, match="Photos of required sides are missing"):
        await client.sr.submit(sr.uuid)


async def test_submit_forbidden(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """What surely was not carried out, and won't be, is told at once."""
    sandbox.will_answer(403, on="POST /api/v2/sr/*/submit")

    with pytest.raises(ForbiddenError):
        await client.sr.submit(sr.uuid)

    assert [seen.method for seen in sandbox.requests_seen] == ["POST", "GET", "POST"]


async def test_submit_with_stale_reads() -> None:
    """A conflict with a submission that reads don't show yet is waited out, and nothing is sent twice."""
    draft, submitted = ({"sr": {"uuid": "u", "state": {"primary": primary}}} for primary in ("DRAFT", "QC"))
    conflict = {"success": False, "error": {"code": 409, "message": "It is submitted already"}}
    async with answering(draft, conflict, {"progress": {"met": True}}, draft, draft, submitted) as client:
        found = await client.with_options(retry=QUICK).sr.submit("u")

    assert found.state.primary == PrimaryState.QC


async def test_submit_after_rejection(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """One whose photos were rejected is submitted once more."""
    await upload_all(client, sr)
    await client.sr.submit(sr.uuid)
    sandbox.move(sr.uuid, "QC", "REJECTED")

    again = await client.sr.submit(sr.uuid)

    assert again.state.supplement == SupplementState.PENDING
    assert sandbox.ledger.submitted == 2


async def test_submit_cancelled(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Of one that was cancelled the API says itself that it can't be submitted."""
    sandbox.move(sr.uuid, "CANCELLED")

    with pytest.raises(ConflictError):
        await client.sr.submit(sr.uuid)


@pytest.mark.parametrize("fault", ["drop-after", "error-after", "truncate", "garbage"])
async def test_submit_lost_answer(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, fault: str) -> None:
    """A submission whose answer is lost is found in the state, and not sent again."""
    await upload_all(client, sr)
    view = client.with_options(retry=QUICK)

    sandbox.strikes = lambda path: path.endswith("/submit")
    sandbox.set_faults({fault: 1.0})
    submitted = await view.sr.submit(sr.uuid)

    assert submitted.state.primary == PrimaryState.QC
    assert sandbox.ledger.submitted == 1


@pytest.mark.parametrize("fault", ["drop-before", "refuse"])
async def test_submit_that_failed(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, fault: str) -> None:
    """A submission that did not happen is sent again, as often as the policy has it, and then it is an error."""
    await upload_all(client, sr)
    view = client.with_options(retry=RetryPolicy(attempts=3, base=0.001, confirm_pauses=(0.001,)))

    sandbox.strikes = lambda path: path.endswith("/submit")
    sandbox.set_faults({fault: 1.0})
    with pytest.raises((TransportError, ServerError)) as caught:
        await view.sr.submit(sr.uuid)
    sandbox.set_faults({})
    await view.sr.submit(sr.uuid)

    assert caught.value.maybe_processed
    assert sandbox.ledger.submitted == 1


async def test_submit_within_its_deadline(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """The client's deadline is for all of the calls together."""
    await upload_all(client, sr)
    sandbox.latency = 0.2
    view = client.with_options(deadline=0.3)

    with pytest.raises(DeadlineExceededError, match=r"did not fit into 0\.3 s"):
        await view.sr.submit(sr.uuid)


async def test_wait_until_verdict(draft: ServiceRequestDraft) -> None:
    """It is waited for through all states, with longer and longer pauses while nothing changes."""
    pauses: list[float] = []
    steps: Callable[[], None] = lambda: None  # noqa: E731  # it is replaced once there is something to step

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) % 4 == 0:
            steps()
        await asyncio.sleep(0)

    async with (
        Sandbox(verdicts={"counterfeit": 1}) as sandbox,
        Legitmark(
            sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url, sleep=sleep, random=lambda: 0.0
        ) as client,
    ):
        sr = await client.sr.create(draft)
        await upload_all(client, sr)
        await client.sr.submit(sr.uuid)
        pauses.clear()
        steps = lambda: sandbox.step(sr.uuid)  # noqa: E731  # as above

        final = await client.sr.wait_until(sr.uuid, poll=8)

    assert final.is_counterfeit
    assert final.certificate_url is not None
    assert pauses[:6] == [8, 12, 18, 27, 8, 12]


async def test_wait_until_condition(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Any condition can be waited for; one that is true already needs one look."""
    sandbox.move(sr.uuid, "QC", "REJECTED")

    found = await client.sr.wait_until(sr.uuid, lambda sr: sr.needs_resubmission, timeout=5)

    assert found.state.supplement == SupplementState.REJECTED


async def test_wait_until_late(client: Legitmark, sr: ServiceRequest) -> None:
    """What doesn't come true in time is an error that names the last state."""
    with pytest.raises(DeadlineExceededError, match="the last state being DRAFT"):
        await client.sr.wait_until(sr.uuid, timeout=0.05, poll=0.01)


async def test_wait_until_without_an_answer(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """If not even the first look comes in time there is no state to name."""
    sandbox.latency = 1.0

    with pytest.raises(DeadlineExceededError, match=r"GET /api/v2/sr/\S+ did not fit into 0\.05 s"):
        await client.sr.wait_until(sr.uuid, timeout=0.05)


async def test_wait_until_condition_takes_long(client: Legitmark, sr: ServiceRequest, clock: VirtualClock) -> None:
    """The time that a condition takes counts too."""
    looks: list[ServiceRequest] = []

    def judge(sr: ServiceRequest) -> bool:
        looks.append(sr)
        clock.advance(0.6)
        return False

    with pytest.raises(DeadlineExceededError, match="the last state being DRAFT"):
        await client.sr.wait_until(sr.uuid, judge, timeout=0.5, poll=0.01)

    assert len(looks) == 1


@pytest.mark.parametrize("option", [{"timeout": 0}, {"poll": -1}, {"poll": float("nan")}])
async def test_wait_until_never(client: Legitmark, option: dict[str, Any]) -> None:
    """A time that is none is refused."""
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        await client.sr.wait_until(OTHER, **option)
