"""Shares limits between machines, through Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from attrs import define, field

from legitmark_async._redis import Connections, checked_redis_url, require_redis
from legitmark_async._sharing import Stored

# Seconds for one command, and to connect.
_TIMEOUT = 0.5
_CONNECTIONS = 8
# What is known is kept for so long (ms) after it was used last: the next run begins with it.
_KEPT = 30 * 24 * 3600 * 1000
_SAVE = """
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
local version = string.format('%d', ARGV[1] + 1)
redis.call('HSET', KEYS[1], 'version', version, 'document', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[4] == '1' then redis.call('PUBLISH', KEYS[1], version) end
return 1
"""


@define(eq=False)
class RedisLimits:
    """Keeps what is known of rate limits in Redis, for all processes of an API key, on any machine.

    Needs the extra `redis`. A client opens connections when it first needs them, and closes them with itself. It asks
    Redis some times a second while it has calls to make, and never for a single call. The API key is never sent: the
    name of what is stored is a hash of it.

    ```python
    client = Legitmark("leo_your_api_key", limits=RedisLimits("redis://localhost:6379/0"))
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
    _client: Any = field(default=None, init=False, repr=False)  # whose the subscriptions are
    _subscriptions: dict[str, Any] = field(factory=dict[str, Any], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        require_redis("RedisLimits")
        self._connections = Connections(self.url, "RedisLimits", _TIMEOUT, _CONNECTIONS)

    async def load(self, key: str) -> Stored:
        """Return what is stored under a key, and the time of the server."""
        async with self._connected() as redis, redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(self._name(key), "document", "version")
            pipeline.time()
            (document, version), (seconds, microseconds) = await pipeline.execute()
        return Stored(document, int(version or 0), seconds + microseconds / 1e6)

    async def save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        """Store a text if nobody has changed it since that version was loaded; False if somebody has."""
        async with self._connected() as redis:
            save = redis.register_script(_SAVE)
            return bool(await save([self._name(key)], [version, document, _KEPT, int(alarm)]))

    async def alarm(self, key: str) -> int:
        """Return the version that somebody has stored with an alarm since the last one."""
        async with self._connected() as redis:
            return await self._heard(redis, self._name(key))

    async def aclose(self) -> None:
        """Close the connections. It may be used again afterwards."""
        subscriptions, self._subscriptions = list(self._subscriptions.values()), {}
        for subscription in subscriptions:
            await subscription.aclose()
        await self._connections.aclose()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        async with self._connections.redis() as redis:
            if self._client is not redis:
                # What belonged to another loop, or was closed, is of no use any more.
                self._client, self._subscriptions = redis, {}
            yield redis

    async def _heard(self, redis: Any, name: str) -> int:  # noqa: ANN401  # redis is an extra, and may not be there
        subscription = self._subscriptions.get(name)
        if subscription is None:
            subscription = redis.pubsub(ignore_subscribe_messages=True)
            await subscription.subscribe(name)
            self._subscriptions[name] = subscription
        try:
            message = None
            while message is None:
                # A word that isn't ours is none, and may come without a wait.
                await asyncio.sleep(0)
                message = await subscription.get_message(timeout=None)
        except Exception:
            self._subscriptions.pop(name, None)
            await subscription.aclose()
            raise
        return int(message["data"])

    def _name(self, key: str) -> str:
        return f"{self.prefix}:{{{key}}}:limits"
