"""What is asked of a sandbox that a command serves, over HTTP."""

import json
import urllib.request
from collections.abc import Mapping


def ledger_of(around: Mapping[str, str]) -> dict[str, int]:
    """Ask the sandbox of an environment what really happened."""
    with urllib.request.urlopen(f"{around['LEGITMARK_BASE_URL']}/_sandbox/ledger", timeout=10) as answer:  # noqa: S310  # loopback
        ledger: dict[str, int] = json.load(answer)
    return ledger
