"""`legitmark request`: endpoints that have no command."""

import json
from typing import Annotated, Any

from attrs import frozen
from cyclopts import Group, Parameter

from legitmark_async import ConfigurationError
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._calls import CallOptions
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._output import write_json
from legitmark_async.cli._run import command


@Parameter(name="*", group=Group("Request", sort_key=0))
@frozen(kw_only=True)
class RequestOptions:
    """What to send.

    Attributes:
        param: NAME=VALUE of the query; may be repeated.
        body: The body, as JSON.
        pages: Read all pages of a list, and print one row a line.
    """

    param: tuple[str, ...] = ()
    body: str | None = None
    pages: bool = False


_REQUEST, _CALL = RequestOptions(), CallOptions()


@command
async def request(
    method: Annotated[str, Parameter(help="GET, POST and so on.")],
    path: Annotated[str, Parameter(help="Below the base URL, such as /api/v2/reasons.")],
    /,
    *,
    options: RequestOptions = _REQUEST,
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Call any endpoint, and print the JSON of its answer."""
    params, body = dict(_pair(text) for text in options.param), _parse(options.body)
    if options.pages and (method.upper() != "GET" or body is not None):
        raise ConfigurationError("--pages is for GET, without a body")
    async with api.client(deadline=call.deadline) as legitmark:
        if options.pages:
            async for row in legitmark.pages(path, params=params, language=call.language):
                write_json(row)
        else:
            write_json(await legitmark.request(method, path, params=params, json=body, language=call.language))
    return ALL_DONE


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigurationError(f"--param takes NAME=VALUE, not {text!r}")
    return name, value


def _parse(body: str | None) -> Any:  # noqa: ANN401  # JSON is anything
    try:
        return None if body is None else json.loads(body)
    except ValueError as error:
        raise ConfigurationError(f"--body is no JSON: {error}") from None
