"""What goes in and out of the pacer: who asks, what leaves, and what the answers tell. Durations are seconds."""

from enum import IntEnum

from attrs import define, frozen


class Lane(IntEnum):
    """Who asks for a turn; the lower goes first."""

    INTERACTIVE = 0
    BULK = 1


@define(eq=False)
class Turn:
    """One request that may leave now.

    Attributes:
        number: Counts up, in the order in which requests leave.
        lane: Who asked.
        endpoint: Where it goes.
        sent_at: When it left.
        rtt: How long a round trip takes, as far as is known.
        planned: Whether it leaves at the very instant that was planned: then no timer was late for it.
    """

    number: int
    lane: Lane
    endpoint: str
    sent_at: float
    rtt: float = 0.0
    planned: bool = False


@frozen
class Refusal:
    """What a 429 tells.

    Attributes:
        type: Which limit was reached, by the server's name for it.
        limit: Requests that it allows in a window.
        resets_in: Until its reset, from the answer on.
        asked: How long to wait, in the server's own words: Retry-After or the like.
    """

    type: str | None = None
    limit: int | None = None
    resets_in: float | None = None
    asked: float | None = None


# Retry-After is in whole seconds: up to so long (s) it can't tell one instant from another.
_COARSE = 2.0


@frozen
class Refused:
    """A refusal, and the request that it answers.

    Attributes:
        turn: The request.
        now: When the refusal came.
        told: What it tells.
        canary: Whether the request left alone, to ask.
    """

    turn: Turn
    now: float
    told: Refusal
    canary: bool

    @property
    def resets_at(self) -> float | None:
        """When the limit is reset, on our clock."""
        return None if self.told.resets_in is None else self.now + self.told.resets_in

    @property
    def before_reset(self) -> bool:
        """Whether a place may come free before the reset, by what Retry-After, in whole seconds, asks for."""
        wait, asked = self.told.resets_in, self.told.asked
        return wait is None or asked is None or asked < wait or wait <= _COARSE


@frozen
class Reading:
    """What an answer tells of one limit.

    Attributes:
        limit: Requests that a window allows.
        remaining: Requests that were left when it was written.
        left: The same, less those that we have sent since the one that is answered.
        resets_at: When the window opens anew, on our clock.
        mark: The same instant on the server's own clock, by which resets are told apart.
        exact: Whether that is exact to the millisecond; else only to the second.
        sent_at: When the request left that is answered.
        now: When the answer came.
    """

    limit: int
    remaining: int
    left: int
    resets_at: float
    mark: float
    exact: bool
    sent_at: float
    now: float
