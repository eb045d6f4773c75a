"""A client at work for minutes, under limits and all faults: does it keep anything?

The sandbox is a process of its own. Round after round a client is opened, creates in bulk with a journal, takes items
the whole way with photos from disk, makes calls beside that, has some of them cancelled, and is closed. After each
round the memory, tasks, files and sockets of this process are counted. It fails if anything is left at the end, if
memory or the number of objects grows from the second fifth of the time to the last, or if an item is lost or created
twice.

    python tests/benchmarks/soak.py [--minutes 10]
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from attrs import frozen

from legitmark_async import Legitmark, LegitmarkError, RetryPolicy, ServiceRequestDraft, Timeouts, read_photos
from legitmark_async.limits import SqliteLimits
from legitmark_async.testing import make_item, make_photo

FAULTS = ("refuse", "drop-before", "drop-after", "slow-after", "error-after", "truncate", "garbage", "stall-before")
RATE = 0.004
LIMIT, WINDOW = 400, 1.0
DRAFTS, ITEMS, CALLS = 1500, 10, 200
SIDES = ("Front", "Back", "Base", "Interior Label", "Hardware Engraving", "Serial Number")
_PAGE, _KIB = os.sysconf("SC_PAGE_SIZE"), 1024
# Memory is given back late, and in pieces (KiB).
_NOISE = 3 * 1024
# Objects that come and go; beside them there is one more sample after each round.
_FEW = 50


@frozen
class Sample:
    """What this process holds after a round."""

    memory: int
    tasks: int
    files: int
    objects: int


def sample() -> Sample:
    """Count."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    files = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(pages * _PAGE // _KIB, len(asyncio.all_tasks()), files, len(gc.get_objects()))


