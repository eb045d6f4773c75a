"""The second host of the sandbox, its state clock and its webhooks: as hard as the real ones."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import VirtualClock

BAG = "cc30b104-7c47-11ef-a623-02595575faeb"
CROSSBODY = "95e42d6b-7c4f-11ef-a623-02595575faeb"
FRONT = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
PHOTO = b"any bytes"
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session without a key."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox without limits or faults."""
    async with Sandbox() as sandbox:
        yield sandbox


async def create(session: aiohttp.ClientSession, sandbox: Sandbox, category: str = BAG) -> str:
    """Create a service request, and give its uuid."""
    body = {"reference_id": "R", "item": {"category": category, "type": CROSSBODY}}
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with session.post(f"{sandbox.url}/api/v2/sr", json=body, headers=headers) as answer:
        uuid: str = (await answer.json())["sr"]["uuid"]
    return uuid


async def intend(session: aiohttp.ClientSession, sandbox: Sandbox, sr: str, side: str = f"{FRONT}.jpg") -> str:
    """Ask for a URL."""
    async with session.get(f"{sandbox.asset_url}/intent", params={"sr": sr, "side": side}) as answer:
        url: str = (await answer.json())["url"]
    return url


async def put(session: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, str]:  # noqa: ANN401  # aiohttp's
    """Put a photo, and give status and text."""
    options = {"data": PHOTO, "headers": JPEG, **options}
    async with session.put(URL(url, encoded=True), **options) as answer:
        return answer.status, await answer.text()


async def test_two_hosts(sandbox: Sandbox) -> None:
    """Photos have a host of their own."""
    assert urlsplit(sandbox.url).port != urlsplit(sandbox.asset_url).port


async def test_stored(session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """A photo is kept by size and digest, each upload as another version; nothing of it is kept as bytes."""
    sr = await create(session, sandbox)
    url = await intend(session, sandbox, sr)

    told = [await put(session, url), await put(session, url)]

    assert told == [(200, ""), (200, "")]
    first, second = sandbox.photos[sr, FRONT]
    assert (first.size, first.sha256) == (len(PHOTO), hashlib.sha256(PHOTO).hexdigest())
    assert first.version_id != second.version_id
    assert (sandbox.ledger.intents, sandbox.ledger.photos, sandbox.ledger.requests) == (1, 2, 1)
    assert all(seen.body == b"" for seen in sandbox.requests_seen if seen.method == "PUT")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"sr": "SR"}, 400),
        ({"sr": "SR", "side": FRONT}, 400),
        ({"sr": "SR", "side": f"{FRONT}.webp"}, 400),
        ({"sr": "SR", "side": "other.jpg"}, 404),
        ({"sr": "other", "side": f"{FRONT}.jpg"}, 404),
    ],
)
async def test_bad_intent(session: aiohttp.ClientSession, sandbox: Sandbox, query: dict[str, str], status: int) -> None:
    """An intent needs a service request and a side with the extension of a photo."""
    sr = await create(session, sandbox)
    params = {name: value.replace("SR", sr) for name, value in query.items()}

    async with session.get(f"{sandbox.asset_url}/intent", params=params) as answer:
        assert answer.status == status
    async with session.get(f"{sandbox.asset_url}/other") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"headers": {**JPEG, "Authorization": "Bearer leo_x"}}, 400, "InvalidArgument"),
        ({"headers": {**JPEG, "x-amz-acl": "public-read"}}, 403, "AccessDenied"),
        ({"headers": {"Content-Type": "image/png"}}, 403, "AccessDenied"),
        ({"data": "in chunks"}, 411, "MissingContentLength"),
    ],
    ids=["key", "unsigned header", "other type", "no length"],
)
async def test_refused_put(
    session: aiohttp.ClientSession, sandbox: Sandbox, options: dict[str, Any], status: int, code: str
) -> None:
    """What S3 would refuse is refused as S3 does, in XML."""

    async def chunks() -> AsyncIterator[bytes]:
        yield PHOTO

    url = await intend(session, sandbox, await create(session, sandbox))
    given = {"data": chunks()} if "data" in options else options

    answered, text = await put(session, url, **given)

    assert answered == status
    assert f"<Code>{code}</Code>" in text
    assert not sandbox.photos


@pytest.mark.parametrize("change", [("X-Amz-Expires=300", "X-Amz-Expires=900"), (f"{FRONT}.jpg", "other.jpg")])
async def test_changed_url(session: aiohttp.ClientSession, sandbox: Sandbox, change: tuple[str, str]) -> None:
    """A URL that somebody has changed is not the one that was signed."""
    url = await intend(session, sandbox, await create(session, sandbox))

    status, text = await put(session, url.replace(*change))

    assert (status, "SignatureDoesNotMatch" in text) == (403, True)


