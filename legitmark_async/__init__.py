"""Async client for the Legitmark Partner API.

`Legitmark` is the client; `legitmark_async.errors` draws the tree of what can go wrong.
"""

from importlib.metadata import version as _version

from legitmark_async.bulk import (
    BulkRun,
    Created,
    Failed,
    Outcome,
    Row,
    RunProgress,
    Skipped,
    Unknown,
    read_csv,
    read_jsonl,
)
from legitmark_async.client import Legitmark
from legitmark_async.errors import (
    Attempt,
    AttemptTimeoutError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidRequestError,
    JournalError,
    LegitmarkError,
    MalformedResponseError,
    NotFoundError,
    OutcomeUnknownError,
    PhotoError,
    RateLimitError,
    ResponseError,
    ServerError,
    SignatureError,
    TransportError,
    UnreadableEventError,
    WebhookError,
)
from legitmark_async.journal import JournalReader
from legitmark_async.models import (
    ErrorEnvelope,
    ErrorItem,
    Item,
    Limit,
    LimitType,
    PrimaryState,
    RateLimit,
    RateLimitDetails,
    ServiceRequest,
    ServiceRequestDraft,
    State,
    Summary,
    SupplementState,
)
from legitmark_async.options import RetryPolicy, Timeouts

__all__ = [
    "Attempt",
    "AttemptTimeoutError",
    "AuthenticationError",
    "BulkRun",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "Created",
    "DeadlineExceededError",
    "ErrorEnvelope",
    "ErrorItem",
    "Failed",
    "ForbiddenError",
    "InvalidRequestError",
    "Item",
    "JournalError",
    "JournalReader",
    "Legitmark",
    "LegitmarkError",
    "Limit",
    "LimitType",
    "MalformedResponseError",
    "NotFoundError",
    "Outcome",
    "OutcomeUnknownError",
    "PhotoError",
    "PrimaryState",
    "RateLimit",
    "RateLimitDetails",
    "RateLimitError",
    "ResponseError",
    "RetryPolicy",
    "Row",
    "RunProgress",
    "ServerError",
    "ServiceRequest",
    "ServiceRequestDraft",
    "SignatureError",
    "Skipped",
    "State",
    "Summary",
    "SupplementState",
    "Timeouts",
    "TransportError",
    "Unknown",
    "UnreadableEventError",
    "WebhookError",
    "read_csv",
    "read_jsonl",
]


def __getattr__(name: str) -> str:
    # Looked up when somebody asks: reading the metadata costs more than it looks.
    if name == "__version__":
        return _version("legitmark-async")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
