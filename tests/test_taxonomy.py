"""Categories, types, brands and models, by pages and by names (contract, sections 4, 5 and 7.7)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from legitmark_async import (
    ConfigurationError,
    Created,
    Failed,
    Item,
    Legitmark,
    MalformedResponseError,
    NotFoundError,
    Reference,
    RetryPolicy,
    ServiceRequestDraft,
    read_csv,
)
from legitmark_async.models import Brand
from legitmark_async.models._names import UnknownNameError, find_named, fold
from legitmark_async.resources import Shelf
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import BAG, CROSSBODY

# What a test passes on purpose although it isn't what is asked for.
Wrong = Any

SNEAKERS = "95e428c2-7c4f-11ef-a623-02595575faeb"
FOOTWEAR = "25ed7133-f230-4d64-850d-0cfc698e2931"
NIKE = "95b54167-a23f-4ca0-81c0-8cf90a3619e2"
SERVICE = "31670fe9-9272-11ef-b98d-06fb0f2a63e5"
OTHER = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"


def paths(sandbox: Sandbox) -> list[str]:
    """The paths asked for, without their queries."""
    return [seen.path.partition("?")[0] for seen in sandbox.requests_seen]


class Lists:
    """An API whose pages are told."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.client = Legitmark("leo_key", base_url=self.url, retry=RetryPolicy(attempts=1))
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        number = int(request.query.get("page_number", 1))
        return web.json_response(self.pages[min(number, len(self.pages)) - 1])


def rows(first: int, count: int) -> list[dict[str, Any]]:
    """Rows that are numbered."""
    return [{"uuid": str(number), "name": f"N {number}"} for number in range(first, first + count)]


async def test_tree(client: Legitmark, sandbox: Sandbox) -> None:
    """The tree has categories with types, without those out of use, and is asked for once a day (trap 39)."""
    first, second = await asyncio.gather(client.taxonomy.tree(), client.taxonomy.tree())

    names = {category.name: [kind.name for kind in category.types] for category in first}
    assert names["Bag"] == ["Crossbody", "Tote", "Shoulder Bag", "Backpack", "Clutch"]
    assert "Luggage" not in names
    assert second == first
    assert paths(sandbox) == ["/api/v2/categories/tree"]
    await client.taxonomy.tree(fresh=True)
    assert len(sandbox.requests_seen) == 2


async def test_tree_in_languages(client: Legitmark, sandbox: Sandbox) -> None:
    """Each language is kept apart."""
    chinese = client.with_options(language="zh")

    names = [
        (await tree)[0].name for tree in (client.taxonomy.tree(), chinese.taxonomy.tree(), chinese.taxonomy.tree())
    ]

    assert names == ["Bag", "包袋", "包袋"]
    assert len(sandbox.requests_seen) == 2
    assert sandbox.requests_seen[-1].headers["Accept-Language"] == "zh"


async def test_categories(client: Legitmark, sandbox: Sandbox) -> None:
    """All pages are read; both spellings of each option are sent, and rows out of use are left out (trap 8)."""
    active = [category.name async for category in client.taxonomy.categories(page_size=3)]
    everything = [category async for category in client.taxonomy.categories(active_only=False)]
    found = [category.uuid async for category in client.taxonomy.categories(search="foot")]

    assert len(active) == 7
    assert [category.name for category in everything if category.active is False] == ["Luggage"]
    assert found == [FOOTWEAR]
    first = sandbox.requests_seen[0].path
    assert "activeOnly=true&active_only=true&page_number=1&page_size=3" in first


async def test_inactive_rows_are_filtered() -> None:
    """A server that ignores the option gives rows out of use; they are left out here too (trap 8)."""
    async with Lists({"data": [*rows(1, 1), {"uuid": "x", "active": False}, {"uuid": "y", "active": True}]}) as lists:
        found = [brand.uuid async for brand in lists.client.taxonomy.brands()]

    assert found == ["1", "y"]


async def test_types(client: Legitmark) -> None:
    """Types are listed, all of them or those of a category."""
    every = [kind async for kind in client.taxonomy.types()]
    bags = [kind async for kind in client.taxonomy.types(category=BAG)]

    assert {kind.uuid for kind in bags} < {kind.uuid for kind in every}
    assert CROSSBODY in {kind.uuid for kind in bags}


async def test_brands(client: Legitmark, sandbox: Sandbox) -> None:
    """Brands come over several pages, and are searched under both names of the option (trap 9)."""
    every = [brand.uuid async for brand in client.taxonomy.brands()]
    found = [brand.name async for brand in client.taxonomy.brands(search="herm")]

    assert len(every) == len(set(every)) == 238
    assert found == ["Hermès"]
    assert "search=herm&search_query=herm" in sandbox.requests_seen[-1].path
    assert paths(sandbox).count("/api/v2/brands") == 4


