"""The control calls under `/_sandbox/`, by which other processes read and steer the sandbox."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import attrs

from legitmark_async.sandbox._envelopes import Answer
from legitmark_async.sandbox._ledger import Ledger
from legitmark_async.sandbox._limits import Limits
from legitmark_async.sandbox._records import Photo

PREFIX = "/_sandbox/"


class Controllable(Protocol):
    """What of the sandbox the control calls reach."""

    @property
    def ledger(self) -> Ledger: ...

    def set_faults(self, faults: Mapping[str, float]) -> None: ...

    def set_limits(self, limits: Limits | None) -> None: ...

    def move(self, sr_uuid: str, primary: str, supplement: str | None = None) -> None: ...

    @property
    def photos(self) -> dict[tuple[str, str], list[Photo]]: ...

    def reset(self) -> None: ...


def answer_control(sandbox: Controllable, method: str, path: str, body: bytes) -> Answer:
    """Answers one control call; what it can't take is a 400 whose `error` says why."""
    name = path.removeprefix(PREFIX)
    if name not in _CALLS:
        return _encode(404, {"error": f"no control call {path}; there are {', '.join(_CALLS)}"})
    expected, call = _CALLS[name]
    if method != expected:
        refusal = _encode(405, {"error": f"{path} takes {expected}, not {method}"})
        return attrs.evolve(refusal, headers={"Allow": expected})
    try:
        return _encode(200, call(sandbox, body))
    except ValueError as error:
        return _encode(400, {"error": str(error)})


def _read_ledger(sandbox: Controllable, _: bytes) -> dict[str, Any]:
    return sandbox.ledger.as_dict()


def _set_faults(sandbox: Controllable, body: bytes) -> dict[str, Any]:
    faults = _parse(body)
    sandbox.set_faults(faults)
    return faults


def _set_limits(sandbox: Controllable, body: bytes) -> dict[str, Any]:
    fields = _parse(body)
    known = attrs.fields_dict(Limits)
    if unknown := fields.keys() - known.keys():
        message = f"unknown field {min(unknown)!r} of limits; there are {', '.join(known)}"
        raise ValueError(message)
    limits = Limits(**fields)
    sandbox.set_limits(limits)
    return attrs.asdict(limits)


def _move(sandbox: Controllable, body: bytes) -> dict[str, Any]:
    fields = _parse(body)
    sr_uuid, primary, supplement = (fields.get(name) for name in ("sr_uuid", "primary", "supplement"))
    if not isinstance(sr_uuid, str) or not isinstance(primary, str):
        message = "sr_uuid and primary must be texts"
        raise ValueError(message)  # noqa: TRY004  # a caller's value, not a type of ours: answered 400
    try:
        sandbox.move(sr_uuid, primary, supplement)
    except KeyError:
        message = f"no service request {sr_uuid!r}"
        raise ValueError(message) from None
    return fields


def _read_photos(sandbox: Controllable, _: bytes) -> dict[str, Any]:
    photos = [
        {"sr_uuid": sr_uuid, "side_uuid": side, **attrs.asdict(photo)}
        for (sr_uuid, side), versions in sandbox.photos.items()
        for photo in versions
    ]
    return {"photos": photos}


def _reset(sandbox: Controllable, _: bytes) -> dict[str, Any]:
    sandbox.reset()
    return sandbox.ledger.as_dict()


_CALLS: dict[str, tuple[str, Callable[[Controllable, bytes], dict[str, Any]]]] = {
    "ledger": ("GET", _read_ledger),
    "faults": ("POST", _set_faults),
    "limits": ("POST", _set_limits),
    "move": ("POST", _move),
    "photos": ("GET", _read_photos),
    "reset": ("POST", _reset),
}


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        message = "the body must be a JSON object"
        raise ValueError(message)  # noqa: TRY004  # a caller's value, not a type of ours: answered 400
    return cast("dict[str, Any]", document)


def _encode(status: int, document: object) -> Answer:
    return Answer(status, json.dumps(document).encode())
