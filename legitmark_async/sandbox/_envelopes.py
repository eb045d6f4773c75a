"""The JSON that the API answers: envelopes, service requests, and what a 429 tells. Pure."""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs

from legitmark_async.sandbox._limits import NANOSECONDS, Gauge, Limits, ResetFormat
from legitmark_async.sandbox._records import Record
from legitmark_async.sandbox._taxonomy import NAMES, SERVICE
from legitmark_async.sandbox._validation import Problem


class Moment(NamedTuple):
    """An instant on both clocks of the server: monotonic nanoseconds, and seconds of its epoch."""

    now: int
    wall: float

    @property
    def iso(self) -> str:
        """The instant as the API writes it."""
        return format_iso(self.wall)


@attrs.frozen
class Answer:
    """A whole answer, before the headers that every answer carries."""

    status: int
    body: bytes
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    content_type: str = "application/json; charset=utf-8"


def format_iso(wall: float) -> str:
    """ISO 8601 in UTC with milliseconds (contract section 2)."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def encode(document: object) -> bytes:
    """A document as JSON."""
    return json.dumps(document).encode()


def encode_success(message: str, **members: object) -> Answer:
    """The envelope of section 3 in which the resource stands under its own name."""
    return Answer(200, encode({"success": True, "message": message, **members}))


def encode_error(moment: Moment, code: int, message: str, **extra: object) -> Answer:
    """The error envelope of section 6; `extra` is its varying part."""
    error = {"code": code, "timestamp": moment.iso, "message": message, **extra}
    return Answer(code, encode({"success": False, "error": error}))


def encode_problems(moment: Moment, problems: Iterable[Problem]) -> Answer:
    """A 400 with the `errors` list."""
    errors = [problem._asdict() for problem in problems]
    return encode_error(moment, 400, "Validation failed", errors=errors)


def encode_refusal(moment: Moment, limits: Limits, gauges: Sequence[Gauge]) -> Answer:
    """The 429, with as much of the limit's numbers as `limits.headers` lets out."""
    gauge = max(gauges, key=lambda each: each.opens_at)
    seconds = max(1, -((moment.now - gauge.opens_at) // NANOSECONDS))
    details: object = "error/rate_limit_exceeded"
    headers: dict[str, str] = {}
    if limits.headers in {"always", "on-429"}:
        details = {
            "limit_type": f"{gauge.dimension}_level",
            # The example counts the refused request in: 1001 of 1000.
            "current_usage": gauge.used + 1,
            "limit": gauge.limit,
            "reset_time": format_reset(moment, gauge.resets_at, "iso"),
            "retry_after_seconds": seconds,
        }
        headers = encode_gauges(moment, limits.reset_format, gauges)
    if limits.headers != "never":
        headers["Retry-After"] = str(seconds)
    refusal = encode_error(moment, 429, "Rate limit exceeded", details=details)
    return attrs.evolve(refusal, headers=headers)


def encode_gauges(moment: Moment, reset_format: ResetFormat, gauges: Iterable[Gauge]) -> dict[str, str]:
    """The `X-RateLimit-*` headers of the limits that are on."""
    headers: dict[str, str] = {}
    for gauge in gauges:
        name = gauge.dimension.capitalize()
        headers[f"X-RateLimit-Limit-{name}"] = str(gauge.limit)
        headers[f"X-RateLimit-Remaining-{name}"] = str(max(0, gauge.limit - gauge.used))
        headers[f"X-RateLimit-Reset-{name}"] = format_reset(moment, gauge.resets_at, reset_format)
    return headers


def format_reset(moment: Moment, resets_at: int, reset_format: ResetFormat) -> str:
    """The reset on the server's wall clock, rounded up: it never names an instant before the true one."""
    left = (resets_at - moment.now) / NANOSECONDS
    match reset_format:
        case "epoch":
            return str(math.ceil(moment.wall + left))
        case "epoch-ms":
            return str(math.ceil((moment.wall + left) * 1000))
        case "delta":
            return str(math.ceil(left))
        case "iso":  # pragma: no branch  # there is no other
            return format_iso(math.ceil((moment.wall + left) * 1000) / 1000)


def encode_record(record: Record, user: str) -> dict[str, Any]:
    """The `sr` object, field for field and in the order of the seed's example."""
    draft = record.draft
    return {
        "uuid": record.uuid,
        "active": True,
        "migrated": False,
        "micro_id": record.micro_id,
        "legacy_id": None,
        "external_id": draft.reference_id,
        "tab": record.primary,
        "source": draft.source,
        "partner_code": None,
        "state": encode_state(record),
        "summary": {"style": NAMES.get(draft.type.lower()), "style_id": draft.type},
        "user": user,
        "service": draft.service or SERVICE,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "drafted_at": record.created_at,
    }


def encode_state(record: Record) -> dict[str, str | None]:
    """The two words of its state."""
    return {"primary": record.primary, "supplement": record.supplement}


def encode_summary(record: Record) -> dict[str, Any]:
    """What find tells of a service request; its true shape is not known (contract section 7.3)."""
    return {
        "uuid": record.uuid,
        "micro_id": record.micro_id,
        "external_id": record.draft.reference_id,
        "state": encode_state(record),
        "created_at": record.created_at,
    }
