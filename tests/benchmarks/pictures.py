"""Draws how runs go under a limit: what each client had created, and when it was refused. For `docs/explanation.md`.

They are real runs on loopback, one client after the other, each in a process of its own.

    python tests/benchmarks/pictures.py [--creates 1500] [--limit 300] [--window 2] [--kind fixed bucket]
"""

import argparse
import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import get_args

from attrs import frozen
from race import OURS, TITLES, Track, obey, worker  # type: ignore[import-not-found]  # its neighbour, run as a script

from legitmark_async.sandbox import Limits, WindowKind

# Maps a figure to a place.
Scale = Callable[[float], float]

CLIENTS = ("backoff", "retry-after", "gate", OURS)
# Of a middle tone, as they stand on a light ground and on a dark one.
COLOURS = dict(zip(CLIENTS, ("#9a8c2e", "#3d8f8a", "#7a6fc0", "#d0503f"), strict=True))
IN_FLIGHT = 64
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP = 720, 300, 52, 12, 14
# A strip of refusals, the line of words above it, and what is below the axis.
_STRIP, _WORDS, _GAP = 8, 16, 34
_TEXT = "#808080"


@frozen
class Run:
    """What became of one client's run: seconds since it began.

    Attributes:
        client: Which one.
        created: When each was.
        refused: When each refusal came.
    """

    client: str
    created: Sequence[float]
    refused: Sequence[float]


async def run(client: str, limits: Limits, creates: int) -> Run:
    """Let a client create so many."""
    track = Track(limits, 0.0, 0.01)
    async with track.sandbox as sandbox, worker() as process:
        order = {
            "client": client,
            "url": sandbox.url,
            "key": sandbox.api_key,
            "in_flight": IN_FLIGHT,
            "limits": "",
            "first": 0,
            "count": creates,
        }
        began, *instants = await obey(process, order)
    return Run(
        client,
        [instant - began for instant in sorted(instants)],
        [instant - began for instant in track.refused_at],
    )


def draw(runs: Sequence[Run], limits: Limits, creates: int) -> str:
    """Draw them: curves of what was created above, and a strip of refusals for each below."""
    ideal = (math.ceil(creates / limits.partner) - 1) * limits.window
    longest = max(run.created[-1] for run in runs)
    row = _WORDS + _STRIP + 4
    height = _HEIGHT + _GAP + row * len(runs) + 24

    def x(seconds: float) -> float:
        return _LEFT + seconds / longest * (_WIDTH - _LEFT - _RIGHT)

    def y(count: float) -> float:
        return _TOP + (1 - count / creates) * (_HEIGHT - _TOP)

    told = f"{creates:,} creates under a limit of {limits.partner} in {limits.window:g} s ({limits.kind})"
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="11"'
    at = f"{x(ideal):.1f}"
    parts = [
        f'<svg {head} role="img"><title>{escape(told)}</title>',
        *_axes(x, y, longest, creates),
        f'<line x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT}" stroke="{_TEXT}" stroke-dasharray="3 3"/>',
        f'<text x="{x(ideal) + 4:.1f}" y="{_HEIGHT - 6}" fill="{_TEXT}">ideal {ideal:g} s</text>',
    ]
    for number, one in enumerate(runs):
        parts += _curve(one, x, y)
        parts += _strip(one, x, _HEIGHT + _GAP + number * row + _WORDS)
    parts.append(
        f'<text x="{_LEFT}" y="{height - 6}" fill="{_TEXT}">{escape(told)}; below, when each was refused</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes(x: Scale, y: Scale, longest: float, creates: int) -> Iterable[str]:
    step = max(round(longest / 8), 1)
    for seconds in range(0, int(longest) + 1, step):
        yield f'<text x="{x(seconds):.1f}" y="{_HEIGHT + 15}" fill="{_TEXT}" text-anchor="middle">{seconds} s</text>'
    for count in range(0, creates + 1, max(creates // 5, 1)):
        level, right = f"{y(count):.1f}", _WIDTH - _RIGHT
        yield f'<line x1="{_LEFT}" x2="{right}" y1="{level}" y2="{level}" stroke="{_TEXT}" opacity="0.25"/>'
        yield f'<text x="{_LEFT - 6}" y="{y(count) + 4:.1f}" fill="{_TEXT}" text-anchor="end">{count:,}</text>'


def _curve(one: Run, x: Scale, y: Scale) -> Iterable[str]:
    every = max(len(one.created) // 400, 1)
    points = [
        (0.0, 0),
        *[(at, number) for number, at in enumerate(one.created, 1)][::every],
        (one.created[-1], len(one.created)),
    ]
    path = " ".join(f"{x(at):.1f},{y(count):.1f}" for at, count in points)
    width = 2.5 if one.client == OURS else 1.5
    yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[one.client]}" stroke-width="{width}"/>'


def _strip(one: Run, x: Scale, top: float) -> Iterable[str]:
    colour, width = COLOURS[one.client], _WIDTH - _LEFT - _RIGHT
    yield f'<rect x="{_LEFT}" y="{top}" width="{width}" height="{_STRIP}" fill="{colour}" opacity="0.12"/>'
    # As many as can't be told apart are one.
    for place in sorted({round(x(at)) for at in one.refused}):
        yield f'<line x1="{place}" x2="{place}" y1="{top}" y2="{top + _STRIP}" stroke="{colour}"/>'
    words = f"{TITLES[one.client]}: {one.created[-1]:.1f} s, {len(one.refused):,} refused"
    yield f'<text x="{_LEFT}" y="{top - 4}" fill="{colour}" font-weight="bold">{escape(words)}</text>'


def main() -> None:
    """Run them all, and write the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--creates", type=int, default=1500)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--window", type=float, default=2.0)
    parser.add_argument("--kind", nargs="+", choices=get_args(WindowKind), default=["fixed", "bucket"])
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"))
    asked = parser.parse_args()
    asked.into.mkdir(exist_ok=True)
    for kind in asked.kind:
        limits = Limits(partner=asked.limit, window=asked.window, kind=kind, headers="on-429")
        runs = [asyncio.run(run(client, limits, asked.creates)) for client in CLIENTS]
        (asked.into / f"run-{kind}.svg").write_text(draw(runs, limits, asked.creates), encoding="utf-8")


if __name__ == "__main__":
    main()