async def test_signed_headers(session: aiohttp.ClientSession) -> None:
    """A URL that was signed with headers needs just them."""
    async with Sandbox(signed_headers=("x-amz-acl", "Content-Type")) as sandbox:
        url = await intend(session, sandbox, await create(session, sandbox))
        without = await put(session, url)
        other = await put(session, url, headers={**JPEG, "x-amz-acl": "private"})
        right = await put(session, url, headers={**JPEG, "x-amz-acl": "public-read"})

    assert (without[0], other[0], right[0]) == (403, 403, 200)


async def test_expiry(clock: VirtualClock, session: aiohttp.ClientSession) -> None:
    """A URL is good for as long as it says."""
    async with Sandbox(url_expires=60, now=lambda: 1_700_000_000.0 + clock.passed) as sandbox:
        url = await intend(session, sandbox, await create(session, sandbox))
        await asyncio.sleep(59)
        in_time = await put(session, url)
        await asyncio.sleep(1)
        late = await put(session, url)

    assert in_time[0] == 200
    assert (late[0], "Request has expired" in late[1]) == (403, True)


async def test_state_clock(session: aiohttp.ClientSession) -> None:
    """With a pace, what is submitted comes to its verdict by itself."""
    async with Sandbox(state_pace=0.01, verdicts={"cancelled": 1}) as sandbox:
        sr = await create(session, sandbox, category=BAG.replace("c", "d"))
        for side in (FRONT, "bf98166d-7119-47f0-a4c5-88d67a28e3e6"):
            await put(session, await intend(session, sandbox, sr, f"{side}.jpg"))
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with session.post(f"{sandbox.url}/api/v2/sr/{sr}/submit", headers=headers) as answer:
            told = (await answer.json())["sr"]["state"]
        async with asyncio.timeout(10):
            while sandbox.states[sr][0] != "CANCELLED":  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0.01)

    assert told == {"primary": "QC", "supplement": "PENDING"}


def test_bad_options() -> None:
    """A verdict that doesn't exist, and webhooks to another machine, are refused."""
    with pytest.raises(ValueError, match="unknown verdict 'lost'; there are authentic"):
        Sandbox(verdicts={"lost": 1})
    with pytest.raises(ValueError, match=r"to this machine alone, not to 'example\.com'"):
        Sandbox(webhook_url="https://example.com/hook")


async def test_unknown_service_request(sandbox: Sandbox) -> None:
    """What isn't there can't be moved."""
    for call in (sandbox.step, lambda uuid: sandbox.move(uuid, "QC")):
        with pytest.raises(KeyError):
            call("nobody")


async def test_nothing_is_ahead(session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """What was not submitted stays as it is."""
    sr = await create(session, sandbox)

    sandbox.step(sr)

    assert sandbox.states[sr] == ("DRAFT", None)


async def test_forgotten_meanwhile(session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """A URL outlives neither what it was for, nor the sandbox's memory of it."""
    url = await intend(session, sandbox, await create(session, sandbox))
    sandbox.reset()

    status, text = await put(session, url)
    elsewhere = await put(session, url.partition("?")[0].rpartition("/")[0])

    assert status == 404
    assert "<Code>NoSuchKey</Code>" in text
    assert elsewhere[0] == 403


async def test_nobody_listens(session: aiohttp.ClientSession) -> None:
    """Where nobody listens an event isn't taken; what is still being sent is given up at the end."""
    async with Sandbox(webhook_url="http://127.0.0.1:9", webhook_retries=(0, 60)) as sandbox:
        secret = sandbox.webhook_secret
        sandbox.move(await create(session, sandbox), "QC", "PENDING")
        async with asyncio.timeout(10):
            while sandbox.deliveries[0].attempts < 1:  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0.01)

    assert secret.startswith("whsec_")
    assert (sandbox.deliveries[0].status, sandbox.deliveries[0].delivered) == (None, False)


async def test_undelivered(session: aiohttp.ClientSession) -> None:
    """An event that nobody takes is tried as often as documented, and then given up."""
    statuses = [500, 404]

    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=statuses.pop(0))

    runner = web.ServerRunner(web.Server(refuse))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with Sandbox(webhook_url=url, webhook_retries=(0, 0)) as sandbox:
        sandbox.move(await create(session, sandbox), "QC", "PENDING")
        async with asyncio.timeout(10):
            while sandbox.deliveries[0].status != 404:  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0.01)
    await runner.cleanup()

    assert not sandbox.deliveries[0].delivered


async def test_control(session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
    """Other processes move service requests and read the photos over HTTP."""
    sr = await create(session, sandbox)
    await put(session, await intend(session, sandbox, sr))
    move = {"sr_uuid": sr, "primary": "QC", "supplement": "REJECTED"}

    told = []
    for body in (move, {"sr_uuid": sr}, {"sr_uuid": "x", "primary": "QC"}):
        async with session.post(f"{sandbox.url}/_sandbox/move", json=body) as answer:
            told.append(answer.status)
    async with session.get(f"{sandbox.url}/_sandbox/photos") as answer:
        photos = (await answer.json())["photos"]

    assert told == [200, 400, 400]
    assert sandbox.states[sr] == ("QC", "REJECTED")
    assert [(photo["side_uuid"], photo["size"]) for photo in photos] == [(FRONT, len(PHOTO))]
