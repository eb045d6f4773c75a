"""The ledger: where jobs and their items are kept, in Redis."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from legitmark_async._redis import Connections, checked_redis_url, require_redis
from legitmark_async.errors import LedgerError

# Seconds for one command, to connect, and to wait for a free connection.
_TIMEOUT = 5.0
_CONNECTIONS = 16
# Pauses (s) between two tries while Redis is away.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
# Seconds for which somebody who waits for the answer is kept waiting.
PATIENCE = 30.0

Patience = Callable[[], bool]


@frozen
class Keys:
    """The names of what is kept of one job. What stands in braces puts them all into one slot of a cluster.

    Attributes:
        base: What they begin with.
    """

    base: str

    @property
    def common(self) -> list[str]:
        """The first keys of every script."""
        return [f"{self.base}:{name}" for name in ("job", "chunks", "turns", "crashes", "settled", "causes", "dead")]

    @property
    def submitter(self) -> str:
        """Who submits."""
        return f"{self.base}:submitter"

    def lease(self, chunk: str) -> str:
        """Who works on a chunk."""
        return f"{self.base}:lease:{chunk}"

    def items(self, bucket: int) -> str:
        """The items of a bucket."""
        return f"{self.base}:items:{bucket}"

    def bucket_of(self, name: str, buckets: int) -> str:
        """The bucket of an item."""
        return self.items(zlib.crc32(name.encode()) % buckets)


@define(eq=False)
class Ledger:
    """Where it is kept what became of the items of jobs: a Redis that all workers reach.

    Needs the extra `distributed`. It is to be durable (`appendonly yes`) and to forget nothing (`maxmemory-policy
    noeviction`); whoever submits and each worker say so in a warning if it isn't. The API key is never sent to it.

    ```python
    ledger = Ledger("redis://localhost:6379/0")
    ```

    Attributes:
        url: Of the server: `redis://`, `rediss://` for TLS, or `unix://`.
        prefix: What the names of its keys begin with.

    Raises:
        ConfigurationError: The URL is none of these, or `redis` isn't installed.
    """

    url: str = field(converter=checked_redis_url, repr=False)
    prefix: str = "legitmark"
    _connections: Connections = field(init=False, repr=False)
    _scripts: dict[str, Any] = field(factory=dict[str, Any], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        require_redis("Ledger")
        self._connections = Connections(self.url, "Ledger", _TIMEOUT, _CONNECTIONS)

    @property
    def where(self) -> str:
        """Which ledger it is, in words, without a password."""
        parts = urlsplit(self.url)
        server = parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]
        return f"ledger at {server}"

    def keys(self, job: str) -> Keys:
        """Return the names of what is kept of a job."""
        return Keys(f"{self.prefix}:{{{job}}}")

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[object], going_on: Patience) -> Any:  # noqa: ANN401  # as the script has it
        """Let Redis carry out a script, again and again while it can't be reached.

        Args:
            script: One of `_scripts`.
            keys: What it works on.
            arguments: What it is told.
            going_on: Whether to try again after a failure.

        Raises:
            LedgerError: Redis can't be reached, or refuses.
        """
        return await self.ask(lambda redis: self._script(redis, script)(list(keys), list(arguments)), going_on)

    async def ask(self, question: Callable[[Any], Any], going_on: Patience) -> Any:  # noqa: ANN401  # as it is answered
        """Ask Redis something, again and again while it can't be reached.

        Args:
            question: Is given the client of Redis, and returns what is to be awaited.
            going_on: Whether to try again after a failure.

        Raises:
            LedgerError: Redis can't be reached, or refuses.
        """
        pause = _FIRST_PAUSE
        errors = require_redis("Ledger")
        while True:
            try:
                async with self._connections.redis() as redis:
                    return await question(redis)
            except (errors.ConnectionError, errors.TimeoutError, OSError) as error:
                if not going_on():
                    raise LedgerError(self.where, f"Redis can't be reached: {error}") from None
            except errors.RedisError as error:
                raise LedgerError(self.where, f"Redis refuses: {error}") from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def aclose(self) -> None:
        """Close the connections. It may be used again afterwards."""
        await self._connections.aclose()

    def _script(self, redis: Any, script: str) -> Any:  # noqa: ANN401  # redis is an extra, and may not be there
        # A script belongs to no connection, but it keeps the client that it was made with.
        known = self._scripts.get(script)
        if known is None or known.registered_client is not redis:
            known = self._scripts[script] = redis.register_script(script)
        return known


def milliseconds(seconds: float) -> int:
    """Return seconds as Redis takes them."""
    return int(seconds * 1000)


def within(seconds: float = PATIENCE) -> Patience:
    """Return what goes on for so long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    return lambda: loop.time() < until
