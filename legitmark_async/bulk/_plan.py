"""How a draft of a bulk run goes on once it is created."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from legitmark_async.models import ServiceRequest, ServiceRequestDraft

# Of an item with a plan for which all goes well: create, requirements, progress, submit.
REQUESTS = 4


class Plan(Protocol):
    """The steps of one service request to its verdict. Each may be repeated without harm.

    If all goes well each takes one request of the API's host, and the uploads are other hosts'.
    """

    async def upload(self, uuid: str, *, fresh: bool) -> bool:
        """Upload its photos, unless it is submitted already; return whether they are to be checked.

        Args:
            uuid: Of the service request.
            fresh: Whether it was created a moment ago, so that its state needn't be asked for.

        Raises:
            WorkflowError: It got stuck.
        """
        ...

    async def check(self, uuid: str) -> None:
        """Ask whether its photos are enough.

        Raises:
            WorkflowError: They aren't.
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
