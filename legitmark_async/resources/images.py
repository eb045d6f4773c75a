"""Photos: `legitmark.images`."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import cast

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async._photo import PhotoHeader
from legitmark_async.errors import ConfigurationError, ForbiddenError, InvalidRequestError, ResponseError
from legitmark_async.models import Upload
from legitmark_async.options import checked_count
from legitmark_async.resources._content import BytesContent, FileContent, Photo, look_at
from legitmark_async.resources._uploads import UploadRun

# A URL that is refused may have expired, so another is asked for; one that is refused again and again has not.
_URLS = 3
_CONCURRENCY = 8
# The storage gives up a transfer that stands still, and calls it a bad request.
_STOOD_STILL = "RequestTimeout"


class Images:
    """Photos of service requests; reached as `legitmark.images`."""

    def __init__(self, asset: Caller, storage: Caller) -> None:
        self._asset = asset
        self._storage = storage

    async def upload(self, sr_uuid: str, side_uuid: str, photo: Photo) -> Upload:
        """Upload the photo of one side (contract, section 8).

        It is checked before anything is sent: a JPEG, PNG, HEIC or DNG by its content, whatever its name; 5 MB at most;
        600 x 600 pixels at least. Then a URL is asked for and the photo sent to it, from the disk if it is a path. That
        URL is good for some minutes; if it is refused, another is asked for. A photo that is uploaded again takes the
        place of the one before, so cancelling and repeating do no harm. The client's `deadline` counts for all of it.

        Args:
            sr_uuid: Id of the service request.
            side_uuid: Id of the side; `sr.requirements` tells them.
            photo: A path, bytes, or a file open for reading bytes. Such a file is read from where it stands, and stays
                open.

        Raises:
            PhotoError: The photo can't be read, or the API wouldn't take it; `.problems` tells every fault.
            NotFoundError: There is no such service request or side.
            ForbiddenError: The storage refused it, with each of three URLs.
            LegitmarkError: As any call.
        """
        require_asset_host(self._asset)
        deadline = self._asset.deadline
        ends_at = None if deadline is None else self._asset.clock() + deadline
        content, header = await asyncio.to_thread(look_at, photo)
        for _ in range(_URLS - 1):
            try:
                return await self._send(sr_uuid, side_uuid, content, header, ends_at=ends_at)
            except (ForbiddenError, InvalidRequestError) as error:
                if not _may_be_expired(error):
                    raise
        return await self._send(sr_uuid, side_uuid, content, header, ends_at=ends_at)

    def upload_many(
        self,
        sr_uuid: str,
        photos: Mapping[str, Photo] | Iterable[tuple[str, Photo]],
        *,
        concurrency: int = _CONCURRENCY,
    ) -> UploadRun:
        """Upload the photos of many sides, and tell of each what became of it.

        ```python
        async with legitmark.images.upload_many(sr.uuid, {front.uuid: "front.jpg", back.uuid: "back.heic"}) as run:
            async for outcome in run:
                match outcome:
                    case Uploaded(side_uuid, upload): ...
                    case NotUploaded(side_uuid, error): ...
        ```

        Args:
            sr_uuid: Id of the service request.
            photos: By side UUID; or pairs of a side UUID and a photo, which are read as the work goes on.
            concurrency: Photos under way at once.

        Returns:
            The run: `async with` it, and iterate over it. Leaving it early stops it.

        Raises:
            ConfigurationError: `concurrency` is no number of 1 or more.
        """
        checked_count("concurrency", concurrency)
        pairs = cast("Iterable[tuple[str, Photo]]", photos.items() if isinstance(photos, Mapping) else photos)
        total = len(photos) if isinstance(photos, Mapping) else None
        return UploadRun(lambda side, photo: self.upload(sr_uuid, side, photo), pairs, concurrency, total)

    async def _send(
        self,
        sr_uuid: str,
        side_uuid: str,
        content: FileContent | BytesContent,
        header: PhotoHeader,
        *,
        ends_at: float | None,
    ) -> Upload:
        intent = _endpoints.request_upload(sr_uuid, side_uuid, header.kind.extension)
        url = await self._asset.until(ends_at).call(intent)
        put = _endpoints.put_photo(url, content, header.kind.content_type)
        await self._storage.until(ends_at).call(put)
        return Upload(
            sr_uuid=sr_uuid,
            side_uuid=side_uuid,
            content_type=header.kind.content_type,
            width=header.width,
            height=header.height,
            size=content.size,
        )


def require_asset_host(asset: Caller) -> None:
    """Make sure that it is known where uploads are asked for.

    Raises:
        ConfigurationError: It isn't.
    """
    if not asset.transport.asset_url:
        raise ConfigurationError(
            f"asset_url is needed for uploads, as base_url is {asset.transport.base_url}: set it, or "
            "LEGITMARK_ASSET_URL, to what the sandbox tells",
            problems=["asset_url"],
        )


def _may_be_expired(error: ResponseError) -> bool:
    if error.method != "PUT":
        return False
    return isinstance(error, ForbiddenError) or (error.envelope.message or "").startswith(_STOOD_STILL)
