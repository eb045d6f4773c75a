"""Where a group lives: what a store has to do."""

import inspect
from typing import Protocol, runtime_checkable

from attrs import frozen

from legitmark_async.errors import ConfigurationError


@frozen
class Stored:
    """What a store holds under a key.

    Attributes:
        document: The text; None if there is none.
        version: Goes up with each change; 0 if there is none.
        now: The store's clock, as epoch seconds.
    """

    document: str | None
    version: int
    now: float


@runtime_checkable
class LimitStore(Protocol):
    """Keeps what is known of rate limits where several processes can reach it.

    Give one to a client as `limits`. The client closes it when it is closed itself; a store that several clients of a
    process share opens again by itself. Whatever its methods raise is taken for an outage: the clients go on alone
    until it is over.
    """

    async def load(self, key: str) -> Stored:
        """Return what is stored under a key, and the time."""
        ...

    async def save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        """Store a text if nobody has changed it since that version was loaded; False if somebody has.

        Args:
            key: Under which name.
            document: The text.
            version: What was loaded.
            alarm: Whether the others should hear of it at once.
        """
        ...

    async def alarm(self, key: str) -> int:
        """Wait until somebody stores something with an alarm, and return its version."""
        ...

    async def aclose(self) -> None:
        """Close connections. It may be used again afterwards."""
        ...


def checked_store(store: object) -> LimitStore | None:
    """Return a store, or None.

    Raises:
        ConfigurationError: It is none.
    """
    if store is None:
        return None
    if isinstance(store, LimitStore) and not inspect.isclass(store):
        return store
    raise ConfigurationError(
        f"limits must be a store such as RedisLimits(url) or SqliteLimits(path), not a {type(store).__name__}",
        problems=["limits"],
    )
