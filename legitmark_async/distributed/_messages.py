"""The message that brings a chunk to a worker: its drafts as JSON, and a version. Never the API key."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from legitmark_async.bulk import Row, faulty_draft
from legitmark_async.errors import LedgerError
from legitmark_async.models import Item, ServiceRequestDraft

# Of the messages that are written. A worker reads its own and all before it.
VERSION = 1

_ITEM = ("category", "type", "brand", "model")


def encode_chunk(drafts: Sequence[ServiceRequestDraft]) -> str:
    """Return drafts as a text."""
    return json.dumps([_encode(draft) for draft in drafts], separators=(",", ":"), default=repr)


def decode_chunk(version: int, text: str) -> list[ServiceRequestDraft]:
    """Return the drafts of a text.

    Raises:
        LedgerError: It can't be read.
    """
    if version != VERSION:
        raise LedgerError("message", f"is of version {version}, and this worker reads {VERSION}: update the older side")
    try:
        return [_decode(row) for row in json.loads(text)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError("message", f"can't be read: {type(error).__name__}: {error}") from None


def _encode(draft: ServiceRequestDraft) -> dict[str, Any]:
    item = draft.item
    row: dict[str, Any] = {"reference_id": draft.reference_id, "service": draft.service}
    row |= {name: getattr(item, name, None) for name in _ITEM}
    # What is wrong can't always be seen from what JSON keeps of it.
    row["fault"] = "; ".join(draft.problems()) or None
    origin = draft.origin
    if isinstance(origin, Row):
        row |= {"file": origin.file, "line": origin.line, "extra": dict(origin.extra) or None}
    elif origin is not None:
        row["origin"] = str(origin)
    return {name: value for name, value in row.items() if value is not None}


def _decode(row: Mapping[str, Any]) -> ServiceRequestDraft:
    origin: object = row.get("origin")
    if "line" in row:
        origin = Row(row["file"], row["line"], row.get("extra") or {})
    item = Item(row.get("category", ""), row.get("type", ""), row.get("brand"), row.get("model"))
    draft = ServiceRequestDraft(row.get("reference_id", ""), item, row.get("service"), origin=origin)
    return faulty_draft(draft, row["fault"]) if "fault" in row else draft
