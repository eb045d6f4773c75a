"""What a service request is about, as the API tells it."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class Reference:
    """A row of the taxonomy that another object refers to.

    Attributes:
        uuid: Its id.
        name: Its name, in the language that was asked for.
        media: URL of a picture.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    media: str | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class ItemDetails:
    """The item of a service request (contract, sections 7.2 and 13.16).

    Attributes:
        category: Such as Bag.
        type: Such as Crossbody. The API has it under `types`, beside a `type` that is the text "undefined"; or under
            `type`.
        brand: The brand, if the draft told it.
        model: The model, if the draft told it.
        raw: The JSON object this was read from.
    """

    category: Reference | None = None
    type: Reference | None = field(default=None, metadata={"names": ("type", "types")})
    brand: Reference | None = None
    model: Reference | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
