"""Memory of a bulk run over lazy drafts: how far the peak rises after the first 5,000.

python tests/benchmarks/memory.py [--creates 100000]
"""

import argparse
import asyncio
import json
import resource
import sys
from collections.abc import Iterator

from canned_server import canned_server  # type: ignore[import-not-found]  # its neighbour, when run as a script

from legitmark_async import Created, Legitmark, ServiceRequestDraft
from legitmark_async.testing import make_item

_FIRST = 5_000
_MIB = 1024  # ru_maxrss is in KiB


def drafts(count: int) -> Iterator[ServiceRequestDraft]:
    """Make drafts one by one."""
    item = make_item()
    return (ServiceRequestDraft(f"ITEM-2024-{number:08}", item) for number in range(count))


async def measure(url: str, creates: int) -> dict[str, float]:
    """Return how many were created, and the peaks after the first ones and at the end."""
    created, first = 0, 0
    async with Legitmark("leo_benchmark", base_url=url) as client, client.sr.create_many(drafts(creates)) as run:
        async for outcome in run:
            created += isinstance(outcome, Created)
            if created == _FIRST:
                first = peak()
    return {"created": created, "first_mib": first / _MIB, "grown_mib": (peak() - first) / _MIB}


def peak() -> int:
    """Return the most memory that this process ever had (KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Run it, and print a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--creates", type=int, default=100_000)
    asked = parser.parse_args()
    with canned_server() as url:
        figures = asyncio.run(measure(url, asked.creates))
    sys.stdout.write(json.dumps({name: round(figure, 1) for name, figure in figures.items()}) + "\n")


if __name__ == "__main__":
    main()
