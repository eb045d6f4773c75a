"""One call each: `legitmark get`, `find`, `progress`, `requirements`, `submit`, `upload` and `wait`."""

from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Group, Parameter, validators

from legitmark_async import ServiceRequest, Upload
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._conventions import ALL_DONE, SOME_FAILED
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._run import command

_UUID = Parameter(help="Id of the service request.")
_POSITIVE = validators.Number(gt=0)


@Parameter(name="*", group=Group("Call", sort_key=1))
@attrs.frozen(kw_only=True)
class CallOptions:
    """How long, and in which language.

    Attributes:
        deadline: Seconds for the call, with all its tries and waits. Without it the call takes the time it needs.
        language: Of names and texts: en, zh or ja.
    """

    deadline: Annotated[float | None, Parameter(validator=_POSITIVE)] = None
    language: str | None = None


@Parameter(name="*", group=Group("Waiting", sort_key=1))
@attrs.frozen(kw_only=True)
class WaitOptions:
    """How long to wait, and how often to ask.

    Attributes:
        timeout: Seconds; without it there is no end.
        poll: Seconds between the first two looks; later ones are further apart.
    """

    timeout: Annotated[float | None, Parameter(validator=_POSITIVE)] = None
    poll: Annotated[float, Parameter(validator=_POSITIVE)] = 30.0


_CALL, _WAIT = CallOptions(), WaitOptions()


@command
async def get(
    uuid: Annotated[str, _UUID],
    /,
    *,
    include: Annotated[tuple[str, ...], Parameter(help="What else to tell, such as item or sides.")] = (),
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Print a service request."""
    async with api.client(deadline=call.deadline) as legitmark:
        # The library says which flags there are.
        sr = await legitmark.sr.get(uuid, include=include, language=call.language)  # type: ignore[arg-type]  # see above
    write_json(sr.raw)
    return ALL_DONE


@command
async def find(
    identifier: Annotated[str, Parameter(help="UUID, micro id, legacy id or reference id.")],
    /,
    *,
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Print what the public look-up tells."""
    async with api.client(deadline=call.deadline) as legitmark:
        write_json((await legitmark.sr.find(identifier)).raw)
    return ALL_DONE


@command
async def progress(uuid: Annotated[str, _UUID], /, *, call: CallOptions = _CALL, api: Api = DEFAULT_API) -> int:
    """Print how many photos are there."""
    async with api.client(deadline=call.deadline) as legitmark:
        told = await legitmark.sr.progress(uuid)
    write_json({"met": told.met, **{name: value for name, value in told.raw.items() if name != "success"}})
    return ALL_DONE


@command
async def requirements(uuid: Annotated[str, _UUID], /, *, call: CallOptions = _CALL, api: Api = DEFAULT_API) -> int:
    """Print the sides, one a line."""
    async with api.client(deadline=call.deadline) as legitmark:
        told = await legitmark.sr.requirements(uuid, language=call.language)
    for side in told.sides:
        line = {"uuid": side.uuid, "name": side.name, "required": side in told.required, "uploaded": side.uploaded}
        write_json(line)
    return ALL_DONE


@command
async def submit(uuid: Annotated[str, _UUID], /, *, call: CallOptions = _CALL, api: Api = DEFAULT_API) -> int:
    """Submit a service request, and print it."""
    async with api.client(deadline=call.deadline) as legitmark:
        write_json((await legitmark.sr.submit(uuid)).raw)
    return ALL_DONE


@command
async def wait(uuid: Annotated[str, _UUID], /, *, waiting: WaitOptions = _WAIT, api: Api = DEFAULT_API) -> int:
    """Wait until a service request is final, and print it."""
    async with api.client() as legitmark:
        sr = await legitmark.sr.wait_until(
            uuid, lambda sr: sr.is_final or sr.needs_resubmission, timeout=waiting.timeout, poll=waiting.poll
        )
    write_json(sr.raw)
    return conclude(sr)


def conclude(sr: ServiceRequest) -> int:
    """Return the status of a wait for a verdict, and say what to do if there is none."""
    if sr.needs_resubmission:
        say("photos were rejected: upload better ones, and submit it again")
    return ALL_DONE if sr.is_final else SOME_FAILED


@command
async def upload(
    uuid: Annotated[str, _UUID],
    side: Annotated[str, Parameter(help="Name or UUID of the side.")],
    file: Annotated[Path, Parameter(help="The photo: JPEG, PNG, HEIC or DNG.")],
    /,
    *,
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Upload the photo of one side, and print what was uploaded."""
    async with api.client(deadline=call.deadline) as legitmark:
        known = await legitmark.sr.requirements(uuid, language=call.language)
        told: Upload = await legitmark.images.upload(uuid, known.side(side).uuid, file)
    write_json(attrs.asdict(told))
    return ALL_DONE
