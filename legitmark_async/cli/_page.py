"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import PurePath
from urllib.parse import urlsplit

from legitmark_async.cli._charts import (
    Frame,
    Series,
    format_count,
    format_seconds,
    lines,
    up_and_down,
)
from legitmark_async.cli._findings import Findings, Group, Span, cumulated
from legitmark_async.cli._style import STYLE
from legitmark_async.journal import JournalSummary, RunRecord

# So many runs can be named on a time axis.
_NAMED_RUNS = 6
# Causes that are unfolded at first.
_OPEN = 3


def render(findings: Findings) -> str:
    """Return the page."""
    summary = findings.summary
    name, host = PurePath(summary.path).name, urlsplit(summary.base_url).netloc
    parts = [
        f"<h1>{escape(name)}</h1><p class='soft'>{escape(host)}{_period(findings)}</p>",
        _tiles(findings),
        _section("Runs", _runs(findings)),
        _section("Creates and refusals", _pace(findings)),
        _section("Outcomes so far", _progress(findings)),
        _section("Waits", _waits(findings.waits)),
        *_stuck(findings.stuck),
        _section("Failed", _groups(findings.failures, "Nothing failed.")),
        _section("Unknown", _unknown(findings.unknowns)),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}: report</title><style>{STYLE}</style>"
    )
    body = f"<main>{''.join(parts)}</main>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _period(findings: Findings) -> str:
    if not findings.summary.runs or findings.ended_at is None:
        return ""
    return f" · {_instant(findings.summary.runs[0].started_at)} to {_instant(findings.ended_at)}"


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _tiles(findings: Findings) -> str:
    summary = findings.summary
    tiles = [
        ("good", "created", format_count(summary.created)),
        *_submissions(summary),
        ("bad", "failed", format_count(summary.failed)),
        ("open", "unknown", format_count(summary.unknown)),
        ("", "refused requests", format_count(findings.refused)),
        ("", "time of all runs", format_seconds(_length(findings))),
    ]
    cells = "".join(f'<div class="{style}"><dt>{name}</dt><dd>{value}</dd></div>' for style, name, value in tiles)
    return f'<dl class="tiles">{cells}</dl>'


def _submissions(summary: JournalSummary) -> list[tuple[str, str, str]]:
    # Where nothing was ever to be submitted, nobody misses it.
    if not (summary.submitted or summary.stuck):
        return []
    return [("good", "submitted", format_count(summary.submitted)), ("bad", "stuck", format_count(summary.stuck))]


def _length(findings: Findings) -> float:
    runs = findings.summary.runs
    last = findings.timeline.beginnings[-1][1] if findings.timeline.beginnings else 0.0
    if not runs or findings.ended_at is None:
        return last
    return last + max((findings.ended_at - runs[-1].started_at).total_seconds(), 0.0)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    columns = "".join(f'<th scope="col"{_aligned(name)}>{name.removesuffix("#")}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row"{_aligned(head[0])}>{row[0]}</th>'
        f"{''.join(f'<td{_aligned(name)}>{cell}</td>' for name, cell in zip(head[1:], row[1:], strict=True))}</tr>"
        for row in rows
    )
    return f"<div class='wide'><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"


def _aligned(name: str) -> str:
    return ' class="number"' if name.endswith("#") else ""


def _runs(findings: Findings) -> str:
    runs = findings.summary.runs
    if not runs:
        return "<p>None was noted.</p>"
    return _table(
        ["run#", "began (UTC)", "lasted#", "refused#", "ended because"],
        [
            (
                str(run.number),
                f"<time>{run.started_at:%Y-%m-%d}</time> <time>{run.started_at:%H:%M:%S}</time>",
                format_seconds((findings.extents[run.number].ended_at - run.started_at).total_seconds()),
                format_count(findings.extents[run.number].refused),
                escape(_why(run, last=run is runs[-1])),
            )
            for run in runs
        ],
    )


