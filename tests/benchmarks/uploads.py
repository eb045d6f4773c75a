"""Memory of uploading photos from a disk: how far the peak rises after the first one, and how many bytes arrived.

python tests/benchmarks/uploads.py [--photos 215]

215 photos of just 5 MB are more than 1 GiB. The sandbox is a process of its own.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from legitmark_async import Legitmark, ServiceRequestDraft, Uploaded
from legitmark_async.testing import make_item

_LARGEST = 5 * 1024 * 1024
_MIB, _MIB_IN_KIB = 1024 * 1024, 1024
_ITEM = make_item()
_SERVER = """
import asyncio, json, sys
from legitmark_async.sandbox import Sandbox

async def main():
    async with Sandbox() as sandbox:
        print(json.dumps([sandbox.api_key, sandbox.url, sandbox.asset_url]), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
# The head of a PNG of 800 x 800 pixels, as the reader of headers wants it; what follows doesn't matter.
_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\3\x20\0\0\3\x20\x08\2\0\0\0"


@contextlib.contextmanager
def serve() -> Iterator[tuple[str, str, str]]:
    """Serve a sandbox, and give its key and URLs."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603  # our own
        assert process.stdout is not None
        key, url, asset_url = json.loads(process.stdout.readline())
        yield key, url, asset_url
        process.communicate()


def peak() -> float:
    """Return the most memory that this process ever had (MiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB_IN_KIB


async def measure(key: str, url: str, asset_url: str, path: Path, photos: int) -> dict[str, float]:
    """Upload the same file again and again, and return what it took."""
    uploaded, first = 0, 0.0
    async with Legitmark(key, base_url=url, asset_url=asset_url) as client:
        sr = await client.sr.create(ServiceRequestDraft("UPLOADS", _ITEM))
        sides = (await client.sr.requirements(sr.uuid)).sides
        pairs = ((sides[number % len(sides)].uuid, path) for number in range(photos))
        began = time.perf_counter()
        async with client.images.upload_many(sr.uuid, pairs) as run:
            async for outcome in run:
                uploaded += isinstance(outcome, Uploaded)
                first = first or peak()
        seconds = time.perf_counter() - began
    return {
        "uploaded": uploaded,
        "sent_mib": run.progress.sent / _MIB,
        "seconds": seconds,
        "first_mib": first,
        "grown_mib": peak() - first,
    }


def main() -> None:
    """Run it, and print a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=215)
    asked = parser.parse_args()
    with serve() as (key, url, asset_url), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        path.write_bytes(_HEAD.ljust(_LARGEST, b"\0"))
        before = peak()
        figures = asyncio.run(measure(key, url, asset_url, path, asked.photos))
        with urllib.request.urlopen(f"{url}/_sandbox/photos") as answer:  # noqa: S310  # loopback
            figures["arrived_mib"] = sum(photo["size"] for photo in json.load(answer)["photos"]) / _MIB
    figures["grown_in_all_mib"] = figures["first_mib"] + figures["grown_mib"] - before
    sys.stdout.write(json.dumps({name: round(figure, 1) for name, figure in figures.items()}) + "\n")


if __name__ == "__main__":
    main()
