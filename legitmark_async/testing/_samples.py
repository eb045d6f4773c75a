"""Sample data that the sandbox and the API take."""

from datetime import UTC, datetime
from typing import Any, Literal

from legitmark_async.models import Item, ServiceRequestDraft

# Of the API's own example (contract, section 7.1), and of the sandbox.
BAG = "cc30b104-7c47-11ef-a623-02595575faeb"
"""The category of bags."""
CROSSBODY = "95e42d6b-7c4f-11ef-a623-02595575faeb"
"""The type of crossbody bags."""

EventType = Literal["state_change", "media_rejected", "invalidate_sr"]

_SR = "0f14d0ab-9605-4a62-a9e4-5ed26688389b"


def make_item(*, category: str = BAG, type: str = CROSSBODY, brand: str | None = None) -> Item:  # noqa: A002  # the API's word
    """Make an item: a crossbody bag, if nothing else is said."""
    return Item(category=category, type=type, brand=brand)


def make_draft(
    reference_id: str = "ITEM-1", *, item: Item | None = None, service: str | None = None
) -> ServiceRequestDraft:
    """Make a draft of a service request."""
    return ServiceRequestDraft(reference_id, item or make_item(), service)


def make_drafts(count: int, *, prefix: str = "ITEM-", item: Item | None = None) -> list[ServiceRequestDraft]:
    """Make so many drafts: ITEM-1, ITEM-2 and so on."""
    item = item or make_item()
    return [ServiceRequestDraft(f"{prefix}{number}", item) for number in range(1, count + 1)]


def make_event(
    event_type: EventType = "state_change",
    *,
    sr_uuid: str = _SR,
    reference_id: str = "ITEM-1",
    state: tuple[str, str | None] = ("COMPLETE", "AUTHENTIC"),
    timestamp: datetime | None = None,
) -> dict[str, Any]:
    """Make an event as a webhook brings it, for `json.dumps`; `webhooks.sign` makes its headers.

    Args:
        event_type: Which kind.
        sr_uuid: Of the service request.
        reference_id: Of its draft.
        state: Primary and supplement, of a `state_change`.
        timestamp: When it happened; now, if None.
    """
    event: dict[str, Any] = {
        "event_type": event_type,
        "sr_uuid": sr_uuid,
        "reference_id": reference_id,
        "timestamp": (timestamp or datetime.now(UTC)).isoformat(timespec="milliseconds"),
    }
    match event_type:
        case "state_change":
            event["state"] = {"primary": state[0], "supplement": state[1]}
        case "media_rejected":
            event["sides"] = [{"side": "Front", "reason": "Image is Blurry", "message": "Please take it again."}]
        case "invalidate_sr":  # pragma: no branch  # there is no other
            event["invalidation_reason"] = {"code": "CANCELLED", "message": "The item can't be authenticated."}
    return event
