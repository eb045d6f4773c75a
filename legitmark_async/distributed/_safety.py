"""Whether a Redis keeps what it is told."""

import logging
from typing import Any

from legitmark_async.distributed._ledger import Ledger, Patience
from legitmark_async.errors import LedgerError

_log = logging.getLogger("legitmark_async")


async def warn_of_losses(ledger: Ledger, going_on: Patience) -> None:
    """Say in a warning what a ledger may lose, if it may lose something.

    Raises:
        LedgerError: Redis can't be reached.
    """
    for problem in await _problems(ledger, going_on):
        _log.warning("%s: %s", ledger.where, problem)


async def _problems(ledger: Ledger, going_on: Patience) -> list[str]:
    persistence: dict[str, Any] = await ledger.ask(lambda redis: redis.info("persistence"), going_on)
    memory: dict[str, Any] = await ledger.ask(lambda redis: redis.info("memory"), going_on)
    found: list[str] = []
    if not int(persistence.get("aof_enabled", 0)):
        found.append(
            "'appendonly' is off: if Redis stops, it forgets what was created since its last snapshot, and going on "
            "may create it again; set 'appendonly yes'"
        )
    elif await _setting(ledger, "appendfsync", going_on) == "no":
        found.append(
            "'appendfsync' is 'no': if its machine stops, half a minute of what was created may be forgotten, and "
            "going on may create it again; set 'appendfsync everysec' (a second) or 'always' (nothing)"
        )
    policy = memory.get("maxmemory_policy", "noeviction")
    if int(memory.get("maxmemory", 0)) and policy != "noeviction":
        found.append(
            f"'maxmemory-policy' is {policy!r}: when memory is full, Redis forgets items, and going on may create them "
            "again; set 'maxmemory-policy noeviction'"
        )
    return found


async def _setting(ledger: Ledger, name: str, going_on: Patience) -> str:
    """Return a setting, or an empty text: those who rent out a Redis often don't tell it."""
    try:
        settings: dict[str, str] = await ledger.ask(lambda redis: redis.config_get(name), going_on)
    except LedgerError:
        return ""
    return settings.get(name, "")
