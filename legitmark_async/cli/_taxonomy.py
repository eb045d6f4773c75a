"""`legitmark taxonomy`: what there is to choose from."""

from typing import Annotated

import attrs
from cyclopts import Parameter

from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._calls import CallOptions
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._output import write_json
from legitmark_async.cli._run import command

_CALL = CallOptions()


@command
async def tree(*, call: CallOptions = _CALL, api: Api = DEFAULT_API) -> int:
    """Print the types, one a line, each with its category."""
    async with api.client(deadline=call.deadline) as legitmark:
        for category in await legitmark.taxonomy.tree(language=call.language):
            for kind in category.types:
                write_json(
                    {
                        "category": category.name,
                        "category_uuid": category.uuid,
                        "type": kind.name,
                        "type_uuid": kind.uuid,
                    }
                )
    return ALL_DONE


@command
async def brands(
    *,
    search: Annotated[str | None, Parameter(help="A part of the name.")] = None,
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Print the brands, one a line."""
    async with api.client(deadline=call.deadline) as legitmark:
        async for brand in legitmark.taxonomy.brands(search=search, language=call.language):
            write_json({"brand": brand.name, "brand_uuid": brand.uuid})
    return ALL_DONE


@command
async def models(
    *,
    search: Annotated[str | None, Parameter(help="A part of the name.")] = None,
    brand: Annotated[str | None, Parameter(help="UUID of the brand.")] = None,
    type: Annotated[str | None, Parameter(help="UUID of the type.")] = None,  # noqa: A002  # the API's own word
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Print the models, one a line."""
    async with api.client(deadline=call.deadline) as legitmark:
        listed = legitmark.taxonomy.models(search=search, brand=brand, type=type, language=call.language)
        async for model in listed:
            write_json({"model": model.name, "model_uuid": model.uuid})
    return ALL_DONE


@command
async def resolve(  # one for each level of the taxonomy
    *,
    category: Annotated[str, Parameter(help="Name or UUID of the category.")],
    type: Annotated[str, Parameter(help="Name or UUID of the type.")],  # noqa: A002  # the API's own word
    brand: Annotated[str | None, Parameter(help="Name or UUID of the brand.")] = None,
    model: Annotated[str | None, Parameter(help="Name or UUID of the model.")] = None,
    call: CallOptions = _CALL,
    api: Api = DEFAULT_API,
) -> int:
    """Print the UUIDs of an item that is told by names."""
    async with api.client(deadline=call.deadline) as legitmark:
        view = legitmark.with_options(language=call.language)
        item = await view.taxonomy.resolve(category=category, type=type, brand=brand, model=model)
    write_json(attrs.asdict(item))
    return ALL_DONE
