"""Values of the Legitmark Partner API: frozen, and without a word of JSON.

What users build is strict and can tell what is wrong with it (`ServiceRequestDraft.problems`). What the API
answers is lenient: apart from the id, a field that is missing or unreadable is None, and `.raw` always holds the
untouched JSON object that the model was read from.
"""

from legitmark_async.models.draft import Item, ServiceRequestDraft
from legitmark_async.models.envelope import ErrorEnvelope, ErrorItem, RateLimitDetails
from legitmark_async.models.item import ItemDetails, Reference
from legitmark_async.models.limits import Limit, LimitType, RateLimit
from legitmark_async.models.service_request import ServiceRequest, ServiceRequestSummary, Summary
from legitmark_async.models.sides import MediaVersion, Progress, Requirements, Side, Sides
from legitmark_async.models.state import PrimaryState, State, Stated, SupplementState
from legitmark_async.models.taxonomy import Brand, Category, ItemModel, ItemType, Service
from legitmark_async.models.upload import Upload

__all__ = [
    "Brand",
    "Category",
    "ErrorEnvelope",
    "ErrorItem",
    "Item",
    "ItemDetails",
    "ItemModel",
    "ItemType",
    "Limit",
    "LimitType",
    "MediaVersion",
    "PrimaryState",
    "Progress",
    "RateLimit",
    "RateLimitDetails",
    "Reference",
    "Requirements",
    "Service",
    "ServiceRequest",
    "ServiceRequestDraft",
    "ServiceRequestSummary",
    "Side",
    "Sides",
    "State",
    "Stated",
    "Summary",
    "SupplementState",
    "Upload",
]
