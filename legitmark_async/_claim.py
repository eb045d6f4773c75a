"""Whether a service request is the one that a create was to make, whose answer was lost. Pure.

The look-up by reference is public, and takes other ids too: so a hit may be a stranger's (contract, section 12).
"""

from collections.abc import Mapping
from enum import Enum, auto

from attrs import frozen

from legitmark_async.models import ServiceRequest, ServiceRequestDraft

# Seconds by which the server may date a service request before the moment at which it was asked for: its machines
# needn't agree on the time. Within them an older one of the same reference counts as ours, which makes no duplicate.
SKEW = 300.0


@frozen
class Claim:
    """What the service request of a create must have to be ours.

    Attributes:
        reference_id: Of the draft; the API tells it as `external_id`.
        category: UUID of the item's category.
        type: UUID of the item's type.
    """

    reference_id: str
    category: str
    type: str

    @classmethod
    def of(cls, draft: ServiceRequestDraft) -> "Claim":
        """Return what a draft claims."""
        return cls(draft.reference_id, draft.item.category, draft.item.type)

    @property
    def findable(self) -> bool:
        """Whether a path can hold the reference: dots alone are taken for a step in it."""
        return self.reference_id not in {".", ".."}


@frozen
class Sighting:
    """What the look-up by reference found.

    Attributes:
        uuid: Of the service request.
        external_id: Its reference, if that is told.
    """

    uuid: str
    external_id: str | None = None


class Likeness(Enum):
    """How a service request stands to a claim."""

    OURS = auto()
    OLDER = auto()  # of the same reference, but it was there before, or is of another kind
    FOREIGN = auto()  # of another reference: as long as it answers to ours, it hides whatever is there
    UNCLEAR = auto()  # the answer doesn't tell enough


def compare(claim: Claim, found: ServiceRequest, not_before: float) -> Likeness:
    """Tell whether a service request is the one that was claimed.

    Args:
        claim: What was asked for.
        found: What answers to its reference.
        not_before: When it was first asked for, as epoch seconds of the server's clock.
    """
    if found.external_id is None or found.created_at is None:
        return Likeness.UNCLEAR
    if found.external_id != claim.reference_id:
        return Likeness.FOREIGN
    if found.created_at.timestamp() < not_before - SKEW:
        return Likeness.OLDER
    item = found.raw.get("item")
    told = item if isinstance(item, Mapping) else {}
    # Contract, section 13.16: the object of the type stands under `types`, and `type` may be a mere text.
    same = _agree(told, ("category",), claim.category) and _agree(told, ("types", "type"), claim.type)
    return Likeness.OURS if same else Likeness.OLDER


def _agree(item: Mapping[str, object], names: tuple[str, ...], wanted: str) -> bool:
    for name in names:
        part = item.get(name)
        told = part.get("uuid") if isinstance(part, Mapping) else None
        if isinstance(told, str):
            return told.lower() == wanted.lower()
    return True
