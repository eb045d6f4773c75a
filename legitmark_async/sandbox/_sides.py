"""The sides whose photos a service request needs, and how many of them are there. Pure."""

from typing import Any, NamedTuple

from legitmark_async.sandbox._records import Record
from legitmark_async.sandbox._words import translate

SIDE_GROUP = "ec883c70-f896-47c9-81b6-8d6ff0b5856a"
_CDN = "https://cdn.legitmark.com"


class SideKind(NamedTuple):
    """A side that items of a category have."""

    uuid: str
    name: str
    required: bool


_FRONT = SideKind("f47ac10b-58cc-4372-a567-0e02b2c3d479", "Front", required=True)
_BACK = SideKind("bf98166d-7119-47f0-a4c5-88d67a28e3e6", "Back", required=True)
_DETAIL = SideKind("33ce80ed-d22a-4ef6-b99c-09c06a3d2ee4", "Additional Detail", required=False)
_BAG = (
    _FRONT,
    _BACK,
    SideKind("0a6f9d1e-7c47-11ef-a623-02595575faeb", "Base", required=True),
    SideKind("0a6f9d2e-7c47-11ef-a623-02595575faeb", "Interior Label", required=True),
    SideKind("0a6f9d3e-7c47-11ef-a623-02595575faeb", "Hardware Engraving", required=True),
    SideKind("0a6f9d4e-7c47-11ef-a623-02595575faeb", "Serial Number", required=True),
    SideKind("0a6f9d5e-7c47-11ef-a623-02595575faeb", "Dust Bag", required=False),
    _DETAIL,
)
_FOOTWEAR = (
    _FRONT,
    _BACK,
    SideKind("1b6f9d1e-7c47-11ef-a623-02595575faeb", "Left Shoe", required=True),
    SideKind("1b6f9d2e-7c47-11ef-a623-02595575faeb", "Right Shoe", required=True),
    SideKind("1b6f9d3e-7c47-11ef-a623-02595575faeb", "Sole", required=True),
    SideKind("1b6f9d4e-7c47-11ef-a623-02595575faeb", "Insole", required=True),
    SideKind("1b6f9d5e-7c47-11ef-a623-02595575faeb", "Interior Size Tag or Stamp", required=True),
    SideKind("1b6f9d6e-7c47-11ef-a623-02595575faeb", "Box Label", required=True),
)
_BY_CATEGORY = {
    "cc30b104-7c47-11ef-a623-02595575faeb": _BAG,
    "25ed7133-f230-4d64-850d-0cfc698e2931": _FOOTWEAR,
}
_OTHERS = (_FRONT, _BACK, _DETAIL)


def sides_of(category: str) -> tuple[SideKind, ...]:
    """The sides of a category, in their order."""
    return _BY_CATEGORY.get(category.lower(), _OTHERS)


def count_photos(record: Record) -> dict[str, Any]:
    """How many photos there are, and whether they are enough."""
    sides = sides_of(record.draft.category)
    there = [side for side in sides if record.photos.get(side.uuid)]
    required = sum(side.required for side in sides)
    current = sum(side.required for side in there)
    return {
        "current_required": current,
        "total_required": required,
        "current_optional": len(there) - current,
        "total_optional": len(sides) - required,
        "met": current == required,
    }


def encode_sides(record: Record, language: str) -> dict[str, Any]:
    """The `sides` of a service request."""
    sides = _encode_all(record, language)
    return {
        "required": [side for side in sides if side["required"]],
        "optional": [side for side in sides if not side["required"]],
        "progress": count_photos(record),
    }


def encode_groups(record: Record, language: str) -> list[dict[str, Any]]:
    """The same sides, in groups."""
    sides = _encode_all(record, language)
    return [{"uuid": SIDE_GROUP, "name": "Photos", "description": None, "lock": False, "sides": sides}]


def encode_kinds(category: str, language: str) -> list[dict[str, Any]]:
    """The sides of a category, before there is any service request."""
    return [
        {"uuid": side.uuid, "name": translate(side.name, language), "ordinal": ordinal, "required": side.required}
        for ordinal, side in enumerate(sides_of(category), 1)
    ]


def _encode_all(record: Record, language: str) -> list[dict[str, Any]]:
    return [_encode(record, side, ordinal, language) for ordinal, side in enumerate(sides_of(record.draft.category), 1)]


def _encode(record: Record, side: SideKind, ordinal: int, language: str) -> dict[str, Any]:
    name = translate(side.name, language)
    return {
        "uuid": side.uuid,
        "name": name,
        "description": f"A photo of: {name}",
        "ordinal": ordinal,
        "required": side.required,
        "active": True,
        "overlay_image": None,
        "example_image": None,
        "thumbnail_image": None,
        "side_group_id": SIDE_GROUP,
        "legacy_id": 0,
        "created_at": record.created_at,
        "updated_at": record.created_at,
        "media_url": _encode_versions(record, side.uuid),
        "is_thumbnail": ordinal == 1,
    }


def _encode_versions(record: Record, side: str) -> list[dict[str, Any]]:
    versions = record.photos.get(side, [])
    return [
        {
            "url": f"{_CDN}/sr/{record.uuid}/{side}?versionId={photo.version_id}",
            "version_id": photo.version_id,
            "last_modified": photo.uploaded_at,
            "size": photo.size,
            "is_latest": photo is versions[-1],
        }
        for photo in reversed(versions)
    ]
