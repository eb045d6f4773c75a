"""The endpoints of service requests (contract, sections 7.1 to 7.6). Pure."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args
from urllib.parse import quote, urlencode

from attrs import evolve

from legitmark_async import _codec
from legitmark_async._claim import Claim, Sighting
from legitmark_async._endpoints._parts import encode_get, encode_segment
from legitmark_async._wire import Request
from legitmark_async.errors import ConfigurationError, draft_error
from legitmark_async.models import (
    Progress,
    Requirements,
    ServiceRequest,
    ServiceRequestDraft,
    ServiceRequestSummary,
    Side,
    Sides,
)

Include = Literal[
    "summary", "user", "service", "outcome", "item", "sides", "requirements",
    "stages", "tab", "risk", "authenticators", "workflows", "partner",
]  # fmt: skip

CREATE = "/api/v2/sr"
SERVICE_REQUEST = f"{CREATE}/{{uuid}}"
FIND = "/api/sr/find/"
_FOUND = f"{FIND}{{identifier}}"
PROGRESS = "/api/side-groups/progress"
_NO_SUCH_THING, _NOT_YOURS = 404, 403
# A flag without those it needs is ignored without a word (contract, sections 7.2 and 13.18).
_NEEDS: Mapping[str, tuple[str, ...]] = {"sides": ("item",), "requirements": ("sides", "item")}
_REQUIREMENTS: tuple[Include, ...] = ("requirements", "sides", "item")


def create_service_request(draft: ServiceRequestDraft) -> Request[ServiceRequest]:
    """Encode `POST /api/v2/sr` (contract, section 7.1).

    Raises:
        ConfigurationError: The API would not take the draft; `.problems` tells all that is wrong with it.
    """
    if not isinstance(draft, ServiceRequestDraft):
        raise ConfigurationError(f"a ServiceRequestDraft is needed, not {type(draft).__name__}")
    problems = draft.problems()
    if problems:
        raise draft_error(draft, problems)
    return Request(
        method="POST",
        path=CREATE,
        endpoint=CREATE,
        body=_codec.dumps(_codec.unstructure(draft)),
        claim=Claim.of(draft),
        read=_read_service_request,
    )


def get_service_request(
    uuid: str, include: Collection[Include] = (), language: str | None = None
) -> Request[ServiceRequest]:
    """Encode `GET /api/v2/sr/{uuid}` (contract, section 7.2), with the flags that those asked for need.

    Raises:
        ConfigurationError: The id is none, or there is no such flag or language.
    """
    return encode_get(
        f"{CREATE}/{encode_segment('uuid', uuid)}{_encode_flags(include)}",
        _read_service_request,
        endpoint=SERVICE_REQUEST,
        language=language,
    )


def find_service_request(identifier: str) -> Request[ServiceRequestSummary]:
    """Encode `GET /api/sr/find/{identifier}` (contract, section 7.3).

    Raises:
        ConfigurationError: The identifier can't be looked up.
    """
    return encode_get(FIND + encode_segment("identifier", identifier), _read_summary, endpoint=_FOUND)


def sight_service_request(identifier: str) -> Request[Sighting | None]:
    """Encode `GET /api/sr/find/{identifier}` for a create in doubt; gives None if nothing is found."""
    return Request(
        method="GET",
        path=FIND + quote(identifier, safe=""),
        endpoint=_FOUND,
        repeatable=True,
        absences=frozenset({_NO_SUCH_THING}),
        read=_read_sighting,
    )


def claimed_service_request(uuid: str) -> Request[ServiceRequest | None]:
    """Encode `GET /api/v2/sr/{uuid}` with its item (contract, section 7.2); gives None if there is none of ours."""
    return Request(
        method="GET",
        path=f"{CREATE}/{quote(uuid, safe='')}?item=true",
        endpoint=SERVICE_REQUEST,
        repeatable=True,
        absences=frozenset({_NO_SUCH_THING, _NOT_YOURS}),
        read=lambda payload: None if payload is None else _read_service_request(payload),
    )


def get_progress(uuid: str) -> Request[Progress]:
    """Encode `GET /api/side-groups/progress` (contract, section 7.4).

    Raises:
        ConfigurationError: The id is none.
    """
    return encode_get(f"{PROGRESS}?sr_id={encode_segment('uuid', uuid)}", _read_progress, endpoint=PROGRESS)


def get_requirements(uuid: str, language: str | None = None) -> Request[Requirements | None]:
    """Encode `GET /api/v2/sr/{uuid}` for its sides (contract, section 7.2); gives None if it tells none.

    Raises:
        ConfigurationError: The id is none, or there is no such language.
    """
    return encode_get(
        f"{CREATE}/{encode_segment('uuid', uuid)}{_encode_flags(_REQUIREMENTS)}",
        _read_requirements,
        endpoint=SERVICE_REQUEST,
        language=language,
    )


def get_side_groups(uuid: str, language: str | None = None) -> Request[Requirements]:
    """Encode `GET /api/v2/sr/{uuid}/side-groups` (contract, section 7.5).

    Raises:
        ConfigurationError: The id is none, or there is no such language.
    """
    return encode_get(
        f"{CREATE}/{encode_segment('uuid', uuid)}/side-groups",
        _read_side_groups,
        endpoint=f"{SERVICE_REQUEST}/side-groups",
        language=language,
    )


def submit_service_request(uuid: str) -> Request[ServiceRequest]:
    """Encode `POST /api/v2/sr/{uuid}/submit` (contract, section 7.6).

    Raises:
        ConfigurationError: The id is none.
    """
    return Request(
        method="POST",
        path=f"{CREATE}/{encode_segment('uuid', uuid)}/submit",
        endpoint=f"{SERVICE_REQUEST}/submit",
        read=_read_service_request,
    )


def _encode_flags(include: Collection[Include]) -> str:
    asked = (include,) if isinstance(include, str) else tuple(include)
    if unknown := [flag for flag in asked if flag not in get_args(Include)]:
        known = ", ".join(get_args(Include))
        raise ConfigurationError(f"there is no flag {unknown[0]!r} to include; there are {known}", problems=["include"])
    flags = dict.fromkeys([flag for each in asked for flag in (*_NEEDS.get(each, ()), each)], "true")
    return f"?{urlencode(flags)}" if flags else ""


def _read_service_request(payload: object) -> ServiceRequest:
    if not isinstance(payload, dict):
        raise _codec.UnreadableError("$ is not an object")
    if "sr" not in payload:
        raise _codec.UnreadableError("$.sr is missing")
    told = payload["sr"]
    sr = _codec.structure(told, ServiceRequest, "$.sr")
    # Asked for by a flag, they are objects of unknown form, with an id (contract, section 7.2).
    ids = {name: told[name].get("uuid") for name in ("user", "service") if isinstance(told.get(name), dict)}
    ids = {name: uuid for name, uuid in ids.items() if isinstance(uuid, str)}
    return evolve(sr, **ids) if ids else sr


def _read_summary(payload: object) -> ServiceRequestSummary:
    return _codec.structure(_sighted(payload), ServiceRequestSummary)


def _read_progress(payload: object) -> Progress:
    if not isinstance(payload, dict):
        raise _codec.UnreadableError("$ is not an object")
    told = payload.get("progress")
    around = {name: payload[name] for name in ("last_updated", "warning", "s3_error") if name in payload}
    progress = _codec.structure({**told, **around} if isinstance(told, dict) else around, Progress)
    # What can't be counted is not met, and not unmet (contract, section 13.20).
    return evolve(progress, met=None if progress.s3_error else progress.met, raw=payload)


def _read_requirements(payload: object) -> Requirements | None:
    sr = payload.get("sr") if isinstance(payload, dict) else None
    if not isinstance(sr, dict):
        raise _codec.UnreadableError("$.sr is missing")
    # Two forms of each are documented (contract, section 13.17).
    told = sr.get("requirements")
    legacy = told if isinstance(told, dict) else {}
    if isinstance(sr.get("sides"), dict):
        sides = _codec.structure(sr["sides"], Sides, "$.sr.sides")
        required, optional, progress = sides.required, sides.optional, sides.progress
    elif isinstance(legacy.get("side_groups"), list):
        required, optional, progress = *_split(legacy["side_groups"]), None
    else:
        return None
    return Requirements(required=required, optional=optional, progress=progress or _find_progress(legacy), raw=sr)


def _read_side_groups(payload: object) -> Requirements:
    data = payload.get("data") if isinstance(payload, dict) else None
    groups = data.get("side_groups") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(groups, list):
        raise _codec.UnreadableError("$.data.side_groups is missing")
    required, optional = _split(groups)
    return Requirements(required=required, optional=optional, raw=data)


def _split(groups: list[Any]) -> tuple[tuple[Side, ...], tuple[Side, ...]]:
    told = [side for group in groups if isinstance(group, dict) for side in group.get("sides") or ()]
    sides = [_codec.structure(side, Side, "$.side") for side in told]
    # A side that doesn't tell is taken for a needed one: a photo too many does no harm.
    required = tuple(side for side in sides if side.required is not False)
    return required, tuple(side for side in sides if side.required is False)


def _find_progress(requirements: Mapping[str, Any]) -> Progress | None:
    for told in (requirements.get("progress"), requirements):
        if isinstance(told, dict) and ("met" in told or "total_required" in told):
            return _codec.structure(told, Progress)
    return None


def _read_sighting(payload: object) -> Sighting | None:
    if payload is None:
        return None
    found = _sighted(payload)
    reference = found.get("external_id")
    return Sighting(found["uuid"], reference if isinstance(reference, str) else None)


def _sighted(payload: object) -> dict[str, Any]:
    # The answer's form is not known (contract, section 7.3), but what it is about has an id.
    told = payload if isinstance(payload, dict) else {}
    for found in (*(told.get(name) for name in ("sr", "data", "service_request")), told):
        if isinstance(found, dict) and isinstance(found.get("uuid"), str) and found["uuid"]:
            return found
    raise _codec.UnreadableError("$ tells no uuid")
