"""Create, get and find: their shapes, their validation, and who may call them."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import VirtualClock

BAG = "cc30b104-7c47-11ef-a623-02595575faeb"
CROSSBODY = "95e42d6b-7c4f-11ef-a623-02595575faeb"
SERVICE = "31670fe9-9272-11ef-b98d-06fb0f2a63e5"
OTHER = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"


def draft(reference_id: str = "ITEM-2024-0891", **more: object) -> dict[str, object]:
    """The body of a create."""
    return {"reference_id": reference_id, "item": {"category": BAG, "type": CROSSBODY}, **more}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox without limits or faults."""
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def session(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the sandbox's key."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with aiohttp.ClientSession(sandbox.url, headers=headers) as session:
        yield session


async def create(session: aiohttp.ClientSession, body: object) -> dict[str, Any]:
    """Creates a service request and gives its `sr`."""
    async with session.post("/api/v2/sr", json=body) as response:
        document: dict[str, Any] = await response.json()
        assert response.status == 200, document
    sr: dict[str, Any] = document["sr"]
    return sr


async def read(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    """Status and JSON."""
    async with response:
        return response.status, await response.json()


async def test_create_has_the_seeds_fields(session: aiohttp.ClientSession) -> None:
    """A create answers every field of the seed's example, in its order."""
    async with session.post("/api/v2/sr", json=draft(service=SERVICE)) as response:
        document = await response.json()

    sr = document["sr"]
    assert list(document) == ["success", "message", "sr"]
    assert document["message"] == "Service request initiated successfully."
    assert list(sr) == [
        "uuid", "active", "migrated", "micro_id", "legacy_id", "external_id", "tab", "source", "partner_code",
        "state", "summary", "user", "service", "created_at", "updated_at", "drafted_at",
    ]  # fmt: skip
    assert sr["micro_id"] == "998001"
    assert sr["external_id"] == "ITEM-2024-0891"
    assert sr["state"] == {"primary": "DRAFT", "supplement": None}
    assert sr["summary"] == {"style": "Crossbody", "style_id": CROSSBODY}
    assert sr["service"] == SERVICE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", sr["created_at"])


async def test_create_without_options(session: aiohttp.ClientSession) -> None:
    """A service left out is resolved, and a type nobody knows has no style."""
    sr = await create(session, {"reference_id": "R", "item": {"category": BAG, "type": OTHER}})

    assert sr["service"]
    assert sr["source"] == "api"
    assert sr["summary"] == {"style": None, "style_id": OTHER}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"item": {"category": BAG, "type": CROSSBODY}}, "validation/missing-field", "reference_id is"),
        (draft(""), "validation/invalid-reference_id", "reference_id must be a non-empty string"),
        (draft() | {"reference_id": 7}, "validation/invalid-reference_id", "reference_id must be"),
        ({"reference_id": "R"}, "validation/missing-field", "item is required"),
        (draft(item=[]), "validation/invalid-item", "item must be an object"),
        (draft(item={"type": CROSSBODY}), "validation/missing-field", "item.category is required"),
        (draft(item={"category": BAG, "type": "Bag"}), "validation/invalid-type", "item.type must be"),
        (draft(item={"category": BAG, "type": CROSSBODY, "brand": 1}), "validation/invalid-brand", "item.br"),
        (draft(item={"category": BAG, "type": CROSSBODY, "model": ""}), "validation/invalid-model", "item.m"),
        (draft(service=None), "validation/invalid-service", "service must be a UUID"),
        (draft(uuid="x"), "validation/invalid-uuid", "uuid must be a UUID"),
        (draft(external_id=1), "validation/invalid-external_id", "external_id must be a string"),
        (draft(source={}), "validation/invalid-source", "source must be a string"),
        ([draft()], "validation/invalid-body", "The body must be a JSON object"),
    ],
)
async def test_create_is_validated(
    sandbox: Sandbox, session: aiohttp.ClientSession, body: object, code: str, message: str
) -> None:
    """A body that breaks the schema is a 400 that names the field, and creates nothing."""
    status, document = await read(await session.post("/api/v2/sr", json=body))

    (error,) = document["error"]["errors"]
    assert status == document["error"]["code"] == 400
    assert document["success"] is False
    assert error["code"] == code
    assert error["message"].startswith(message)
    assert sandbox.ledger.created == 0


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b"[" * 100_000], ids=["cut", "empty", "bytes", "deep"])
async def test_create_with_broken_json(session: aiohttp.ClientSession, body: bytes) -> None:
    """A body that isn't JSON is a 400."""
    headers = {"Content-Type": "application/json"}

    status, document = await read(await session.post("/api/v2/sr", data=body, headers=headers))

    assert status == 400
    assert document["error"]["errors"][0]["code"] == "validation/invalid-body"


