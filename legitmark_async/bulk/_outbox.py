"""Outcomes on their way to the loop that takes them, and room for those that are to come."""

from collections import deque

from legitmark_async.bulk._job import Job
from legitmark_async.bulk._line import Line, wait_in, wake_one
from legitmark_async.bulk._outcomes import Outcome
from legitmark_async.bulk._tally import Tally

# Outcomes that may wait to be taken, for each task, before the tasks wait in their turn.
_AHEAD = 2


class Outbox:
    """Hands over outcomes, as they come or in the order of their drafts.

    Args:
        tally: Counts the drafts read (`taken`), and, by this class, the outcomes taken (`seen`).
        concurrency: Drafts under way at once.
        ordered: Whether to keep the order of the drafts.
    """

    def __init__(self, tally: Tally, *, concurrency: int, ordered: bool) -> None:
        self.ready: deque[Outcome] = deque()
        self._tally = tally
        self._concurrency = concurrency
        self._ordered = ordered
        self._lane: deque[Job] = deque()  # in order, the jobs whose outcomes are not due yet
        self._waiting: Line = deque()  # for an outcome
        self._blocked: Line = deque()  # until an outcome is taken

    @property
    def room(self) -> int:
        """For how many more drafts there is room."""
        return _AHEAD * self._concurrency - self._tally.taken + self._tally.seen

    def expect(self, job: Job) -> None:
        """Note that a job has begun; others that wait for room may begin too, if there is some."""
        if self._ordered:
            self._lane.append(job)
        if self.room > 0:
            wake_one(self._blocked)

    def settle(self, job: Job, outcome: Outcome) -> None:
        """Hand over the outcome of a job, when it is due."""
        job.outcome, job.worker = outcome, None
        if not self._ordered:
            self.put(outcome)
            return
        while self._lane and (due := self._lane[0].outcome) is not None:
            self.put(due)
            self._lane.popleft()

    def put(self, outcome: Outcome) -> None:
        """Hand over an outcome."""
        self.ready.append(outcome)
        wake_one(self._waiting)

    def take(self) -> Outcome:
        """Take the next outcome; there must be one."""
        self._tally.seen += 1
        # Not for each outcome: whoever is woken has room for some more, and wakes others if it needs their help.
        if self._blocked and self.room >= self._concurrency:
            wake_one(self._blocked)
        return self.ready.popleft()

    async def wait(self) -> None:
        """Wait for an outcome, or until there will be no more."""
        await wait_in(self._waiting)

    async def wait_for_room(self) -> None:
        """Wait until an outcome is taken, or no more drafts are read."""
        await wait_in(self._blocked)

    def read_no_more(self) -> None:
        """Let go of those who wait for room."""
        while self._blocked:
            wake_one(self._blocked)

    def end(self) -> None:
        """Let go of those who wait for an outcome."""
        while self._waiting:
            wake_one(self._waiting)
