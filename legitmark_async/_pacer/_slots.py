"""Requests in even steps: one slot after the other, with a little credit for a late timer. Pure."""

import math

from attrs import define, field

from legitmark_async._pacer._turn import Turn

# A slot that was missed may be made up for: so many, and at least and at most so long a time (s).
_CREDIT_SLOTS, _SHORTEST_CREDIT, _LONGEST_CREDIT = 4, 0.02, 0.25


@define(eq=False)
class Slots:
    """When the next request is due, if they are to leave in even steps."""

    _next_at: float = field(default=-math.inf, init=False)
    _taken_at: float = field(default=-math.inf, init=False)
    _gap: float = field(default=math.inf, init=False)  # behind the last one that was taken

    def wait(self, now: float, gap: float | None = None) -> float:
        """Return the seconds until the next slot.

        Args:
            now: The instant.
            gap: The slot is no further than this behind the last one that was taken, however many left out of turn;
                None: what was said when that was taken.
        """
        self._next_at = min(self._next_at, max(now, self._taken_at) + (self._gap if gap is None else gap))
        return max(self._next_at - now, 0.0)

    def take(self, turn: Turn, gap: float) -> None:
        """Take the slot that is due; the one after it comes a gap later."""
        now = turn.sent_at
        credit = 0.0 if turn.planned else min(max(_CREDIT_SLOTS * gap, _SHORTEST_CREDIT), _LONGEST_CREDIT)
        # The first slot was not missed: there is nothing to make up for.
        due_at = max(self._next_at, now - credit) if self._next_at > -math.inf else now
        self._next_at, self._taken_at, self._gap = due_at + gap, max(now, self._taken_at), gap
