"""Presigned URLs and the storage behind them: what it takes, and what it refuses as S3 does (contract section 8)."""

import hashlib
import hmac
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode
from xml.sax.saxutils import escape

from legitmark_async.sandbox._envelopes import Answer

BUCKET = "/cdn.legitmark.com/sr/"
CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "heic": "image/heic",
    "dng": "image/x-adobe-dng",
}
_DATE = "%Y%m%dT%H%M%SZ"
_VALUES = {"cache-control": "max-age=10", "x-amz-acl": "public-read"}
_SIGNATURE = "X-Amz-Signature"


class Target(NamedTuple):
    """What a PUT is for."""

    sr: str
    side: str
    extension: str


class Signer:
    """Makes presigned URLs, and judges requests to them.

    Attributes:
        signed_headers: Which headers a URL is signed with, in lower case; a request must bring just these.
        expires: Seconds that a URL is good for.
    """

    def __init__(self, rng: random.Random, signed_headers: tuple[str, ...], expires: float) -> None:
        self._secret = f"{rng.getrandbits(160):040x}".encode()
        self.signed_headers = tuple(sorted({*(name.lower() for name in signed_headers), "host"}))
        self.expires = expires

    def sign(self, base: str, target: Target, wall: float) -> str:
        """A URL to put a photo to, path style."""
        path = f"{BUCKET}{target.sr}/{target.side}.{target.extension}"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "SANDBOX/us-east-1/s3/aws4_request",
            "X-Amz-Date": f"{datetime.fromtimestamp(wall, UTC):{_DATE}}",
            "X-Amz-Expires": f"{self.expires:g}",
            "X-Amz-SignedHeaders": ";".join(self.signed_headers),
        }
        host = base.partition("://")[2]
        headers = {**_VALUES, "host": host, "content-type": CONTENT_TYPES[target.extension]}
        query[_SIGNATURE] = self._signature(path, query, headers)
        return f"{base}{path}?{urlencode(query, quote_via=quote)}"

    def judge(self, path: str, query_text: str, headers: Mapping[str, str], wall: float) -> Answer | None:
        """The refusal of a PUT, if there is a reason for one."""
        query = dict(parse_qsl(query_text))
        signature = query.pop(_SIGNATURE, "")
        told = {name.lower(): value for name, value in headers.items()}
        if "authorization" in told:
            return refuse(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not hmac.compare_digest(signature.encode(), self._signature(path, query, told).encode()):
            return refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        made = datetime.strptime(query["X-Amz-Date"], _DATE).replace(tzinfo=UTC).timestamp()
        if wall >= made + float(query["X-Amz-Expires"]):
            return refuse(403, "AccessDenied", "Request has expired")
        if any(name.startswith("x-amz-") and name not in self.signed_headers for name in told):
            return refuse(403, "AccessDenied", "There were headers present in the request which were not signed")
        return None

    def _signature(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        names = query.get("X-Amz-SignedHeaders", "").split(";")
        parts = ["PUT", path, *(f"{name}={query[name]}" for name in sorted(query))]
        parts += [f"{name}:{headers.get(name, '').strip()}" for name in names]
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def parse_target(path: str) -> Target | None:
    """What a path of the bucket is for."""
    parts = path.removeprefix(BUCKET).split("/")
    if not path.startswith(BUCKET) or len(parts) != 2:  # noqa: PLR2004  # service request and side
        return None  # pragma: no cover  # no other path is ever signed
    side, _, extension = parts[1].rpartition(".")
    return Target(parts[0], side, extension) if side and extension in CONTENT_TYPES else None


def refuse(status: int, code: str, message: str) -> Answer:
    """An error as S3 tells it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Answer(status, body.encode(), content_type="application/xml")
