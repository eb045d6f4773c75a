"""How far a bulk run is: for whoever asks, and for the journal."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from attrs import define, evolve

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async.bulk._books import Books, Load
from legitmark_async.bulk._job import Job
from legitmark_async.bulk._outcomes import Failed, RunProgress, Skipped, Stuck, Submitted, Unknown
from legitmark_async.bulk._tally import Tally

# Seconds between two samples in the journal.
_SAMPLING = 1.0


@define(eq=False)
class Watch:
    """Looks at a run, and changes nothing of it.

    Attributes:
        caller: Makes its calls.
        beside: Make those that go to other hosts.
        tally: Its counts.
        active: Its jobs under way.
        requests: How many each job takes.
    """

    caller: Caller
    beside: Sequence[Caller]
    tally: Tally
    active: AbstractSet[Job]
    requests: int = 1

    def requests_to_come(self, left: float) -> float:
        """Return the requests beside those that wait or are in flight, if so many drafts are left to read."""
        return left * self.requests + (sum(job.to_come for job in self.active) if self.requests > 1 else 0)

    def progress(self, total: int | None, stopped: str | None, *, working: bool) -> RunProgress:
        """Return a snapshot."""
        tally = self.tally
        # Before and after the run there may be no event loop, and so no clock.
        now = self.caller.clock() if tally.started is not None and tally.ended is None else 0.0
        opens_in, reason = self.caller.pacer.wait(_endpoints.CREATE) if working else (0.0, "")
        ends_in = None
        if tally.ended is not None:
            ends_in = 0.0
        elif total is not None and working:
            ends_in = self._ends_in(total, now, opens_in)
        return RunProgress(
            taken=tally.taken,
            created=tally.created,
            submitted=tally.counts[Submitted],
            stuck=tally.counts[Stuck],
            failed=tally.counts[Failed],
            unknown=tally.counts[Unknown],
            skipped=tally.counts[Skipped],
            done_before=tally.recalled,
            active=len(self.active),
            refused=self.caller.calls.refused,
            seconds=tally.seconds(now),
            waiting=sum(caller.calls.waiting for caller in self._callers),
            in_flight=sum(caller.calls.in_flight for caller in self._callers),
            waits=self._waits() if working else {},
            opens_in=opens_in,
            reason=reason or None,
            total=total,
            ends_in=ends_in,
            stopped=stopped,
        )

    async def sample(self, books: Books) -> None:
        """Note what happens, second by second until it is cancelled, and then once more."""
        before, refused, since = self._counted(), self.caller.calls.refused, self.caller.clock()
        going_on = True
        while going_on:
            try:
                await self.caller.retrier.sleep(_SAMPLING)
            except asyncio.CancelledError:
                going_on = False
            now, after, calls = self.caller.clock(), self._counted(), self.caller.calls
            opens_in, reason = self.caller.pacer.wait(_endpoints.CREATE)
            load = Load(calls.refused - refused, calls.in_flight, calls.waiting, reason if opens_in > 0 else None)
            books.sample(now - since, after, before, load)
            before, refused, since = after, calls.refused, now

    @property
    def _callers(self) -> tuple[Caller, ...]:
        return (self.caller, *self.beside)

    def _waits(self) -> dict[str, int]:
        waits: Counter[str] = Counter()
        for caller in self._callers:
            _, limit = caller.pacer.wait()
            waits.update(caller.calls.waits(limit))
        return dict(waits)

    def _counted(self) -> Tally:
        return evolve(self.tally, counts=self.tally.counts.copy())

    def _ends_in(self, total: int, now: float, opens_in: float) -> float | None:
        by_limits = self.caller.pacer.ends_in(
            _endpoints.CREATE, (total - self.tally.done) * self.requests - self.caller.calls.in_flight
        )
        if by_limits is not None:
            return by_limits
        by_pace = self.tally.left(total, now)
        return None if by_pace is None else max(by_pace, opens_in)
