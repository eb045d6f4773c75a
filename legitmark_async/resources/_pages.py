"""All rows of a list that comes in pages."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from attrs import frozen

from legitmark_async._call import Caller
from legitmark_async._endpoints import Listing, Page

T = TypeVar("T")


@frozen(eq=False)
class Pages(Generic[T]):
    """The rows of a list: `async for row in pages`, as often as you like; each time it is read anew.

    While the rows of one page are handed out, the next page is being asked for.
    """

    _caller: Caller
    _listing: Listing[T]
    _wanted: Callable[[T], bool] = lambda _: True

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield the rows.

        Raises:
            MalformedResponseError: A page has no list, or a row of it no id.
            LegitmarkError: As any call.
        """
        async with aclosing(self._read()) as pages:
            async for page in pages:
                for row in filter(self._wanted, page.rows):
                    yield row

    async def _read(self) -> AsyncGenerator[Page[T]]:
        number, page = 1, await self._caller.call(self._listing.page(1))
        while not self._is_last(page, number):
            ahead = self._ask(number + 1)
            try:
                yield page
                before, page = page, await ahead
            finally:
                # Whoever stops reading lets nobody ask on.
                ahead.cancel()
            # An API that knows no pages gives the same one for ever.
            if page.rows == before.rows:
                return
            number += 1
        yield page

    def _ask(self, number: int) -> "asyncio.Task[Page[T]]":
        task = asyncio.create_task(self._caller.call(self._listing.page(number)))
        # If nobody reads so far, nobody asks what became of it.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def _is_last(self, page: Page[T], number: int) -> bool:
        if page.pages is not None:
            return number >= page.pages or not page.rows
        # Without a word on their number, a page that isn't full is the last one (contract, section 4).
        return len(page.rows) != self._listing.page_size
