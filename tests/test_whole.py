"""From a file with names to verdicts by webhook, with faults everywhere: nothing lost, nothing twice."""

import asyncio
import base64
import csv
import hashlib
import random
from pathlib import Path

import pytest
from photo_samples import make_heic, make_jpeg, make_png

from legitmark_async import Created, Legitmark, RetryPolicy, ServiceRequest, Uploaded, read_csv
from legitmark_async.sandbox import Sandbox
from legitmark_async.webhooks import Event, Listener, Receiver

ITEMS, FAULTS = 200, 0.02
SECRET = f"whsec_{base64.b64encode(b'a secret').decode()}"
KINDS = [
    ("Bag", "Crossbody", "hermes"),
    ("bag", "tote", ""),
    ("Footwear", "Sneakers", "NIKE"),
    ("footwear", "boots", ""),
]
# Those that lose an answer after the request was carried out, and those that lose the request.
ALL_FAULTS = ("refuse", "drop-before", "drop-after", "error-after", "truncate", "garbage")


def write_items(folder: Path) -> Path:
    """Write items that are told by names."""
    path = folder / "items.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["reference_id", "category", "type", "brand"])
        rows.writerows([f"ITEM-{number}", *KINDS[number % len(KINDS)]] for number in range(ITEMS))
    return path


def write_photos(folder: Path) -> list[Path]:
    """Write photos of several kinds and sizes, each with other bytes, whose names say nothing."""
    rng = random.Random(8)
    paths = []
    for number in range(8):
        make = (make_png, make_jpeg, make_heic)[number % 3]
        path = folder / f"photo-{number}"
        path.write_bytes(make(800 + number, 700) + rng.randbytes(rng.randint(1, 60_000)))
        paths.append(path)
    return paths


class Verdicts:
    """What webhooks have told, until there is a verdict on every item."""

    def __init__(self) -> None:
        self.final: dict[str | None, str] = {}
        self.all = asyncio.Event()

    async def __call__(self, event: Event) -> None:
        """Take an event."""
        if event.is_authentic or event.is_counterfeit:
            assert event.reference_id not in self.final
            self.final[event.reference_id] = "authentic" if event.is_authentic else "counterfeit"
        if len(self.final) == ITEMS:
            self.all.set()


async def take_through(client: Legitmark, sr: ServiceRequest, photos: list[Path]) -> None:
    """Upload all photos of a service request, and submit it."""
    requirements = await client.sr.requirements(sr.uuid)
    pairs = zip([side.uuid for side in requirements.sides], photos, strict=True)
    async with client.images.upload_many(sr.uuid, pairs) as run:
        outcomes = [outcome async for outcome in run]
    assert all(isinstance(outcome, Uploaded) for outcome in outcomes)
    assert (await client.sr.progress(sr.uuid)).met
    # If its answer was lost, it may have moved on since.
    assert (await client.sr.submit(sr.uuid)).state.primary != "DRAFT"


@pytest.mark.timeout(240)
async def test_from_names_to_verdicts(tmp_path: Path) -> None:
    """All 200 items have a verdict, none was created or submitted twice, and every photo arrived byte for byte."""
    photos, verdicts = write_photos(tmp_path), Verdicts()
    retry = RetryPolicy(attempts=12, base=0.01, quota=100_000, confirm_pauses=(0.01, 0.02))
    created: list[ServiceRequest] = []
    async with (
        Listener(Receiver(verdicts, SECRET)) as listener,
        Sandbox(
            faults=dict.fromkeys(ALL_FAULTS, FAULTS),
            webhook_url=listener.url,
            webhook_secret=SECRET,
            state_pace=0.01,
            verdicts={"authentic": 4, "counterfeit": 1},
        ) as sandbox,
        Legitmark(
            sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url, retry=retry, concurrency=16
        ) as client,
    ):
        drafts = client.taxonomy.resolve_drafts(read_csv(write_items(tmp_path)))
        async with client.sr.create_many(drafts) as run, asyncio.TaskGroup() as tasks:
            async for outcome in run:
                assert isinstance(outcome, Created)
                created.append(outcome.service_request)
                tasks.create_task(take_through(client, outcome.service_request, photos))
        await asyncio.wait_for(verdicts.all.wait(), 60)
        ledger, stored, states = sandbox.ledger, sandbox.photos, sandbox.states

    whole = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in photos)
    assert (len(created), ledger.created, ledger.duplicates, ledger.submitted) == (ITEMS, ITEMS, 0, ITEMS)
    assert {state[0] for state in states.values()} == {"COMPLETE"}
    for sr in created:
        told = [versions[-1].sha256 for (uuid, _), versions in stored.items() if uuid == sr.uuid]
        assert sorted(told) == whole
    assert set(verdicts.final.values()) == {"authentic", "counterfeit"}
