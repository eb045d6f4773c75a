"""What all limits have in common that refill all the time, and have no windows. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._law import Law, View
from legitmark_async._pacer._slots import Slots
from legitmark_async._pacer._turn import Turn

# So many may fly at once while what has gathered is spent at once.
BURST = 16


@define(eq=False)
class Refill:
    """Something gathers up to a limit, at a rate, and is spent.

    Attributes:
        rate: Requests that become free each second.
        limit: Requests that can gather at most.
        successor: Another law, if the answers prove this one wrong.
    """

    rate: float
    limit: float
    successor: Law | None = field(default=None, init=False)
    _slots: Slots = field(factory=Slots, init=False)

    @property
    def kind(self) -> str:
        """How it counts."""
        return "refill"

    @property
    def turns_at(self) -> float:
        """There is no window to begin."""
        return math.inf

    def passed(self, turn: Turn, now: float) -> None:
        """Note that a request was admitted."""

    def ends_in(self, count: float, now: float) -> float:
        """Return the seconds until so many more have left, if nothing changes."""
        return max(count - self._level(now), 0.0) / self._nominal

    def view(self, now: float) -> View:
        """Return what is known."""
        return View(max(int(self._level(now)), 0), self._nominal)

    def doubt(self) -> None:
        """What is measured next is measured over the time that it takes."""

    def hold_still(self) -> None:
        """Nothing is tried."""

    @property
    def _nominal(self) -> float:
        return self.rate

    def _level(self, now: float) -> float:
        """Return how many requests are free."""
        raise NotImplementedError
