"""Many photos at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

from attrs import define, field, frozen

from legitmark_async.errors import LegitmarkError, without_frames
from legitmark_async.models import Upload
from legitmark_async.resources._content import Photo


@frozen
class Uploaded:
    """A photo that was uploaded.

    Attributes:
        side_uuid: Id of the side.
        upload: What was uploaded.
    """

    side_uuid: str
    upload: Upload


@frozen
class NotUploaded:
    """A photo that was not uploaded, or that may have been and nobody knows: to upload it again does no harm.

    Attributes:
        side_uuid: Id of the side.
        error: Why.
    """

    side_uuid: str
    error: LegitmarkError


UploadOutcome = Uploaded | NotUploaded


@define
class UploadProgress:
    """How far a run is.

    Attributes:
        uploaded: Photos uploaded.
        failed: Photos not uploaded.
        total: Photos in all, if that is known.
        sent: Bytes of the photos uploaded.
    """

    uploaded: int = 0
    failed: int = 0
    total: int | None = None
    sent: int = 0

    @property
    def done(self) -> int:
        """Photos with an outcome."""
        return self.uploaded + self.failed


@define(eq=False)
class UploadRun:
    """Uploads photos side by side, while somebody iterates over the outcomes.

    As many as are under way are done ahead of whoever reads, and no more.
    """

    _upload: Callable[[str, Photo], Awaitable[Upload]]
    _photos: Iterable[tuple[str, Photo]]
    _concurrency: int
    _total: int | None = None
    progress: UploadProgress = field(init=False)
    """How far it is."""
    _tasks: "set[asyncio.Task[UploadOutcome]]" = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.progress = UploadProgress(total=self._total)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop what is under way, and wait until it has."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[UploadOutcome]:
        """Upload them all, and yield each outcome as it comes."""
        photos = iter(self._photos)
        self._start(photos)
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._tasks.discard(task)
                outcome = task.result()
                self._count(outcome)
                yield outcome
                self._start(photos)

    def _start(self, photos: Iterable[tuple[str, Photo]]) -> None:
        while len(self._tasks) < self._concurrency:
            pair = next(iter(photos), None)
            if pair is None:
                return
            self._tasks.add(asyncio.create_task(self._settle(*pair)))

    async def _settle(self, side_uuid: str, photo: Photo) -> UploadOutcome:
        try:
            return Uploaded(side_uuid, await self._upload(side_uuid, photo))
        except LegitmarkError as error:
            return NotUploaded(side_uuid, without_frames(error))

    def _count(self, outcome: UploadOutcome) -> None:
        if isinstance(outcome, Uploaded):
            self.progress.uploaded += 1
            self.progress.sent += outcome.upload.size
        else:
            self.progress.failed += 1
