"""The service request (SR), from the draft that is sent to what the API tells of it."""

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

# Most of the known taxonomy ids are version 1, so any version will do (contract, section 7.7).
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHOWN = 80


class PrimaryState(StrEnum):
    """The known values of `State.primary` and `ServiceRequest.tab`; the list is open (contract, section 9)."""

    DRAFT = "DRAFT"
    QC = "QC"
    QUEUE = "QUEUE"
    UNDERWAY = "UNDERWAY"
    COMPLETE = "COMPLETE"
    CANCELLED = "CANCELLED"


class SupplementState(StrEnum):
    """The known values of `State.supplement`; the list is open (contract, section 9)."""

    PENDING = "PENDING"
    REJECTED = "REJECTED"
    ASSIGNED = "ASSIGNED"
    APPROVED = "APPROVED"
    COMPLETE = "COMPLETE"


@frozen
class Item:
    """What is to be authenticated, told by UUIDs of the taxonomy.

    Attributes:
        category: UUID of the category, such as Bag.
        type: UUID of the type, such as Crossbody.
        brand: UUID of the brand. Not in the vendor's reference of create, but sent by the vendor's own SDK.
        model: UUID of the model, the fourth level of the taxonomy.
    """

    category: str
    type: str
    brand: str | None = None
    model: str | None = None

    def problems(self) -> tuple[str, ...]:
        """Tell what the API would not take, each as `field: what is wrong`; empty if the item may be sent."""
        found = [
            _uuid_problem("category", self.category, needed=True),
            _uuid_problem("type", self.type, needed=True),
            _uuid_problem("brand", self.brand, needed=False),
            _uuid_problem("model", self.model, needed=False),
        ]
        return tuple([problem for problem in found if problem])


@frozen
class ServiceRequestDraft:
    """A service request to create (contract, section 7.1).

    A draft may be built with anything in it; it is checked, whole, before it is sent.

    Attributes:
        reference_id: Your own id of the item. The API does not promise to keep it unique, so make it so: it is
            all there is to find a service request by, should the answer to its creation be lost.
        item: What is to be authenticated.
        service: UUID of the service. The API chooses one by your organization and the item's type if it is None.
        origin: Where the draft came from, for your own use: it is never sent, and comes back in the outcome. Its
            `str()` stands in front of what an error says of the draft, as `items.csv:17` does.
    """

    reference_id: str
    item: Item
    service: str | None = None
    origin: object = field(default=None, kw_only=True, eq=False, repr=False)

    def problems(self) -> tuple[str, ...]:
        """Tell what the API would not take, each as `path: what is wrong`; empty if the draft may be sent."""
        found = [
            _reference_problem(self.reference_id),
            *_item_problems(self.item),
            _uuid_problem("service", self.service, needed=False),
        ]
        return tuple([problem for problem in found if problem])


@frozen(kw_only=True)
class State:
    """How far a service request is: two words, both open lists (contract, section 9).

    Attributes:
        primary: A `PrimaryState`, or the text itself if it is none of the known ones.
        supplement: A `SupplementState`, or the text itself.
        raw: The JSON object this was read from.
    """

    primary: PrimaryState | str | None = None
    supplement: SupplementState | str | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    @property
    def is_final(self) -> bool:
        """Whether it stays so: complete or cancelled. COMPLETE may still get another supplement."""
        return self.primary in {PrimaryState.COMPLETE, PrimaryState.CANCELLED}

    @property
    def is_authentic(self) -> bool:
        """Whether the item was judged authentic."""
        return self.primary == PrimaryState.COMPLETE and self.supplement == SupplementState.APPROVED

    @property
    def is_counterfeit(self) -> bool:
        """Whether the item was judged not authentic; any other COMPLETE tells no verdict (contract, section 13.29)."""
        return self.primary == PrimaryState.COMPLETE and self.supplement == SupplementState.REJECTED

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.primary == PrimaryState.CANCELLED

    @property
    def needs_resubmission(self) -> bool:
        """Whether photos were rejected: upload better ones and submit again."""
        return self.primary == PrimaryState.QC and self.supplement == SupplementState.REJECTED


@frozen(kw_only=True)
class Summary:
    """The short description of a service request, as the answer to its creation has it (contract, section 7.1).

    Attributes:
        style: Name of the item's type.
        style_id: UUID of the item's type.
        raw: The JSON object this was read from.
    """

    style: str | None = None
    style_id: str | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class ServiceRequest:
    """A service request as the API tells it (contract, section 7.1).

    Only `uuid` is sure to be there. Any other field is None if the answer doesn't have it or has it in a form that
    can't be read; `state` and `summary` are always there and their fields are then None.

    Attributes:
        uuid: Id of the service request.
        active: Whether it is active.
        migrated: Whether it was taken over from the older system.
        micro_id: Short id, a text of digits.
        legacy_id: Id in the older system.
        external_id: The `reference_id` of its draft.
        tab: Where it stands in the workflow: a `PrimaryState`, or the text itself if unknown.
        source: What made it, such as `api`.
        partner_code: Code of the partner, if it came in through a partner integration.
        state: How far it is.
        summary: Its short description.
        user: Id of the user who made it. Not always a UUID.
        service: Id of its service.
        created_at: When it was created.
        updated_at: When it was last changed.
        drafted_at: When it was drafted.
        raw: The JSON object this was read from: the `sr` of the answer.
    """

    uuid: str
    active: bool | None = None
    migrated: bool | None = None
    micro_id: str | None = None
    legacy_id: str | None = None
    external_id: str | None = None
    tab: PrimaryState | str | None = None
    source: str | None = None
    partner_code: str | None = None
    state: State = field(factory=State)
    summary: Summary = field(factory=Summary)
    user: str | None = None
    service: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    drafted_at: datetime | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    @property
    def is_final(self) -> bool:
        """As `State.is_final`."""
        return self.state.is_final

    @property
    def is_authentic(self) -> bool:
        """As `State.is_authentic`."""
        return self.state.is_authentic

    @property
    def is_counterfeit(self) -> bool:
        """As `State.is_counterfeit`."""
        return self.state.is_counterfeit

    @property
    def is_cancelled(self) -> bool:
        """As `State.is_cancelled`."""
        return self.state.is_cancelled

    @property
    def needs_resubmission(self) -> bool:
        """As `State.needs_resubmission`."""
        return self.state.needs_resubmission


# The values below are typed `object`: a draft is built from files and forms, so its types are only a promise.


def _reference_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"reference_id: {_shown(value)} is not a text"
    if not value.strip():
        return "reference_id: is empty"
    if "\0" in value:
        return f"reference_id: {_shown(value)} holds a NUL character"
    return None if _encodable(value) else f"reference_id: {_shown(value)} can't be written as UTF-8"


def _item_problems(value: object) -> tuple[str, ...]:
    if isinstance(value, Item):
        return tuple([f"item.{problem}" for problem in value.problems()])
    return (f"item: {_shown(value)} is not an Item",)


def _uuid_problem(path: str, value: object, *, needed: bool) -> str | None:
    if value is None and not needed:
        return None
    if value is None or value == "":
        return f"{path}: is empty, a UUID is needed"
    return None if isinstance(value, str) and _is_uuid(value) else f"{path}: {_shown(value)} is not a UUID"


# The ids of a bulk run are few, and the same again and again.
@functools.lru_cache(maxsize=4096)
def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
