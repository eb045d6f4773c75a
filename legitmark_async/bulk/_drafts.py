"""The drafts of a run, one at a time, whatever they come from."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator

from legitmark_async.errors import ConfigurationError
from legitmark_async.models import ServiceRequestDraft

Drafts = Iterable[ServiceRequestDraft] | AsyncIterable[ServiceRequestDraft]


class Source:
    """The drafts, one at a time, from a plain or an async iterable."""

    def __init__(self, drafts: Drafts) -> None:
        self._plain: Iterator[ServiceRequestDraft] | None = None
        self._async: AsyncIterator[ServiceRequestDraft] | None = None
        if isinstance(drafts, AsyncIterable):
            self._async = aiter(drafts)
        else:
            self._plain = iter(drafts)
        self._turn = asyncio.Lock()

    async def next(self) -> ServiceRequestDraft | None:
        """Return the next draft, or None at the end."""
        if self._plain is not None:
            return _checked(next(self._plain, None))
        async with self._turn:
            draft = None if self._async is None else await anext(self._async, None)
            if draft is None:
                self._async = None
            return _checked(draft)

    async def aclose(self) -> None:
        """Close a generator that is not at its end, so that it frees what it holds."""
        if isinstance(self._plain, Generator):
            self._plain.close()
        if isinstance(self._async, AsyncGenerator):
            await self._async.aclose()


def _checked(draft: object) -> ServiceRequestDraft | None:
    if draft is None or isinstance(draft, ServiceRequestDraft):
        return draft
    raise ConfigurationError(f"create_many takes ServiceRequestDraft objects, not {type(draft).__name__}")
