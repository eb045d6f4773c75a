"""One item, the whole way: each step finds out what is done already, so that it goes on where it got stuck."""

import io
from pathlib import Path
from typing import Any

import pytest

from legitmark_async import (
    ConfigurationError,
    DeadlineExceededError,
    Legitmark,
    PhotoError,
    PrimaryState,
    RetryPolicy,
    ServiceRequestDraft,
    WorkflowError,
)
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import make_photo

SIDES = ("Front", "back", "Base", "Interior Label", "Hardware Engraving", "Serial Number")


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Any]:
    """A photo for each side of a bag that needs one: paths, bytes and an open file."""
    path = tmp_path / "photo"
    path.write_bytes(make_photo(kind="png"))
    return {**dict.fromkeys(SIDES[:4], path), SIDES[4]: make_photo(), SIDES[5]: io.BytesIO(make_photo(kind="png"))}


async def test_the_whole_way(
    client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, photos: dict[str, Any]
) -> None:
    """An item is created, photographed and submitted by one call; again, by its UUID, nothing is done twice."""
    submitted = await client.workflow.authenticate(draft, photos)
    again = await client.workflow.authenticate(submitted.uuid, photos)

    assert submitted.state == again.state
    assert submitted.state.primary == PrimaryState.QC
    ledger = sandbox.ledger
    assert (ledger.created, ledger.photos, ledger.submitted) == (1, 6, 1)


async def test_to_the_verdict(draft: ServiceRequestDraft, photos: dict[str, Any]) -> None:
    """With the verdict it is waited for; rejected photos end the wait, and the same call takes them again."""
    async with (
        Sandbox(state_pace=0.01, verdicts={"rejected": 1}) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
    ):
        rejected = await client.workflow.authenticate(draft, photos, verdict=True, poll=0.01)
        photos[SIDES[5]] = make_photo(kind="png")
        judged = await client.workflow.authenticate(rejected.uuid, photos, verdict=True, poll=0.01, timeout=20)

    assert rejected.needs_resubmission
    assert judged.is_authentic
    assert (sandbox.ledger.created, sandbox.ledger.photos, sandbox.ledger.submitted) == (1, 12, 2)


async def test_no_verdict_in_time(client: Legitmark, draft: ServiceRequestDraft, photos: dict[str, Any]) -> None:
    """A verdict that doesn't come in time is told with the step, and what it waited for."""
    with pytest.raises(WorkflowError, match=r"got stuck at verdict: .*QC/PENDING") as caught:
        await client.workflow.authenticate(draft, photos, verdict=True, timeout=0.05, poll=0.01)

    assert caught.value.step == "verdict"
    assert isinstance(caught.value.__cause__, DeadlineExceededError)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"Front": b"no photo", "back": "nowhere.jpg"},
            r"Front: photo: is no photo.*; back: photo: 'nowhere\.jpg' can't",
        ),
        ({"Front": make_photo(10, 10)}, "Front: photo: is 10 x 10 pixels"),
    ],
)
async def test_bad_photos(  # fixtures
    client: Legitmark,
    sandbox: Sandbox,
    draft: ServiceRequestDraft,
    photos: dict[str, Any],
    change: dict[str, Any],
    problem: str,
) -> None:
    """Photos that can't be uploaded are told, all of them, before anything is sent."""
    with pytest.raises(PhotoError, match=problem):
        await client.workflow.authenticate(draft, photos | change)

    assert not sandbox.requests_seen


async def test_bad_draft(client: Legitmark, sandbox: Sandbox, photos: dict[str, Any]) -> None:
    """So is a draft that is wrong."""
    with pytest.raises(ConfigurationError, match="reference_id"):
        await client.workflow.authenticate(ServiceRequestDraft("", None), photos)  # type: ignore[arg-type]  # wrong on purpose

    assert not sandbox.requests_seen


async def test_wrong_sides(
    client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, photos: dict[str, Any]
) -> None:
    """Sides that aren't there, and those that lack a photo, are told before any photo is sent; then it goes on."""
    wrong = {name: photo for name, photo in photos.items() if name != "Base"} | {"Bass": make_photo(kind="png")}

    with pytest.raises(
        WorkflowError, match=r"'Bass' is none of the sides; did you mean 'Base'.*; no photo for 'Base'"
    ) as caught:
        await client.workflow.authenticate(draft, wrong)
    photos_before = sandbox.ledger.photos
    submitted = await client.workflow.authenticate(caught.value.sr_uuid, photos)

    assert (caught.value.step, photos_before) == ("requirements", 0)
    assert (submitted.uuid, sandbox.ledger.created) == (caught.value.sr_uuid, 1)


async def test_failed_upload(
    client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, photos: dict[str, Any]
) -> None:
    """A photo that can't be sent stops it at its step; what was uploaded is not uploaded again."""
    view = client.with_options(retry=RetryPolicy(attempts=1))
    sandbox.set_faults({"refuse": 1.0})
    sandbox.strikes = lambda path: path.endswith(".jpg")

    with pytest.raises(WorkflowError, match=r"got stuck at upload: .*SlowDown") as caught:
        await view.workflow.authenticate(draft, photos)
    sandbox.set_faults({})
    photos[SIDES[5]] = make_photo(kind="png")
    await view.workflow.authenticate(caught.value.sr_uuid, photos)

    assert (sandbox.ledger.photos, sandbox.ledger.created, sandbox.ledger.submitted) == (6, 1, 1)


async def test_photos_that_do_not_count(
    client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, photos: dict[str, Any]
) -> None:
    """If the API counts fewer photos than it needs it isn't submitted, and the error tells the counts."""
    counts = {"current_required": 5, "total_required": 6, "met": False}
    sandbox.will_answer(200, body={"success": True, "progress": counts}, on="GET /api/side-groups/progress")

    with pytest.raises(WorkflowError, match=r"got stuck at progress: the API counts 5 of 6 photos that are required"):
        await client.workflow.authenticate(draft, photos)

    assert (sandbox.ledger.photos, sandbox.ledger.submitted) == (6, 0)


async def test_photos_that_are_not_counted(
    client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, photos: dict[str, Any]
) -> None:
    """If the API can't count the photos, it is submitted all the same, for the API to judge."""
    sandbox.set_s3_fault(True)

    assert (await client.workflow.authenticate(draft, photos)).state.primary == PrimaryState.QC


@pytest.mark.parametrize("fault", ["drop-after", "error-after", "truncate", "garbage", "drop-before"])
async def test_faults(
    client: Legitmark, sandbox: Sandbox, draft: ServiceRequestDraft, photos: dict[str, Any], fault: str
) -> None:
    """Under faults everywhere the item arrives, created and submitted once."""
    sandbox.set_faults({fault: 0.2})
    view = client.with_options(retry=RetryPolicy(attempts=20, base=0.001, confirm_pauses=(0.001, 0.001)))

    submitted = await view.workflow.authenticate(draft, photos)

    assert submitted.state.primary == PrimaryState.QC
    assert (sandbox.ledger.duplicates, sandbox.ledger.submitted) == (0, 1)
