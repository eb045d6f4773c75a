"""The report: what it brings together, and how it draws it."""

import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from legitmark_async.cli._charts import Frame, Series, _short, ceiling, format_count, format_seconds, lines, up_and_down
from legitmark_async.cli._findings import Findings, cumulated, find
from legitmark_async.cli._page import render
from legitmark_async.journal import Entry, JournalSummary, RunRecord, Sample, Status
from legitmark_async.testing import BAG, CROSSBODY

Run = Callable[..., "subprocess.CompletedProcess[str]"]
UUIDS = f"{BAG},{CROSSBODY}"
START = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Tell an instant."""
    return START + timedelta(seconds=seconds)


def run_record(number: int, began: float, ended: float | None) -> RunRecord:
    """Make a run that began and ended at these seconds."""
    end = None if ended is None else after(ended)
    return RunRecord(
        number=number, started_at=after(began), ended_at=end, stopped=None if end is None else "left early"
    )


def sample(run: int, at: float, **counts: object) -> Sample:
    """Make a sample of a second."""
    return Sample(run=run, at=after(at), seconds=1.0, **counts)  # type: ignore[arg-type]  # the tests know its fields


def failed(number: int, cause: str, **fields: object) -> Entry:
    """Make an item that failed."""
    given = {"reference_id": f"R-{number}", "file": "items.csv", "line": number, **fields}
    return Entry(status=Status.FAILED, cause=cause, error=f"row: {cause}", **given)  # type: ignore[arg-type]  # likewise


def findings(
    runs: tuple[RunRecord, ...] = (), samples: Iterable[Sample] = (), entries: Iterable[Entry] = (), **counts: int
) -> Findings:
    """Bring together what is given."""
    kept, items = list(samples), list(entries)
    given = {"created": 0, "failed": 0, "unknown": 0, **counts}
    summary = JournalSummary(path="/data/run.db", base_url="https://api.legitmark.com", runs=runs, **given)
    return find(summary, lambda: kept, lambda status: [item for item in items if item.status == status])


def test_gaps_are_cut_out() -> None:
    """The time between two runs isn't on the axis."""
    runs = (run_record(1, 0, 10), run_record(2, 5000, 5005))

    found = findings(runs, [sample(1, 1, created=5), sample(1, 10, refused=2), sample(2, 5001, created=7)])

    timeline = found.timeline
    assert (timeline.width, len(timeline.spans)) == (1, 15)
    assert timeline.beginnings == ((1, 0.0), (2, 10.0))
    assert [span.created for span in timeline.spans] == [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]
    assert timeline.spans[9].refused == 2
    assert found.ended_at == after(5005)


@pytest.mark.parametrize(
    ("seconds", "width", "spans"),
    [(0.2, 1, 1), (240, 1, 240), (241, 2, 121), (36_000, 300, 120), (10**8, 432_000, 232)],
)
def test_spans(seconds: float, width: int, spans: int) -> None:
    """However long the runs are, a chart has some 240 spans at most."""
    timeline = findings((run_record(1, 0, seconds),)).timeline

    assert (timeline.width, len(timeline.spans)) == (width, spans)


def test_killed_run() -> None:
    """A run that was killed lasted until it was heard of last, and nothing is lost of it."""
    found = findings(
        (run_record(1, 0, None), run_record(2, 100, 102)), [sample(1, 7, created=3), sample(2, 101, created=1)]
    )

    assert found.timeline.beginnings == ((1, 0.0), (2, 7.0))
    assert sum(span.created for span in found.timeline.spans) == 4


def test_extents() -> None:
    """How long a killed run went on and what was refused in it are told by its seconds; that it's over, by the next."""
    samples = [sample(1, 7, refused=3), sample(2, 101, refused=1)]
    found = findings((run_record(1, 0, None), run_record(2, 100, None)), samples)

    page = render(found)

    assert [(extent.ended_at, extent.refused) for extent in found.extents.values()] == [(after(7), 3), (after(101), 1)]
    assert found.refused == 4
    assert page.count("it was killed<") == 1
    assert page.count("it was killed, or is still going on<") == 1


def test_waits() -> None:
    """Seconds are added up by what was waited for, the longest first."""
    samples = [sample(1, number, reason=reason) for number, reason in enumerate(["a", "b", None, "b", "b", "a"])]

    assert findings((run_record(1, 0, 9),), samples).waits == (("b", 3.0), ("a", 2.0))


def test_groups() -> None:
    """Items with one cause are one group, the largest first, of which the first rows are named."""
    entries = [failed(number, "no type") for number in range(1, 51)] + [failed(99, "no category", file=None, line=None)]

    first, second = findings(entries=entries, failed=51).failures

    assert (first.cause, first.count, len(first.rows), first.rows[0]) == ("no type", 50, 20, "items.csv:1 R-1")
    assert (second.count, second.rows) == (1, ["R-99"])


def test_groups_are_bounded() -> None:
    """However many causes there are, 200 are told apart; none is left out of the counts."""
    failures = findings(entries=[failed(number, f"request {number}") for number in range(1000)]).failures

    assert (failures[0].cause, failures[0].count) == ("other causes than the 200 that came first", 800)
    assert len(failures) == 201


