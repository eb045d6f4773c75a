"""Whether an event was seen before: webhooks may come twice, and side by side."""

import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from attrs import define, field

# The sender tries for some hours, and by hand for as long as somebody remembers.
KEPT = 7 * 24 * 3600.0
# A handler is done or given up by then: what is still open was in a process that died.
LEASE = 60.0
_CAPACITY = 100_000


class Claimed(Enum):
    """What claiming an event came to."""

    NEW = auto()  # it is yours to handle
    BUSY = auto()  # somebody handles it right now
    DONE = auto()  # it was handled


class Deduplicator(Protocol):
    """Remembers which events were handled.

    An event is claimed before it is handled, and is done or released after. So one that fails is handled again when it
    comes again, and none twice at once. If a process dies while it handles an event, the event is handled again: a
    handler had better do no harm then.
    """

    async def claim(self, key: str) -> Claimed:
        """Claim an event."""
        ...

    async def done(self, key: str) -> None:
        """Note that an event was handled."""
        ...

    async def release(self, key: str) -> None:
        """Note that an event was not handled, and may be claimed again."""
        ...


@define(eq=False)
class MemoryDeduplicator:
    """Remembers in memory: for one process, and until it ends.

    Attributes:
        kept: Seconds for which an event is remembered.
        capacity: Events remembered at most; the oldest are forgotten.
        lease: Seconds after which an event that is neither done nor released may be claimed again.
        clock: Seconds.
    """

    kept: float = KEPT
    capacity: int = _CAPACITY
    lease: float = LEASE
    clock: Callable[[], float] = time.monotonic
    _seen: "OrderedDict[str, tuple[Claimed, float]]" = field(factory=OrderedDict, init=False)

    async def claim(self, key: str) -> Claimed:
        """Claim an event; see `Deduplicator`."""
        found, since = self._seen.get(key, (Claimed.NEW, 0.0))
        age = self.clock() - since
        if found is Claimed.DONE and age < self.kept:
            return Claimed.DONE
        if found is Claimed.BUSY and age < self.lease:
            return Claimed.BUSY
        self._note(key, Claimed.BUSY)
        return Claimed.NEW

    async def done(self, key: str) -> None:
        """Note that an event was handled."""
        self._note(key, Claimed.DONE)

    async def release(self, key: str) -> None:
        """Note that an event was not handled."""
        self._seen.pop(key, None)

    def _note(self, key: str, what: Claimed) -> None:
        self._seen[key] = (what, self.clock())
        self._seen.move_to_end(key)
        while len(self._seen) > self.capacity:
            self._seen.popitem(last=False)
