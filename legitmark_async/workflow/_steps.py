"""The steps of one service request to its verdict; each finds out what is done already."""

from collections.abc import Awaitable, Iterable, Mapping
from typing import TypeVar

from attrs import frozen

from legitmark_async._call import Caller
from legitmark_async.errors import LegitmarkError, PhotoError, WorkflowError
from legitmark_async.models import Requirements, ServiceRequest, ServiceRequestDraft
from legitmark_async.resources import (
    Images,
    NotUploaded,
    Photo,
    ServiceRequests,
    Submission,
    is_submitted,
    look_at,
)
from legitmark_async.workflow._folders import FindPhotos

T = TypeVar("T")


def check_photos(photos: Mapping[str, Photo]) -> None:
    """Check photos before anything is sent; reads from a disk.

    Raises:
        PhotoError: The API wouldn't take them; tells all that is wrong.
    """
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


def find_photos(photos: FindPhotos, draft: ServiceRequestDraft) -> Mapping[str, Photo]:
    """Find the photos of a draft, and check them; reads from a disk.

    Raises:
        PhotoError: There are none that the API would take; tells where the draft comes from.
    """
    where = "" if draft.origin is None else f"{draft.origin}: "
    try:
        found = photos(draft)
        check_photos(found)
    except PhotoError as error:
        raise PhotoError(f"{where}{error}", problems=error.problems) from None
    except Exception as error:
        # The function is the user's, and so is the draft that it doesn't get along with: the others go on.
        problem = f"photos: {type(error).__name__}: {error}"
        raise PhotoError(f"{where}{problem}", problems=[problem]) from error
    return found


@frozen(eq=False)
class Resources:
    """What the steps call.

    Attributes:
        caller: Of the API's host.
        sr: Service requests.
        images: Photos.
    """

    caller: Caller
    sr: ServiceRequests
    images: Images


@frozen(eq=False)
class Steps:
    """How one service request goes on once it is created; see `bulk.Plan`.

    Attributes:
        resources: What they call.
        photos: By the name of their side, in English, or its UUID.
    """

    resources: Resources
    photos: Mapping[str, Photo]

    async def upload(self, uuid: str, *, fresh: bool) -> bool:
        """See `bulk.Plan`."""
        sr = None if fresh else await _at("requirements", uuid, self.resources.sr.get(uuid))
        if sr is not None and is_submitted(sr):
            return False
        if sr is not None and sr.is_cancelled:
            raise WorkflowError(uuid, "requirements", "it was cancelled")
        needed = await _at("requirements", uuid, self.resources.sr.requirements(uuid, language="en"))
        again = sr is not None and sr.needs_resubmission
        await self._send(uuid, _match(uuid, needed, self.photos, again=again))
        return True

    async def check(self, uuid: str) -> None:
        """See `bulk.Plan`."""
        progress = await _at("progress", uuid, self.resources.sr.progress(uuid))
        # What the API can't count, it judges itself when it is submitted.
        if progress.met is False:
            counted = f"{progress.current_required} of {progress.total_required}"
            raise WorkflowError(uuid, "progress", f"the API counts {counted} photos that are required")

    async def submit(self, uuid: str, *, fresh: bool) -> ServiceRequest:
        """See `bulk.Plan`."""
        return await _at("submit", uuid, Submission(self.resources.caller, uuid).run(fresh=fresh))

    async def judge(self, uuid: str, timeout: float | None, poll: float) -> ServiceRequest:  # noqa: ASYNC109  # as `sr.wait_until` has it
        """Wait until it is final, or its photos were rejected."""
        waiting = self.resources.sr.wait_until(
            uuid, lambda sr: sr.is_final or sr.needs_resubmission, timeout=timeout, poll=poll
        )
        return await _at("verdict", uuid, waiting)

    async def _send(self, uuid: str, photos: Mapping[str, Photo]) -> None:
        async with self.resources.images.upload_many(uuid, photos) as run:
            failures = [outcome async for outcome in run if isinstance(outcome, NotUploaded)]
        if failures:
            told = "; ".join(f"{failure.side_uuid}: {failure.error}" for failure in failures)
            raise WorkflowError(uuid, "upload", told) from failures[0].error


async def _at(step: str, uuid: str, doing: Awaitable[T]) -> T:
    """Do something, and tell at which step it got stuck."""
    try:
        return await doing
    except LegitmarkError as error:
        raise WorkflowError(uuid, step, str(error)) from error


def _match(uuid: str, requirements: Requirements, photos: Mapping[str, Photo], *, again: bool) -> dict[str, Photo]:
    """Return the photos to upload, by the UUIDs of their sides: those that aren't there yet, or all of them again."""
    problems: list[str] = []
    given = _by_side(requirements, photos, problems)
    missing = [repr(side.name or side.uuid) for side in requirements.missing if side.uuid not in given]
    if missing:
        problems.append(f"no photo for {', '.join(missing)}")
    if problems:
        raise WorkflowError(uuid, "requirements", "; ".join(problems))
    return {side: photos[name] for side, name in given.items() if again or not requirements.side(side).uploaded}


def _by_side(requirements: Requirements, names: Iterable[str], problems: list[str]) -> dict[str, str]:
    """Return the names of photos by the UUIDs of their sides; what is wrong with others is added to the problems."""
    given: dict[str, str] = {}
    for name in names:
        try:
            side = requirements.side(name)
        except KeyError as error:
            problems.append(str(error.args[0]))
            continue
        if side.uuid in given:
            problems.append(f"{given[side.uuid]!r} and {name!r} are the same side")
        given[side.uuid] = name
    return given
