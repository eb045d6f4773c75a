"""Our client against the ways one writes first, on loopback: time over the optimum, and refusals.

The optimum is that of a client that knows everything: (N / L - 1) windows, the first opened by the first request. Time
counts from the first request to the last success. The sandbox runs in this process, the client in one of its own. A
cell of the table is `ratio / refusals`; a run that isn't done after `--within` seconds, or fails, has no ratio.

    python tests/benchmarks/race.py [--creates 5000] [--limit 500] [--window 2] [--kind fixed ...] [--clients ours ...]

With `--processes 4` so many of our clients share the key and know nothing of each other, unless they are told a Redis
or a file by `--share`. It prints a JSON line alone:
`shares` are the least and the most that one of them had created when the first was done, over its fair part, and
`refused_each` is refusals per window and process after the first window.
"""

import argparse
import asyncio
import bisect
import contextlib
import json
import math
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

from attrs import evolve

from legitmark_async.sandbox import HeaderMode, Limits, ResetFormat, Sandbox, WindowKind

RACERS = str(Path(__file__).with_name("racers.py"))
OURS = "ours"

TITLES = {
    "backoff": "each task: exponential backoff",
    "retry-after": "each task: its own Retry-After",
    "gate": "one gate for all, on Retry-After",
    "aimd": "one gate, AIMD on the rate",
    OURS: "legitmark_async",
}


