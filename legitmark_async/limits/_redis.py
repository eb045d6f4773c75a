"""Shares limits between machines, through Redis."""

import asyncio
from typing import Any

from attrs import Attribute, define, field

from legitmark_async._sharing import Stored
from legitmark_async.errors import ConfigurationError

_SCHEMES = ("redis://", "rediss://", "unix://")
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


def _check_url(instance: object, attribute: "Attribute[str]", value: str) -> None:
    del instance, attribute
    if not str(value).startswith(_SCHEMES):
        # A URL may hold a password: so it isn't repeated.
        raise ConfigurationError(f"the URL of Redis must begin with one of {', '.join(_SCHEMES)}", problems=["url"])


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

    url: str = field(validator=_check_url, repr=False)
    prefix: str = "legitmark"
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _redis: Any = field(default=None, init=False, repr=False)
    _script: Any = field(default=None, init=False, repr=False)
    _subscriptions: dict[str, Any] = field(factory=dict[str, Any], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _module()

    async def load(self, key: str) -> Stored:
        """Return what is stored under a key, and the time of the server."""
        async with self._connected().pipeline(transaction=False) as pipeline:
            pipeline.hmget(self._name(key), "document", "version")
            pipeline.time()
            (document, version), (seconds, microseconds) = await pipeline.execute()
        return Stored(document, int(version or 0), seconds + microseconds / 1e6)

    async def save(self, key: str, document: str, version: int, *, alarm: bool) -> bool:
        """Store a text if nobody has changed it since that version was loaded; False if somebody has."""
        self._connected()
        return bool(await self._script([self._name(key)], [version, document, _KEPT, int(alarm)]))

    async def alarm(self, key: str) -> int:
        """Return the version that somebody has stored with an alarm since the last one."""
        name = self._name(key)
        redis = self._connected()
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

    async def aclose(self) -> None:
        """Close the connections. It may be used again afterwards."""
        redis, self._redis = self._redis, None
        subscriptions, self._subscriptions = list(self._subscriptions.values()), {}
        for subscription in subscriptions:
            await subscription.aclose()
        if redis is not None:
            await redis.aclose()

    def _name(self, key: str) -> str:
        return f"{self.prefix}:{{{key}}}:limits"

    def _connected(self) -> Any:  # noqa: ANN401  # redis is an extra, and may not be there

        loop = asyncio.get_running_loop()
        if self._redis is None or self._loop is not loop:
            # Connections belong to the loop that opened them.
            module = _module()
            pool = module.BlockingConnectionPool.from_url(
                self.url,
                decode_responses=True,
                max_connections=_CONNECTIONS,
                timeout=_TIMEOUT,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
            )
            self._redis, self._loop, self._subscriptions = module.Redis.from_pool(pool), loop, {}
            self._script = self._redis.register_script(_SAVE)
        return self._redis


def _module() -> Any:  # noqa: ANN401  # a module has no type of its own
    try:
        from redis import asyncio as module  # noqa: PLC0415  # an extra, and only who uses it waits for it
    except ImportError as error:
        raise ConfigurationError(
            "RedisLimits needs redis: python -m pip install 'legitmark-async[redis]'", problems=["limits"]
        ) from error
    return module
