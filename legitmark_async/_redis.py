"""Connections to Redis, which is an extra."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from attrs import define, field

from legitmark_async.errors import ConfigurationError

_SCHEMES = ("redis://", "rediss://", "unix://")


def checked_redis_url(value: str) -> str:
    """Return the URL of a Redis.

    Raises:
        ConfigurationError: It is none. It isn't repeated, for it may hold a password.
    """
    if not value.startswith(_SCHEMES):
        raise ConfigurationError(f"the URL of Redis must begin with one of {', '.join(_SCHEMES)}", problems=["url"])
    return value


def require_redis(what: str) -> Any:  # noqa: ANN401  # a module has no type of its own
    """Return the module of Redis, with asyncio.

    Args:
        what: Needs it.

    Raises:
        ConfigurationError: It isn't installed.
    """
    try:
        from redis import asyncio as module  # noqa: PLC0415  # an extra, and only who uses it waits for it
    except ImportError as error:
        raise ConfigurationError(
            f"{what} needs redis: python -m pip install 'legitmark-async[redis]'", problems=["redis"]
        ) from error
    return module


@define(eq=False)
class Connections:
    """A pool of connections, opened when it is first used in an event loop, and anew in another one.

    Attributes:
        url: Of the server.
        what: Needs them.
        timeout: Seconds for one command, to connect, and to wait for a free connection.
        most: How many there are at most.
    """

    url: str = field(repr=False)
    what: str
    timeout: float
    most: int
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _redis: Any = field(default=None, init=False)

    @contextlib.asynccontextmanager
    async def redis(self) -> AsyncIterator[Any]:
        """Give a client of Redis over them.

        If they are closed meanwhile, they are closed once more at the end: what was just connecting was missed.
        """
        redis = self._opened()
        try:
            yield redis
        finally:
            if redis is not self._redis:
                await redis.aclose()

    async def aclose(self) -> None:
        """Close them. They may be used again afterwards."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    def _opened(self) -> Any:  # noqa: ANN401  # redis is an extra, and may not be there
        if self._redis is None or self._loop is not asyncio.get_running_loop():
            module = require_redis(self.what)
            # The default pool raises where this one waits.
            pool = module.BlockingConnectionPool.from_url(
                self.url,
                decode_responses=True,
                max_connections=self.most,
                timeout=self.timeout,
                socket_timeout=self.timeout,
                socket_connect_timeout=self.timeout,
            )
            self._redis, self._loop = module.Redis.from_pool(pool), asyncio.get_running_loop()
        return self._redis
