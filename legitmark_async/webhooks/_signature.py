"""Who sent a webhook: signatures by the scheme of Standard Webhooks, which Svix uses too.

That Legitmark's webhooks are signed so is likely and not confirmed (contract, section 10).
"""

import base64
import binascii
import hashlib
import hmac
import math
import time
from collections.abc import Iterator, Mapping, Sequence

from legitmark_async.errors import ConfigurationError, SignatureError

TOLERANCE = 300.0
_PREFIX = "whsec_"
_FAMILIES = ("svix", "webhook")
_VERSION = "v1"


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> str:
    """Check that a webhook was signed with the secret, and not long ago.

    Args:
        body: The body as it came, byte for byte: JSON that was read and written anew is another one.
        headers: Its headers; `svix-id`, `svix-timestamp` and `svix-signature`, or the same with `webhook-`.
        secret: As Developer Settings shows it, `whsec_...`; several while it is being changed.
        tolerance: Seconds by which the time in the headers may be off, either way.
        now: Epoch seconds; the machine's clock if None.

    Returns:
        The id of the message. It is the same when the message is sent again; see `dedup_key`.

    Raises:
        SignatureError: It was not, or a header is missing.
        ConfigurationError: The secret is none.
    """
    keys = decode_secrets(secret)
    message_id, timestamp, signatures = _read_headers(headers)
    age = (time.time() if now is None else now) - _seconds(timestamp)
    if not abs(age) <= tolerance:
        raise SignatureError(f"the webhook was signed {abs(age):.0f} s {'ago' if age > 0 else 'ahead'}: {_ADVICE}")
    # All of them are compared, so that the time it takes tells nothing.
    matches = [
        hmac.compare_digest(_signature(key, message_id, timestamp, body), signature)
        for key in keys
        for signature in signatures
    ]
    if not any(matches):
        raise SignatureError("the webhook is not signed with this secret: it is not from Legitmark, or was changed")
    return message_id


def sign(body: bytes, secret: str, *, message_id: str, timestamp: float | None = None) -> dict[str, str]:
    """Return the headers of a webhook that is signed, for tests.

    Args:
        body: The body to send.
        secret: `whsec_` and base64.
        message_id: Its id.
        timestamp: Epoch seconds; the machine's clock if None.

    Raises:
        ConfigurationError: The secret is none.
    """
    seconds = str(int(time.time() if timestamp is None else timestamp))
    signature = _signature(_decode(secret), message_id, seconds, body).decode()
    return {"svix-id": message_id, "svix-timestamp": seconds, "svix-signature": f"{_VERSION},{signature}"}


def decode_secrets(secret: str | Sequence[str]) -> list[bytes]:
    """Return the keys that one or several secrets stand for.

    Raises:
        ConfigurationError: One of them is none, or there is none at all.
    """
    keys = [_decode(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ConfigurationError("there is no webhook secret: pass one", problems=["secret"])
    return keys


_ADVICE = "it may be a repeat by somebody else, or a clock is wrong"


def _decode(secret: object) -> bytes:
    text = secret.removeprefix(_PREFIX) if isinstance(secret, str) else ""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigurationError(
            "the webhook secret must be 'whsec_' and base64: copy it from Developer Settings", problems=["secret"]
        )
    return key


def _read_headers(headers: Mapping[str, str]) -> tuple[str, str, list[bytes]]:
    told = {name.lower(): value for name, value in headers.items()}
    for family in _FAMILIES:
        found = [told.get(f"{family}-{name}", "") for name in ("id", "timestamp", "signature")]
        if all(found):
            return found[0], found[1], list(_signatures(found[2]))
    raise SignatureError(
        "the webhook is not signed: svix-id, svix-timestamp and svix-signature (or webhook-...) are not all there"
    )


def _signatures(text: str) -> Iterator[bytes]:
    for entry in text.split():
        version, _, signature = entry.partition(",")
        if version == _VERSION:
            yield signature.encode(errors="replace")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise SignatureError("the webhook's timestamp is no number of seconds")
    return seconds


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = b".".join([message_id.encode(errors="replace"), timestamp.encode(errors="replace"), body])
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