async def test_create_with_another_content_type(session: aiohttp.ClientSession) -> None:
    """JSON under another content type is a 400: create documents no 415."""
    body = json.dumps(draft()).encode()

    status, document = await read(await session.post("/api/v2/sr", data=body, headers={"Content-Type": "text/plain"}))

    assert status == 400
    assert document["error"]["errors"][0]["code"] == "validation/invalid-content-type"


async def test_create_with_a_huge_body(session: aiohttp.ClientSession) -> None:
    """A body of more than a mebibyte is refused with the envelope."""
    body = io.BytesIO(json.dumps(draft("R" * 1_100_000)).encode())

    status, document = await read(await session.post("/api/v2/sr", data=body))

    assert status == document["error"]["code"] == 413


async def test_create_with_a_broken_encoding(session: aiohttp.ClientSession) -> None:
    """A body that isn't in the encoding it claims is a 400."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    status, document = await read(await session.post("/api/v2/sr", data=b"not gzip", headers=headers))

    assert status == document["error"]["code"] == 400


@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer", "Bearer "])
async def test_missing_key(sandbox: Sandbox, header: str | None) -> None:
    """No bearer token is a 401 with the documented details."""
    headers = {} if header is None else {"Authorization": header}

    async with aiohttp.ClientSession(sandbox.url, headers=headers) as session:
        status, document = await read(await session.post("/api/v2/sr", json=draft()))

    assert status == 401
    assert document["error"]["details"] == "authorization/missing_token"


async def test_wrong_key(sandbox: Sandbox) -> None:
    """A key that isn't the sandbox's is a 403."""
    async with aiohttp.ClientSession(sandbox.url, headers={"Authorization": "Bearer leo_x"}) as session:
        status, document = await read(await session.get(f"/api/v2/sr/{OTHER}"))

    assert status == 403
    assert document["error"]["message"] == "Invalid or expired API key"


async def test_get_plain(session: aiohttp.ClientSession) -> None:
    """A get without flags has the fields of the create, and nothing expanded."""
    sr = await create(session, draft())

    status, document = await read(await session.get(f"/api/v2/sr/{sr['uuid'].upper()}"))

    assert status == 200
    assert document["rc_hit"] is False
    assert document["rc_key"].startswith("srs:")
    assert document["sr"] == sr | {"metadata": {}}


async def test_get_expanded(session: aiohttp.ClientSession) -> None:
    """Flags bring their parts."""
    brand = "95b54167-a23f-4ca0-81c0-8cf90a3619e2"
    item = {"category": BAG, "type": CROSSBODY, "brand": brand, "model": OTHER}
    sr = await create(session, draft(item=item, service=SERVICE))
    parts = ("summary", "user", "service", "outcome", "item", "sides", "requirements", "risk")

    _, document = await read(await session.get(f"/api/v2/sr/{sr['uuid']}", params=dict.fromkeys(parts, "true")))

    full = document["sr"]
    assert full["summary"]["combined"] == "Bag Crossbody"
    assert full["user"] == {"uuid": sr["user"]}
    assert full["service"]["uuid"] == SERVICE
    assert full["outcome"] is None
    assert full["item"]["type"] == "undefined"
    assert full["item"]["types"]["name"] == "Crossbody"
    assert full["item"]["category"]["uuid"] == BAG
    assert full["item"]["brand"]["name"] == "Nike"
    assert full["item"]["model"]["uuid"] == OTHER
    assert [side["required"] for side in full["sides"]["required"]] == [True] * 6
    assert full["sides"]["progress"]["met"] is False
    assert full["requirements"]["total_required"] == 6


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("sides=true", set[str]()),
        ("item=false&sides=true&requirements=true", set[str]()),
        ("item=true&requirements=true", {"item"}),
        ("item=true&sides=true", {"item", "sides"}),
        ("item=true&sides=true&requirements=true", {"item", "sides", "requirements"}),
        ("unheard-of=1", set[str]()),
    ],
)
async def test_get_flags_need_each_other(session: aiohttp.ClientSession, query: str, parts: set[str]) -> None:
    """A flag without those it needs is silently ignored."""
    sr = await create(session, draft())

    status, document = await read(await session.get(f"/api/v2/sr/{sr['uuid']}?{query}"))

    assert status == 200
    assert {"item", "sides", "requirements"} & document["sr"].keys() == parts


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/v2/sr/{OTHER}", 404),
        ("/api/v2/sr/not-a-uuid", 400),
        (f"/api/v2/sr/{OTHER}?item=yes", 400),
        ("/api/v2/sr/", 404),
        (f"/api/v2/sr/{OTHER}/submit", 405),
        (f"/api/v2/sr/{OTHER}/cancel", 404),
        ("/api/sr/find/", 404),
        ("/api/sr/find/one/two", 404),
        ("/", 404),
    ],
)
async def test_get_that_fails(session: aiohttp.ClientSession, path: str, status: int) -> None:
    """What isn't there is a 404, what isn't a UUID or a flag a 400, both in the envelope."""
    answered, document = await read(await session.get(path))

    assert answered == document["error"]["code"] == status


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("categories?activeOnly=yes", "validation/invalid-activeOnly"),
        ("models?brand_uuid=nike", "validation/invalid-brand_uuid"),
        ("types?page_number=0", "validation/invalid-page_number"),
        ("models?page_number=x", "validation/invalid-page_number"),
        ("brands?page_size=101", "validation/invalid-page_size"),
    ],
)
async def test_list_that_fails(session: aiohttp.ClientSession, query: str, code: str) -> None:
    """What a list can't be asked for is told by a code."""
    answered, document = await read(await session.get(f"/api/v2/{query}"))

    assert answered == 400
    assert [error["code"] for error in document["error"]["errors"]] == [code]


