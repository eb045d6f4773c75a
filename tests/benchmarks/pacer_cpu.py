"""What the pacer costs a call that no limit holds, against a bare aiohttp request in the same run.

A pair is what the pacer does for one call: it gives a turn and takes it back. `no_limit` is before any limit is known,
`window` with one that a refusal told of and that is never reached.

    python tests/benchmarks/pacer_cpu.py [--rounds 7] [--pairs 200000] [--requests 3000]
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import time

import aiohttp
from canned_server import canned_server  # type: ignore[import-not-found]  # its neighbour, when run as a script
from create_cpu import bare_aiohttp  # type: ignore[import-not-found]  # the same

from legitmark_async._pacer import Gate, Lane, Pacer, Refusal

PATH = "/api/v2/sr"
# No window is learned that is shorter than half a second; this one holds more than anybody sends in it.
WINDOW, LIMIT = 1.0, 1_000_000_000


def make_pacer() -> Pacer:
    """Make a pacer as a client does."""
    return Pacer(Gate(64, random.random), clock=asyncio.get_running_loop().time, sleep=asyncio.sleep)


async def make_taught_pacer() -> Pacer:
    """Make a pacer that knows the law of a window: one request passes, one is refused, and a canary passes after it."""
    pacer = make_pacer()
    pacer.answered(await pacer.acquire(endpoint=PATH), ())
    pacer.refused(await pacer.acquire(endpoint=PATH), Refusal("partner_level", LIMIT, resets_in=WINDOW, asked=WINDOW))
    pacer.answered(await pacer.acquire(endpoint=PATH), ())
    assert [meter.law.kind for meter in pacer.gate.limits.meters(0.0)[1]] == ["window"]
    return pacer


def run_pairs(pacer: Pacer, count: int) -> float:
    """Return CPU microseconds a pair."""
    clock = asyncio.get_running_loop().time
    gc.collect()
    before = time.process_time()
    for _ in range(count):
        turn = pacer.try_acquire(clock(), Lane.INTERACTIVE, PATH)
        assert turn is not None
        pacer.answered(turn, ())
    return (time.process_time() - before) / count * 1e6


async def run_requests(session: aiohttp.ClientSession, url: str, count: int) -> float:
    """Return CPU microseconds a request."""
    gc.collect()
    before = time.process_time()
    await bare_aiohttp(session, url, count)
    return (time.process_time() - before) / count * 1e6


async def measure(url: str, asked: argparse.Namespace) -> dict[str, float]:
    """Return the medians of all rounds."""
    rounds: list[tuple[float, float, float]] = []
    free, taught = make_pacer(), await make_taught_pacer()
    async with aiohttp.ClientSession() as session:
        await run_requests(session, url, asked.requests // 4)
        for _ in range(asked.rounds):
            bare = await run_requests(session, url, asked.requests)
            rounds.append((bare, run_pairs(free, asked.pairs), run_pairs(taught, asked.pairs)))
    await free.aclose()
    await taught.aclose()
    figures = {
        "bare_aiohttp_us": statistics.median(bare for bare, _, _ in rounds),
        "no_limit_us": statistics.median(pair for _, pair, _ in rounds),
        "window_us": statistics.median(pair for _, _, pair in rounds),
        "no_limit_ratio": statistics.median(pair / bare for bare, pair, _ in rounds),
        "window_ratio": statistics.median(pair / bare for bare, _, pair in rounds),
    }
    return {name: round(figure, 4 if name.endswith("ratio") else 2) for name, figure in figures.items()}


def main() -> None:
    """Run it, and print a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=3000)
    asked = parser.parse_args()
    with canned_server() as url:
        sys.stdout.write(json.dumps(asyncio.run(measure(url, asked))) + "\n")


if __name__ == "__main__":
    main()
