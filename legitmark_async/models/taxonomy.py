"""The taxonomy: category, type, brand, model (contract, section 7.7), and services."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from legitmark_async.models.item import Reference
from legitmark_async.models.sides import Side


@frozen(kw_only=True)
class ItemType:
    """A type of items, such as Crossbody: the second level.

    Attributes:
        uuid: Its id.
        name: Its name, in the language that was asked for.
        description: What it is.
        media: URL of a picture.
        ordinal: Its place among the others.
        active: Whether it is in use.
        sides: Ids of the sides of its photos.
        side_details: The sides themselves, where the answer has them.
        brands: Its brands, where the answer has them.
        created_at: When it was created.
        updated_at: When it was last changed.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    description: str | None = None
    media: str | None = None
    ordinal: int | None = None
    active: bool | None = None
    sides: tuple[str, ...] = ()
    side_details: tuple[Side, ...] = ()
    brands: tuple[Reference, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Category:
    """A category, such as Bag: the first level.

    Attributes:
        uuid: Its id.
        name: Its name, in the language that was asked for.
        description: What it is.
        media: URL of a picture.
        feature: Whether it is put forward.
        ordinal: Its place among the others.
        active: Whether it is in use.
        has_brands: Whether there are brands below it, where a list tells.
        sides: Ids of the sides of its photos.
        types: Its types, where the answer has them: in the tree.
        created_at: When it was created.
        updated_at: When it was last changed.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    description: str | None = None
    media: str | None = None
    feature: bool | None = None
    ordinal: int | None = None
    active: bool | None = None
    has_brands: bool | None = None
    sides: tuple[str, ...] = ()
    types: tuple[ItemType, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Brand:
    """A brand, such as Nike: the third level.

    Attributes:
        uuid: Its id.
        name: Its name.
        media: URL of a picture.
        active: Whether it is in use.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    media: str | None = None
    active: bool | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class ItemModel:
    """A model of a brand: the fourth level.

    Attributes:
        uuid: Its id.
        name: Its name.
        brand: Its brand; a mere name in older answers.
        type: Its type.
        category: Its category.
        active: Whether it is in use.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    brand: Reference | str | None = None
    type: Reference | str | None = None
    category: Reference | str | None = None
    active: bool | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Service:
    """A service that a service request asks for; only its name and description are documented.

    Attributes:
        uuid: Its id.
        name: Its name, in the language that was asked for.
        description: What it is, likewise.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    description: str | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
