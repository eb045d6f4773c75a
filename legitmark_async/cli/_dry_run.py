"""`legitmark create-many --dry-run`: the whole input is checked, and nothing sent."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable

from attrs import frozen

from legitmark_async import ConfigurationError, Failed, Outcome, ServiceRequestDraft, Skipped
from legitmark_async.bulk import REPEATED
from legitmark_async.cli._conventions import ALL_DONE, SOME_FAILED
from legitmark_async.cli._input import Drafts
from legitmark_async.cli._lines import Lines
from legitmark_async.cli._outcomes import describe_outcome
from legitmark_async.cli._output import say
from legitmark_async.errors import draft_error

# Rows between two looks at whether somebody wants us to stop.
_STRIDE = 1000


@frozen
class Prediction:
    """How long a run takes at least under a rate limit.

    Attributes:
        limit: Requests a window, if known.
        window: Seconds of a window.
        requests: Requests that an item takes.
    """

    limit: int | None
    window: float
    requests: int = 1

    def seconds(self, valid: int) -> float | None:
        """Return the seconds for so many items: the first window's worth leaves at once."""
        if self.limit is None:
            return None
        return round(max(math.ceil(valid * self.requests / self.limit) - 1, 0) * self.window, 2)


async def check_all(
    drafts: Drafts,
    lines: Lines,
    prediction: Prediction,
    check: Callable[[ServiceRequestDraft], None] | None = None,
) -> int:
    """Write a line for each row that would fail, and one at the end that counts.

    Args:
        drafts: The rows.
        lines: Where to write.
        prediction: Foretells the time.
        check: What else is to be checked, in a thread; raises a `ConfigurationError`.
    """
    counts: Counter[type[Outcome] | None] = Counter()
    references: set[str] = set()
    async for draft in _each(drafts):
        outcome = _foresee(draft, references)
        if outcome is None and check is not None:
            outcome = await asyncio.to_thread(_check, draft, check)
        counts[None if outcome is None else type(outcome)] += 1
        if outcome is not None:
            await lines.write(describe_outcome(outcome))
    valid, invalid, duplicates = counts[None], counts[Failed], counts[Skipped]
    seconds = prediction.seconds(valid)
    await lines.write(
        {
            "items": counts.total(),
            "valid": valid,
            "invalid": invalid,
            "duplicates": duplicates,
            "predicted_seconds": seconds,
        }
    )
    say(f"{valid} of {counts.total()} rows can be sent{'' if seconds is None else f', in {seconds:g} s at least'}")
    return SOME_FAILED if invalid or duplicates else ALL_DONE


def _foresee(draft: ServiceRequestDraft, references: set[str]) -> Outcome | None:
    """Return the outcome that a run would come to without asking the API, if it would."""
    problems = draft.problems()
    if problems:
        return Failed(draft, draft_error(draft, problems))
    if draft.reference_id in references:
        return Skipped(draft, REPEATED)
    references.add(draft.reference_id)
    return None


def _check(draft: ServiceRequestDraft, check: Callable[[ServiceRequestDraft], None]) -> Outcome | None:
    try:
        check(draft)
    except ConfigurationError as error:
        return Failed(draft, error)
    return None


async def _each(drafts: Drafts) -> AsyncIterator[ServiceRequestDraft]:
    if isinstance(drafts, AsyncIterator):
        async for draft in drafts:
            yield draft
        return
    for number, draft in enumerate(drafts):
        if number % _STRIDE == 0:
            await asyncio.sleep(0)
        yield draft
