"""The taxonomy: the known ids, and enough others to fill pages (contract section 7.7). Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

_CDN = "https://cdn.legitmark.com"
_MADE_AT = "2024-09-26T10:00:00.000Z"
# Each twentieth row of what is made up is out of use.
_INACTIVE = 20
_BRANDS, _MODELS = 250, 300

_KNOWN_BRANDS = (
    "Nike", "Hermès", "Louis Vuitton", "Céline", "Chanel", "Gucci", "Prada", "Dior", "Saint Laurent", "Bottega Veneta",
    "Adidas", "New Balance", "Rolex", "Omega", "Cartier", "A. Lange & Söhne",
)  # fmt: skip
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Bag", ("Crossbody", "Tote", "Shoulder Bag", "Backpack", "Clutch", "Belt Bag")),
    ("Footwear", ("Sneakers", "Boots", "Heels", "Loafers", "Sandals")),
    ("Watch", ("Wristwatch", "Pocket Watch", "Smart Watch")),
    ("Jewelry", ("Ring", "Necklace", "Bracelet", "Earrings")),
    ("Clothing", ("Jacket", "T-Shirt", "Dress", "Jeans")),
    ("Accessory", ("Belt", "Scarf", "Wallet", "Sunglasses")),
    ("Trading Card", ("Single Card", "Sealed Box")),
    ("Luggage", ("Trolley", "Duffle")),
)
_OUT_OF_USE = ("Luggage", "Belt Bag")
_KNOWN_IDS = {
    "Bag": "cc30b104-7c47-11ef-a623-02595575faeb",
    "Footwear": "25ed7133-f230-4d64-850d-0cfc698e2931",
    "Crossbody": "95e42d6b-7c4f-11ef-a623-02595575faeb",
    "Sneakers": "95e428c2-7c4f-11ef-a623-02595575faeb",
    "Nike": "95b54167-a23f-4ca0-81c0-8cf90a3619e2",
}
SERVICE = "31670fe9-9272-11ef-b98d-06fb0f2a63e5"
SERVICES = {SERVICE: ("Luxury Authentication", "An authentication by experts, with a certificate")}


class Row(NamedTuple):
    """A row of any level; `parent` is the uuid of the row above, if there is just one."""

    uuid: str
    name: str
    level: str
    parent: str = ""
    active: bool = True


def _id(space: int, number: int) -> str:
    return f"{space:04x}{number:04x}-7c4f-11ef-a623-02595575faeb"


def _rows(level: str, space: int, names: Iterable[tuple[str, str]]) -> tuple[Row, ...]:
    return tuple(
        Row(_KNOWN_IDS.get(name, _id(space, number)), name, level, parent, active=name not in _OUT_OF_USE)
        for number, (name, parent) in enumerate(names, 1)
    )


CATEGORIES = _rows("categories", 0xCA00, ((name, "") for name, _ in _KINDS))
_BY_NAME = {row.name: row.uuid for row in CATEGORIES}
TYPES = _rows("types", 0x7E00, ((name, _BY_NAME[category]) for category, names in _KINDS for name in names))
BRANDS = tuple(
    Row(
        _KNOWN_IDS.get(name, _id(0xB400, number)),
        name,
        "brands",
        active=number <= len(_KNOWN_BRANDS) or number % _INACTIVE != 0,
    )
    for number, name in enumerate(
        (*_KNOWN_BRANDS, *(f"Maison {number:03}" for number in range(len(_KNOWN_BRANDS) + 1, _BRANDS + 1))), 1
    )
)
MODELS = tuple(
    Row(
        _id(0xDE00, number),
        f"Air Max {number}" if number <= _MODELS // 3 else f"Model {number:03}",
        "models",
        # The first third is Nike's, the others belong to the brands in turn.
        BRANDS[0 if number <= _MODELS // 3 else number % len(BRANDS)].uuid,
        active=number % _INACTIVE != 0,
    )
    for number in range(1, _MODELS + 1)
)
NAMES = {row.uuid: row.name for row in (*CATEGORIES, *TYPES, *BRANDS, *MODELS)}
_TYPE_OF_MODELS = _KNOWN_IDS["Sneakers"]


def find_row(rows: Iterable[Row], uuid: str) -> Row | None:
    """The row of a uuid."""
    return next((row for row in rows if row.uuid == uuid.lower()), None)


def types_of(category: str) -> tuple[Row, ...]:
    """The types of a category."""
    return tuple(row for row in TYPES if row.parent == category.lower())


def brands_of(type_uuid: str) -> tuple[Row, ...]:
    """The brands of a type: the known ones and every third of the others, as the type's place has it."""
    place = next(number for number, row in enumerate(TYPES) if row.uuid == type_uuid.lower())
    known = len(_KNOWN_BRANDS)
    return BRANDS[:known] + BRANDS[known + place % 3 :: 3]


def encode_row(row: Row, name: str) -> dict[str, Any]:
    """A row as a list has it."""
    told: dict[str, Any] = {
        "uuid": row.uuid,
        "name": name,
        "media": f"{_CDN}/{row.level}/{row.uuid}.png",
        "active": row.active,
    }
    if row.level in {"categories", "types"}:
        told |= {"ordinal": 1, "sides": [], "created_at": _MADE_AT, "updated_at": _MADE_AT}
    if row.level == "categories":
        told |= {"feature": False, "has_brands": True}
    return told


def encode_model(row: Row) -> dict[str, Any]:
    """A model, which refers to the levels above."""
    type_ = find_row(TYPES, _TYPE_OF_MODELS) or TYPES[0]
    return {
        "uuid": row.uuid,
        "name": row.name,
        "active": row.active,
        "brand": {"uuid": row.parent, "name": NAMES[row.parent]},
        "type": {"uuid": type_.uuid, "name": type_.name},
        "category": {"uuid": type_.parent, "name": NAMES[type_.parent]},
    }


def model_matches(row: Row, given: dict[str, str]) -> bool:
    """Whether a model is of the brand, type and category that were asked for."""
    told: dict[str, Any] = encode_model(row)
    return all(
        given.get(f"{level}_uuid", str(told[level]["uuid"])).lower() == told[level]["uuid"]
        for level in ("brand", "type", "category")
    )
