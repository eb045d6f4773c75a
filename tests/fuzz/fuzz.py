"""Feeds what reads from outside with bytes that a fuzzer makes up, guided by the branches they take.

Nothing that a server or a file can say may raise anything but our own errors, nor give what can't be: a wait below
zero, a limit without end, a photo without pixels. What is found is written to `crash-…` here, and belongs into a test.

    python tests/fuzz/fuzz.py headers|envelopes|webhooks|photos [-max_total_time=60] [CORPUS]
"""

import json
import math
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["legitmark_async"]):
    from legitmark_async import _endpoints, _headers, webhooks
    from legitmark_async._endpoints import decode
    from legitmark_async._photo import read_header
    from legitmark_async._wire import Response
    from legitmark_async.errors import (
        LegitmarkError,
        MalformedResponseError,
        PhotoError,
        RateLimitError,
        ResponseError,
        WebhookError,
    )
    from legitmark_async.testing import make_draft, make_event, make_photo

from multidict import CIMultiDict

Target = Callable[[bytes], None]

NAMES = (
    "Retry-After",
    "Date",
    *(f"X-RateLimit-{part}-{whose}" for part in ("Limit", "Remaining", "Reset") for whose in ("Partner", "User")),
)
LONGEST = 86_400.0
NOW = 1_790_000_000.0
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1mdXp6ZXJz"  # noqa: S105  # of this file alone


def _plausible(seconds: float | None) -> None:
    assert seconds is None or 0 <= seconds <= LONGEST, seconds


def headers(data: bytes) -> None:
    """Read the headers of an answer."""
    provider = atheris.FuzzedDataProvider(data)
    told: CIMultiDict[str] = CIMultiDict()
    for _ in range(provider.ConsumeIntInRange(0, 9)):
        told.add(NAMES[provider.ConsumeIntInRange(0, len(NAMES) - 1)], provider.ConsumeUnicodeNoSurrogates(40))
    envelope = _endpoints.decode_envelope(provider.ConsumeBytes(200))
    clock = _headers.ServerClock()
    now = clock.now(told, 1.0, 1.1, NOW)
    assert math.isfinite(now)
    limits = _headers.parse_limits(told, NOW, envelope)
    for limit in limits:
        _plausible(limit.resets_in)
        assert (limit.limit or 0) >= 0
        assert (limit.remaining or 0) >= 0
    _plausible(_headers.parse_retry_after(told, envelope, NOW))
    _plausible(_headers.parse_hold(told, envelope, limits, NOW))
    _plausible(_headers.parse_reset(told, envelope, limits, NOW))


def envelopes(data: bytes) -> None:
    """Read the answer to a create, whatever its status and body."""
    provider = atheris.FuzzedDataProvider(data)
    status = provider.PickValueInList([200, 201, 204, 302, 400, 401, 404, 409, 422, 429, 500, 503])
    told = CIMultiDict({"Retry-After": provider.ConsumeUnicodeNoSurrogates(10)})
    body = provider.ConsumeBytes(provider.remaining_bytes())
    request = _endpoints.create_service_request(make_draft())
    try:
        sr = decode(request, Response(status, told, body, "id"), NOW)
    except (ResponseError, MalformedResponseError) as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2_000
        if isinstance(error, RateLimitError):
            _plausible(error.retry_after)
    else:
        assert sr.uuid


def hooks(data: bytes) -> None:
    """Verify and read a webhook: unsigned as it is, and signed."""
    provider = atheris.FuzzedDataProvider(data)
    told = {name: provider.ConsumeUnicodeNoSurrogates(60) for name in ("svix-id", "svix-timestamp", "svix-signature")}
    body = provider.ConsumeBytes(provider.remaining_bytes())
    try:
        webhooks.verify(body, told, SECRET, now=NOW)
    except WebhookError:
        pass
    else:
        raise AssertionError("it took a signature that nobody made")
    signed = webhooks.sign(body, SECRET, message_id="msg_1", timestamp=NOW)
    assert webhooks.verify(body, signed, SECRET, now=NOW) == "msg_1"
    try:
        event = webhooks.parse(body)
    except WebhookError as error:
        assert "\n" not in str(error)
    else:
        assert webhooks.dedup_key(event)


def photos(data: bytes) -> None:
    """Read the header of a photo."""
    try:
        header = read_header(lambda offset, size: data[offset : offset + size])
    except PhotoError as error:
        assert error.problems
    else:
        assert header.width > 0
        assert header.height > 0


SEEDS: dict[str, tuple[Target, list[bytes]]] = {
    "headers": (headers, [b"\x02\x00\x0260\x01Sun, 29 Nov 2026 12:00:00 GMT", b'\x01\x04{"error": {"code": 429}}']),
    "envelopes": (envelopes, [b'{"success": true, "sr": {"uuid": "a"}}', b'{"error": {"code": 429, "details": {}}}']),
    "webhooks": (hooks, [json.dumps(make_event(kind)).encode() for kind in ("state_change", "media_rejected")]),
    "photos": (photos, [make_photo(), make_photo(600, 600, kind="png")[:200]]),
}


def main() -> None:
    """Fuzz one of them."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in SEEDS:
        sys.exit(f"usage: fuzz.py {'|'.join(SEEDS)} [options of libFuzzer] [corpus]")
    target, seeds = SEEDS[name]
    for seed in seeds:
        target(seed)
    try:
        atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
        atheris.Fuzz()
    except LegitmarkError as error:  # told by its name, which libFuzzer's own report lacks
        sys.exit(repr(error))


if __name__ == "__main__":
    main()
