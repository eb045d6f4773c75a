"""Which operation a path names, of the API's host. Pure."""

import re
from typing import Literal, NamedTuple, get_args

Operation = Literal[
    "create", "get", "find", "progress", "side_groups", "submit",
    "tree", "categories", "category", "category_types", "types", "type", "type_brands", "brands", "models", "service",
]  # fmt: skip
OPERATIONS: tuple[Operation, ...] = get_args(Operation)


class Route(NamedTuple):
    """An operation, how it is asked, and what of the path it is asked with, still percent-encoded."""

    operation: Operation
    method: str
    argument: str


# An argument is one segment, so a slash in an identifier comes as %2F. The tree comes before the categories' ids.
_ROUTES: tuple[tuple[str, str, Operation], ...] = (
    ("POST", "/api/v2/sr", "create"),
    ("GET", "/api/v2/sr/*", "get"),
    ("GET", "/api/v2/sr/*/side-groups", "side_groups"),
    ("POST", "/api/v2/sr/*/submit", "submit"),
    ("GET", "/api/sr/find/*", "find"),
    ("GET", "/api/side-groups/progress", "progress"),
    ("GET", "/api/v2/categories", "categories"),
    ("GET", "/api/v2/categories/tree", "tree"),
    ("GET", "/api/v2/categories/*", "category"),
    ("GET", "/api/v2/categories/*/types", "category_types"),
    ("GET", "/api/v2/types", "types"),
    ("GET", "/api/v2/types/*", "type"),
    ("GET", "/api/v2/types/*/brands", "type_brands"),
    ("GET", "/api/v2/brands", "brands"),
    ("GET", "/api/v2/models", "models"),
    ("GET", "/api/services/*", "service"),
)
_PATTERNS: tuple[tuple[str, re.Pattern[str], Operation], ...] = tuple(
    (method, re.compile(path.replace("*", "([^/]+)")), operation) for method, path, operation in _ROUTES
)


def find_route(path: str) -> Route | None:
    """The route of a path, whatever it was asked by."""
    for method, pattern, operation in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            return Route(operation, method, match[1] if pattern.groups else "")
    return None
