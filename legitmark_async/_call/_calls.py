"""Calls, counted together."""

from collections import Counter

from attrs import define, field

from legitmark_async._call._state import WAITING, CallState
from legitmark_async._pacer import IN_FLIGHT


@define(eq=False)
class Calls:
    """The calls of one caller: those under way, and what became of the others. Changed in one event loop.

    Attributes:
        under_way: How far each of them is.
    """

    under_way: set[CallState] = field(factory=set[CallState])
    _refused: int = field(default=0, init=False)

    def end(self, state: CallState) -> None:
        """Note that a call is over."""
        self.under_way.discard(state)
        self._refused += state.refusals

    @property
    def refused(self) -> int:
        """Requests that the rate limit refused."""
        return self._refused + sum(state.refusals for state in self.under_way)

    @property
    def in_flight(self) -> int:
        """Requests in flight."""
        return sum(state.in_flight for state in self.under_way)

    @property
    def waiting(self) -> int:
        """Calls that wait for the rate limit."""
        return sum(state.phase == WAITING for state in self.under_way)

    def waits(self, limit: str) -> dict[str, int]:
        """Return what the calls wait for, and how many for each.

        Args:
            limit: What a turn waits for at this moment; where that isn't known, it is what it began to wait for.
        """
        return Counter(
            (limit or state.reason or IN_FLIGHT) if state.phase == WAITING else state.phase
            for state in self.under_way
            if not state.in_flight
        )
