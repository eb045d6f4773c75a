"""Values of the Legitmark Partner API: frozen, and without a word of JSON.

What users build is strict and can tell what is wrong with it (`ServiceRequestDraft.problems`). What the API
answers is lenient: apart from the id, a field that is missing or unreadable is None, and `.raw` always holds the
untouched JSON object that the model was read from.
"""

from legitmark_async.models.envelope import ErrorEnvelope, ErrorItem, RateLimitDetails
from legitmark_async.models.limits import Limit, LimitType, RateLimit
from legitmark_async.models.service_request import (
    Item,
    PrimaryState,
    ServiceRequest,
    ServiceRequestDraft,
    State,
    Summary,
    SupplementState,
)

__all__ = [
    "ErrorEnvelope",
    "ErrorItem",
    "Item",
    "Limit",
    "LimitType",
    "PrimaryState",
    "RateLimit",
    "RateLimitDetails",
    "ServiceRequest",
    "ServiceRequestDraft",
    "State",
    "Summary",
    "SupplementState",
]
