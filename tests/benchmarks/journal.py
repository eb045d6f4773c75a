"""What a journal costs, and how soon a run with a large one goes on.

Throughput: creates a second with a journal and without, in turn, over a server that answers after 10 ms and limits
nothing; the ratio of each round, and their median.

Resume: a journal of so many rows, all created but some, is run again over the same CSV file in a process of its own:
seconds until its first request leaves, and the peak of its memory.

    python tests/benchmarks/journal.py [--rounds 7] [--creates 6000] [--rows 1000000]
"""

import argparse
import asyncio
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from canned_server import canned_server  # type: ignore[import-not-found]  # its neighbour, when run as a script

from legitmark_async import Created, Legitmark, ServiceRequestDraft, Skipped, read_csv
from legitmark_async.journal import digest_of
from legitmark_async.testing import make_item

ITEM = make_item()
LATENCY = 0.01
LEFT = 1000


def drafts(count: int) -> Iterator[ServiceRequestDraft]:
    """Make drafts one by one."""
    return (ServiceRequestDraft(f"ITEM-2026-{number:08}", ITEM) for number in range(count))


async def per_second(client: Legitmark, creates: int, journal: Path | None) -> float:
    """Return how many were created a second."""
    created = 0
    async with client.sr.create_many(drafts(creates), journal=journal) as run:
        async for outcome in run:
            created += isinstance(outcome, Created)
    assert created == creates
    return run.progress.per_second


async def throughput(url: str, folder: Path, rounds: int, creates: int) -> dict[str, float]:
    """Return the medians of both, and of their ratios."""
    without, with_one = [], []
    async with Legitmark("leo_benchmark", base_url=url) as client:
        await per_second(client, creates // 4, None)
        for number in range(rounds):
            without.append(await per_second(client, creates, None))
            with_one.append(await per_second(client, creates, folder / f"{number}.db"))
    ratios = [ours / bare for ours, bare in zip(with_one, without, strict=True)]
    return {
        "without": round(statistics.median(without)),
        "with_journal": round(statistics.median(with_one)),
        "ratio": round(statistics.median(ratios), 3),
        "least_ratio": round(min(ratios), 3),
    }


async def make_journal(url: str, path: Path, rows: int) -> None:
    """Write a journal in which all rows but the last ones are created."""
    async with Legitmark("leo_benchmark", base_url=url) as client, client.sr.create_many([], journal=path) as run:
        async for _ in run:
            pass
    columns = "seq, reference, digest, status, run, sent_run, sent_at, settled_at, uuid, micro_id"
    with sqlite3.connect(path) as database:
        database.executemany(
            f"INSERT INTO items ({columns}) VALUES (?, ?, ?, 2, 1, 1, 0.0, 0.0, 'a1b2c3d4-e5f6', '998001')",  # noqa: S608  # of our own making
            (
                (number, draft.reference_id, digest_of(draft))
                for number, draft in enumerate(drafts(rows - LEFT), start=1)
            ),
        )
    database.close()


def write_csv(path: Path, rows: int) -> None:
    """Write the input."""
    with path.open("w", encoding="utf-8") as file:
        file.write("reference_id,category,type\n")
        for draft in drafts(rows):
            file.write(f"{draft.reference_id},{draft.item.category},{draft.item.type}\n")


async def resume(url: str, folder: Path, rows: int) -> dict[str, float]:
    """Go on with the journal until the first new request was answered."""
    began, skipped = time.perf_counter(), 0
    async with Legitmark("leo_benchmark", base_url=url) as client:
        run = client.sr.create_many(read_csv(folder / "items.csv"), journal=folder / "large.db", total=rows)
        async with run:
            async for outcome in run:
                if isinstance(outcome, Created):
                    break
                skipped += isinstance(outcome, Skipped)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "skipped": skipped, "first_request_s": round(seconds, 2), "peak_mib": round(peak, 1)}


def main() -> None:
    """Run it, and print two JSON lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--creates", type=int, default=6000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--resume", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.resume:
        figures = asyncio.run(resume(asked.resume[0], Path(asked.resume[1]), asked.rows))
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    with canned_server(LATENCY) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.stdout.write(json.dumps(asyncio.run(throughput(url, folder, asked.rounds, asked.creates))) + "\n")
        sys.stdout.flush()
        asyncio.run(make_journal(url, folder / "large.db", asked.rows))
        write_csv(folder / "items.csv", asked.rows)
        again = [sys.executable, __file__, "--rows", str(asked.rows), "--resume", url, name]
        subprocess.run(again, check=True)  # noqa: S603  # this file


if __name__ == "__main__":
    main()
