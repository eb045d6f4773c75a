"""The way of one item: created, photographed, submitted and, by choice, judged."""

import asyncio
from collections.abc import Mapping
from typing import Literal

from legitmark_async.client import Legitmark
from legitmark_async.errors import LegitmarkError, PhotoError, WorkflowError
from legitmark_async.models import Requirements, ServiceRequest, ServiceRequestDraft
from legitmark_async.resources import NotUploaded, Photo, look_at

Step = Literal["requirements", "upload", "progress", "submit", "verdict"]


async def authenticate(  # one keyword for each thing there is to choose
    legitmark: Legitmark,
    item: ServiceRequestDraft | str,
    photos: Mapping[str, Photo],
    *,
    verdict: bool = False,
    timeout: float | None = None,  # noqa: ASYNC109  # of the verdict alone, as `sr.wait_until` has it
    poll: float = 30.0,
) -> ServiceRequest:
    """Take an item the whole way: create it, upload its photos, submit it and, by choice, wait for the verdict.

    ```python
    sr = await authenticate(legitmark, draft, {"Front": "front.jpg", "Back": "back.heic"})
    ```

    Photos and draft are checked before anything is sent. After that each step finds out what is done already: the same
    call with the UUID in the draft's place goes on where one before got stuck. Photos that are there are not uploaded
    again, unless photos were rejected; what is submitted is not submitted again.

    Args:
        legitmark: An open client.
        item: The draft; or the UUID of a service request that was created before.
        photos: By the name of their side, in English, or its UUID; paths, bytes or open files, as `images.upload` takes
            them.
        verdict: Wait until it is final, or its photos were rejected.
        timeout: Seconds to wait for that; None for no end.
        poll: Seconds between the first two looks for it.

    Returns:
        The service request: as it was submitted, or with its verdict.

    Raises:
        PhotoError: Photos can't be read or the API wouldn't take them; nothing was sent.
        OutcomeUnknownError: It may or may not have been created; see `sr.create`.
        WorkflowError: It was created, and got stuck at a later step. Its `sr_uuid` goes on.
        LegitmarkError: It was not created; see `sr.create`.
    """
    await asyncio.to_thread(_check, photos)
    uuid = item if isinstance(item, str) else (await legitmark.sr.create(item)).uuid
    step: Step = "requirements"
    try:
        sr = await legitmark.sr.get(uuid)
        requirements = await legitmark.sr.requirements(uuid, language="en")
        wanted = _match(uuid, requirements, photos, again=sr.needs_resubmission)
        step = "upload"
        await _upload(legitmark, uuid, wanted)
        step = "progress"
        await _require_progress(legitmark, uuid)
        step = "submit"
        sr = await legitmark.sr.submit(uuid)
        step = "verdict"
        return await _wait(legitmark, uuid, timeout, poll) if verdict else sr
    except WorkflowError:
        raise
    except LegitmarkError as error:
        raise WorkflowError(uuid, step, str(error)) from error


def _check(photos: Mapping[str, Photo]) -> None:
    problems: list[str] = []
    for name, photo in photos.items():
        try:
            # An open file can be read only once.
            if not hasattr(photo, "read"):
                look_at(photo)
        except PhotoError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    if problems:
        raise PhotoError("; ".join(problems), problems=problems)


def _match(uuid: str, requirements: Requirements, photos: Mapping[str, Photo], *, again: bool) -> dict[str, Photo]:
    """Return the photos to upload, by the UUIDs of their sides: those that aren't there yet, or all of them again."""
    problems: list[str] = []
    given, wanted = set[str](), dict[str, Photo]()
    for name, photo in photos.items():
        try:
            side = requirements.side(name)
        except KeyError as error:
            problems.append(str(error.args[0]))
            continue
        given.add(side.uuid)
        if again or not side.uploaded:
            wanted[side.uuid] = photo
    missing = [repr(side.name or side.uuid) for side in requirements.missing if side.uuid not in given]
    if missing:
        problems.append(f"no photo for {', '.join(missing)}")
    if problems:
        raise WorkflowError(uuid, "requirements", "; ".join(problems))
    return wanted


async def _upload(legitmark: Legitmark, uuid: str, photos: Mapping[str, Photo]) -> None:
    async with legitmark.images.upload_many(uuid, photos) as run:
        failures = [outcome async for outcome in run if isinstance(outcome, NotUploaded)]
    if failures:
        told = "; ".join(f"{failure.side_uuid}: {failure.error}" for failure in failures)
        raise WorkflowError(uuid, "upload", told) from failures[0].error


async def _require_progress(legitmark: Legitmark, uuid: str) -> None:
    progress = await legitmark.sr.progress(uuid)
    # What the API can't count, it judges itself when it is submitted.
    if progress.met is False:
        counted = f"{progress.current_required} of {progress.total_required}"
        raise WorkflowError(uuid, "progress", f"the API counts {counted} photos that are required")


async def _wait(legitmark: Legitmark, uuid: str, timeout: float | None, poll: float) -> ServiceRequest:  # noqa: ASYNC109  # as above
    return await legitmark.sr.wait_until(
        uuid, lambda sr: sr.is_final or sr.needs_resubmission, timeout=timeout, poll=poll
    )
