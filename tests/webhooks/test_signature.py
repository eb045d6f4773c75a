"""Signatures of webhooks, by the scheme of Standard Webhooks (contract, section 10)."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from multidict import CIMultiDict

from legitmark_async import ConfigurationError
from legitmark_async.webhooks import SignatureError, sign, verify

SECRET = f"whsec_{base64.b64encode(b'a secret of twenty-four b').decode()}"
OTHER = f"whsec_{base64.b64encode(b'another secret').decode()}"
BODY = b'{"event_type":"state_change"}'
NOW = 1_700_000_000.0


def signed(**changes: str) -> dict[str, str]:
    """The headers of the body, with some changed."""
    headers = sign(BODY, SECRET, message_id="msg_1", timestamp=NOW)
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


def test_scheme() -> None:
    """A signature is the HMAC-SHA256 of id, time and body, computed here by the letter of the scheme."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, b"msg_1.1700000000." + BODY, hashlib.sha256).digest()

    assert signed()["svix-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert verify(BODY, signed(), SECRET, now=NOW) == "msg_1"


@pytest.mark.parametrize("change", [str.upper, str.title, lambda name: name.replace("svix", "webhook")])
def test_header_names(change: Any) -> None:  # noqa: ANN401  # a function of names
    """Both families of headers are taken, in any case, from any mapping."""
    headers = {change(name): value for name, value in signed().items()}

    assert verify(BODY, headers, SECRET, now=NOW) == "msg_1"
    assert verify(BODY, CIMultiDict(headers), SECRET, now=NOW) == "msg_1"


def test_several_signatures_and_secrets() -> None:
    """One of several signatures with one of several secrets will do; other versions don't count."""
    right = signed()["svix-signature"]
    many = signed(svix_signature=f"v1a,AAAA v1,AAAA {right}")

    assert verify(BODY, many, [OTHER, SECRET], now=NOW) == "msg_1"
    with pytest.raises(SignatureError, match="not signed with this secret"):
        verify(BODY, signed(svix_signature=right.replace("v1,", "v2,")), SECRET, now=NOW)


@pytest.mark.parametrize("off", [-300, 300])
def test_tolerance(off: float) -> None:
    """300 s are tolerated both ways, and no second more; or as many as are asked for."""
    assert verify(BODY, signed(), SECRET, now=NOW + off) == "msg_1"
    with pytest.raises(SignatureError, match=r"301 s (ago|ahead)"):
        verify(BODY, signed(), SECRET, now=NOW + off + off / 300)
    assert verify(BODY, signed(), SECRET, now=NOW + 10 * off, tolerance=3000) == "msg_1"


@pytest.mark.parametrize(
    ("body", "headers", "problem"),
    [
        (b"{}", signed(), "not signed with this secret"),
        (BODY, signed(svix_id="msg_2"), "not signed with this secret"),
        (BODY, signed(svix_timestamp="1700000001"), "not signed with this secret"),
        (BODY, signed(svix_signature="v1,ä"), "not signed with this secret"),
        (BODY, signed(svix_signature="garbage"), "not signed with this secret"),
        (BODY, signed(svix_id=""), "not all there"),
        (BODY, {}, "svix-id, svix-timestamp and svix-signature"),
        (BODY, signed(svix_timestamp="soon"), "no number of seconds"),
        (BODY, signed(svix_timestamp="nan"), "no number of seconds"),
    ],
)
def test_refused(body: bytes, headers: dict[str, str], problem: str) -> None:
    """What wasn't signed so is refused, with what is wrong and never with the secret."""
    with pytest.raises(SignatureError, match=problem) as caught:
        verify(body, headers, SECRET, now=NOW)

    assert SECRET[6:] not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_abc", None, 5, []])
def test_bad_secret(secret: Any) -> None:  # noqa: ANN401  # whatever somebody passes
    """A secret that is none is told, without repeating it."""
    with pytest.raises((ConfigurationError, TypeError), match=r"secret|iterable") as caught:
        verify(BODY, signed(), secret, now=NOW)

    assert "abc" not in str(caught.value)


def test_real_clock() -> None:
    """Without times of one's own, the machine's clock counts."""
    assert verify(BODY, sign(BODY, SECRET, message_id="m"), SECRET) == "m"
