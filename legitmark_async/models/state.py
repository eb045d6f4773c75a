"""How far a service request is (contract, section 9)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen


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


class Stated:
    """What has a state, and tells what it means: service requests, and the events of webhooks."""

    __slots__ = ()

    state: State

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
