"""What passes over a connection: a request as it arrived, an answer as it leaves, whole or broken."""

import attrs
from aiohttp import web

from legitmark_async.sandbox._envelopes import Answer


@attrs.define
class SeenRequest:
    """A request as it arrived.

    Attributes:
        method: In upper case.
        path: With its query, percent-encoded as received.
        headers: Under the names as received.
        body: All of it.
        status: What was answered; None until then, and for good if the connection was cut instead.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None


def make_response(answer: Answer, date: str, request_id: str) -> web.Response:
    """The answer with the headers that every answer carries."""
    headers = {
        "Content-Type": answer.content_type,
        "Date": date,
        "X-Request-Id": request_id,
        **answer.headers,
    }
    return web.Response(body=answer.body, status=answer.status, headers=headers)


def cut(request: web.BaseRequest) -> web.Response:
    """Cuts the connection, with no byte of an answer."""
    if request.transport is not None:  # pragma: no branch  # unless the client was faster
        request.transport.abort()
    # aiohttp wants an answer and finds, writing it, that the connection is gone.
    return web.Response()


async def truncate(request: web.BaseRequest, whole: web.Response, body: bytes) -> web.StreamResponse:
    """Sends the head with the length of the whole body, then half of the body, and cuts."""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    cut(request)
    return response
