"""Our client beside others: CPU a create, throughput, memory and import time, and a run of 500 creates under a limit.

Each way runs in a process of its own, in turn, round after round; the medians stand in the table, and CPU is told as a
ratio to bare aiohttp in the same round. 16 are in flight in all of them.

    python tests/benchmarks/others.py [--rounds 5] [--creates 3000] [--write docs/figures.md]

It needs httpx, openai and requests. `--write` puts the tables between the marks of that page.
"""

import argparse
import asyncio
import json
import math
import platform
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canned_server import canned_server  # type: ignore[import-not-found]  # its neighbour, when run as a script

from legitmark_async.sandbox import Limits, Sandbox

WAYS = str(Path(__file__).with_name("others_ways.py"))
TITLES = {
    "aiohttp": "bare aiohttp, no retries",
    "create": "`legitmark.sr.create`",
    "create_many": "`legitmark.sr.create_many`",
    "httpx": "httpx, no retries",
    "openai": "openai SDK, its base client and default retries",
    "requests": "`requests.post` in threads, the API page's sample",
}
RACE, LIMIT, WINDOW = 500, 100, 3.0
BEGIN, END = "<!-- others: begin -->", "<!-- others: end -->"
KEY = "leo_benchmark"

Figures = Mapping[str, Any]


async def run(way: str, url: str, key: str, creates: int) -> Figures:
    """Let a process create so many in one way."""
    command = (sys.executable, WAYS, way, url, key, str(creates))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return json.loads(told) if process.returncode == 0 else {}


def cost(rounds: int, creates: int) -> dict[str, dict[str, float]]:
    """Return the medians of what each way takes where nothing is in its way."""
    figures: dict[str, list[Figures]] = {way: [] for way in TITLES}
    with canned_server() as url:
        for _ in range(rounds):
            for way, every in figures.items():
                every.append(asyncio.run(run(way, url, KEY, creates)))
    bare = [told["cpu_us"] for told in figures["aiohttp"]]
    medians: dict[str, dict[str, float]] = {}
    for way, every in figures.items():
        medians[way] = {name: statistics.median(told[name] for told in every) for name in every[0]}
        medians[way]["cpu_ratio"] = statistics.median(
            told["cpu_us"] / theirs for told, theirs in zip(every, bare, strict=True)
        )
        medians[way]["per_second"] = creates / medians[way]["seconds"]
    return medians


async def race(way: str) -> Figures:
    """Let one way create 500 under a limit, and return what became of them."""
    async with Sandbox(limits=Limits(partner=LIMIT, window=WINDOW), latency=0.02) as sandbox:
        told = await run(way, sandbox.url, sandbox.api_key, RACE)
        ledger = sandbox.ledger
    return {**told, "created": ledger.unique, "refused": ledger.refused, "duplicates": ledger.duplicates}


def tables(costs: Mapping[str, Figures], races: Mapping[str, Figures], creates: int) -> str:
    """Write both as Markdown."""
    ideal = (math.ceil(RACE / LIMIT) - 1) * WINDOW
    lines = [
        f"{creates:,} creates on loopback, 16 in flight, Python {platform.python_version()}:",
        "",
        "| | CPU a create, to bare aiohttp | creates a second | peak memory | import |",
        "| --- | --: | --: | --: | --: |",
        *(
            f"| {TITLES[way]} | {told['cpu_ratio']:.2f} ({told['cpu_us']:.0f} µs) | {told['per_second']:,.0f} "
            f"| {told['memory_mib']:.0f} MiB | {told['import_seconds'] * 1e3:.0f} ms |"
            for way, told in costs.items()
        ),
        "",
        f"{RACE} creates under a limit of {LIMIT} in {WINDOW:g} s; the ideal is {ideal:g} s, without refusals:",
        "",
        "| | created | failed | refused | duplicates | seconds |",
        "| --- | --: | --: | --: | --: | --: |",
        *(
            f"| {TITLES[way]} | {told['created']} | {told.get('failed', '?')} | {told['refused']} "
            f"| {told['duplicates']} | {told.get('seconds', math.nan):.1f} |"
            for way, told in races.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it, and print the tables and a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--creates", type=int, default=3000)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    costs = cost(asked.rounds, asked.creates)
    races = {way: asyncio.run(race(way)) for way in TITLES}
    told = tables(costs, races, asked.creates)
    sys.stdout.write(told + json.dumps({"cost": costs, "race": races}) + "\n")
    if asked.write is not None:
        page = asked.write.read_text(encoding="utf-8")
        before, after = page.partition(BEGIN)[0], page.partition(END)[2]
        asked.write.write_text(f"{before}{BEGIN}\n\n{told}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
