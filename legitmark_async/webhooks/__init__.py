"""Webhooks: events that the API sends to your service (contract, section 10).

`verify` tells whether Legitmark sent one, `parse` what it says. `Receiver` does both, drops what comes twice, and
answers in time; `aiohttp_handler` and `AsgiApp` put it into a service.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from legitmark_async.errors import SignatureError, UnreadableEventError, WebhookError
from legitmark_async.webhooks._asgi import AsgiApp
from legitmark_async.webhooks._deduplicators import Claimed, Deduplicator, MemoryDeduplicator
from legitmark_async.webhooks._events import (
    Event,
    InvalidateServiceRequest,
    InvalidationReason,
    MediaRejected,
    RejectedSide,
    StateChange,
    UnknownEvent,
)
from legitmark_async.webhooks._parse import dedup_key, parse
from legitmark_async.webhooks._receiver import OnEvent, Receiver
from legitmark_async.webhooks._signature import sign, verify

if TYPE_CHECKING:
    from legitmark_async.webhooks._aiohttp import Listener, aiohttp_handler
    from legitmark_async.webhooks._sqlite import SqliteDeduplicator

__all__ = [
    "AsgiApp",
    "Claimed",
    "Deduplicator",
    "Event",
    "InvalidateServiceRequest",
    "InvalidationReason",
    "Listener",
    "MediaRejected",
    "MemoryDeduplicator",
    "OnEvent",
    "Receiver",
    "RejectedSide",
    "SignatureError",
    "SqliteDeduplicator",
    "StateChange",
    "UnknownEvent",
    "UnreadableEventError",
    "WebhookError",
    "aiohttp_handler",
    "dedup_key",
    "parse",
    "sign",
    "verify",
]

_LAZY = {"Listener": "_aiohttp", "aiohttp_handler": "_aiohttp", "SqliteDeduplicator": "_sqlite"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # a class
    # Servers and databases are loaded by those who use them.
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
