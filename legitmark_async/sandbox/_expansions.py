"""The parts of a service request that the flags of get ask for (contract section 7.2). Pure."""

from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import parse_qsl

from legitmark_async.sandbox._envelopes import DEFAULT_SERVICE, TYPE_NAMES, encode_record
from legitmark_async.sandbox._records import Record
from legitmark_async.sandbox._validation import Problem

# The second line stands in the TypeScript SDK's option type alone: read, and of no effect.
FLAGS = frozenset({
    "summary", "user", "service", "outcome", "item", "sides", "requirements",
    "stages", "tab", "risk", "authenticators", "workflows", "partner",
})  # fmt: skip

_CDN = "https://cdn.legitmark.com"
_CATEGORY_NAMES = {
    "cc30b104-7c47-11ef-a623-02595575faeb": "Bag",
    "25ed7133-f230-4d64-850d-0cfc698e2931": "Footwear",
}
_BRAND_NAMES = {"95b54167-a23f-4ca0-81c0-8cf90a3619e2": "Nike"}
# (uuid, name, required): three sides that every item is given here.
_SIDES = (
    ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "Front", True),
    ("bf98166d-7119-47f0-a4c5-88d67a28e3e6", "Back", True),
    ("33ce80ed-d22a-4ef6-b99c-09c06a3d2ee4", "Additional Detail", False),
)
_SIDE_GROUP = "ec883c70-f896-47c9-81b6-8d6ff0b5856a"


def parse_flags(query: str) -> frozenset[str] | list[Problem]:
    """The flags that are `true`; other parameters are ignored, a flag that is no boolean is a problem."""
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name in FLAGS]
    problems = [
        Problem(f"validation/invalid-{name}", f"{name} must be true or false.")
        for name, value in pairs
        if value not in {"true", "false"}
    ]
    return problems or frozenset(name for name, value in pairs if value == "true")


def encode_full_record(record: Record, user: str, flags: AbstractSet[str]) -> dict[str, Any]:
    """The `sr` object of get; a flag without those it needs is silently ignored."""
    sr = encode_record(record, user)
    sr["metadata"] = {}
    if "summary" in flags:
        sr["summary"] = _summary(record)
    if "user" in flags:
        sr["user"] = {"uuid": user}
    if "service" in flags:
        sr["service"] = {"uuid": record.draft.service or DEFAULT_SERVICE, "name": "Sandbox service"}
    if "outcome" in flags:
        sr["outcome"] = None
    if "item" in flags:
        sr |= _item_parts(record, flags)
    return sr


def _item_parts(record: Record, flags: AbstractSet[str]) -> dict[str, Any]:
    parts: dict[str, Any] = {"item": _item(record)}
    if "sides" in flags:
        parts["sides"] = _sides(record)
        if "requirements" in flags:
            parts["requirements"] = _requirements(record)
    return parts


def _summary(record: Record) -> dict[str, Any]:
    category = _CATEGORY_NAMES.get(record.draft.category.lower())
    style = TYPE_NAMES.get(record.draft.type.lower())
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
        "model": _reference(draft.model, "models", {}),
        "brand": _reference(draft.brand, "brands", _BRAND_NAMES),
        "types": _reference(draft.type, "types", TYPE_NAMES),
        "category": _reference(draft.category, "categories", _CATEGORY_NAMES),
    }


def _reference(identifier: str | None, folder: str, names: dict[str, str]) -> dict[str, Any] | None:
    if identifier is None:
        return None
    return {
        "uuid": identifier,
        "name": names.get(identifier.lower(), "Unnamed"),
        "media": f"{_CDN}/{folder}/{identifier}.png",
        "sides": [uuid for uuid, _, _ in _SIDES] if folder == "categories" else [],
    }


def _side(record: Record, ordinal: int) -> dict[str, Any]:
    uuid, name, required = _SIDES[ordinal]
    return {
        "uuid": uuid,
        "name": name,
        "description": f"A photo of: {name}",
        "ordinal": ordinal + 1,
        "required": required,
        "active": True,
        "overlay_image": None,
        "example_image": None,
        "thumbnail_image": None,
        "side_group_id": _SIDE_GROUP,
        "legacy_id": 0,
        "created_at": record.created_at,
        "updated_at": record.created_at,
        "media_url": [],
        "is_thumbnail": ordinal == 0,
    }


def _progress() -> dict[str, Any]:
    required = sum(required for _, _, required in _SIDES)
    return {
        "current_required": 0,
        "total_required": required,
        "current_optional": 0,
        "total_optional": len(_SIDES) - required,
        "met": False,
    }


def _sides(record: Record) -> dict[str, Any]:
    sides = [_side(record, ordinal) for ordinal in range(len(_SIDES))]
    return {
        "required": [side for side in sides if side["required"]],
        "optional": [side for side in sides if not side["required"]],
        "progress": _progress(),
    }


def _requirements(record: Record) -> dict[str, Any]:
    sides = [_side(record, ordinal) for ordinal in range(len(_SIDES))]
    progress = _progress()
    group = {"uuid": _SIDE_GROUP, "name": "Photos", "description": None, "lock": False, "sides": sides}
    # Two shapes are documented (contract section 7.2): both are given.
    return {
        "side_groups": [group],
        "total_required": progress["total_required"],
        "total_optional": progress["total_optional"],
        "progress": progress,
    }