@pytest.mark.parametrize("path", [f"categories/{OTHER}/types", f"categories/{OTHER}", f"types/{OTHER}"])
async def test_row_that_is_not_there(session: aiohttp.ClientSession, path: str) -> None:
    """A row that isn't there is a 404, and so are the rows below it."""
    answered, document = await read(await session.get(f"/api/v2/{path}"))

    assert answered == document["error"]["code"] == 404


async def test_side_groups(session: aiohttp.ClientSession) -> None:
    """The groups of sides can be asked for by themselves, of what there is."""
    sr = await create(session, draft())

    there, document = await read(await session.get(f"/api/v2/sr/{sr['uuid']}/side-groups"))
    elsewhere, _ = await read(await session.get(f"/api/v2/sr/{OTHER}/side-groups"))
    progress, _ = await read(await session.get(f"/api/side-groups/progress?sr_id={OTHER}"))
    submitted, _ = await read(await session.post(f"/api/v2/sr/{OTHER}/submit"))

    assert (there, elsewhere, progress, submitted) == (200, 404, 404, 404)
    assert "Front" in [side["name"] for group in document["data"]["side_groups"] for side in group["sides"]]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/v2/sr", "POST"),
        ("DELETE", f"/api/v2/sr/{OTHER}", "GET"),
        ("POST", "/api/sr/find/x", "GET"),
    ],
)
async def test_wrong_method(session: aiohttp.ClientSession, method: str, path: str, allow: str) -> None:
    """A wrong method is a 405 that tells the right one."""
    async with session.request(method, path) as response:
        document = await response.json()

    assert response.status == document["error"]["code"] == 405
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize("reference", ["ITEM-1", "with space", "a/b%2Fc", "Größe №5", "100%", "q?x=1#y", "."])
async def test_find_by_reference(sandbox: Sandbox, session: aiohttp.ClientSession, reference: str) -> None:
    """Find is public and takes any reference id, percent-encoded once."""
    sr = await create(session, draft(reference))
    encoded = "".join(f"%{byte:02X}" for byte in reference.encode())

    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    writer.write(f"GET /api/sr/find/{encoded} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["sr"] == {
        name: sr[name] for name in ("uuid", "micro_id", "external_id", "state", "created_at")
    }