async def test_models(client: Legitmark, sandbox: Sandbox) -> None:
    """Models come under a name of their own, without a word on the number of pages (trap 22)."""
    nikes = [model async for model in client.taxonomy.models(brand=NIKE, search="air")]

    assert len(nikes) == 95
    assert nikes[0].brand == Reference(uuid=NIKE, name="Nike")
    assert "brand_uuid=95b54167" in sandbox.requests_seen[-1].path


async def test_single_rows(client: Legitmark) -> None:
    """Category, type and service are read by their ids (traps 21 and 23)."""
    category, kind, service = await asyncio.gather(
        client.taxonomy.category(BAG), client.taxonomy.type(CROSSBODY), client.taxonomy.service(SERVICE)
    )

    assert (category.name, kind.name, service.name) == ("Bag", "Crossbody", "Luxury Authentication")
    assert len(kind.side_details) == 8
    assert kind.brands[0].name == "Nike"
    assert category.created_at is not None
    for call in (client.taxonomy.category, client.taxonomy.type, client.taxonomy.service, client.taxonomy.brands_of):
        with pytest.raises(NotFoundError):
            await call(OTHER)


async def test_brands_of(client: Legitmark) -> None:
    """The brands of a type, with those out of use if they are asked for."""
    active = await client.taxonomy.brands_of(CROSSBODY)
    every = await client.taxonomy.brands_of(CROSSBODY, active_only=False)

    assert all(brand.active for brand in active)
    assert len(active) < len(every)


@pytest.mark.parametrize(
    ("pages", "uuids", "asked"),
    [
        ([{"data": rows(1, 2), "metadata": {"total_pages": 2}}, {"data": rows(3, 1)}], 3, 2),
        (
            [
                {"data": rows(1, 2), "metadata": {"total_count": 3}},
                {"data": rows(3, 1), "metadata": {"total_count": 3}},
            ],
            3,
            2,
        ),
        ([{"models": rows(1, 2)}, {"models": rows(3, 1)}], 3, 2),
        ([{"brands": rows(1, 2)}, {"brands": []}], 2, 2),
        ([{"data": rows(1, 2)}, {"data": rows(1, 2)}], 2, 2),
        ([{"data": rows(1, 5)}], 5, 1),
        ([{"data": []}], 0, 1),
        ([{"data": [], "metadata": {"total_pages": 9}}], 0, 1),
        ([{"data": rows(1, 2), "metadata": None}, {"data": rows(3, 1), "metadata": "?"}], 3, 2),
    ],
    ids=["pages", "count", "none", "empty page", "no pages known", "all at once", "nothing", "wrong count", "odd"],
)
async def test_metadata(pages: list[dict[str, Any]], uuids: int, asked: int) -> None:
    """Lists end, whatever is told of their pages, and under whatever name they stand (trap 22)."""
    async with Lists(*pages) as lists:
        found = [brand.uuid async for brand in lists.client.taxonomy.brands(page_size=2)]

    assert found == [str(number) for number in range(1, uuids + 1)]
    assert len(lists.asked) == asked


@pytest.mark.parametrize("page", [{"data": {}}, {}, {"data": [5]}, {"data": [{"name": "no id"}]}])
async def test_unreadable_page(page: dict[str, Any]) -> None:
    """A page without a list, or with rows that are none, is told with its place."""
    async with Lists(page) as lists:
        with pytest.raises(MalformedResponseError, match=r"\$\.data"):
            [brand async for brand in lists.client.taxonomy.brands()]


async def test_unreadable_rows() -> None:
    """Rows that don't come in pages, and rows of an endpoint that has no method, are read as strictly."""
    async with Lists({"data": {"brands": 5}}) as lists:
        with pytest.raises(MalformedResponseError, match=r"\$\.data is no list"):
            await lists.client.taxonomy.brands_of(CROSSBODY)
    async with Lists({"data": [{"name": "a"}, 5]}) as lists:
        with pytest.raises(MalformedResponseError, match=r"\$\.data\[1\] is not an object"):
            [row async for row in lists.client.pages("/api/v2/reasons")]


async def test_prefetch(client: Legitmark, sandbox: Sandbox) -> None:
    """One page is asked for ahead, and whoever stops reading stops that too."""
    async for _ in client.taxonomy.brands(page_size=10):
        await until(lambda: len(sandbox.requests_seen) == 2)
        break
    await asyncio.sleep(0.05)

    assert len(sandbox.requests_seen) == 2
    assert len(asyncio.all_tasks()) == 1 + sum("Server" in repr(t) or "start" in repr(t) for t in asyncio.all_tasks())


