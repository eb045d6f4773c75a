"""Charts as SVG: the shapes alone, stretched to whatever width there is, with their words in HTML around them. Pure."""

import itertools
import math
from collections.abc import Iterator, Sequence
from html import escape

from attrs import frozen

# The plane that a chart is drawn on; the browser stretches it.
_WIDTH, _HEIGHT = 1000, 200
_STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
# Percents of the axis that the name of a run takes, on a phone.
_NAME = 16
_HOUR, _MINUTE, _PERCENT = 3600, 60, 100
_UNITS = ((1e6, 1e6, "M"), (1e4, 1e3, "k"))


@frozen
class Series:
    """A line of a chart.

    Attributes:
        name: What it counts.
        style: The CSS class that it is drawn in.
        values: One for each span, evenly apart.
    """

    name: str
    style: str
    values: Sequence[float]


@frozen
class Frame:
    """What is around the shapes of a chart.

    Attributes:
        name: The chart's, unique on the page; of letters.
        title: What it shows, for those who hear it.
        description: What is to be seen in it, likewise.
        seconds: How long its time axis is.
        marks: Places on that axis (s) and their names, where a run begins.
    """

    name: str
    title: str
    description: str
    seconds: float
    marks: Sequence[tuple[float, str]] = ()


def up_and_down(frame: Frame, up: Series, down: Series) -> str:
    """Draw two series as bars from one axis: one upwards, and the other downwards, on scales of their own."""
    top, bottom = ceiling(up.values), ceiling(down.values)
    axis = _HEIGHT * 3 / 4
    shapes = [
        f'<path class="{up.style}" d="{_bars(up.values, axis, -axis / top)}"/>',
        f'<path class="{down.style}" d="{_bars(down.values, axis, (_HEIGHT - axis) / bottom)}"/>',
        _line("axis", axis),
    ]
    labels = [(0.0, _short(top)), (75.0, "0"), (100.0, _short(bottom) if any(down.values) else "")]
    return _figure(frame, shapes, labels, _legend([up, down], "M0 0H24V10H0z"))


def lines(frame: Frame, series: Sequence[Series]) -> str:
    """Draw series as lines over one axis."""
    top = ceiling([value for each in series for value in each.values])
    shapes = [_line("grid", _HEIGHT / 2), _line("axis", _HEIGHT)]
    shapes += [f'<path class="{each.style}" d="{_path(each.values, top)}"/>' for each in series]
    labels = [(0.0, _short(top)), (50.0, _short(top / 2)), (100.0, "0")]
    return _figure(frame, shapes, labels, _legend(series, "M0 5H24"))


def ceiling(values: Sequence[float]) -> float:
    """Return a round number that none of the values exceeds."""
    most = max(values, default=0)
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in _STEPS if most <= step * power)


def format_count(value: float) -> str:
    """Write a number as people read it."""
    return f"{value:,.0f}" if value >= 1 and value == int(value) else f"{value:,.4g}"


def _short(value: float) -> str:
    # Up to four digits have room beside the axis.
    for least, unit, letter in _UNITS:
        if value >= least:
            return f"{value / unit:,.4g} {letter}"
    return format_count(value)


def format_seconds(seconds: float) -> str:
    """Write a duration as people read it."""
    if seconds >= _HOUR:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02} min".removesuffix(" 00 min")
    if seconds >= 2 * _MINUTE:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE):02} s".removesuffix(" 00 s")
    return f"{seconds:.3g} s"


def _bars(values: Sequence[float], axis: float, scale: float) -> str:
    # Neighbours have one outline: hundreds of bars, each with its own, would be a ladder.
    step, path = _WIDTH / max(len(values), 1), ""
    for there, group in itertools.groupby(enumerate(values), lambda bar: bool(bar[1])):
        bars = list(group)
        if there:
            tops = "".join(f"V{axis + value * scale:.2f}h{step:.2f}" for _, value in bars)
            path += f"M{bars[0][0] * step:.2f} {axis:.2f}{tops}V{axis:.2f}z"
    return path


def _path(values: Sequence[float], top: float) -> str:
    step = _WIDTH / max(len(values), 1)
    points = "".join(
        f"L{(number + 1) * step:.2f} {_HEIGHT * (1 - value / top):.2f}" for number, value in enumerate(values)
    )
    return f"M0 {_HEIGHT}{points}"


def _line(style: str, height: float) -> str:
    return f'<path class="{style}" d="M0 {height:.2f}H{_WIDTH}"/>'


def _legend(series: Sequence[Series], key: str) -> str:
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 24 10" aria-hidden="true"><path class="{each.style}" d="{key}"/></svg>'
        f"{escape(each.name)}</li>"
        for each in series
    )
    return f'<ul class="legend">{items}</ul>'


def _names(places: Sequence[tuple[float, str]]) -> Iterator[tuple[str, str]]:
    """Yield the names that have room, and where each stands."""
    free = 0.0
    for place, name in places:
        if place < free or not name:
            continue
        free = place + _NAME
        yield (f"left:{place:.2f}%" if free <= _PERCENT else f"right:{_PERCENT - place:.2f}%"), name


def _figure(frame: Frame, shapes: Sequence[str], labels: Sequence[tuple[float, str]], legend: str) -> str:
    places = [(100 * second / frame.seconds, name) for second, name in frame.marks if second < frame.seconds]
    marks = "".join(f'<path class="mark" d="M{10 * place:.2f} 0V{_HEIGHT}"/>' for place, _ in places)
    scale = "".join(f'<span style="top:{place:.0f}%">{escape(label)}</span>' for place, label in labels)
    runs = "".join(f'<span style="{style}">{escape(name)}</span>' for style, name in _names(places))
    times = "".join(f"<span>{format_seconds(frame.seconds * part)}</span>" for part in (0, 0.5, 1))
    title, description = f"{frame.name}-title", f"{frame.name}-desc"
    drawing = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-labelledby="{title} {description}"><title id="{title}">{escape(frame.title)}</title>'
        f'<desc id="{description}">{escape(frame.description)}</desc>{marks}{"".join(shapes)}</svg>'
    )
    return (
        f'<figure>{legend}<div class="chart"><div class="scale" aria-hidden="true">{scale}</div>'
        f'<div class="plot"><div class="runs" aria-hidden="true">{runs}</div>{drawing}</div>'
        f'<div class="times" aria-hidden="true">{times}</div></div></figure>'
    )
