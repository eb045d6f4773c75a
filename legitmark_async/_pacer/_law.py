"""What a law of spending has to answer, whatever it has learned of a limit. Pure."""

from typing import Protocol

from attrs import frozen

from legitmark_async._pacer._turn import Lane, Reading, Refusal, Refused, Turn

# After a refusal by a limit that refills, so many requests become free before the next one leaves; if that is refused
# again and again, more, up to this share of a refill.
_PAUSE, _LONGEST_PAUSE = 4.0, 0.05
# The kind of a limit of which nothing is known but that it is there.
UNKNOWN = "unknown"
# Two instants of a coarse clock are at least so far apart (s).
INSTANT = 0.001


@frozen
class Hold:
    """How long to wait after a refusal (s).

    Attributes:
        seconds: None if nobody tells.
        exact: Whether the instant is known; else somewhat more is waited, and more each time it was not enough.
        floor: What is waited at least if it is not exact and nobody tells, or what is told was not enough.
        longest: What that grows to at most, each time it was not enough.
    """

    seconds: float | None
    exact: bool = False
    floor: float = 0.3
    longest: float = 60.0

    @classmethod
    def of_refill(cls, told: Refusal, rate: float, refill: float) -> "Hold":
        """Make one for a limit that refills all the time, at a rate, and wholly in so long."""
        pause = _PAUSE / rate
        waits = [seconds for seconds in (told.resets_in, told.asked) if seconds is not None]
        # Of a reset and a Retry-After the shorter counts: one may tell when all is free again, and one is rounded up.
        return cls(max(min(waits, default=0.0), pause), floor=pause, longest=max(_LONGEST_PAUSE * refill, pause))


@frozen
class View:
    """What a law knows, for those who ask.

    Attributes:
        remaining: Requests that may leave before it waits; None if nobody knows.
        per_second: Requests a second in the long run; None if nobody knows.
        resets_at: When the next window begins, on our clock; None if there are none, or nobody knows.
    """

    remaining: int | None = None
    per_second: float | None = None
    resets_at: float | None = None


class Law(Protocol):
    """Decides when a request may leave, by what is known of one limit.

    A canary is told to the law only by what became of it: `opened` or `refused`.
    """

    @property
    def successor(self) -> "Law | None":
        """Another law, if the answers prove this one wrong."""
        ...

    @property
    def kind(self) -> str:
        """How the limit counts: `unknown`, `window`, `sliding window`, `sliding counter` or `refill`."""
        ...

    @property
    def turns_at(self) -> float:
        """When a canary has to ask; infinity if none has to."""
        ...

    def relimit(self, limit: int) -> None:
        """Take a limit that the server has told, the same or another one."""
        ...

    def delay(self, now: float, lane: Lane, backlog: float, in_flight: int) -> float:
        """Return the seconds until one more may leave; infinity if only an answer can tell.

        Args:
            now: The instant.
            lane: Who asks.
            backlog: Requests that wait in this lane and the ones before it, or will.
            in_flight: Requests that left and have not ended.
        """
        ...

    def take(self, turn: Turn) -> None:
        """Note that a request leaves."""
        ...

    def passed(self, turn: Turn, now: float) -> None:
        """Note that a request was admitted."""
        ...

    def give_back(self, turn: Turn) -> None:
        """Note that a request was refused, and so not counted."""
        ...

    def refused(self, refused: Refused) -> Hold:
        """Note that nothing was left, and return how long to wait."""
        ...

    def opened(self, turn: Turn) -> None:
        """Note that a canary was admitted."""
        ...

    def note(self, reading: Reading) -> None:
        """Take what the answer to a request tells of the limit."""
        ...

    def ends_in(self, count: float, now: float) -> float:
        """Return the seconds until so many more have left, if nothing changes."""
        ...

    def view(self, now: float) -> View:
        """Return what is known."""
        ...

    def hold_still(self) -> None:
        """Don't try whether there is more: what leaves from now on is but planned, and no answer will come."""
        ...

    def doubt(self) -> None:
        """Note that some of what left may not have left at all: what passes now is no proof that there is more."""
        ...

    def part(self, parts: int, now: float) -> "Law":
        """Return what is known for one of so many processes that use the limit in equal parts."""
        ...