@pytest.mark.parametrize("size", [0, 101, True, "10"])
async def test_page_size(client: Legitmark, size: Wrong) -> None:
    """A page has 1 to 100 rows."""
    with pytest.raises(ConfigurationError, match="page_size"):
        client.taxonomy.brands(page_size=size)


@pytest.mark.parametrize(
    ("names", "item"),
    [
        ({"category": "Bag", "type": "Crossbody"}, Item(BAG, CROSSBODY)),
        ({"category": " bag ", "type": "cross-body"}, Item(BAG, CROSSBODY)),
        ({"category": BAG.upper(), "type": "Crossbody"}, Item(BAG, CROSSBODY)),
        ({"category": "Footwear", "type": "SNEAKERS", "brand": "nike"}, Item(FOOTWEAR, SNEAKERS, NIKE)),
        ({"category": BAG, "type": CROSSBODY, "brand": OTHER}, Item(BAG, CROSSBODY, OTHER)),
    ],
)
async def test_resolve(client: Legitmark, names: dict[str, str], item: Item) -> None:
    """Names stand for UUIDs, however they are written; UUIDs stand for themselves."""
    assert await client.taxonomy.resolve(**names) == item


async def test_resolve_brand_and_model(client: Legitmark, sandbox: Sandbox) -> None:
    """Brands are found without their accents, and models below their brand; nothing is asked twice for them."""
    hermes = await client.taxonomy.resolve(category="Bag", type="Crossbody", brand="HERMES")
    for _ in range(3):
        await client.taxonomy.resolve(category="Bag", type="Crossbody", brand="a lange & sohne")
    shoe = await client.taxonomy.resolve(category="Footwear", type="Sneakers", brand="Nike", model="AirMax 90")

    assert hermes.brand is not None
    assert hermes.problems() == shoe.problems() == ()
    assert shoe.model == "de00005a-7c4f-11ef-a623-02595575faeb"
    assert paths(sandbox).count("/api/v2/categories/tree") == 1
    assert paths(sandbox).count(f"/api/v2/types/{CROSSBODY}/brands") == 1


async def test_resolve_of_uuids_asks_nothing(client: Legitmark, sandbox: Sandbox) -> None:
    """What is told by UUIDs needs no look."""
    assert await client.taxonomy.resolve(category=BAG, type=CROSSBODY) == Item(BAG, CROSSBODY)
    assert not sandbox.requests_seen


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"category": "Bagg", "type": "Tote"}, "item.category: 'Bagg' is none of the categories; did you mean 'Bag'?"),
        ({"category": "Bag", "type": "Crosbody"}, "item.type: 'Crosbody' is none of the types of Bag; did you mean"),
        ({"category": "Bag", "type": "Sneakers"}, "item.type: 'Sneakers' is none of the types of Bag"),
        (
            {"category": "xyz", "type": "Tote"},
            "there are 'Accessory', 'Bag', 'Clothing', 'Footwear', 'Jewelry' and 2 more",
        ),
        ({"category": "Bag", "type": "Tote", "brand": "Guci"}, "item.brand: 'Guci' is none of the brands of Tote; did"),
        (
            {"category": "Footwear", "type": "Sneakers", "brand": "Nike", "model": "Airmx 7"},
            "item.model: 'Airmx 7' is none of the models of Nike; did you mean 'Air Max 7'",
        ),
        (
            {"category": "Footwear", "type": "Sneakers", "model": "Airmx 7"},
            "item.model: 'Airmx 7' is none of the models of Sneakers; there are none",
        ),
    ],
)
async def test_resolve_unknown(client: Legitmark, names: dict[str, str], problem: str) -> None:
    """A name that isn't there is told with those that are near."""
    with pytest.raises(ConfigurationError) as caught:
        await client.taxonomy.resolve(**names)

    assert problem in str(caught.value)
    assert caught.value.problems == (str(caught.value),)


