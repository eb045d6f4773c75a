"""Finding rows by their names, as people write them. Pure."""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Protocol, TypeVar

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NEAR, _SHOWN = 0.6, 5


class Named(Protocol):
    """A row of the taxonomy."""

    @property
    def uuid(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str | None:
        """Its name."""
        ...


R = TypeVar("R", bound=Named)


class UnknownNameError(ValueError):
    """A name that stands for no row, or for several; the text says which are near."""


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID, and so no name."""
    return _UUID.fullmatch(text.strip()) is not None


def fold(name: str) -> str:
    """Return what is left of a name without case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    folded = "".join(letter for letter in plain if letter.isalnum())
    # A name of signs alone is itself.
    return folded or plain.strip()


def find_named(rows: Iterable[R], name: str, what: str) -> R:
    """Return the row of a name or UUID.

    Args:
        rows: Where to look.
        name: Case, accents, spaces and punctuation don't count, unless two rows differ by them alone.
        what: What the rows are, for the error.

    Raises:
        UnknownNameError: There is none, or several.
    """
    rows = list(rows)
    wanted = name.strip().casefold()
    for found in (
        [row for row in rows if wanted in {row.uuid.casefold(), (row.name or "").strip().casefold()}],
        [row for row in rows if fold(row.name or "") == fold(name)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(row.uuid for row in found)
            raise UnknownNameError(f"several of the {what} are called {name!r}: use the UUID of one of them: {ids}")
    raise UnknownNameError(f"{name!r} is none of the {what}{_suggest(rows, name)}")


def _suggest(rows: Iterable[Named], name: str) -> str:
    names = {fold(row.name): row.name for row in rows if row.name}
    near = [names[match] for match in difflib.get_close_matches(fold(name), names, n=_SHOWN, cutoff=_NEAR)]
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    some = sorted(names.values())
    if not some:
        return "; there are none"
    more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
    return f"; there are {', '.join(map(repr, some[:_SHOWN]))}{more}"