async def test_find_namespace(session: aiohttp.ClientSession) -> None:
    """Uuid, micro id and reference id share one namespace, and of one reference the newest is found."""
    first = await create(session, draft("twice"))
    second = await create(session, draft("twice"))
    stranger = await create(session, draft(first["micro_id"]))

    found = {}
    for identifier in (first["uuid"], first["micro_id"], "twice", stranger["uuid"]):
        _, document = await read(await session.get(f"/api/sr/find/{identifier}"))
        found[identifier] = document["sr"]["uuid"]

    assert found == {
        first["uuid"]: first["uuid"],
        first["micro_id"]: first["uuid"],
        "twice": second["uuid"],
        stranger["uuid"]: stranger["uuid"],
    }


async def test_find_is_stale(clock: VirtualClock) -> None:
    """Find doesn't see what is younger than its delay, while get does."""
    async with Sandbox(find_delay=2.0, clock=lambda: clock.now) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with aiohttp.ClientSession(sandbox.url, headers=headers) as session:
            sr = await create(session, draft("R"))
            early, _ = await read(await session.get("/api/sr/find/R"))
            seen, _ = await read(await session.get(f"/api/v2/sr/{sr['uuid']}"))
            await asyncio.sleep(2.0)
            late, _ = await read(await session.get("/api/sr/find/R"))

    assert (early, seen, late) == (404, 200, 200)


async def test_get_is_cached(clock: VirtualClock) -> None:
    """With a cache, get tells for so long what it has told, of the same flags in the same language."""
    async with Sandbox(get_cache=2.0, clock=lambda: clock.now) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with aiohttp.ClientSession(sandbox.url, headers=headers) as session:
            sr = await create(session, draft("R"))
            path, told = f"/api/v2/sr/{sr['uuid']}", list[tuple[bool, str]]()
            for flags, later in (("", 0.0), ("", 1.9), ("?sides=true", 0.0), ("", 0.1), ("", 0.0)):
                await asyncio.sleep(later)
                _, document = await read(await session.get(path + flags))
                told.append((document["rc_hit"], document["sr"]["state"]["primary"]))
                sandbox.move(sr["uuid"], "QC")

    assert told == [(False, "DRAFT"), (True, "DRAFT"), (False, "QC"), (False, "QC"), (True, "QC")]


@pytest.mark.parametrize(("sent", "echoed"), [("req_abc-1", True), ("x" * 129, False), ("a b", False)])
async def test_request_id(session: aiohttp.ClientSession, sent: str, *, echoed: bool) -> None:
    """A sane request id comes back, another is replaced, and every answer has one and a Date."""
    async with session.get("/api/sr/find/x", headers={"X-Request-Id": sent}) as response:
        answered = response.headers["X-Request-Id"]

    assert (answered == sent) == echoed
    assert answered
    assert "Date" in response.headers


async def test_requests_seen(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    """The sandbox shows the requests it got, as they came."""
    await create(session, draft("R"))

    (seen,) = sandbox.requests_seen

    assert (seen.method, seen.path, seen.status) == ("POST", "/api/v2/sr", 200)
    assert seen.headers["Authorization"] == f"Bearer {sandbox.api_key}"
    assert json.loads(seen.body) == draft("R")


async def test_references(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    """Duplicates are admitted, listed and counted."""
    first = await create(session, draft("twice"))
    second = await create(session, draft("twice"))
    await create(session, draft("once"))

    assert sandbox.references["twice"] == [first["uuid"], second["uuid"]]
    assert (sandbox.ledger.created, sandbox.ledger.unique, sandbox.ledger.duplicates) == (3, 2, 1)


def test_imports_nothing_of_the_package() -> None:
    """The sandbox's sources name no other module of the package."""
    import legitmark_async.sandbox  # noqa: PLC0415  # looked at as a folder of sources here alone

    sources = [path.read_text() for path in Path(legitmark_async.sandbox.__path__[0]).glob("*.py")]
    imported = {name for source in sources for name in re.findall(r"^(?:from|import) (\w[\w.]*)", source, re.MULTILINE)}

    ours = {name for name in imported if name.startswith("legitmark_async")}
    assert all(name.startswith("legitmark_async.sandbox") for name in ours)
    assert "aiohttp" in imported
