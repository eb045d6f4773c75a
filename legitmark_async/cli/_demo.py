"""`legitmark demo`: a bulk run against the sandbox, under tight rate limits."""

import math
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter, validators

from legitmark_async import Item, Legitmark, RunProgress, ServiceRequestDraft
from legitmark_async.cli._conventions import ALL_DONE, SOME_FAILED
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._progress import has_terminal, shown
from legitmark_async.cli._run import command
from legitmark_async.sandbox import Ledger, Limits, Sandbox

_LATENCY = 0.005
_ITEM = Item(category="cc30b104-7c47-11ef-a623-02595575faeb", type="95e42d6b-7c4f-11ef-a623-02595575faeb")
_COUNT = Parameter(validator=validators.Number(gte=1))


@command
async def demo(
    *,
    items: Annotated[int, _COUNT] = 2000,
    limit: Annotated[int, _COUNT] = 500,
    window: Annotated[float, Parameter(validator=validators.Number(gt=0))] = 3.0,
) -> int:
    """Create items in a sandbox of our own, and compare the time with the ideal.

    Args:
        items: How many to create.
        limit: Requests that the sandbox lets through in a window.
        window: Seconds of a window.
    """
    ideal = (math.ceil(items / limit) - 1) * window
    say(f"This starts a sandbox of the Legitmark API that lets {limit} requests through in")
    say(f"each {window:g} s, and tells of the limit only when it refuses. The client finds it out")
    say(f"and creates {items} items, each exactly once: in {ideal:g} s at the very best.")
    sandbox = Sandbox(limits=Limits(partner=limit, window=window, headers="on-429"), latency=_LATENCY)
    async with sandbox, Legitmark(sandbox.api_key, base_url=sandbox.url) as legitmark:
        run = legitmark.sr.create_many(_drafts(items), total=items)
        async with shown(run, "created", bar=has_terminal()), run:
            async for _ in run:
                pass
    return _tell(run.progress, sandbox.ledger, ideal)


def _tell(progress: RunProgress, ledger: Ledger, ideal: float) -> int:
    write_json(
        {
            "created": progress.created,
            "failed": progress.failed,
            "unknown": progress.unknown,
            "duplicates": ledger.duplicates,
            "refused": ledger.refused,
            "seconds": round(progress.seconds, 2),
            "ideal_seconds": round(ideal, 2),
        }
    )
    return SOME_FAILED if progress.failed or progress.unknown or ledger.duplicates else ALL_DONE


def _drafts(count: int) -> Iterator[ServiceRequestDraft]:
    for number in range(1, count + 1):
        yield ServiceRequestDraft(f"DEMO-{number:06}", _ITEM)
