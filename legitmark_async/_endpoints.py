"""The endpoints: how each is asked, and how its answer is read. Pure."""

from typing import TypeVar
from urllib.parse import quote

from attrs import evolve

from legitmark_async import _codec, _headers
from legitmark_async._claim import Claim, Sighting
from legitmark_async._wire import Request, Response
from legitmark_async.errors import (
    MalformedResponseError,
    RateLimitError,
    ResponseError,
    draft_error,
    error_class,
    redact,
)
from legitmark_async.models import (
    ErrorEnvelope,
    ServiceRequest,
    ServiceRequestDraft,
)

T = TypeVar("T")

CREATE = "/api/v2/sr"
FIND = "/api/sr/find/"
_NO_SUCH_THING, _NOT_YOURS = 404, 403
_SUCCESSES = range(200, 300)
_ERRORS = range(400, 600)
_REFUSED = 429
_QUOTED = 200


def create_service_request(draft: ServiceRequestDraft) -> Request[ServiceRequest]:
    """Encode `POST /api/v2/sr` (contract, section 7.1).

    Raises:
        ConfigurationError: The API would not take the draft; `.problems` tells all that is wrong with it.
    """
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


def find_service_request(identifier: str) -> Request[Sighting | None]:
    """Encode `GET /api/sr/find/{identifier}` (contract, section 7.3); gives None if nothing is found."""
    return Request(
        method="GET",
        path=FIND + quote(identifier, safe=""),
        endpoint=FIND,
        repeatable=True,
        absences=frozenset({_NO_SUCH_THING}),
        read=_read_sighting,
    )


def claimed_service_request(uuid: str) -> Request[ServiceRequest | None]:
    """Encode `GET /api/v2/sr/{uuid}` with its item (contract, section 7.2); gives None if there is none of ours."""
    return Request(
        method="GET",
        path=f"{CREATE}/{quote(uuid, safe='')}?item=true",
        endpoint=f"{CREATE}/",
        repeatable=True,
        absences=frozenset({_NO_SUCH_THING, _NOT_YOURS}),
        read=lambda payload: None if payload is None else _read_service_request(payload),
    )


def decode(request: Request[T], response: Response, now: float) -> T:
    """Read an answer.

    Args:
        request: What was asked.
        response: What was answered.
        now: Epoch seconds of the server's clock, as well as we know it.

    Raises:
        ResponseError: It is no success, by its status or by the `success: false` of its body.
        MalformedResponseError: It is a success that can't be read.
    """
    if response.status in request.absences:
        return request.read(None)
    if response.status not in _SUCCESSES:
        raise _response_error(request, response, decode_envelope(response.body), now)
    try:
        payload = _codec.loads(response.body)
        # Only a plain false counts: several endpoints have no such field (contract, section 13.21).
        if isinstance(payload, dict) and payload.get("success") is False:
            raise _response_error(request, response, decode_envelope(response.body), now)
        return request.read(payload)
    except _codec.UnreadableError as error:
        problem = error.problem
    except ValueError:
        problem = f"$ is not JSON but {_quote(response.body)!r}"
    raise MalformedResponseError(
        request.method,
        request.path,
        status=response.status,
        problems=[problem],
        request_id=response.request_id,
    )


def decode_envelope(body: bytes) -> ErrorEnvelope:
    """Read what a body says of an error, in whichever variant (contract, section 6). Never raises."""
    try:
        payload = _codec.loads(redact(body.decode()).encode())
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return ErrorEnvelope(message=_quote(body) or None)
    # The usual is an `error` object; a text in its place, or the fields at the top, have been seen too.
    told = payload.get("error")
    fields = told if isinstance(told, dict) else {"message": told} | payload
    return evolve(_codec.structure(fields, ErrorEnvelope), raw=payload)


def _response_error(request: Request[T], response: Response, envelope: ErrorEnvelope, now: float) -> ResponseError:
    # A 2xx that says `success: false` is what its code says, if that is the code of an error.
    code = response.status
    if code in _SUCCESSES and envelope.code in _ERRORS:
        code = envelope.code or code
    limits = _headers.parse_limits(response.headers, now, envelope)
    refused = code == _REFUSED
    error = error_class(code)(
        request.method,
        request.path,
        status=response.status,
        envelope=envelope,
        request_id=response.request_id,
        retry_after=_headers.parse_hold(response.headers, envelope, limits, now)
        if refused
        else _headers.parse_retry_after(response.headers, envelope, now),
    )
    if isinstance(error, RateLimitError):
        error.limits = limits
        error.resets_in = _headers.parse_reset(response.headers, envelope, limits, now)
        error.asked = _headers.parse_retry_after(response.headers, envelope, now)
        error.limit_type = _headers.reached_limit(envelope, limits)
    return error


def _read_service_request(payload: object) -> ServiceRequest:
    if not isinstance(payload, dict):
        raise _codec.UnreadableError("$ is not an object")
    if "sr" not in payload:
        raise _codec.UnreadableError("$.sr is missing")
    return _codec.structure(payload["sr"], ServiceRequest, "$.sr")


def _read_sighting(payload: object) -> Sighting | None:
    # The answer's form is not known (contract, section 7.3), but what it is about has an id.
    if payload is None:
        return None
    told = payload if isinstance(payload, dict) else {}
    for found in (*(told.get(name) for name in ("sr", "data", "service_request")), told):
        if isinstance(found, dict) and isinstance(uuid := found.get("uuid"), str) and uuid:
            reference = found.get("external_id")
            return Sighting(uuid, reference if isinstance(reference, str) else None)
    raise _codec.UnreadableError("$ tells no uuid")


def _quote(body: bytes) -> str:
    text = redact(" ".join(body[: 8 * _QUOTED].decode(errors="replace").split()))
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
