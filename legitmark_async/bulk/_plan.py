"""How a draft of a bulk run goes on once it is created."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from legitmark_async.models import ServiceRequest, ServiceRequestDraft


class Plan(Protocol):
    """The steps of one service request to its verdict. Each may be repeated without harm."""

    async def upload(self, uuid: str, *, fresh: bool) -> None:
        """Upload its photos.

        Args:
            uuid: Of the service request.
            fresh: Whether it was created a moment ago, so that its state needn't be asked for.

        Raises:
            WorkflowError: It got stuck.
        """
        ...

    async def submit(self, uuid: str, *, fresh: bool) -> ServiceRequest:
        """Submit it; the arguments are those of `upload`.

        Raises:
            WorkflowError: It got stuck.
        """
        ...


# Is called before a draft is sent, and raises a LegitmarkError if it can't be gone on with.
Planner = Callable[[ServiceRequestDraft], Awaitable[Plan]]
