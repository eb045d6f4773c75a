"""Creates under each fault that hides an answer: what was created, twice, and lost, in one table.

Each row is a run of so many creates in which one fault (or all of them together) strikes that share of all requests,
the looks for lost creates included. The runs go on side by side. With --stale find is behind by so many seconds.

    python tests/benchmarks/faults.py [--creates 1000] [--rate 0.03] [--stale 0]
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter

from legitmark_async import Legitmark, ServiceRequestDraft, Timeouts
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import make_item

ITEM = make_item()
FAULTS = ("drop-before", "drop-after", "error-after", "truncate", "garbage", "slow-after")
READ = Timeouts(read=1.0)


async def measure(name: str, faults: dict[str, float], creates: int, stale: float) -> dict[str, object]:
    """Run, and return what became of all."""
    began, outcomes = time.perf_counter(), Counter[str]()
    drafts = (ServiceRequestDraft(f"FAULT-{number}", ITEM) for number in range(creates))
    async with (
        Sandbox(faults=faults, find_delay=stale) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, timeouts=READ) as client,
        client.sr.create_many(drafts) as run,
    ):
        async for outcome in run:
            outcomes[type(outcome).__name__] += 1
    ledger = sandbox.ledger
    return {
        "fault": name,
        "created": outcomes["Created"],
        "unknown": outcomes["Unknown"],
        "failed": outcomes["Failed"],
        "duplicates": ledger.duplicates,
        "lost": creates - ledger.unique,
        "requests": ledger.requests,
        "seconds": round(time.perf_counter() - began, 1),
    }


async def measure_all(creates: int, rate: float, stale: float) -> list[dict[str, object]]:
    """Run under each fault, and under all of them."""
    runs = [measure(fault, {fault: rate}, creates, stale) for fault in FAULTS]
    runs.append(measure("all of them", dict.fromkeys(FAULTS, rate), creates, stale))
    return await asyncio.gather(*runs)


def main() -> None:
    """Run it, and print the table and a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--creates", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0.03)
    parser.add_argument("--stale", type=float, default=0.0)
    asked = parser.parse_args()
    table = asyncio.run(measure_all(asked.creates, asked.rate, asked.stale))
    sys.stdout.write("".join(f"{column:>12}" for column in table[0]) + "\n")
    for row in table:
        sys.stdout.write("".join(f"{cell!s:>12}" for cell in row.values()) + "\n")
    sys.stdout.write(json.dumps(table) + "\n")


if __name__ == "__main__":
    main()
