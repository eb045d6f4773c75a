"""Who waits for a turn, and who goes next. Pure.

Interactive calls go before bulk ones, but never so that these starve. Among each, first come, first served; a call that
has had its turn already goes first. Calls to different endpoints stand in lines of their own, since a limit may concern
one endpoint alone.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from legitmark_async._pacer._turn import Lane

W = TypeVar("W")

# After so many interactive turns in a row a bulk call goes first once.
_IN_A_ROW = 4


class Line(OrderedDict[W, tuple[float, int]]):
    """Who waits for turns of one lane and endpoint: by when a turn must come, and a number that tells who was first."""


class Queue(Generic[W]):
    """The lines of those who wait. Whoever waits is any hashable value."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Lane, str], Line[W]] = {}
        self._waiting = dict.fromkeys(Lane, 0)
        self._in_a_row = 0
        self._joined = 0

    def __len__(self) -> int:
        return self._waiting[Lane.INTERACTIVE] + self._waiting[Lane.BULK]

    def waiting(self, lane: Lane) -> int:
        """Return how many wait in a lane."""
        return self._waiting[lane]

    @property
    def owes_bulk(self) -> bool:
        """Whether so many interactive calls have gone that a bulk call goes next, as if it were one."""
        return self._in_a_row >= _IN_A_ROW and self._waiting[Lane.BULK] > 0

    def counts(self) -> dict[tuple[Lane, str], int]:
        """Return how many wait in each line."""
        return {kind: len(line) for kind, line in self._lines.items() if line}

    def join(self, waiter: W, lane: Lane, endpoint: str, *, deadline: float, first: bool) -> None:
        """Let somebody wait; `first` goes before all that wait in the same line."""
        line = self._lines.get((lane, endpoint))
        if line is None:
            line = self._lines[lane, endpoint] = Line()
        self._joined += 1
        line[waiter] = deadline, -self._joined if first else self._joined
        if first:
            line.move_to_end(waiter, last=False)
        self._waiting[lane] += 1

    def leave(self, waiter: W, lane: Lane, endpoint: str) -> None:
        """Let somebody go who needn't be there any more."""
        if self._lines[lane, endpoint].pop(waiter, None) is not None:
            self._waiting[lane] -= 1

    def heads(self) -> list[tuple[Lane, str]]:
        """Return the lines in which anybody waits, the one that goes first first."""
        heads = [(lane, endpoint) for (lane, endpoint), line in self._lines.items() if line]
        if len(heads) > 1:
            order = -1 if self.owes_bulk else 1
            heads.sort(key=lambda key: (order * key[0], next(iter(self._lines[key].values()))[1]))
        return heads

    def pop(self, lane: Lane, endpoint: str) -> W:
        """Take the first of a line away: it gets its turn."""
        waiter, _ = self._lines[lane, endpoint].popitem(last=False)
        self._waiting[lane] -= 1
        self._in_a_row = self._in_a_row + 1 if lane is Lane.INTERACTIVE else 0
        return waiter

    def hurried(self) -> Iterator[tuple[W, Lane, str, float, int]]:
        """Give everybody who has a deadline: who, lane, endpoint, deadline, and how many go before in the same line."""
        for (lane, endpoint), line in self._lines.items():
            for ahead, (waiter, (deadline, _)) in enumerate(list(line.items())):
                if deadline < float("inf"):
                    yield waiter, lane, endpoint, deadline, ahead
