"""Items, the whole way to their submission, under a rate limit: seconds against the ideal, refusals, and memory.

The ideal is that of a client that knows everything and whose uploads take no time: an item takes 4 requests of the API,
so (4 N / L - 1) windows, the first opened by the first request. How far the peak of the memory, the sandbox's
included, rises after the first quarter of the items is told too.

    python tests/benchmarks/workflow.py [--items 390] [--limit 200] [--window 5]
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import get_args

from memory import peak  # type: ignore[import-not-found]  # its neighbour, when run as a script

from legitmark_async import Legitmark, ServiceRequestDraft, Submitted
from legitmark_async.sandbox import Limits, Sandbox, WindowKind
from legitmark_async.testing import make_item

SIDES = ("Front", "Back", "Base", "Interior Label", "Hardware Engraving", "Serial Number")
_REQUESTS = 4
_MIB = 1024  # peaks are in KiB
# The smallest photo that is one: as far as its header tells.
_HEADER = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x03\x20\0\0\x03\x20\x08\0\0\0\0"


async def race(limits: Limits, items: int, folder: Path) -> dict[str, float]:
    """Take all items the whole way, with a journal."""
    photo = folder / "photo.png"
    photo.write_bytes(_HEADER + bytes(200_000))
    item = make_item()
    drafts = [ServiceRequestDraft(f"ITEM-{number}", item) for number in range(items)]
    submitted, first = 0, 0
    async with (
        Sandbox(limits=limits, latency=0.005) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
    ):
        started = time.perf_counter()
        run = client.workflow.submit_many(drafts, lambda _: dict.fromkeys(SIDES, photo), journal=folder / "run.db")
        async with run:
            async for outcome in run:
                submitted += isinstance(outcome, Submitted)
                if submitted == items // 4:
                    first = peak()
        seconds, ledger = time.perf_counter() - started, sandbox.ledger
    return {
        "submitted": submitted,
        "duplicates": ledger.duplicates,
        "refused": ledger.refused,
        "seconds": round(seconds, 2),
        "ideal_seconds": (math.ceil(_REQUESTS * items / limits.partner) - 1) * limits.window,
        "grown_mib": round((peak() - first) / _MIB, 1),
    }


def main() -> None:
    """Run it, and print a JSON line for each kind of limit that was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=390)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--window", type=float, default=5.0)
    parser.add_argument("--kind", nargs="+", choices=get_args(WindowKind), default=["fixed"])
    asked = parser.parse_args()
    for kind in asked.kind:
        with tempfile.TemporaryDirectory() as folder:
            limits = Limits(partner=asked.limit, window=asked.window, kind=kind)
            figures = asyncio.run(race(limits, asked.items, Path(folder)))
        sys.stdout.write(json.dumps({"kind": kind, **figures}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
