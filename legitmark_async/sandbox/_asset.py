"""The second host: upload intents, and the storage that the photos go to."""

import hashlib
import random
from urllib.parse import parse_qs

from aiohttp import web

from legitmark_async.sandbox import _envelopes as envelopes
from legitmark_async.sandbox._envelopes import Answer, Moment
from legitmark_async.sandbox._records import Photo, Record, Records
from legitmark_async.sandbox._sides import sides_of
from legitmark_async.sandbox._storage import CONTENT_TYPES, Signer, Target, parse_target, refuse

INTENT = "/intent"


class Asset:
    """Answers what is asked of the asset host and of the storage.

    Attributes:
        intents: Upload intents answered.
        stored: Photos stored.
        stale_urls: So many of the next URLs have expired when they are given.
    """

    def __init__(self, records: Records, rng: random.Random, signer: Signer) -> None:
        self._records = records
        self._rng = rng
        self._signer = signer
        self.intents = 0
        self.stored = 0
        self.stale_urls = 0

    def clear(self) -> None:
        """Counts from nothing."""
        self.intents = 0
        self.stored = 0

    def intend(self, base: str, query: str, moment: Moment) -> Answer:
        """`GET /intent`: a presigned URL."""
        given = parse_qs(query)
        sr, (side, _, extension) = given.get("sr", [""])[-1], given.get("side", [""])[-1].rpartition(".")
        if not sr or not side or extension not in CONTENT_TYPES:
            return envelopes.encode_error(moment, 400, "sr and side with an extension of a photo are required")
        record = self._records.get(sr)
        if record is None or not _has_side(record, side):
            return envelopes.encode_error(moment, 404, "Service request or side not found")
        self.intents += 1
        wall = moment.wall
        if self.stale_urls:
            self.stale_urls -= 1
            wall -= self._signer.expires + 1
        url = self._signer.sign(base, Target(record.uuid, side, extension), wall)
        return Answer(200, envelopes.encode({"message": "Pre-signed URL generated successfully.", "url": url}))

    def refuse(self, request: web.BaseRequest, path: str, query: str, moment: Moment) -> Answer | None:
        """Why a PUT isn't taken, if it isn't; looked at before its body is."""
        if request.content_length is None:
            return refuse(411, "MissingContentLength", "You must provide the Content-Length HTTP header")
        refusal = self._signer.judge(path, query, request.headers, moment.wall)
        if refusal is not None:
            return refusal
        target = parse_target(path)
        if target is None or self._records.get(target.sr) is None:
            return refuse(404, "NoSuchKey", "The specified key does not exist")
        if request.content_type != CONTENT_TYPES[target.extension]:
            return refuse(403, "AccessDenied", f"A {target.extension} is no {request.content_type}")
        return None

    async def store(self, request: web.BaseRequest, path: str, moment: Moment) -> Answer:
        """Takes a photo, and keeps of it what tells whether it came whole."""
        digest, size = hashlib.sha256(), 0
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            size += len(chunk)
        target = parse_target(path)
        record = None if target is None else self._records.get(target.sr)
        if target is None or record is None:  # pragma: no cover  # forgotten while the photo came
            return refuse(404, "NoSuchKey", "The specified key does not exist")
        version = f"{self._rng.getrandbits(128):032x}"
        photo = Photo(size, digest.hexdigest(), request.content_type, version, moment.iso)
        record.photos.setdefault(target.side, []).append(photo)
        self.stored += 1
        return Answer(200, b"", headers={"x-amz-version-id": version, "ETag": f'"{digest.hexdigest()[:32]}"'})


def _has_side(record: Record, side: str) -> bool:
    return any(side == known.uuid for known in sides_of(record.draft.category))