@pytest.mark.parametrize(
    ("values", "top"),
    [([], 1), ([0, 0], 1), ([1], 1), ([7], 8), ([11], 15), ([23], 25), ([0.3], 0.3), ([0.017], 0.02), ([1001], 1500)],
)
def test_ceiling(values: list[float], top: float) -> None:
    """An axis ends at a round number above all values."""
    assert ceiling(values) == pytest.approx(top)


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.5, "0.5"), (1, "1"), (2.5, "2.5"), (1234567, "1,234,567")])
def test_counts(value: float, text: str) -> None:
    """Numbers are written as people read them."""
    assert format_count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (90, "90 s"),
        (150, "2 min 30 s"),
        (300, "5 min"),
        (36_000, "10 h"),
        (36_061, "10 h 01 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """So are durations."""
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (9999, "9,999"), (12_345, "12.35 k"), (2_500_000, "2.5 M"), (3e9, "3,000 M")]
)
def test_short_counts(value: float, text: str) -> None:
    """Beside an axis large ones are short."""
    assert _short(value) == text


def test_sample_of_no_run() -> None:
    """A sample whose run isn't in the journal any more is left out."""
    spans = findings((run_record(1, 0, 3),), [sample(1, 1, created=2), sample(7, 2, created=5)]).timeline.spans

    assert sum(span.created for span in spans) == 2


def test_cumulated() -> None:
    """Counts are added up along the axis."""
    spans = findings((run_record(1, 0, 3),), [sample(1, 1, created=2), sample(1, 3, created=5)]).timeline.spans

    assert list(cumulated(spans, lambda span: span.created)) == [2, 2, 7]


def test_bars_have_one_outline() -> None:
    """Neighbouring bars are one shape; where nothing happened there is none."""
    frame = Frame("pace", "pace", "", 4)

    chart = up_and_down(frame, Series("created", "up", [1, 2, 0, 1]), Series("refused", "down", [0, 0, 0, 0]))

    bars, none = re.findall(r'<path class="(?:up|down)" d="([^"]*)"/><path class="down" d="([^"]*)"', chart)[0]
    assert bars == "M0.00 150.00V75.00h250.00V0.00h250.00V150.00zM750.00 150.00V75.00h250.00V150.00z"
    assert none == ""


def test_names_of_runs_keep_apart() -> None:
    """A name that would lie on another is left out, and one at the end stands before its mark."""
    frame = Frame("progress", "progress", "", 100, [(0, "run 1"), (5, "run 2"), (40, "run 3"), (95, "run 4")])

    chart = lines(frame, [Series("created", "created", [1])])

    assert re.findall(r'<span style="((?:left|right):[^"]*)">([^<]*)<', chart) == [
        ("left:0.00%", "run 1"), ("left:40.00%", "run 3"), ("right:5.00%", "run 4"),
    ]  # fmt: skip
    assert chart.count('class="mark"') == 4


def test_page_of_nothing() -> None:
    """A journal without a run makes a page that says so."""
    page = render(findings())

    for words in ("None was noted.", "Nothing was waited for.", "Nothing failed.", "Nothing is unknown."):
        assert words in page


def test_page_is_by_itself() -> None:
    """The page asks for nothing from elsewhere, and whatever a file holds is text in it."""
    evil = "<script>alert('x')</script>"
    entries = [failed(1, f"cause {evil}", reference_id=evil, file=f"{evil}.csv")]
    samples = [sample(1, 1, created=3, reason=evil)]

    page = render(findings((run_record(1, 0, 2),), samples, entries, failed=1))

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 4
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert "http" not in page.replace("https://api", "")


def test_page_tells_all_causes() -> None:
    """Each cause has its count and rows; how many more there are is told, and how to settle what is unknown."""
    entries = [failed(number, f"cause {number % 40}") for number in range(2000)]
    unknown = Entry(reference_id="U-1", status=Status.UNKNOWN, cause="answered 500")

    page = render(findings((run_record(1, 0, 2),), (), [*entries, unknown], failed=2000, unknown=1))

    assert all(f"cause {number}<" in page for number in range(40))
    assert page.count("and 30 more") == 40
    assert (page.count("<details open>"), page.count("<details>")) == (4, 37)
    assert "Run the same command with this journal again" in page


def test_command(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """The command writes the page, once; it needs to be told where."""
    file, journal, html = tmp_path / "items.csv", tmp_path / "run.db", tmp_path / "report.html"
    file.write_text(f"reference_id,category,type\nP-1,{UUIDS}\nP-2,,\n")
    legitmark("create-many", file, "--journal", journal, **sandbox)

    done = legitmark("report", journal, "--html", html)
    again = legitmark("report", journal, "--html", html)
    forced = legitmark("report", journal, "--html", html, "--force")
    nowhere = legitmark("report", journal)
    missing = legitmark("report", tmp_path / "none.db", "--html", tmp_path / "new.html")

    assert [run.returncode for run in (done, again, forced, nowhere, missing)] == [0, 2, 0, 2, 2]
    assert "--html" in again.stderr
    assert not (tmp_path / "new.html").exists()
    page = html.read_text(encoding="utf-8")
    assert "<h1>run.db</h1>" in page
    assert "item.category: is empty, a UUID is needed" in page
    assert f"{file}:3 P-2" in page
