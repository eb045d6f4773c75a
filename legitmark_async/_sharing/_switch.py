"""Between the shared limits and one's own: what a process goes by when it can't reach the others. Pure."""

import math
from collections.abc import Iterable

from attrs import define, field

from legitmark_async._pacer import Lane, Limiter, Meter, Refusal, Turn
from legitmark_async.models import Limit


@define(eq=False)
class Switch:
    """Passes everything on to what holds now, on the clock of the group.

    Attributes:
        current: The share, or the limits that the process learns by itself.
        offset: Seconds from the process's clock to the group's.
        used_at: When a request left last, on the process's clock.
        bulk_endpoint: Where the last bulk call went.
    """

    current: Limiter = field(init=False)
    offset: float = field(default=0.0, init=False)
    used_at: float = field(default=-math.inf, init=False)
    bulk_endpoint: str = field(default="", init=False)
    _turns: dict[int, Turn] = field(factory=dict[int, Turn], init=False)

    @property
    def empty(self) -> bool:
        """Whether nothing is known of any limit."""
        return self.current.empty

    def meters(self, now: float) -> tuple[float, Iterable[Meter]]:
        """Return the limits that are known, and what their clock shows now."""
        return self.current.meters(now + self.offset)

    def knows(self, endpoint: str) -> bool:
        """Whether it is known how many may leave, and when."""
        return self.current.knows(endpoint)

    def wait(self, now: float, endpoint: str, ahead: float) -> tuple[float, str]:
        """Return how long one more has to wait after so many others, as far as is known, and for what (s, words)."""
        return self.current.wait(now + self.offset, endpoint, ahead)

    def delay(self, now: float, lane: Lane, endpoint: str, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if that is not known yet."""
        return self.current.delay(now + self.offset, lane, endpoint, backlog, in_flight)

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        self.used_at = turn.sent_at
        if turn.lane is Lane.BULK:
            self.bulk_endpoint = turn.endpoint
        shifted = self._turns[turn.number] = Turn(turn.number, turn.lane, turn.endpoint, turn.sent_at + self.offset)
        self.current.take(shifted)

    def answered(self, turn: Turn, now: float, limits: tuple[Limit, ...]) -> None:
        """Note that a request was admitted, and what its answer tells."""
        self.current.answered(self._turns.pop(turn.number), now + self.offset, limits)

    def give_back(self, turn: Turn) -> None:
        """Note that a request was not counted."""
        self.current.give_back(self._turns.pop(turn.number))

    def lost(self, turn: Turn) -> None:
        """Note that there will be no answer, or one that doesn't tell."""
        self.current.lost(self._turns.pop(turn.number))

    def refused(self, turn: Turn, now: float, refusal: Refusal) -> bool:
        """Note a refusal; True if it closed the gate for all."""
        return self.current.refused(self._turns.pop(turn.number), now + self.offset, refusal)