async def test_resolve_drafts(client: Legitmark, sandbox: Sandbox, tmp_path: Path) -> None:
    """A CSV may hold names; a row whose names are unknown fails alone, and names its line."""
    path = tmp_path / "items.csv"
    path.write_text(
        "reference_id,category,type,brand\n"
        "A,Bag,Crossbody,Hermes\nB,Bag,Crosbody,\nC,,Tote,\nD,bag,CROSSBODY,HERMÈS\n"
        f"E,{BAG},{CROSSBODY},\nF,Bag,Crossbody,Hermes\n"
    )
    outcomes = {}

    drafts = client.taxonomy.resolve_drafts(read_csv(path))
    async with client.sr.create_many(drafts) as run:
        async for outcome in run:
            outcomes[outcome.draft.reference_id] = outcome

    created = {name for name, outcome in outcomes.items() if isinstance(outcome, Created)}
    failed = {name: str(outcome.error) for name, outcome in outcomes.items() if isinstance(outcome, Failed)}
    assert created == {"A", "D", "E", "F"}
    assert failed["B"].endswith(
        "items.csv:3: item.type: 'Crosbody' is none of the types of Bag; did you mean 'Crossbody'?"
    )
    assert "items.csv:4: item.category: is empty" in failed["C"]
    assert len(paths(sandbox)) == 4 + 2


async def test_resolve_drafts_of_anything(client: Legitmark) -> None:
    """Drafts of an async iterable, and items that are none, pass through."""
    odd = ServiceRequestDraft("odd", "no item")  # type: ignore[arg-type]  # wrong on purpose
    listed = ServiceRequestDraft("listed", Item(["x"], "y"))  # type: ignore[arg-type]  # wrong on purpose

    async def given() -> AsyncIterator[ServiceRequestDraft]:
        yield odd
        yield listed

    assert [draft async for draft in client.taxonomy.resolve_drafts(given())] == [odd, listed]


async def test_cache_file(sandbox: Sandbox, tmp_path: Path) -> None:
    """A file keeps the taxonomy for another process."""
    path = tmp_path / "taxonomy.json"
    trees = []
    for _ in range(2):
        async with Legitmark(sandbox.api_key, base_url=sandbox.url, taxonomy_cache=path) as client:
            trees.append(await client.taxonomy.tree())
            await client.taxonomy.resolve(category="Bag", type="Crossbody", brand="Nike")

    assert trees[0] == trees[1]
    assert len(sandbox.requests_seen) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["taxonomy.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 1, "kept": []}',
        '{"version": 9, "kept": {}}',
        '{"version": 1, "kept": {"k": [9e9, 3]}}',
        "\0",
    ],
)
async def test_cache_file_that_is_none(sandbox: Sandbox, tmp_path: Path, text: str) -> None:
    """A file that can't be read is done without, and written anew."""
    path = tmp_path / "taxonomy.json"
    path.write_text(text)

    async with Legitmark(sandbox.api_key, base_url=sandbox.url, taxonomy_cache=path) as client:
        assert await client.taxonomy.tree()

    assert json.loads(path.read_text())["version"] == 1


@pytest.mark.parametrize("place", ["no/where", "folder"])
async def test_cache_file_that_cannot_be(sandbox: Sandbox, tmp_path: Path, place: str) -> None:
    """Where no file can be written, memory has to do, and nothing is left behind."""
    (tmp_path / "folder").mkdir()
    async with Legitmark(sandbox.api_key, base_url=sandbox.url, taxonomy_cache=tmp_path / place) as client:
        await client.taxonomy.tree()
        await client.taxonomy.tree()

    assert len(sandbox.requests_seen) == 1
    assert [entry.name for entry in tmp_path.rglob("*")] == ["folder"]


async def test_kept_for_a_day() -> None:
    """Rows are kept for 24 hours, and no longer; a clock that is set back doesn't keep them for ever."""
    times = [1e6, 1e6 + 86_399, 1e6 + 86_400, 1e6]
    asked = 0

    async def ask() -> tuple[Brand, ...]:
        nonlocal asked
        asked += 1
        return (Brand(uuid=str(asked)),)

    def read(_: list[Any]) -> tuple[Brand, ...]:
        raise AssertionError

    shelf = Shelf(None, lambda: times[0])
    told = []
    while times:
        told += [row.uuid for row in await shelf.get("k", ask, read)]
        times.pop(0)

    assert told == ["1", "1", "2", "3"]


def test_names_that_differ_by_little() -> None:
    """An exact name counts more than a likeness; two that are alike are told by their UUIDs."""
    brands = [Brand(uuid="1", name="A.P.C."), Brand(uuid="2", name="APC"), Brand(uuid="3", name="A P C")]

    assert find_named(brands, "apc", "brands").uuid == "2"
    with pytest.raises(UnknownNameError, match=r"several of the brands are called 'a-p-c': use the UUID .* 1, 2, 3"):
        find_named(brands, "a-p-c", "brands")


@given(st.text())
def test_fold(name: str) -> None:
    """Folding is stable, and case never counts."""
    assert fold(fold(name)) == fold(name)
    assert fold(name.upper().lower()) == fold(name.lower().upper().lower())
