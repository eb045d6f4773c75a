"""Photos: checked, then sent to a presigned URL with just the headers that it was signed with (contract, section 8)."""

import asyncio
import hashlib
import io
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from photo_headers import make_dng, make_heic

from legitmark_async import (
    ConfigurationError,
    DeadlineExceededError,
    ForbiddenError,
    Legitmark,
    LegitmarkError,
    MalformedResponseError,
    NotFoundError,
    NotUploaded,
    PhotoError,
    RetryPolicy,
    ServerError,
    ServiceRequest,
    ServiceRequestDraft,
    Upload,
    Uploaded,
)
from legitmark_async._endpoints import decode, put_photo, request_upload
from legitmark_async._wire import Response
from legitmark_async.resources._content import BytesContent
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import make_photo

# What a test passes on purpose although it isn't what is asked for.
Wrong = Any

FRONT = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
BACK = "bf98166d-7119-47f0-a4c5-88d67a28e3e6"
URL = "https://s3.example.com/b/k.jpg?X-Amz-Expires=300"


@pytest.fixture
async def sr(client: Legitmark, draft: ServiceRequestDraft) -> ServiceRequest:
    """A new service request."""
    return await client.sr.create(draft)


def puts(sandbox: Sandbox) -> list[dict[str, str]]:
    """The headers of the photos sent, with their names in lower case."""
    return [
        {name.lower(): value for name, value in seen.headers.items()}
        for seen in sandbox.requests_seen
        if seen.method == "PUT"
    ]


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "bytearray", "memoryview", "file", "bytesio"])
async def test_sources(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, tmp_path: Path, kind: str) -> None:
    """From wherever it comes, every byte arrives; an open file is read from where it stands, and stays open."""
    photo = make_photo(800, 700, kind="png", size=200_000)
    path = tmp_path / "photo"
    path.write_bytes(photo)
    with path.open("rb") as file:
        sources: dict[str, Any] = {
            "path": path, "text": str(path), "bytes": photo, "bytearray": bytearray(photo),
            "memoryview": memoryview(photo), "file": file, "bytesio": io.BytesIO(b"before" + photo),
        }  # fmt: skip
        if kind == "bytesio":
            sources[kind].seek(6)
        upload = await client.images.upload(sr.uuid, FRONT, sources[kind])
        assert not file.closed

    (stored,) = sandbox.photos[sr.uuid, FRONT]
    assert (stored.size, stored.sha256) == (len(photo), hashlib.sha256(photo).hexdigest())
    assert upload == Upload(
        sr_uuid=sr.uuid, side_uuid=FRONT, content_type="image/png", width=800, height=700, size=len(photo)
    )


@pytest.mark.parametrize(
    ("photo", "extension", "content_type"),
    [
        (make_photo(), "jpg", "image/jpeg"),
        (make_photo(kind="png"), "png", "image/png"),
        (make_heic(), "heic", "image/heic"),
        (make_dng(), "dng", "image/x-adobe-dng"),
    ],
)
async def test_type_by_content(  # noqa: PLR0913, PLR0917  # fixtures
    client: Legitmark,
    sandbox: Sandbox,
    sr: ServiceRequest,
    tmp_path: Path,
    photo: bytes,
    extension: str,
    content_type: str,
) -> None:
    """Extension and type are told by the content, whatever the name says (trap 13)."""
    path = tmp_path / "photo.webp"
    path.write_bytes(photo)

    await client.images.upload(sr.uuid, FRONT, path)

    assert f"side={FRONT}.{extension}" in sandbox.requests_seen[-2].path
    assert puts(sandbox)[0]["content-type"] == content_type


