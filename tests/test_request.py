"""The way to endpoints that have no method: with the same retries, pacing and errors."""

from typing import Any

import pytest

from legitmark_async import ConfigurationError, Legitmark, NotFoundError, RetryPolicy, ServerError, TransportError
from legitmark_async._endpoints import raw_request
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import BAG

# What a test passes on purpose although it isn't what is asked for.
Wrong = Any


async def test_get(client: Legitmark, sandbox: Sandbox) -> None:
    """The JSON of the answer is given as it is; the query is written as the API has it."""
    answer = await client.request(
        "get",
        "/api/v2/categories",
        params={"activeOnly": True, "search_query": "Bäg & co", "none": None},
        language="ja",
    )

    assert answer["category"] == "SUCCESS"
    assert sandbox.requests_seen[-1].path == "/api/v2/categories?activeOnly=true&search_query=B%C3%A4g+%26+co"
    assert sandbox.requests_seen[-1].headers["Accept-Language"] == "ja"
    assert sandbox.requests_seen[-1].headers["Authorization"].startswith("Bearer leo_")


async def test_post(client: Legitmark) -> None:
    """A body is sent as JSON."""
    body = {"reference_id": "R", "item": {"category": BAG, "type": BAG}}

    assert (await client.request("POST", "/api/v2/sr", json=body))["sr"]["external_id"] == "R"


async def test_errors(client: Legitmark) -> None:
    """Errors are those of any call."""
    with pytest.raises(NotFoundError, match="GET /api/v2/nothing answered 404"):
        await client.request("GET", "/api/v2/nothing")


@pytest.mark.parametrize(("method", "repeatable", "tries"), [("GET", None, 3), ("POST", None, 1), ("POST", True, 3)])
async def test_repeating(sandbox: Sandbox, client: Legitmark, method: str, repeatable: Wrong, tries: int) -> None:
    """What may have been carried out is repeated only if that does no harm, or somebody says so."""
    sandbox.set_faults({"error-after": 1.0})
    view = client.with_options(retry=RetryPolicy(attempts=3, base=0.001))
    path = "/api/v2/categories" if method == "GET" else "/api/v2/sr"

    with pytest.raises((ServerError, TransportError)) as caught:
        await view.request(method, path, json={}, repeatable=repeatable)

    assert len(sandbox.requests_seen) == tries
    assert caught.value.maybe_processed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("G T", "/x"), "method"),
        (("GET", "x"), "path"),
        (("GET", "//host/x"), "path"),
        (("GET", "https://host/x"), "path"),
        (("GET", "/x?y=1"), "path"),
        (("GET", "/ä"), "path"),
        (("GET", None), "path"),
    ],
)
async def test_bad_parts(client: Legitmark, sandbox: Sandbox, arguments: Wrong, problem: str) -> None:
    """What would not be a request to the API is refused before it is sent: above all another host."""
    with pytest.raises(ConfigurationError, match=problem):
        await client.request(*arguments)

    assert not sandbox.requests_seen


async def test_bad_body(client: Legitmark) -> None:
    """What JSON can't say is refused."""
    with pytest.raises(ConfigurationError, match="json"):
        await client.request("POST", "/x", json={"a": {1, 2}})


async def test_pages(client: Legitmark) -> None:
    """A list in pages is read to its end, as JSON objects; each time anew."""
    pages = client.pages("/api/v2/models", params={"search_query": "air"}, key="models", page_size=40)

    assert len([row["name"] async for row in pages]) == 100
    assert len([row["name"] async for row in pages]) == 100


def test_bad_pages() -> None:
    """A wrong path or page is told at once."""
    client = Legitmark("leo_key")

    with pytest.raises(ConfigurationError, match="path"):
        client.pages("api/v2/reasons")
    with pytest.raises(ConfigurationError, match="page_size"):
        client.pages("/api/v2/reasons", page_size=0)


def test_endpoint() -> None:
    """Ids in a path make no endpoints of their own."""
    request = raw_request("GET", f"/api/v2/sr/{BAG}/sides/12/x9")

    assert request.endpoint == "/api/v2/sr/{id}/sides/{id}/x9"
