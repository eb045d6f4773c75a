"""What a bulk run has counted."""

from collections import Counter

from attrs import define, field

from legitmark_async.bulk._outcomes import Created, Failed, Outcome, Stuck, Submitted, Unknown

# Fewer outcomes than this don't make a share of failures.
_SAMPLE = 100


@define(eq=False)
class Tally:
    """The counts of a run. Its workers change them, in one event loop.

    Attributes:
        taken: Drafts read.
        seen: Outcomes that were given to the loop.
        recalled: Drafts that an earlier run has done.
        counts: Outcomes by their class.
        started: When it began, in monotonic seconds, or None.
        ended: When it ended, or None.
    """

    taken: int = 0
    seen: int = 0
    recalled: int = 0
    counts: Counter[type[Outcome]] = field(factory=Counter[type[Outcome]])
    started: float | None = None
    ended: float | None = None

    @property
    def done(self) -> int:
        """Drafts that have their outcome."""
        return self.counts.total()

    @property
    def created(self) -> int:
        """Drafts that became service requests, however far those got."""
        return self.counts[Created] + self.counts[Submitted] + self.counts[Stuck]

    @property
    def failures(self) -> int:
        """Drafts that failed or got stuck, or of which it isn't known."""
        return self.counts[Failed] + self.counts[Stuck] + self.counts[Unknown]

    def too_many(self, allowed: float) -> bool:
        """Whether more have failed than are allowed: a number, or below 1 a share."""
        if 0 < allowed < 1:
            allowed = allowed * self.done if self.done >= _SAMPLE else _SAMPLE
        return self.failures > allowed

    def seconds(self, now: float) -> float:
        """Return how long it has gone on."""
        if self.started is None:
            return 0.0
        return (now if self.ended is None else self.ended) - self.started

    def left(self, total: int, now: float) -> float | None:
        """Return the seconds until so many are done, by the pace so far; None as long as there is none."""
        return (total - self.done) * self.seconds(now) / self.created if self.created else None
