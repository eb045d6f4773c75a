"""What is sent to create a service request: a draft, and the checks on it."""

import functools
import re

from attrs import field, frozen

# Most of the known taxonomy ids are version 1, so any version will do (contract, section 7.7).
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHOWN = 80


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