async def test_headers(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Without signed headers none is sent but the type: no key, no id, nothing of the API's (traps 11 and 12)."""
    await client.images.upload(sr.uuid, FRONT, make_photo())

    (headers,) = puts(sandbox)
    assert headers.keys() <= {"host", "content-type", "content-length", "user-agent", "accept", "accept-encoding"}
    assert not any("leo_" in value for value in headers.values())


async def test_signed_headers(draft: ServiceRequestDraft) -> None:
    """What the URL was signed with is sent, just so (trap 12)."""
    signed = ("cache-control", "content-type", "x-amz-acl")
    async with (
        Sandbox(signed_headers=signed) as sandbox,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
    ):
        sr = await client.sr.create(draft)
        await client.images.upload(sr.uuid, FRONT, make_photo())

    (headers,) = puts(sandbox)
    assert (headers["cache-control"], headers["x-amz-acl"]) == ("max-age=10", "public-read")


async def test_session_of_the_caller(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """A session of the caller's sends photos too, without the key."""
    async with (
        aiohttp.ClientSession() as session,
        Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url, session=session) as client,
    ):
        sr = await client.sr.create(draft)
        await client.images.upload(sr.uuid, FRONT, make_photo())

    assert "authorization" not in puts(sandbox)[0]


async def test_expired_url(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """A URL that has expired is replaced by a fresh one (trap 14), twice; then the refusal is told."""
    sandbox.expire_urls(2)
    await client.images.upload(sr.uuid, FRONT, make_photo())
    intents = sandbox.ledger.intents
    sandbox.expire_urls(3)

    with pytest.raises(ForbiddenError, match="AccessDenied: Request has expired"):
        await client.images.upload(sr.uuid, FRONT, make_photo())

    assert (intents, sandbox.ledger.intents, sandbox.ledger.photos) == (3, 6, 1)


async def test_forbidden_intent(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Of an intent that is refused no fresh URL is asked for: none would be given."""
    sandbox.will_answer(403, on="GET /intent")

    with pytest.raises(ForbiddenError):
        await client.images.upload(sr.uuid, FRONT, make_photo())

    assert (sandbox.ledger.intents, sandbox.ledger.photos) == (0, 0)


@pytest.mark.parametrize("fault", ["refuse", "drop-before", "drop-after", "error-after", "truncate", "garbage"])
async def test_faults(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, fault: str) -> None:
    """Intents and photos are sent again after any fault; another version of the same photo does no harm."""
    sandbox.set_faults({fault: 0.3})
    view = client.with_options(retry=RetryPolicy(attempts=20, base=0.001))
    photos = [make_photo(size=10_000 + number) for number in range(20)]

    for photo in photos:
        await view.images.upload(sr.uuid, FRONT, photo)

    whole = {hashlib.sha256(photo).hexdigest() for photo in photos}
    assert {stored.sha256 for stored in sandbox.photos[sr.uuid, FRONT]} == whole


async def test_wrong_side(client: Legitmark, sr: ServiceRequest) -> None:
    """A side that isn't there is told by the API."""
    with pytest.raises(NotFoundError):
        await client.images.upload(sr.uuid, "nowhere", make_photo())


@pytest.mark.parametrize(
    ("photo", "problem"),
    [
        (b"", "is empty"),
        (make_photo(100, 100), "100 x 100 pixels"),
        (make_photo(size=5 * 1024 * 1024 + 1), "5 MB is the most"),
        ("nowhere.jpg", "'nowhere.jpg' can't be read: No such file"),
        (Path("/"), "can't be read: Is a directory"),
        ("a\0b", "can't be read"),
        (io.StringIO("text"), "not StringIO"),
        (None, "not NoneType"),
    ],
)
async def test_bad_photo(client: Legitmark, sandbox: Sandbox, photo: Wrong, problem: str) -> None:
    """What can't be uploaded is told before anything is sent."""
    with pytest.raises(PhotoError, match=problem):
        await client.images.upload("u", FRONT, photo)

    assert not sandbox.requests_seen


async def test_changed_file(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, tmp_path: Path) -> None:
    """A file that has become another one since it was looked at is not sent."""
    path = tmp_path / "photo.png"
    path.write_bytes(make_photo())

    def changing(_: str) -> bool:
        path.write_bytes(make_photo(size=10_000))
        return False

    sandbox.strikes = changing
    with pytest.raises(PhotoError, match="has changed from"):
        await client.images.upload(sr.uuid, FRONT, path)
    assert sandbox.ledger.photos == 0


async def test_secrets(
    client: Legitmark, sandbox: Sandbox, sr: ServiceRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """The query of a presigned URL shows in no error, traceback, log or repr."""
    caplog.set_level(logging.DEBUG)
    sandbox.strikes = lambda path: path.endswith(".jpg")
    view = client.with_options(retry=RetryPolicy(attempts=2, base=0.001))
    told = []
    for fault in ("refuse", "drop-before", "error-after"):
        sandbox.set_faults({fault: 1.0})
        with pytest.raises(LegitmarkError) as caught:
            await view.images.upload(sr.uuid, FRONT, make_photo())
        told += [str(caught.value), repr(caught.value), repr(caught.value.attempts)]
        told += traceback.format_exception(caught.value)
    url = sandbox.requests_seen[-1].path
    told += [repr(put_photo(f"https://h{url}", BytesContent(b""), "image/jpeg")), caplog.text]

    signature = url.partition("X-Amz-Signature=")[2][:16]
    assert len(signature) == 16
    assert not any(signature in text or "X-Amz-" in text for text in told)
    assert any(f"PUT {url.partition('?')[0]}" in text for text in told)


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({}, r"\$.url is missing"),
        ({"url": 5}, r"\$.url is missing"),
        ({"url": "http://example.com/x"}, "no https URL"),
        ({"url": "ftp://h/x"}, "no https URL"),
        ({"url": f"{URL}&X-Amz-SignedHeaders=host%3Bx-amz-meta-a"}, "isn't known: 'x-amz-meta-a'"),
    ],
)
def test_bad_intent(payload: dict[str, Any], problem: str) -> None:
    """A URL that can't be used is an unreadable answer; a photo never goes out in the clear."""
    body = json.dumps(payload).encode()

    with pytest.raises(MalformedResponseError, match=problem):
        decode(request_upload("u", "s", "jpg"), Response(200, {}, body, "id"), 0.0)  # type: ignore[arg-type]  # no headers


async def test_deadline(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """The deadline is for intent and photo together."""
    sandbox.latency = 0.2

    with pytest.raises(DeadlineExceededError):
        await client.with_options(deadline=0.3).images.upload(sr.uuid, FRONT, make_photo())


async def test_other_host(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Photos go through another gate than calls of the API: an outage of the storage holds nobody else (trap 10)."""
    sandbox.strikes = lambda path: path.endswith(".jpg")
    sandbox.set_faults({"refuse": 1.0})
    view = client.with_options(retry=RetryPolicy(attempts=3, base=0.001))

    with pytest.raises(ServerError, match="SlowDown: Please reduce your request rate"):
        await view.images.upload(sr.uuid, FRONT, make_photo())

    assert (await client.sr.get(sr.uuid)).uuid == sr.uuid


async def test_upload_many(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Each photo has an outcome, and the run tells how far it is."""
    photos: dict[str, Any] = {FRONT: make_photo(), BACK: b"no photo", "nowhere": make_photo()}
    outcomes = {}

    async with client.images.upload_many(sr.uuid, photos) as run:
        async for outcome in run:
            outcomes[outcome.side_uuid] = outcome

    assert isinstance(outcomes[FRONT], Uploaded)
    match outcomes[BACK], outcomes["nowhere"]:
        case NotUploaded(_, PhotoError()), NotUploaded(_, NotFoundError()):
            pass
        case other:
            pytest.fail(str(other))
    assert (run.progress.uploaded, run.progress.failed, run.progress.total) == (1, 2, 3)
    assert run.progress.sent == len(photos[FRONT])
    assert run.progress.done == 3
    assert len(sandbox.photos) == 1


async def test_upload_many_at_once(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """No more are under way than were asked for, and pairs are read as the work goes on."""
    read = 0

    def pairs() -> Iterator[tuple[str, bytes]]:
        nonlocal read
        for _ in range(10):
            read += 1
            yield FRONT, make_photo()

    async with client.images.upload_many(sr.uuid, pairs(), concurrency=3) as run:
        ahead = [read - run.progress.done async for _ in run]

    assert max(ahead) <= 3
    assert (run.progress.uploaded, run.progress.total) == (10, None)
    assert sandbox.ledger.photos == 10


async def test_upload_many_left_early(client: Legitmark, sandbox: Sandbox, sr: ServiceRequest) -> None:
    """Whoever leaves a run stops it: nothing goes on behind his back."""
    sandbox.latency = 0.05

    async with client.images.upload_many(sr.uuid, ((FRONT, make_photo()) for _ in range(50)), concurrency=4) as run:
        async for _ in run:
            break
    sent = sandbox.ledger.intents
    await asyncio.sleep(0.1)

    assert sandbox.ledger.intents == sent < 20


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True])
async def test_upload_many_of_nothing(client: Legitmark, concurrency: Wrong) -> None:
    """A width that is none is refused."""
    with pytest.raises(ConfigurationError, match="concurrency"):
        client.images.upload_many("u", {}, concurrency=concurrency)


async def test_no_asset_host(sandbox: Sandbox, draft: ServiceRequestDraft) -> None:
    """With an API on this machine, photos don't go to the vendor's host, and nothing is sent."""
    async with Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
        with pytest.raises(
            ConfigurationError, match="asset_url is needed for uploads, as base_url is http://127"
        ) as told:
            await client.images.upload("u", FRONT, make_photo())
        with pytest.raises(ConfigurationError, match="LEGITMARK_ASSET_URL"):
            await client.workflow.authenticate(draft, {"Front": make_photo()})
        with pytest.raises(ConfigurationError, match="what the sandbox tells"):
            client.workflow.submit_many([draft], lambda _: {})

    assert told.value.problems == ("asset_url",)
    assert not sandbox.requests_seen
