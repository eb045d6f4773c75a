"""A burst of creates under a rate limit: seconds against the ideal, and refusals.

The ideal is that of a client that knows everything: (N / L - 1) windows, the first opened by the first request.

    python tests/benchmarks/rate_limited.py [--creates 500] [--limit 100] [--window 3]
"""

import argparse
import asyncio
import json
import math
import sys
import time
from typing import get_args

from legitmark_async import Legitmark, ServiceRequestDraft
from legitmark_async.sandbox import HeaderMode, Limits, Sandbox, WindowKind
from legitmark_async.testing import make_item


async def race(limits: Limits, creates: int) -> dict[str, float]:
    """Create all at once by tasks that await one call each."""
    item = make_item()
    drafts = [ServiceRequestDraft(f"ITEM-{number}", item) for number in range(creates)]
    async with Sandbox(limits=limits, latency=0.005) as sandbox:
        async with Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
            started = time.perf_counter()
            await asyncio.gather(*[client.sr.create(draft) for draft in drafts])
            seconds = time.perf_counter() - started
        ledger = sandbox.ledger
    ideal = (math.ceil(creates / limits.partner) - 1) * limits.window
    return {
        "created": ledger.created,
        "duplicates": ledger.duplicates,
        "refused": ledger.refused,
        "seconds": round(seconds, 2),
        "ideal_seconds": ideal,
    }


def main() -> None:
    """Run it, and print a JSON line for each kind of limit and of headers that was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--creates", type=int, default=500)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--window", type=float, default=3.0)
    parser.add_argument("--kind", nargs="+", choices=get_args(WindowKind), default=["fixed"])
    parser.add_argument("--headers", nargs="+", choices=get_args(HeaderMode), default=["on-429"])
    asked = parser.parse_args()
    for kind in asked.kind:
        for headers in asked.headers:
            limits = Limits(partner=asked.limit, window=asked.window, kind=kind, headers=headers)
            figures = asyncio.run(race(limits, asked.creates))
            sys.stdout.write(json.dumps({"kind": kind, "headers": headers, **figures}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
