"""What the next requests are answered, by `will_answer` and `will_fail`."""

import json

import aiohttp
import pytest

from legitmark_async.sandbox import Limits, Sandbox

CREATE = {"reference_id": "ITEM-1", "item": {"category": "cc30b104-7c47-11ef-a623-02595575faeb"}}
CREATE["item"]["type"] = "95e42d6b-7c4f-11ef-a623-02595575faeb"  # type: ignore[index]  # it is a mapping


async def ask(
    sandbox: Sandbox, method: str = "POST", path: str = "/api/v2/sr"
) -> tuple[int, bytes, aiohttp.ClientResponse]:
    """Send a create, or something else; give status, body and answer."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, sandbox.url + path, json=CREATE if method == "POST" else None) as answer,
    ):
        return answer.status, await answer.read(), answer


async def test_refusal(sandbox: Sandbox) -> None:
    """A 429 tells its wait in header and body, is counted, and is given once."""
    sandbox.will_answer(429, retry_after=59.5)

    status, body, answer = await ask(sandbox)
    error = json.loads(body)["error"]
    assert (status, answer.headers["Retry-After"]) == (429, "60")
    assert error["code"] == 429
    assert (error["details"]["limit_type"], error["details"]["retry_after_seconds"]) == ("partner_level", 60)
    assert (sandbox.ledger.refused, sandbox.ledger.created, sandbox.scripted) == (1, 0, 0)
    assert (await ask(sandbox))[0] == 200
    assert sandbox.ledger.created == 1


async def test_order(sandbox: Sandbox) -> None:
    """Answers and faults come in the order in which they were asked for, each as often as it was asked for."""
    sandbox.will_answer(503, times=2)
    sandbox.will_fail("error-after")
    sandbox.will_answer(418)

    assert sandbox.scripted == 4
    assert [(await ask(sandbox))[0] for _ in range(5)] == [503, 503, 500, 418, 200]
    assert sandbox.ledger.created == 2


async def test_on(sandbox: Sandbox) -> None:
    """What is asked for on some requests leaves the others alone."""
    sandbox.will_answer(404, on="GET /api/sr/find/*")

    assert (await ask(sandbox))[0] == 200
    assert (await ask(sandbox, "GET", "/api/sr/find/ITEM-1?a=b"))[0] == 404
    assert (await ask(sandbox, "GET", "/api/sr/find/ITEM-1"))[0] == 200


@pytest.mark.parametrize(
    ("status", "body", "sent", "content_type"),
    [
        (200, {"sr": None}, b'{"sr": null}', "application/json"),
        (502, "<h1>Bad Gateway</h1>", b"<h1>Bad Gateway</h1>", "text/html"),
        (200, b"\xff", b"\xff", "text/html"),
        (204, None, b"", "application/json"),
        (200, None, b'{"success": true, "message": "OK"}', "application/json"),
    ],
)
async def test_body(sandbox: Sandbox, status: int, body: object, sent: bytes, content_type: str) -> None:
    """A body is sent as it is, or as JSON; there may be other headers."""
    sandbox.will_answer(status, body=body, headers={"X-More": "1"})

    told, received, answer = await ask(sandbox)

    assert (told, received, answer.content_type) == (status, sent, content_type)
    assert answer.headers["X-More"] == "1"


async def test_status_of_others(sandbox: Sandbox) -> None:
    """A status that no standard knows has an envelope like any other."""
    sandbox.will_answer(520)

    told, received, _ = await ask(sandbox)

    assert told == 520
    assert b'"message": "Unknown error"' in received


async def test_dropped(sandbox: Sandbox) -> None:
    """A fault strikes once."""
    sandbox.will_fail("drop-after")

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(sandbox)
    assert (await ask(sandbox))[0] == 200
    assert sandbox.ledger.duplicates == 1


async def test_fault_and_limit() -> None:
    """A request that the limits refuse is struck by no fault; the next one is."""
    async with Sandbox(limits=Limits(partner=1, window=60.0)) as sandbox:
        assert (await ask(sandbox))[0] == 200
        sandbox.will_fail("error-after")

        assert (await ask(sandbox))[0] == 429
        assert sandbox.scripted == 1
        sandbox.set_limits(None)
        assert (await ask(sandbox))[0] == 500


async def test_asset_host(sandbox: Sandbox) -> None:
    """The host of the uploads answers so too."""
    sandbox.will_answer(503, on="GET /intent")
    sandbox.will_fail("refuse", on="PUT *")

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{sandbox.asset_url}/intent") as answer:
            assert answer.status == 503
        async with session.put(f"{sandbox.asset_url}/a.jpg", data=b"") as answer:
            assert answer.status == 503
    assert sandbox.scripted == 0


async def test_reset(sandbox: Sandbox) -> None:
    """A reset forgets what is left."""
    sandbox.will_answer(500, times=3)
    sandbox.reset()

    assert sandbox.scripted == 0
    assert (await ask(sandbox))[0] == 200


def test_wrong() -> None:
    """What can't be answered is told at once."""
    sandbox = Sandbox()

    with pytest.raises(ValueError, match="status must be from 200 to 599, not 42"):
        sandbox.will_answer(42)
    with pytest.raises(ValueError, match="retry_after must be a number of seconds, not -1"):
        sandbox.will_answer(429, retry_after=-1)
    with pytest.raises(ValueError, match="times must be 1 or more, not 0"):
        sandbox.will_answer(429, times=0)
    with pytest.raises(ValueError, match="unknown fault 'drop'; there are refuse, drop-before"):
        sandbox.will_fail("drop")  # type: ignore[arg-type]  # that is the test
    assert sandbox.scripted == 0
