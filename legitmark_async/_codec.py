"""The one converter between models and JSON, and the only module that knows cattrs.

Out: a model of a draft becomes a JSON object without the fields that are None.
In: lenient. What the caller can't do without is required; any other field that is missing or of another type than
the contract says is left at its default, and the JSON object itself stays in `.raw`.
"""

import functools
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin

from attrs import NOTHING, Attribute, AttrsInstance, fields, has
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from legitmark_async.models import ServiceRequestDraft

try:
    import orjson
except ImportError:
    import json

    # Made once: `json.dumps` makes one at each call that asks for anything but its defaults.
    _ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def dumps(payload: Mapping[str, Any]) -> bytes:
        """Write a JSON object as UTF-8."""
        return _ENCODER.encode(payload).encode()

    def loads(body: bytes) -> Any:  # noqa: ANN401  # JSON is anything
        """Read JSON; ValueError if it is none."""
        try:
            return json.loads(body)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
else:

    def dumps(payload: Mapping[str, Any]) -> bytes:
        """Write a JSON object as UTF-8."""
        return orjson.dumps(payload)

    def loads(body: bytes) -> Any:  # noqa: ANN401  # JSON is anything
        """Read JSON; ValueError if it is none."""
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))


M = TypeVar("M", bound=AttrsInstance)
_Hook = Callable[[Any, Any], Any]


class UnreadableError(ValueError):
    """A payload lacks what its model can't do without."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def unstructure(draft: AttrsInstance) -> dict[str, Any]:
    """Turn a draft into its JSON object; fields that are None, and `origin`, are left out."""
    unstructured: dict[str, Any] = _converter().unstructure(draft)
    return unstructured


def structure(payload: object, cls: type[M], path: str = "$") -> M:
    """Read a model from a JSON value.

    Args:
        payload: What the body holds at `path`.
        cls: The model.
        path: JSON path of the payload, for the error.

    Raises:
        UnreadableError: It is no object, or lacks a field that the model can't do without.
    """
    try:
        return _converter().structure(payload, cls)
    except UnreadableError as error:
        raise UnreadableError(f"{path}{error.problem}") from None


@functools.cache
def _converter() -> Converter:
    # cattrs coerces by default: None becomes 'None', "false" becomes True. Here a value either is of its type or isn't.
    converter = Converter(detailed_validation=False, omit_if_default=True)
    converter.register_unstructure_hook_factory(_is_draft, functools.partial(_draft_hook, converter))
    for cls in (str, bool):
        converter.register_structure_hook(cls, _exactly(cls))
    converter.register_structure_hook(int, _structure_int)
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(datetime, _structure_datetime)
    converter.register_structure_hook_factory(_is_open_enum, _open_enum_hook)
    converter.register_structure_hook_factory(_is_text_or_model, functools.partial(_text_or_model_hook, converter))
    converter.register_structure_hook_factory(_is_tuple, functools.partial(_tuple_hook, converter))
    converter.register_structure_hook_factory(has, functools.partial(_model_hook, converter))
    return converter


def _is_draft(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, ServiceRequestDraft)


def _draft_hook(converter: Converter, cls: type[AttrsInstance]) -> Callable[[Any], dict[str, Any]]:
    return make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, origin=override(omit=True))


def _model_hook(converter: Converter, cls: type[AttrsInstance]) -> _Hook:
    """Build the reader of one model, with the hooks of its fields looked up once."""
    attributes = {attribute.name: attribute for attribute in fields(cls) if attribute.name != "raw"}
    readers = tuple(
        (key, name, *_field_hook(converter, attribute))
        for name, attribute in attributes.items()
        # Of several names that a field has been seen under, the last one counts most.
        for key in attribute.metadata.get("names", (name,))
    )
    required = {name for name, attribute in attributes.items() if attribute.default is NOTHING}

    def structure_model(payload: Any, _: object) -> AttrsInstance:  # noqa: ANN401  # JSON is anything
        if type(payload) is not dict:
            raise UnreadableError(f" is {_name(payload)}, not an object")
        known = _readable_fields(payload, readers)
        known["raw"] = payload
        for name in required:
            if name not in known:
                raise UnreadableError(_lacking(payload, name))
        return cls(**known)

    return structure_model


def _readable_fields(payload: Mapping[str, Any], readers: tuple[tuple[str, str, _Hook, Any], ...]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, name, hook, cls in readers:
        value = payload.get(key)
        if type(value) is cls:
            # Texts and truth values, most of what there is, need no hook.
            known[name] = value
        elif value is not None:
            try:
                known[name] = hook(value, cls)
            except (ValueError, TypeError, OverflowError):
                continue
    return known


def _field_hook(converter: Converter, attribute: "Attribute[Any]") -> tuple[_Hook, Any]:
    # None never gets to a hook, so a field of `X | None` is read as X.
    members = _members(attribute.type)
    cls = members[0] if len(members) == 1 else attribute.type
    return converter.get_structure_hook(cls), cls


def _members(declared: object) -> tuple[Any, ...]:
    union = get_args(declared) if get_origin(declared) in {Union, types.UnionType} else (declared,)
    return tuple(member for member in union if member is not types.NoneType)


def _is_open_enum(declared: object) -> bool:
    return any(isinstance(member, type) and issubclass(member, Enum) for member in _members(declared))


def _open_enum_hook(declared: object) -> _Hook:
    enum = next(member for member in _members(declared) if issubclass(member, Enum))
    known = {member.value: member for member in enum}

    def structure_open_enum(value: object, _: object) -> object:
        if not isinstance(value, str):
            raise TypeError(value)
        return known.get(value, value)

    return structure_open_enum


def _is_text_or_model(declared: object) -> bool:
    members = _members(declared)
    return str in members and any(has(member) for member in members)


def _text_or_model_hook(converter: Converter, declared: object) -> _Hook:
    cls = next(member for member in _members(declared) if has(member))
    hook = converter.get_structure_hook(cls)

    def structure_text_or_model(value: object, _: object) -> object:
        return value if isinstance(value, str) else hook(value, cls)

    return structure_text_or_model


def _is_tuple(declared: object) -> bool:
    return get_origin(declared) is tuple


def _tuple_hook(converter: Converter, declared: object) -> _Hook:
    cls = get_args(declared)[0]
    hook = converter.get_structure_hook(cls)

    def structure_tuple(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError(value)
        return tuple(hook(member, cls) for member in value)

    return structure_tuple


def _exactly(cls: type[Any]) -> _Hook:
    def structure_exactly(value: object, _: object) -> Any:  # noqa: ANN401  # of the class
        if type(value) is not cls:
            raise TypeError(value)
        return value

    return structure_exactly


def _structure_int(value: object, _: object) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise TypeError(value)


def _structure_float(value: object, _: object) -> float:
    if type(value) in {int, float}:
        return float(value)  # type: ignore[arg-type]  # one of the two, as the line above says
    raise TypeError(value)


def _structure_datetime(value: object, _: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError(value)
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _lacking(payload: dict[str, Any], name: str) -> str:
    if name not in payload:
        return f".{name} is missing"
    return f".{name} is {_name(payload[name])}"


def _name(value: object) -> str:
    # The kind alone: the value may be long, or somebody's secret.
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "a number")
