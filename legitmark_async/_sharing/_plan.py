"""Who may let how many leave in the next moments, by the limits as they are known now. Pure."""

import math
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from attrs import define, field

from legitmark_async._pacer import Lane, Limits, Turn
from legitmark_async._sharing._permit import Permit

# After so many interactive permits in a row one goes to a bulk call.
_IN_A_ROW = 4
# No plan has more permits, so that none takes long.
_MOST = 250
# So few in flight ask something, more often than not: they are to be told of at once.
_FEW = 4
# No wait is shorter (s), for time must go on; if a wait isn't known, it is looked again after so long.
_SHORTEST, _LOOK = 1e-6, 0.02
# As long as nothing is known of a limit, those who know something come again after so long (s).
_UNKNOWN = 0.05

# Who waits, and where they go: empty if that makes no difference to any limit.
Kind = tuple[Lane, str]


@define(eq=False)
class Wanting:
    """Those who want permits of one kind, and how many each; who got least goes first."""

    _heap: list[tuple[float, str]] = field(factory=list[tuple[float, str]], init=False)
    _left: dict[str, float] = field(factory=dict[str, float], init=False)

    @property
    def count(self) -> float:
        """How many permits all of them want."""
        return sum(self._left.values())

    def add(self, name: str, served: float, count: float) -> None:
        """Let somebody want so many, who got so many already."""
        heappush(self._heap, (served, name))
        self._left[name] = count

    def pop(self, favoured: str | None) -> str:
        """Take a wish for one away, and return whose it was: the favoured one's, if it got hardly more than others."""
        entry = self._heap[0]
        if favoured in self._left:
            wish = next(wish for wish in self._heap if wish[1] == favoured)
            entry = wish if wish[0] <= entry[0] + _FEW else entry
        if entry is self._heap[0]:
            heappop(self._heap)
        else:
            self._heap.remove(entry)
            heapify(self._heap)
        served, name = entry
        self._left[name] -= 1
        if self._left[name] > 0:
            heappush(self._heap, (served + 1, name))
        else:
            del self._left[name]
        return name


@define(eq=False)
class Plan:
    """Goes through the next moments as if they were there.

    Attributes:
        limits: A copy of what is known; what is planned is taken from it.
        now: The instant.
        interval: Seconds after which everybody comes again.
        horizon: The end of what is planned.
        numbered: The last number of a permit.
        in_flight: Requests in flight, and permits.
        in_a_row: Interactive permits that were given one after the other.
        wanting: Who wants what.
        next_at: When it is of use to come again for those who get none; infinity if nobody is left.
    """

    limits: Limits
    now: float
    interval: float
    horizon: float
    numbered: int
    in_flight: int
    in_a_row: int
    wanting: dict[Kind, Wanting]
    next_at: float = field(default=math.inf, init=False)
    _unsure: set[Kind] = field(factory=set[Kind], init=False)

    def hand_out(self, favoured: str) -> Iterator[tuple[str, Permit]]:
        """Give all permits up to the horizon, and who gets them; the favoured one is who is here."""
        instants, most = dict.fromkeys(self.wanting, self.now), self.numbered + _MOST
        while self.wanting and self.numbered < most:
            kind = self._first(instants)
            delay = self._delay(kind, instants[kind])
            if delay > 0:
                self._go_on(kind, instants, delay)
            else:
                yield self._give(kind, instants[kind], favoured)
                if not self.wanting[kind].count:
                    del self.wanting[kind], instants[kind]

    def _go_on(self, kind: Kind, instants: dict[Kind, float], delay: float) -> None:
        if delay == math.inf:
            self._unsure.add(kind)
            # Only an answer can tell now. But what bulk calls don't take until then may well be free.
            delay = _LOOK if kind[0] is Lane.INTERACTIVE else math.inf
        instants[kind] += max(delay, _SHORTEST)
        if instants[kind] > self.horizon:
            self.next_at = min(self.next_at, self._useful_at(kind, instants[kind]))
            del self.wanting[kind], instants[kind]

    def _first(self, instants: dict[Kind, float]) -> Kind:
        """Return what may leave first, and of what may leave at the same time interactive calls, mostly."""
        order = 1 if self.in_a_row < _IN_A_ROW else -1
        return min(instants, key=lambda kind: (instants[kind], order * kind[0]))

    def _delay(self, kind: Kind, instant: float) -> float:
        lane, endpoint = kind
        asker = Lane.INTERACTIVE if self.in_a_row >= _IN_A_ROW else lane
        backlog = sum(wanting.count for (other, _), wanting in self.wanting.items() if other <= lane)
        return self.limits.delay(instant, asker, endpoint, backlog, self.in_flight)

    def _give(self, kind: Kind, at: float, favoured: str) -> tuple[str, Permit]:
        lane, endpoint = kind
        asks = self.limits.asks(endpoint)
        ends = math.inf if asks else self.limits.turns_at(endpoint)
        # Of the few that are to tell how a limit goes on, nobody knows who sends them but who is here.
        asks = asks or self.in_flight < _FEW
        name = self.wanting[kind].pop(favoured if asks else None)
        self.numbered += 1
        self.in_flight += 1
        self.in_a_row = self.in_a_row + 1 if lane is Lane.INTERACTIVE else 0
        self.limits.take(Turn(self.numbered, lane, endpoint, at, planned=True))
        return name, Permit(self.numbered, lane, endpoint, at, ends, asks)

    def _useful_at(self, kind: Kind, free_at: float) -> float:
        _, endpoint = kind
        # 1. Others are to tell what they know.
        if not self.limits.knows(endpoint):
            return self.now + _UNKNOWN
        # 2. An answer is to tell whether a limit is open again, or how it goes on.
        heard_at = self.limits.heard_at(endpoint)
        if heard_at is not None:
            return heard_at
        if kind in self._unsure:
            return self.now
        # 3. The next permit can be given.
        return free_at - self.interval