class Track:
    """A sandbox, and when its requests came and were refused.

    It asks its clock once a request, before it judges it: whatever was refused by then was the request before.
    """

    def __init__(self, limits: Limits, skew: float, latency: float) -> None:
        self.sandbox = Sandbox(limits=limits, latency=latency, clock_skew=skew, clock=self._clock)
        self._window = limits.window
        # Changed by the clock alone.
        self._first_at = self._asked_at = math.nan
        self._refused_at: list[float] = []

    @property
    def refused_at(self) -> list[float]:
        """When each refused request came, in monotonic seconds."""
        self._look()
        return self._refused_at

    @property
    def refusals(self) -> list[int]:
        """Refusals in each window, on the phase of the first request."""
        self._look()
        if math.isnan(self._first_at):
            return []
        counts = [0] * (self._index(self._asked_at) + 1)
        for instant in self._refused_at:
            counts[self._index(instant)] += 1
        return counts

    def _clock(self) -> float:
        self._look()
        self._asked_at = time.monotonic()
        if math.isnan(self._first_at):
            self._first_at = self._asked_at
        return self._asked_at

    def _look(self) -> None:
        new = self.sandbox.ledger.refused - len(self._refused_at)
        self._refused_at.extend([self._asked_at] * new)

    def _index(self, instant: float) -> int:
        return int((instant - self._first_at) // self._window)


@contextlib.asynccontextmanager
async def worker() -> AsyncIterator[Process]:
    """Start a process that waits for its order, and end it."""
    process = await asyncio.create_subprocess_exec(sys.executable, RACERS, stdin=PIPE, stdout=PIPE)
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def obey(process: Process, order: dict[str, str | int]) -> list[float]:
    """Let a process carry out its order, and return its instants; none if it failed."""
    output, _ = await process.communicate(json.dumps(order).encode() + b"\n")
    return json.loads(output or b"[]")  # type: ignore[no-any-return]  # racers.py wrote it


async def race(client: str, limits: Limits, asked: argparse.Namespace) -> dict[str, Any]:
    """Let so many processes create together, and return the figures."""
    track, each = Track(limits, asked.skew, asked.latency), asked.creates // asked.processes
    async with track.sandbox as sandbox, contextlib.AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(worker()) for _ in range(asked.processes)]
        order = {
            "client": client,
            "url": sandbox.url,
            "key": sandbox.api_key,
            "in_flight": asked.in_flight,
            "limits": asked.share,
        }
        orders = [{**order, "first": number * each, "count": each} for number in range(asked.processes)]
        runs: list[list[float]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(asked.within):
                runs = await asyncio.gather(*map(obey, processes, orders))
    ledger = track.sandbox.ledger
    return {
        "client": client,
        "kind": limits.kind,
        "headers": limits.headers,
        "in_flight": asked.in_flight,
        "ratio": ratio(runs, limits, asked.creates),
        "refused": ledger.refused,
        "refusals": track.refusals,
        "duplicates": ledger.duplicates,
        "created": ledger.created,
        **(together(runs, track.refusals) if asked.processes > 1 else {}),
    }


def ratio(runs: list[list[float]], limits: Limits, creates: int) -> float | None:
    """Return the time that all took together over the optimum, or None if they are not done."""
    if sum(len(instants) - 1 for instants in runs) < creates:
        return None
    optimum = (math.ceil(creates / limits.partner) - 1) * limits.window
    makespan = max(instants[-1] for instants in runs) - min(instants[0] for instants in runs)
    return round(makespan / optimum, 3)


def together(runs: list[list[float]], refusals: list[int]) -> dict[str, Any]:
    """Return how fairly processes shared the limit, and what it cost each of them in refusals."""
    if not runs or not all(runs):
        return {"processes": len(runs), "shares": None, "refused_each": None}
    first_done_at = min(instants[-1] for instants in runs)
    created = [bisect.bisect_right(instants, first_done_at) - 1 for instants in runs]
    shares = [round(count * len(runs) / sum(created), 3) for count in (min(created), max(created))]
    refused_each = sum(refusals[1:]) / max(len(refusals) - 1, 1) / len(runs)
    return {"processes": len(runs), "shares": shares, "refused_each": round(refused_each, 2)}


def print_table(limits: Limits, asked: argparse.Namespace) -> None:
    """Run every client against every kind of limit, and print a row for each client as it is done."""
    say(f"| client | {' | '.join(asked.kind)} |\n| --- |{' --- |' * len(asked.kind)}")
    for client in asked.clients:
        cells = []
        for kind in asked.kind:
            figures = asyncio.run(race(client, evolve(limits, kind=kind), asked))
            if asked.json:
                say(json.dumps(figures))
            shown = "-" if figures["ratio"] is None else f"{figures['ratio']:.3f}"
            cells.append(f"{shown} / {figures['refused']:,}")
        say(f"| {TITLES[client]} | {' | '.join(cells)} |")


def say(line: str) -> None:
    """Print a line at once: a run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser()
    for name, kind, default in (
        ("--creates", int, 5000),
        ("--limit", int, 500),
        ("--window", float, 2.0),
        ("--in-flight", int, 64),
        ("--skew", float, 0.0),
        ("--latency", float, 0.005),
        ("--within", float, 90.0),
        ("--processes", int, 1),
    ):
        parser.add_argument(name, type=kind, default=default)
    parser.add_argument("--headers", choices=get_args(HeaderMode), default="on-429")
    parser.add_argument("--reset-format", choices=get_args(ResetFormat), default="iso")
    parser.add_argument("--kind", nargs="+", choices=get_args(WindowKind), default=get_args(WindowKind))
    parser.add_argument("--clients", nargs="+", choices=tuple(TITLES), default=tuple(TITLES))
    parser.add_argument("--share", default="", help="the Redis or the file by which our clients share the limits")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each run too")
    asked = parser.parse_args()
    if asked.creates <= asked.limit:
        parser.error("one window is no race: --creates must be more than --limit")
    if asked.creates % asked.processes:
        parser.error("--creates must be a multiple of --processes")
    return asked


def main() -> None:
    """Run what was asked for."""
    asked = parse()
    limits = Limits(partner=asked.limit, window=asked.window, headers=asked.headers, reset_format=asked.reset_format)
    if asked.processes == 1:
        print_table(limits, asked)
        return
    for kind in asked.kind:
        say(json.dumps(asyncio.run(race(OURS, evolve(limits, kind=kind), asked))))


if __name__ == "__main__":
    main()
