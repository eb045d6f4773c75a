"""From the body of a webhook to its event, and to the key that tells whether it was seen before."""

import hashlib
from collections.abc import Mapping
from typing import Any

from legitmark_async import _codec
from legitmark_async.errors import UnreadableEventError
from legitmark_async.webhooks._events import Event, InvalidateServiceRequest, MediaRejected, StateChange, UnknownEvent

_CLASSES: Mapping[str, type[Event]] = {
    "state_change": StateChange,
    "media_rejected": MediaRejected,
    "invalidate_sr": InvalidateServiceRequest,
}


def parse(body: bytes | bytearray | str | Mapping[str, Any]) -> Event:
    """Read an event (contract, section 10), in its newest or an older form.

    Only the type and, of the known types, the id of the service request have to be there, and the state of a
    `state_change`. Anything else that is missing or unreadable is None; `.raw` holds it all.

    Args:
        body: The body, or what JSON makes of it.

    Raises:
        UnreadableEventError: It is no event.
    """
    payload = body if isinstance(body, Mapping) else _load(body)
    event_type = payload.get("event_type")
    if not isinstance(event_type, str) or not event_type:
        raise UnreadableEventError("the webhook is no event: $.event_type is missing")
    cls: type[Event] = _CLASSES.get(event_type, UnknownEvent)
    try:
        event = _codec.structure(dict(payload), cls)
    except _codec.UnreadableError as error:
        raise UnreadableEventError(f"the webhook is no {event_type} that can be read: {error.problem}") from None
    if isinstance(event, StateChange) and event.state.primary is None:
        raise UnreadableEventError("the webhook is no state_change that can be read: $.state.primary is missing")
    return event


def dedup_key(event: Event, message_id: str | None = None) -> str:
    """Return a key that is the same for an event that comes again, and for no other.

    The keys that the vendor's guide suggests drop a second rejection of the same service request (contract, section
    13.34): so the time counts as well, and the sender's own id of the message, where there is one, counts alone.

    Args:
        event: The event.
        message_id: What `verify` returned.
    """
    if message_id:
        return message_id
    told = _codec.dumps({"sr": event.sr_uuid, "type": event.event_type, "raw": dict(event.raw)})
    return f"{event.sr_uuid}/{event.event_type}/{hashlib.sha256(told).hexdigest()[:32]}"


def _load(body: bytes | bytearray | str) -> Mapping[str, Any]:
    try:
        payload = _codec.loads(body.encode() if isinstance(body, str) else bytes(body))
    except ValueError:
        raise UnreadableEventError("the webhook is no event: its body is not JSON") from None
    if not isinstance(payload, dict):
        raise UnreadableEventError("the webhook is no event: its body is no JSON object")
    return payload
