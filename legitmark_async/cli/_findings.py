"""What a journal says of its runs, brought together for a report. Pure, and of constant size whatever the journal's."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from attrs import define, field, frozen

from legitmark_async.journal import Entry, JournalSummary, RunRecord, Sample, Status

# Spans on a time axis at most, and how long one may be (s).
_SPANS = 240
_WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
_DAY = 86_400
# Rows that are named for each cause, and causes that are told apart.
_NAMED = 20
_CAUSES = 200
_OTHERS = f"other causes than the {_CAUSES} that came first"


@define
class Span:
    """What happened in a span of the time axis."""

    created: int = 0
    failed: int = 0
    unknown: int = 0
    refused: int = 0


@frozen
class Timeline:
    """The runs, one behind the other, without the time between them.

    Attributes:
        width: Seconds of a span.
        spans: What happened in each.
        beginnings: Number of each run, and the second of the axis at which it begins.
    """

    width: int
    spans: tuple[Span, ...]
    beginnings: tuple[tuple[int, float], ...]

    @property
    def seconds(self) -> float:
        """How long the axis is."""
        return float(self.width * len(self.spans))


@define
class Extent:
    """What of a run is known even if it was killed.

    Attributes:
        ended_at: When it ended, or else was heard of last.
        refused: Requests that the rate limit refused.
    """

    ended_at: datetime
    refused: int


@define
class Group:
    """Items with one cause.

    Attributes:
        cause: What is wrong.
        count: How many there are.
        rows: The first of them: where they stand, and their references.
    """

    cause: str
    count: int = 0
    rows: list[str] = field(factory=list[str])

    def add(self, entry: Entry) -> None:
        """Count an item in."""
        self.count += 1
        if len(self.rows) < _NAMED:
            where = "" if entry.file is None else f"{entry.file}:{entry.line}"
            self.rows.append(" ".join(filter(None, [where, entry.reference_id])) or "a draft without a reference")


@frozen
class Findings:
    """All that a report tells.

    Attributes:
        summary: Counts and runs.
        extents: How long each run went on, by its number.
        timeline: What happened when.
        waits: Seconds by what was waited for, the longest first.
        stuck: Items that were created and got no further, by their cause, the most frequent first.
        failures: Failed items by their cause, the most frequent first.
        unknowns: Unknown items, likewise.
    """

    summary: JournalSummary
    extents: Mapping[int, Extent]
    timeline: Timeline
    waits: tuple[tuple[str, float], ...]
    stuck: tuple[Group, ...]
    failures: tuple[Group, ...]
    unknowns: tuple[Group, ...]

    @property
    def ended_at(self) -> datetime | None:
        """When the last thing happened that is noted, or None."""
        return max((extent.ended_at for extent in self.extents.values()), default=None)

    @property
    def refused(self) -> int:
        """Requests that the rate limit refused, in all runs."""
        return sum(extent.refused for extent in self.extents.values())


def find(
    summary: JournalSummary, samples: Callable[[], Iterable[Sample]], entries: Callable[[Status], Iterable[Entry]]
) -> Findings:
    """Bring together what a journal says.

    Args:
        summary: Its counts and runs.
        samples: Reads its samples; called twice.
        entries: Reads its items of one status.
    """
    extents = _extents(summary.runs, samples())
    waits: defaultdict[str, float] = defaultdict(float)
    for sample in samples():
        if sample.reason is not None:
            waits[sample.reason] += sample.seconds
    return Findings(
        summary,
        extents,
        _timeline(summary.runs, extents, samples()),
        tuple(sorted(waits.items(), key=lambda wait: -wait[1])),
        _groups(entries(Status.STUCK)),
        _groups(entries(Status.FAILED)),
        _groups(entries(Status.UNKNOWN)),
    )


def _extents(runs: Sequence[RunRecord], samples: Iterable[Sample]) -> dict[int, Extent]:
    extents = {run.number: Extent(run.ended_at or run.started_at, 0) for run in runs}
    for sample in samples:
        extent = extents.setdefault(sample.run, Extent(sample.at, 0))
        extent.ended_at = max(extent.ended_at, sample.at)
        extent.refused += sample.refused
    for run in runs:
        # A run that was killed has noted no sum, and one may have ended before its last second was noted.
        extents[run.number].refused = max(extents[run.number].refused, run.refused)
    return extents


def _timeline(runs: Iterable[RunRecord], extents: Mapping[int, Extent], samples: Iterable[Sample]) -> Timeline:
    starts, beginnings, length = {}, [], 0.0
    for run in runs:
        starts[run.number] = (run.started_at, length)
        beginnings.append((run.number, length))
        length += max((extents[run.number].ended_at - run.started_at).total_seconds(), 0.0)
    width = next((width for width in _WIDTHS if length <= width * _SPANS), None)
    width = width or _DAY * -int(-length // (_DAY * _SPANS))
    spans = [Span() for _ in range(max(-int(-length // width), 1))]
    for sample in samples:
        if sample.run in starts:
            started_at, before = starts[sample.run]
            # What a sample tells of has happened in the span that it ends.
            middle = before + (sample.at - started_at).total_seconds() - sample.seconds / 2
            span = spans[min(max(int(middle // width), 0), len(spans) - 1)]
            span.created += sample.created
            span.failed += sample.failed
            span.unknown += sample.unknown
            span.refused += sample.refused
    return Timeline(width, tuple(spans), tuple(beginnings))


def _groups(entries: Iterable[Entry]) -> tuple[Group, ...]:
    groups: dict[str, Group] = {}
    for entry in entries:
        cause = entry.cause or entry.error or "no cause is noted"
        if cause not in groups and len(groups) >= _CAUSES:
            cause = _OTHERS
        groups.setdefault(cause, Group(cause)).add(entry)
    return tuple(sorted(groups.values(), key=lambda group: -group.count))


def cumulated(spans: Iterable[Span], count: Callable[[Span], int]) -> Iterator[int]:
    """Add up a count, span by span."""
    total = 0
    for span in spans:
        total += count(span)
        yield total
