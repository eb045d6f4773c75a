"""The parts of a service request that the flags of get ask for (contract section 7.2). Pure."""

from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import parse_qsl

from legitmark_async.sandbox._envelopes import encode_record
from legitmark_async.sandbox._records import Record
from legitmark_async.sandbox._sides import count_photos, encode_groups, encode_sides, sides_of
from legitmark_async.sandbox._taxonomy import NAMES, SERVICE
from legitmark_async.sandbox._validation import Problem

# The second line stands in the TypeScript SDK's option type alone: read, and of no effect.
FLAGS = frozenset({
    "summary", "user", "service", "outcome", "item", "sides", "requirements",
    "stages", "tab", "risk", "authenticators", "workflows", "partner",
})  # fmt: skip

_CDN = "https://cdn.legitmark.com"
_CERTIFICATES = "https://media.legitmark.com/document/certificate"


def parse_flags(query: str) -> frozenset[str] | list[Problem]:
    """The flags that are `true`; other parameters are ignored, a flag that is no boolean is a problem."""
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name in FLAGS]
    problems = [
        Problem(f"validation/invalid-{name}", f"{name} must be true or false.")
        for name, value in pairs
        if value not in {"true", "false"}
    ]
    return problems or frozenset(name for name, value in pairs if value == "true")


def encode_full_record(record: Record, user: str, flags: AbstractSet[str], language: str) -> dict[str, Any]:
    """The `sr` object of get; a flag without those it needs is silently ignored."""
    sr = encode_record(record, user)
    sr |= {"metadata": {}, **_certificate(record)}
    if "summary" in flags:
        sr["summary"] = _summary(record)
    if "user" in flags:
        sr["user"] = {"uuid": user}
    if "service" in flags:
        sr["service"] = {"uuid": record.draft.service or SERVICE, "name": "Sandbox service"}
    if "outcome" in flags:
        sr["outcome"] = None
    if "item" in flags:
        sr |= _item_parts(record, flags, language)
    return sr


def _certificate(record: Record) -> dict[str, str]:
    if record.primary != "COMPLETE":
        return {}
    return {"certificate_url": f"{_CERTIFICATES}/{record.micro_id}_legitmark_certificate.pdf"}


def _item_parts(record: Record, flags: AbstractSet[str], language: str) -> dict[str, Any]:
    parts: dict[str, Any] = {"item": _item(record)}
    if "sides" in flags:
        parts["sides"] = encode_sides(record, language)
        if "requirements" in flags:
            parts["requirements"] = _encode_requirements(record, language)
    return parts


def _summary(record: Record) -> dict[str, Any]:
    category = NAMES.get(record.draft.category.lower())
    style = NAMES.get(record.draft.type.lower())
    return {
        "first_line": category,
        "second_line": style,
        "combined": " ".join(filter(None, (category, style))) or None,
        "thumbnail": None,
        "size": None,
        "condition": None,
        "alternative_name": None,
    }


def _item(record: Record) -> dict[str, Any]:
    draft = record.draft
    return {
        # The newest example has this very text, and the object under `types` (contract section 13.16).
        "type": "undefined",
        "model": _reference(draft.model, "models"),
        "brand": _reference(draft.brand, "brands"),
        "types": _reference(draft.type, "types"),
        "category": _reference(draft.category, "categories"),
    }


def _reference(identifier: str | None, folder: str) -> dict[str, Any] | None:
    if identifier is None:
        return None
    return {
        "uuid": identifier,
        "name": NAMES.get(identifier.lower(), "Unnamed"),
        "media": f"{_CDN}/{folder}/{identifier}.png",
        "sides": [side.uuid for side in sides_of(identifier)] if folder == "categories" else [],
    }


def _encode_requirements(record: Record, language: str) -> dict[str, Any]:
    progress = count_photos(record)
    # Two shapes are documented (contract section 7.2): both are given.
    return {
        "side_groups": encode_groups(record, language),
        "total_required": progress["total_required"],
        "total_optional": progress["total_optional"],
        "progress": progress,
    }
