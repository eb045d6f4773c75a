"""Async client for the Legitmark Partner API.

`Legitmark` is the client; `legitmark_async.errors` draws the tree of what can go wrong.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legitmark_async.bulk import (
        BulkRun,
        Created,
        Failed,
        Outcome,
        Row,
        RunProgress,
        Skipped,
        Stuck,
        Submitted,
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
        LedgerError,
        LegitmarkError,
        MalformedResponseError,
        NotFoundError,
        OutcomeUnknownError,
        PhotoError,
        RateLimitError,
        RecordError,
        ResponseError,
        ServerError,
        SignatureError,
        TransportError,
        UnreadableEventError,
        WebhookError,
        WorkflowError,
    )
    from legitmark_async.journal import JournalReader
    from legitmark_async.models import (
        Brand,
        Category,
        ErrorEnvelope,
        ErrorItem,
        Item,
        ItemDetails,
        ItemModel,
        ItemType,
        Limit,
        LimitType,
        MediaVersion,
        PrimaryState,
        Progress,
        RateLimit,
        RateLimitDetails,
        Reference,
        Requirements,
        Service,
        ServiceRequest,
        ServiceRequestDraft,
        ServiceRequestSummary,
        Side,
        Sides,
        State,
        Summary,
        SupplementState,
        Upload,
    )
    from legitmark_async.options import RetryPolicy, Timeouts
    from legitmark_async.resources import NotUploaded, Uploaded, UploadProgress, UploadRun
    from legitmark_async.workflow import photos_in, read_photos

    __version__: str

__all__ = [
    "Attempt",
    "AttemptTimeoutError",
    "AuthenticationError",
    "Brand",
    "BulkRun",
    "Category",
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
    "ItemDetails",
    "ItemModel",
    "ItemType",
    "JournalError",
    "JournalReader",
    "LedgerError",
    "Legitmark",
    "LegitmarkError",
    "Limit",
    "LimitType",
    "MalformedResponseError",
    "MediaVersion",
    "NotFoundError",
    "NotUploaded",
    "Outcome",
    "OutcomeUnknownError",
    "PhotoError",
    "PrimaryState",
    "Progress",
    "RateLimit",
    "RateLimitDetails",
    "RateLimitError",
    "RecordError",
    "Reference",
    "Requirements",
    "ResponseError",
    "RetryPolicy",
    "Row",
    "RunProgress",
    "ServerError",
    "Service",
    "ServiceRequest",
    "ServiceRequestDraft",
    "ServiceRequestSummary",
    "Side",
    "Sides",
    "SignatureError",
    "Skipped",
    "State",
    "Stuck",
    "Submitted",
    "Summary",
    "SupplementState",
    "Timeouts",
    "TransportError",
    "Unknown",
    "UnreadableEventError",
    "Upload",
    "UploadProgress",
    "UploadRun",
    "Uploaded",
    "WebhookError",
    "WorkflowError",
    "photos_in",
    "read_csv",
    "read_jsonl",
    "read_photos",
]

# Where the names are, the lightest first: what is not needed is not imported, so that a command's `--help`, or a module
# that needs an error alone, doesn't wait for the client.
_HOMES = ("errors", "models", "options", "journal", "bulk", "resources", "workflow", "client")
_PACKAGES = (*_HOMES, "distributed", "limits", "sandbox", "testing", "webhooks")


if not TYPE_CHECKING:  # else a name that isn't there would seem to be

    def __getattr__(name: str) -> object:
        if name in _PACKAGES:
            return importlib.import_module(f"{__name__}.{name}")
        if name == "__version__":
            value = importlib.import_module("importlib.metadata").version("legitmark-async")
        elif name in __all__:
            homes = (importlib.import_module(f"{__name__}.{home}") for home in _HOMES)
            value = next(getattr(home, name) for home in homes if hasattr(home, name))
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES, "__version__"})
