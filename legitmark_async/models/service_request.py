"""The service request (SR), as the API tells of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from legitmark_async.models.item import ItemDetails
from legitmark_async.models.sides import Sides
from legitmark_async.models.state import PrimaryState, State, Stated


@frozen(kw_only=True)
class Summary:
    """The short description of a service request.

    It has two forms, which share no field: the answer to a creation has the first two, the answer to
    `sr.get(..., include=["summary"])` the others (contract, sections 7.1 and 7.2).

    Attributes:
        style: Name of the item's type.
        style_id: UUID of the item's type.
        first_line: Such as the category's name.
        second_line: Such as the type's name.
        combined: Both lines in one.
        thumbnail: URL of a picture.
        size: Of the item.
        condition: Of the item.
        alternative_name: Of the item.
        raw: The JSON object this was read from.
    """

    style: str | None = None
    style_id: str | None = None
    first_line: str | None = None
    second_line: str | None = None
    combined: str | None = None
    thumbnail: str | None = None
    size: str | None = None
    condition: str | None = None
    alternative_name: str | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class ServiceRequest(Stated):
    """A service request as the API tells it (contract, sections 7.1 and 7.2).

    Only `uuid` is sure to be there. Any other field is None if the answer doesn't have it or has it in a form that
    can't be read; `state` and `summary` are always there and their fields are then None. What a flag of `sr.get` asks
    for beyond these fields stands in `raw`.

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
        certificate_url: Where its certificate is, once it is complete; a PDF.
        item: What it is about, if `item` was asked for.
        sides: Its sides with their photos, if `sides` was asked for.
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
    certificate_url: str | None = None
    item: ItemDetails | None = None
    sides: Sides | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    drafted_at: datetime | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class ServiceRequestSummary:
    """What the public look-up tells of a service request; its form is not documented (contract, section 7.3).

    Attributes:
        uuid: Id of the service request.
        micro_id: Short id, a text of digits.
        legacy_id: Id in the older system.
        external_id: The `reference_id` of its draft.
        state: How far it is.
        created_at: When it was created.
        raw: The JSON object this was read from.
    """

    uuid: str
    micro_id: str | None = None
    legacy_id: str | None = None
    external_id: str | None = None
    state: State = field(factory=State)
    created_at: datetime | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
