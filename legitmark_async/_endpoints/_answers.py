"""How an answer is read, whatever was asked. Pure."""

import re
from typing import TypeVar

from attrs import evolve

from legitmark_async import _codec, _headers
from legitmark_async._wire import Request, Response
from legitmark_async.errors import MalformedResponseError, RateLimitError, ResponseError, error_class, redact
from legitmark_async.models import ErrorEnvelope

T = TypeVar("T")

_SUCCESSES = range(200, 300)
_ERRORS = range(400, 600)
_REFUSED = 429
_QUOTED = 200
# What S3 answers to a photo (contract, section 8): `<Error><Code>…</Code><Message>…</Message>…`.
_XML_CODE = re.compile(r"<Code>([^<]+)</Code>")
_XML_MESSAGE = re.compile(r"<Message>([^<]+)</Message>")


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
        payload = _payload(request, response.body)
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


def _payload(request: Request[T], body: bytes) -> object:
    # What the storage answers to an upload is of no use, whatever it is.
    if request.bodiless and (not body or request.presigned is not None):
        return None
    return _codec.loads(body)


def decode_envelope(body: bytes) -> ErrorEnvelope:
    """Read what a body says of an error, in whichever variant (contract, section 6). Never raises."""
    try:
        payload = _codec.loads(redact(body.decode()).encode())
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return ErrorEnvelope(message=_storage_message(body) or _quote(body) or None)
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


def _storage_message(body: bytes) -> str | None:
    text = body[: 8 * _QUOTED].decode(errors="replace")
    parts = [found[1].strip() for found in (_XML_CODE.search(text), _XML_MESSAGE.search(text)) if found]
    return redact(": ".join(parts))[:_QUOTED] if parts else None


def _quote(body: bytes) -> str:
    text = redact(" ".join(body[: 8 * _QUOTED].decode(errors="replace").split()))
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
