"""From a file with names to verdicts by webhook, with faults everywhere: nothing lost, nothing twice."""

import asyncio
import base64
import csv
import hashlib
import random
from functools import partial
from pathlib import Path

import pytest
from photo_headers import make_heic

from legitmark_async import Legitmark, RetryPolicy, Submitted, photos_in, read_csv
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import make_photo
from legitmark_async.webhooks import Event, Listener, Receiver

ITEMS, FAULTS = 200, 0.02
SECRET = f"whsec_{base64.b64encode(b'a secret').decode()}"
KINDS = [
    ("Bag", "Crossbody", "hermes"),
    ("bag", "tote", ""),
    ("Footwear", "Sneakers", "NIKE"),
    ("footwear", "boots", ""),
]
# Names of sides, as people write them, and two UUIDs.
BAG = (
    *("Front", "back", "Base", "interior-label", "Hardware Engraving", "serial_number", "Dust Bag"),
    "33ce80ed-d22a-4ef6-b99c-09c06a3d2ee4",
)
FOOTWEAR = (
    *("FRONT", "Back", "left shoe", "Right Shoe", "Sole", "Insole", "Interior Size Tag or Stamp"),
    "1b6f9d6e-7c47-11ef-a623-02595575faeb",
)
KINDS_OF_PHOTOS = ((partial(make_photo, kind="png"), ".jpg"), (make_photo, ".jpeg"), (make_heic, ""))
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


def write_photos(folder: Path) -> Path:
    """Write photos of several kinds and sizes, each with other bytes, under names and UUIDs of their sides."""
    rng, root = random.Random(8), folder / "photos"
    for number in range(ITEMS):
        own = root / f"ITEM-{number}"
        own.mkdir(parents=True)
        for place, side in enumerate(BAG if number % len(KINDS) < 2 else FOOTWEAR):
            make, suffix = KINDS_OF_PHOTOS[(number + place) % len(KINDS_OF_PHOTOS)]
            (own / f"{side}{suffix}").write_bytes(make(800 + place, 700) + rng.randbytes(rng.randint(1, 20_000)))
    return root


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


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_from_names_to_verdicts(tmp_path: Path) -> None:
    """All 200 items have a verdict, none was created or submitted twice, and every photo arrived byte for byte."""
    file, photos, verdicts = write_items(tmp_path), write_photos(tmp_path), Verdicts()
    retry = RetryPolicy(attempts=12, base=0.01, quota=100_000, confirm_pauses=(0.01, 0.02))
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
        drafts = client.taxonomy.resolve_drafts(read_csv(file))
        run = client.workflow.submit_many(drafts, photos_in(photos), journal=tmp_path / "run.db")
        async with run:
            submitted = {outcome.draft.reference_id: outcome async for outcome in run}
        await asyncio.wait_for(verdicts.all.wait(), 60)
        ledger, stored, states = sandbox.ledger, sandbox.photos, sandbox.states

    assert {type(outcome) for outcome in submitted.values()} == {Submitted}
    assert (len(submitted), ledger.created, ledger.duplicates, ledger.submitted) == (ITEMS, ITEMS, 0, ITEMS)
    assert {state[0] for state in states.values()} == {"COMPLETE"}
    for reference, outcome in submitted.items():
        assert isinstance(outcome, Submitted)
        uuid = outcome.service_request.uuid
        told = [versions[-1].sha256 for (sr_uuid, _), versions in stored.items() if sr_uuid == uuid]
        assert sorted(told) == hashes_in(photos / reference)
    assert set(verdicts.final) == set(submitted)
    assert set(verdicts.final.values()) == {"authentic", "counterfeit"}


def hashes_in(folder: Path) -> list[str]:
    """Tell what is in the files of a folder."""
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir())
