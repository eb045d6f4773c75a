"""The drafts of a run, one at a time, whatever they come from."""

import asyncio
import math
import operator
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator

from attrs import field, frozen

from legitmark_async.errors import ConfigurationError
from legitmark_async.models import ServiceRequestDraft
from legitmark_async.options import checked_count

Drafts = Iterable[ServiceRequestDraft] | AsyncIterable[ServiceRequestDraft]


@frozen
class FaultyDraft(ServiceRequestDraft):
    """A draft with a fault that it doesn't show itself: it stands for a row that can't be read, or a name unknown."""

    fault: str = field(default="", kw_only=True)

    def problems(self) -> tuple[str, ...]:
        """Tell the fault."""
        return (self.fault,)


def faulty_draft(draft: ServiceRequestDraft, fault: str) -> ServiceRequestDraft:
    """Return the draft with a fault: `create_many` tells of it as `Failed`, and sends nothing."""
    return FaultyDraft(draft.reference_id, draft.item, draft.service, origin=draft.origin, fault=fault)


async def each_draft(drafts: Drafts) -> AsyncGenerator[ServiceRequestDraft]:
    """Yield the drafts of a plain or an async iterable."""
    if not isinstance(drafts, AsyncIterable):
        for draft in drafts:
            yield draft
        return
    try:
        async for draft in drafts:
            yield draft
    finally:
        if isinstance(drafts, AsyncGenerator):
            await drafts.aclose()


class Source:
    """The drafts, one at a time, from a plain or an async iterable.

    Attributes:
        total: How many there are, if anybody knows.
        read: How many were read.
        fault: What the input raised, if it did.
    """

    def __init__(self, drafts: Drafts, total: int | None = None) -> None:
        self.total: int | None = _count(drafts) if total is None else checked_count("total", total, least=0)
        self.read: int = 0
        self.fault: Exception | None = None
        self._plain: Iterator[ServiceRequestDraft] | None = None
        self._async: AsyncIterator[ServiceRequestDraft] | None = None
        if isinstance(drafts, AsyncIterable):
            self._async = aiter(drafts)
        else:
            self._plain = iter(drafts)
        self._turn = asyncio.Lock()

    @property
    def left(self) -> float:
        """How many are still to be read; infinity if nobody knows."""
        return math.inf if self.total is None else max(self.total - self.read, 0)

    @property
    def plain(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._plain is not None

    def next_now(self) -> ServiceRequestDraft | None:
        """Return the next draft of a plain iterable, or None at the end, or if the input fails."""
        try:
            return self._checked(None if self._plain is None else next(self._plain, None))
        except Exception as error:  # noqa: BLE001  # the input is the user's, and what was read of it goes on
            self.fault = error
            return None

    async def next(self) -> ServiceRequestDraft | None:
        """Return the next draft of an async iterable, or None at the end, or if the input fails."""
        try:
            async with self._turn:
                draft = None if self._async is None else await anext(self._async, None)
                if draft is None:
                    self._async = None
            return self._checked(draft)
        except Exception as error:  # noqa: BLE001  # as above
            self.fault = error
            return None

    def _checked(self, draft: object) -> ServiceRequestDraft | None:
        if draft is None:
            return None
        self.read += 1
        if isinstance(draft, ServiceRequestDraft):
            return draft
        raise ConfigurationError(f"create_many takes ServiceRequestDraft objects, not {type(draft).__name__}")

    async def aclose(self) -> None:
        """Close a generator that is not at its end, so that it frees what it holds."""
        if isinstance(self._plain, Generator):
            self._plain.close()
        if isinstance(self._async, AsyncGenerator):
            await self._async.aclose()


def _count(drafts: Drafts) -> int | None:
    count = -1 if isinstance(drafts, AsyncIterable) else operator.length_hint(drafts, -1)
    return None if count < 0 else count