@contextlib.asynccontextmanager
async def sandbox() -> AsyncIterator[Mapping[str, str]]:
    """Serve one with limits and faults, and tell where it is."""
    limits = ("--limit-partner", str(LIMIT), "--window", str(WINDOW), "--window-kind", "bucket")
    faults = [f"--fault={fault}={RATE}" for fault in FAULTS]
    command = (
        sys.executable,
        "-m",
        "legitmark_async",
        "sandbox",
        "--port",
        "0",
        *limits,
        *faults,
        "--latency",
        "0.005",
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    told: Mapping[str, str] = json.loads(await process.stdout.readline())
    try:
        yield told
    finally:
        process.terminate()
        await process.wait()


async def in_bulk(client: Legitmark, name: str, folder: Path) -> Counter[str]:
    """Create many, with a journal."""
    item = make_item()
    drafts = (ServiceRequestDraft(f"{name}-{number}", item) for number in range(DRAFTS))
    async with client.sr.create_many(drafts, journal=folder / f"{name}.db") as run:
        outcomes = Counter([type(outcome).__name__ async for outcome in run])
    # `glob` would keep each pattern for ever.
    for path in [path for path in folder.iterdir() if path.name.startswith(f"{name}.db")]:
        path.unlink()
    return outcomes


async def whole_way(client: Legitmark, name: str, folder: Path) -> Counter[str]:
    """Take some items to their submission."""
    item = make_item()
    drafts = [ServiceRequestDraft(f"{name}-whole-{number}", item) for number in range(ITEMS)]
    async with client.workflow.submit_many(drafts, lambda _: read_photos(folder / "photos")) as run:
        return Counter([type(outcome).__name__ async for outcome in run])


async def beside(client: Legitmark, name: str) -> Counter[str]:
    """Call for something that is there, or not; every tenth is cancelled on its way."""
    ended: Counter[str] = Counter()
    for number in range(CALLS):
        call = asyncio.ensure_future(client.sr.find(f"{name}-{number}"))
        await asyncio.wait([call], timeout=0.003 if number % 10 == 0 else None)
        if not call.done():
            call.cancel()
        try:
            await call
        except asyncio.CancelledError:
            ended["cancelled"] += 1
        except LegitmarkError as error:
            ended[type(error).__name__] += 1
        else:
            ended["found"] += 1
    return ended


async def go_round(where: Mapping[str, str], number: int, folder: Path) -> list[Counter[str]]:
    """Open a client, do all of it at once, and close it."""
    client = Legitmark(
        where["api_key"],
        base_url=where["url"],
        asset_url=where["asset_url"],
        timeouts=Timeouts(read=0.5, attempt=2.0),
        retry=RetryPolicy(base=0.05, confirm_pauses=(0.05, 0.1), quota=100_000),
        limits=SqliteLimits(folder / "limits.db"),
    )
    async with client:
        name = f"R{number}"
        return list(
            await asyncio.gather(in_bulk(client, name, folder), whole_way(client, name, folder), beside(client, name))
        )


async def soak(minutes: float, folder: Path) -> tuple[list[Sample], Counter[str], dict[str, int]]:
    """Go round and round."""
    (folder / "photos").mkdir()
    for side in SIDES:
        (folder / "photos" / f"{side}.jpg").write_bytes(make_photo(size=300_000))
    samples: list[Sample] = []
    ended: Counter[str] = Counter()
    async with sandbox() as where:
        ends_at = time.monotonic() + 60 * minutes
        while time.monotonic() < ends_at or len(samples) < 5:
            for counts in await go_round(where, len(samples), folder):
                ended += counts
            samples.append(sample())
            told = samples[-1]
            sys.stdout.write(f"{len(samples):4} {told.memory / _KIB:7.1f} MiB  {told}  {dict(ended)}\n")
            sys.stdout.flush()
        answer = await asyncio.to_thread(urllib.request.urlopen, f"{where['url']}/_sandbox/ledger", timeout=30)
        with answer:
            ledger: dict[str, int] = json.load(answer)
    return samples, ended, ledger


def problems(before: Sample, samples: list[Sample], ended: Counter[str], ledger: dict[str, int]) -> list[str]:
    """Tell what is wrong."""
    fifth = len(samples) // 5
    early, late = ([one.memory for one in part] for part in (samples[fifth : 2 * fifth], samples[-fifth:]))
    growth = statistics.median(late) - statistics.median(early)
    more = samples[-1].objects - samples[fifth].objects - (len(samples) - fifth)
    drafts = len(samples) * (DRAFTS + ITEMS)
    found = {
        f"memory grew by {growth / _KIB:.1f} MiB": growth > _NOISE,
        f"{more} objects more": more > _FEW,
        f"{samples[-1].tasks - before.tasks} tasks are left": samples[-1].tasks > before.tasks,
        # The sandbox's process and its output are open until the end.
        f"{samples[-1].files - samples[0].files} files or sockets are left": samples[-1].files > samples[0].files,
        f"{ledger['duplicates']} duplicates": ledger["duplicates"] > 0,
        f"{drafts - ledger['unique']} of {drafts} not created": ledger["unique"] != drafts,
        f"{ended['Failed'] + ended['Unknown'] + ended['Skipped']} failed or unknown": bool(
            ended["Failed"] + ended["Unknown"] + ended["Skipped"]
        ),
    }
    return [problem for problem, there in found.items() if there]


async def main() -> None:
    """Run it, and print what was found and a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args()
    before = sample()
    with tempfile.TemporaryDirectory() as folder:
        samples, ended, ledger = await soak(asked.minutes, Path(folder))
        left = sorted(path.name for path in Path(folder).iterdir())
    found = problems(before, samples, ended, ledger)
    told = {
        "rounds": len(samples),
        "memory_mib": [round(one.memory / _KIB, 1) for one in (samples[0], samples[len(samples) // 5], samples[-1])],
        "objects": [samples[0].objects, samples[-1].objects],
        "files": [samples[0].files, samples[-1].files],
        "tasks": [before.tasks, samples[-1].tasks],
        "left": left,
        "ended": dict(ended),
        "ledger": ledger,
        "problems": found,
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    asyncio.run(main())
