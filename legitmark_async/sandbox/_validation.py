"""The body of a create: read and judged by the seed's request schema. Pure."""

import json
import re
from typing import Any, NamedTuple, cast

import attrs

# Any version: most of the vendor's example ids are version 1 (contract section 7.7).
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@attrs.frozen
class Draft:
    """A create that passed validation."""

    reference_id: str
    category: str
    type: str
    service: str | None
    brand: str | None
    model: str | None
    source: str


class Problem(NamedTuple):
    """One entry of the envelope's `errors` list."""

    code: str
    message: str


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual form, of any version."""
    return _UUID.fullmatch(text) is not None


def parse_draft(content_type: str, body: bytes) -> Draft | list[Problem]:
    """Reads the body of a create, or tells all that is wrong with it."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return [Problem("validation/invalid-content-type", "Content-Type must be application/json.")]
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return [Problem("validation/invalid-body", "The body is not valid JSON.")]
    if not isinstance(document, dict):
        return [Problem("validation/invalid-body", "The body must be a JSON object.")]
    fields = cast("dict[str, object]", document)
    problems = _problems(fields)
    return problems or _draft(fields)


def _draft(fields: dict[str, Any]) -> Draft:
    item: dict[str, Any] = fields["item"]
    return Draft(
        reference_id=fields["reference_id"],
        category=item["category"],
        type=item["type"],
        service=fields.get("service"),
        brand=item.get("brand"),
        model=item.get("model"),
        source=fields.get("source", "api"),
    )


def _problems(fields: dict[str, object]) -> list[Problem]:
    problems = [*_text(fields, "reference_id", required=True)]
    for name in ("service", "uuid"):
        problems += _uuid(fields, name)
    for name in ("external_id", "source"):
        problems += _text(fields, name)
    return problems + _item(fields)


def _item(fields: dict[str, object]) -> list[Problem]:
    if "item" not in fields:
        return [_missing("item")]
    if not isinstance(fields["item"], dict):
        return [Problem("validation/invalid-item", "item must be an object.")]
    item = cast("dict[str, object]", fields["item"])
    problems: list[Problem] = []
    for name in ("category", "type"):
        problems += _uuid(item, name, "item.", required=True)
    for name in ("brand", "model"):
        problems += _uuid(item, name, "item.")
    return problems


def _text(fields: dict[str, object], name: str, *, required: bool = False) -> list[Problem]:
    if name not in fields:
        return [_missing(name)] if required else []
    value = fields[name]
    if isinstance(value, str) and (value or not required):
        return []
    kind = "a non-empty string" if required else "a string"
    return [Problem(f"validation/invalid-{name}", f"{name} must be {kind}.")]


def _uuid(fields: dict[str, object], name: str, where: str = "", *, required: bool = False) -> list[Problem]:
    if name not in fields:
        return [_missing(where + name)] if required else []
    value = fields[name]
    if isinstance(value, str) and is_uuid(value):
        return []
    return [Problem(f"validation/invalid-{name}", f"{where}{name} must be a UUID string.")]


def _missing(path: str) -> Problem:
    return Problem("validation/missing-field", f"{path} is required.")
