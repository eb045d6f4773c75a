"""The endpoints: how each is asked, and how its answer is read. Pure."""

from legitmark_async._endpoints._answers import decode, decode_envelope
from legitmark_async._endpoints._images import put_photo, request_upload
from legitmark_async._endpoints._pages import LARGEST_PAGE, Listing, Page, list_rows
from legitmark_async._endpoints._raw import Parameters, raw_request
from legitmark_async._endpoints._service_requests import (
    CREATE,
    Include,
    claimed_service_request,
    create_service_request,
    find_service_request,
    get_progress,
    get_requirements,
    get_service_request,
    get_side_groups,
    sight_service_request,
    submit_service_request,
)
from legitmark_async._endpoints._taxonomy import (
    get_brands_of,
    get_category,
    get_service,
    get_tree,
    get_type,
    list_brands,
    list_categories,
    list_models,
    list_types,
    read_rows,
)

__all__ = [
    "CREATE",
    "LARGEST_PAGE",
    "Include",
    "Listing",
    "Page",
    "Parameters",
    "claimed_service_request",
    "create_service_request",
    "decode",
    "decode_envelope",
    "find_service_request",
    "get_brands_of",
    "get_category",
    "get_progress",
    "get_requirements",
    "get_service",
    "get_service_request",
    "get_side_groups",
    "get_tree",
    "get_type",
    "list_brands",
    "list_categories",
    "list_models",
    "list_rows",
    "list_types",
    "put_photo",
    "raw_request",
    "read_rows",
    "request_upload",
    "sight_service_request",
    "submit_service_request",
]
