"""What a bulk run knows of one draft while it works on it."""

import asyncio

from attrs import define, field

from legitmark_async._call import CallState
from legitmark_async.bulk._outcomes import Outcome
from legitmark_async.models import ServiceRequestDraft


@define(eq=False)
class Job:
    """One draft under way."""

    draft: ServiceRequestDraft
    worker: "asyncio.Task[None] | None"
    state: CallState = field(factory=CallState)
    outcome: Outcome | None = None
