"""The events that webhooks tell of (contract, section 10)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from legitmark_async.models import State, Stated


@frozen(kw_only=True)
class RejectedSide:
    """A photo that was rejected.

    Attributes:
        side: Name of the side, in English; `sr.requirements(uuid, language="en").side(name)` finds its UUID.
        side_uuid: Its UUID, in older events alone.
        reason: Why, as a text from a growing list; in older events a code such as `BLURRY`.
        message: More about it.
        raw: The JSON object this was read from.
    """

    side: str | None = None
    side_uuid: str | None = None
    reason: str | None = None
    message: str | None = field(default=None, metadata={"names": ("reason_description", "message")})
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class InvalidationReason:
    """Why a service request was made invalid.

    Attributes:
        code: Such as `CANCELLED` or `NOT_SERVICEABLE`.
        message: The same for people.
        raw: The JSON object this was read from.
    """

    code: str | None = None
    message: str | None = field(default=None, metadata={"names": ("description", "message")})
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class _Event(Stated):
    """What all events have."""

    event_type: str
    reference_id: str | None = None
    timestamp: datetime | None = None
    state: State = field(factory=State)
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class StateChange(_Event):
    """A service request has come to another state.

    Attributes:
        event_type: `state_change`.
        sr_uuid: Id of the service request.
        reference_id: The one of its draft.
        timestamp: When it happened.
        state: The state it has come to. Events may come out of order.
        raw: The JSON object this was read from.
    """

    sr_uuid: str


@frozen(kw_only=True)
class MediaRejected(_Event):
    """Photos were rejected: upload better ones, and submit again.

    Attributes:
        event_type: `media_rejected`.
        sr_uuid: Id of the service request.
        reference_id: The one of its draft.
        timestamp: When it happened.
        sides: The photos.
        state: In older events alone.
        raw: The JSON object this was read from.
    """

    sr_uuid: str
    sides: tuple[RejectedSide, ...] = ()

    @property
    def needs_resubmission(self) -> bool:
        """True: that is what it says."""
        return True


@frozen(kw_only=True)
class InvalidateServiceRequest(_Event):
    """A service request will not be authenticated. A cancellation may come as this event alone.

    Attributes:
        event_type: `invalidate_sr`.
        sr_uuid: Id of the service request.
        reference_id: The one of its draft.
        timestamp: When it happened.
        invalidation_reason: Why.
        state: In older events alone.
        raw: The JSON object this was read from.
    """

    sr_uuid: str
    invalidation_reason: InvalidationReason = field(factory=InvalidationReason)

    @property
    def is_cancelled(self) -> bool:
        """True: that is what it says."""
        return True

    @property
    def is_final(self) -> bool:
        """True: nothing comes after it."""
        return True


@frozen(kw_only=True)
class UnknownEvent(_Event):
    """An event of a type that isn't known here. Answer 200 to it all the same (contract, section 13.33).

    Attributes:
        event_type: Its type.
        sr_uuid: Id of the service request, if it tells.
        reference_id: The one of its draft, if it tells.
        timestamp: When it happened, if it tells.
        state: The state, if it tells.
        raw: The JSON object this was read from.
    """

    sr_uuid: str | None = None


Event = StateChange | MediaRejected | InvalidateServiceRequest | UnknownEvent