def _why(run: RunRecord, *, last: bool) -> str:
    if run.ended_at is not None:
        return run.stopped or ""
    return "it was killed, or is still going on" if last else "it was killed"


def _frame(findings: Findings, name: str, title: str, description: str) -> Frame:
    timeline = findings.timeline
    many = len(timeline.beginnings) > _NAMED_RUNS
    marks = [(second, "" if many else f"run {number}") for number, second in timeline.beginnings]
    return Frame(name, title, description, timeline.seconds, marks if len(marks) > 1 else [])


def _pace(findings: Findings) -> str:
    timeline, spans = findings.timeline, findings.timeline.spans
    created = [span.created / timeline.width for span in spans]
    refused = [span.refused for span in spans]
    most = max(created, default=0.0)
    each = "a second" if timeline.width == 1 else f"in {format_seconds(timeline.width)}"
    refusals = format_count(findings.refused)
    told = f"At most {format_count(round(most, 1))} a second were created, and {refusals} requests refused."
    frame = _frame(findings, "pace", "Service requests created and refusals a second over time", told)
    chart = up_and_down(frame, Series("created a second", "up", created), Series(f"refused {each}", "down", refused))
    gap = " Time between the runs is left out." if len(timeline.beginnings) > 1 else ""
    return f"{chart}<p class='soft'>{told} Each bar is {format_seconds(timeline.width)}.{gap}</p>"


def _progress(findings: Findings) -> str:
    spans = findings.timeline.spans
    counts = {"created": _created, "failed": _failed, "unknown": _unknown_of}
    added = {name: list(cumulated(spans, count)) for name, count in counts.items()}
    # The sums stand in the legend, because a line of few is hard to tell from the axis.
    series = [Series(f"{format_count(values[-1])} {name}", name, values) for name, values in added.items()]
    told = ", ".join(each.name for each in series)
    # What never happened would be drawn on the axis.
    series = [each for each in series if each.style == "created" or each.values[-1]]
    frame = _frame(findings, "progress", "Outcomes added up over time", f"In the end {told}.")
    note = "As the runs told of them; an item that several runs told of is counted by each."
    return f"{lines(frame, series)}<p class='soft'>{note}</p>"


def _created(span: Span) -> int:
    return span.created


def _failed(span: Span) -> int:
    return span.failed


def _unknown_of(span: Span) -> int:
    return span.unknown


def _waits(waits: Sequence[tuple[str, float]]) -> str:
    if not waits:
        return "<p>Nothing was waited for.</p>"
    whole = sum(seconds for _, seconds in waits)
    return _table(
        ["waited for", "time#", "share"],
        [
            (
                escape(reason),
                format_seconds(seconds),
                f"<span class='bar' style='width:{100 * seconds / whole:.1f}%'></span>",
            )
            for reason, seconds in waits
        ],
    )


def _groups(groups: Sequence[Group], nothing: str) -> str:
    if not groups:
        return f"<p>{nothing}</p>"
    return "".join(_group(group, unfolded=number < _OPEN) for number, group in enumerate(groups))


def _group(group: Group, *, unfolded: bool) -> str:
    rows = "".join(f"<li>{escape(row)}</li>" for row in group.rows)
    more = group.count - len(group.rows)
    rest = f"<li>and {format_count(more)} more</li>" if more else ""
    head = f"<summary><b>{format_count(group.count)}</b>{escape(group.cause)}</summary>"
    return f"<details{' open' if unfolded else ''}>{head}<ul>{rows}{rest}</ul></details>"


def _stuck(groups: Sequence[Group]) -> list[str]:
    if not groups:
        return []
    advice = "<p>These were created, and got no further. Mend it, and run the same command with this journal again.</p>"
    return [_section("Stuck", advice + _groups(groups, ""))]


def _unknown(groups: Sequence[Group]) -> str:
    advice = "<p>Run the same command with this journal again: it looks for them first.</p>" if groups else ""
    return advice + _groups(groups, "Nothing is unknown.")
