"""A group as text, so that a store can keep it."""

import json
from itertools import pairwise
from operator import attrgetter
from typing import Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from legitmark_async._pacer import LAWS, Lane, Law, Limits, Uses
from legitmark_async._sharing._group import Group
from legitmark_async._sharing._permit import Permit
from legitmark_async.options import Random

# Goes up whenever a class that is kept changes: a group of another layout is another group.
LAYOUT = 2
_LAWS = {law.__name__: law for law in LAWS}
# The instants of uses are kept to the tenth of a millisecond.
_STEPS = 10_000


class Codec:
    """Writes and reads groups.

    Args:
        random: What the limits that are read use for chance.
    """

    def __init__(self, random: Random) -> None:
        converter = self._converter = Converter(unstruct_collection_overrides={set: list})
        converter.register_structure_hook_factory(attrs.has, self._reader)
        converter.register_unstructure_hook_factory(attrs.has, self._writer)
        converter.register_structure_hook_func(_is_random, lambda _value, _type: random)
        converter.register_unstructure_hook_func(_is_random, lambda _value: None)
        # By what is annotated alone: a law is an instance of the protocol too.
        converter.register_structure_hook_func(_is_law, self._read_law)
        converter.register_unstructure_hook_func(_is_law, self._write_law)
        # Of these there are many, and `attrs.astuple` takes ten times as long.
        converter.register_unstructure_hook(Permit, attrgetter(*(each.name for each in attrs.fields(Permit))))
        converter.register_structure_hook(Permit, lambda value, _: Permit(value[0], Lane(value[1]), *value[2:]))
        converter.register_structure_hook(Uses, _read_uses)
        converter.register_unstructure_hook(Uses, _write_uses)

    def encode(self, group: Group) -> str:
        """Write a group."""
        return json.dumps(self._converter.unstructure(group), separators=(",", ":"))

    def decode(self, document: str) -> Group | None:
        """Read a group; None if it is none."""
        try:
            return self._converter.structure(json.loads(document), Group)
        except Exception:  # noqa: BLE001  # whatever is wrong with it, it is of no use, and written anew
            return None

    def copy(self, limits: Limits) -> Limits:
        """Return limits that have nothing in common with others but what is known."""
        return self._converter.structure(self._converter.unstructure(limits), Limits)

    def _reader(self, cls: type) -> Any:  # noqa: ANN401  # cattrs's own type of a hook
        return make_dict_structure_fn(cls, self._converter, _cattrs_include_init_false=True)

    def _writer(self, cls: type) -> Any:  # noqa: ANN401  # cattrs's own type of a hook
        return make_dict_unstructure_fn(cls, self._converter, _cattrs_include_init_false=True)

    def _read_law(self, value: Any, _: object) -> Law:  # noqa: ANN401  # JSON is anything
        return self._converter.structure(value[1], _LAWS[value[0]])

    def _write_law(self, law: Law) -> object:
        return [type(law).__name__, self._converter.unstructure(law, type(law))]


def _is_law(kind: object) -> bool:
    return kind is Law


def _is_random(kind: object) -> bool:
    return kind == Random


def _read_uses(value: Any, _: object) -> Uses:  # noqa: ANN401  # JSON is anything
    uses, instant = Uses(value["limit"]), value["first"]
    uses.closed_until = value["closed_until"]
    for step in value["steps"]:
        instant += step
        uses.add(instant / _STEPS)
    return uses


def _write_uses(uses: Uses) -> object:
    instants = [round(instant * _STEPS) for instant in uses.instants]
    steps = [after - before for before, after in pairwise(instants)]
    first = instants[0] if instants else 0
    return {
        "limit": uses.limit,
        "closed_until": uses.closed_until,
        "first": first,
        "steps": [0, *steps][: len(instants)],
    }
