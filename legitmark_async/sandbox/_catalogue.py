"""The operations on the taxonomy: lists with and without pages, and single rows (contract sections 4 and 7.7). Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from legitmark_async.sandbox import _envelopes as envelopes
from legitmark_async.sandbox import _taxonomy as taxonomy
from legitmark_async.sandbox._envelopes import Answer, Moment
from legitmark_async.sandbox._routes import Operation
from legitmark_async.sandbox._sides import encode_kinds
from legitmark_async.sandbox._taxonomy import Row
from legitmark_async.sandbox._validation import Problem, is_uuid
from legitmark_async.sandbox._words import translate

_LARGEST_PAGE, _PAGE = 100, 20
_FLAGS = frozenset({"activeOnly", "active_only", "include_inactive", "include_counts"})
_IDS = frozenset({"brand_uuid", "type_uuid", "category_uuid"})

Given = Mapping[str, str]


def answer_catalogue(operation: Operation, argument: str, query: str, language: str, moment: Moment) -> Answer:
    """Answers an operation on the taxonomy."""
    pairs = parse_qsl(query, keep_blank_values=True)
    problems = [problem for name, value in pairs if (problem := _judge(name, value)) is not None]
    if problems:
        return envelopes.encode_problems(moment, problems)
    return _OPERATIONS[operation](unquote(argument), dict(pairs), language, moment)


def _judge(name: str, value: str) -> Problem | None:
    if name in _FLAGS and value not in {"true", "false"}:
        return Problem(f"validation/invalid-{name}", f"{name} must be true or false.")
    if name in _IDS and not is_uuid(value):
        return Problem(f"validation/invalid-{name}", f"{name} must be a UUID string.")
    return None


def _list_categories(_: str, given: Given, language: str, moment: Moment) -> Answer:
    # The newest reference calls it activeOnly; another spelling is ignored (contract section 13.8).
    rows = _only_active(taxonomy.CATEGORIES, wanted=given.get("activeOnly") == "true")
    return _page(_search(rows, given.get("search_query"), language), given, language, moment)


def _list_types(_: str, given: Given, language: str, moment: Moment) -> Answer:
    return _page(_search(taxonomy.TYPES, given.get("search_query"), language), given, language, moment)


def _list_category_types(category: str, given: Given, language: str, moment: Moment) -> Answer:
    if taxonomy.find_row(taxonomy.CATEGORIES, category) is None:
        return _missing("Category", moment)
    return _page(taxonomy.types_of(category), given, language, moment)


def _list_brands(_: str, given: Given, language: str, moment: Moment) -> Answer:
    # The SDK's spelling alone: documented for brands is no other (contract section 13.9).
    return _page(_search(taxonomy.BRANDS, given.get("search"), language), given, language, moment)


def _list_models(_: str, given: Given, language: str, moment: Moment) -> Answer:
    rows = _search(taxonomy.MODELS, given.get("search_query"), language)
    span = _span(given, moment)
    if isinstance(span, Answer):
        return span
    first, size = span
    models = [taxonomy.encode_model(row) for row in rows if taxonomy.model_matches(row, dict(given))]
    # Without metadata, and under a name of their own (contract section 13.22).
    return envelopes.encode_success("The models were fetched.", models=models[first : first + size], rc_hit=False)


def _get_tree(_: str, __: Given, language: str, ___: Moment) -> Answer:
    data = [
        _encode(row, language) | {"types": [_encode(kind, language) for kind in taxonomy.types_of(row.uuid)]}
        for row in taxonomy.CATEGORIES
    ]
    metadata = {"total_categories": len(taxonomy.CATEGORIES), "total_types": len(taxonomy.TYPES)}
    return _success(data, metadata)


def _get_category(uuid: str, _: Given, language: str, moment: Moment) -> Answer:
    row = taxonomy.find_row(taxonomy.CATEGORIES, uuid)
    return _missing("Category", moment) if row is None else _success(_encode(row, language))


def _get_type(uuid: str, _: Given, language: str, moment: Moment) -> Answer:
    row = taxonomy.find_row(taxonomy.TYPES, uuid)
    if row is None:
        return _missing("Type", moment)
    brands = [taxonomy.encode_row(brand, brand.name) for brand in taxonomy.brands_of(uuid)]
    details = encode_kinds(row.parent, language)
    return _success(_encode(row, language) | {"side_details": details, "brands": brands})


def _list_type_brands(uuid: str, given: Given, _: str, moment: Moment) -> Answer:
    if taxonomy.find_row(taxonomy.TYPES, uuid) is None:
        return _missing("Type", moment)
    rows = _only_active(taxonomy.brands_of(uuid), wanted=given.get("include_inactive") != "true")
    return _success([taxonomy.encode_row(row, row.name) for row in rows])


def _get_service(uuid: str, _: Given, __: str, moment: Moment) -> Answer:
    if uuid.lower() not in taxonomy.SERVICES:
        return _missing("Service", moment)
    name, description = taxonomy.SERVICES[uuid.lower()]
    service = {"uuid": uuid.lower(), "name": name, "description": description}
    return envelopes.encode_success("The service was fetched successfully.", service=service, rc_hit=False)


_OPERATIONS: dict[str, Callable[[str, Given, str, Moment], Answer]] = {
    "tree": _get_tree,
    "categories": _list_categories,
    "category": _get_category,
    "category_types": _list_category_types,
    "types": _list_types,
    "type": _get_type,
    "type_brands": _list_type_brands,
    "brands": _list_brands,
    "models": _list_models,
    "service": _get_service,
}
CATALOGUE = frozenset(_OPERATIONS)


def _page(rows: Sequence[Row], given: Given, language: str, moment: Moment) -> Answer:
    span = _span(given, moment)
    if isinstance(span, Answer):
        return span
    first, size = span
    metadata = {
        "total_count": len(rows),
        "page_number": first // size + 1,
        "total_pages": -(-len(rows) // size),
        "page_size": size,
    }
    return _success([_encode(row, language) for row in rows[first : first + size]], metadata)


def _span(given: Given, moment: Moment) -> tuple[int, int] | Answer:
    """Where the page begins that was asked for, and how many rows it has."""
    numbers: list[int] = []
    for name, usual in (("page_number", 1), ("page_size", _PAGE)):
        text = given.get(name, str(usual))
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            return envelopes.encode_problems(
                moment, [Problem(f"validation/invalid-{name}", f"{name} must be 1 or more.")]
            )
        numbers.append(int(text))
    if numbers[1] > _LARGEST_PAGE:
        problem = Problem("validation/invalid-page_size", f"page_size must be {_LARGEST_PAGE} at most.")
        return envelopes.encode_problems(moment, [problem])
    return (numbers[0] - 1) * numbers[1], numbers[1]


def _search(rows: Iterable[Row], text: str | None, language: str) -> list[Row]:
    wanted = (text or "").casefold()
    return [row for row in rows if wanted in row.name.casefold() or wanted in translate(row.name, language)]


def _only_active(rows: Iterable[Row], *, wanted: bool) -> list[Row]:
    return [row for row in rows if row.active or not wanted]


def _encode(row: Row, language: str) -> dict[str, Any]:
    return taxonomy.encode_row(row, translate(row.name, language) if row.level in {"categories", "types"} else row.name)


def _success(data: object, metadata: object = None) -> Answer:
    """The envelope without `success`, whose `category` is a word of the status (contract section 3)."""
    document = {"message": "Fetched successfully.", "category": "SUCCESS", "data": data, "rc_hit": False}
    return Answer(200, envelopes.encode(document if metadata is None else {**document, "metadata": metadata}))


def _missing(what: str, moment: Moment) -> Answer:
    return envelopes.encode_error(moment, 404, f"{what} not found")
