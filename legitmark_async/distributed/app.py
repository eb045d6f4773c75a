"""What `legitmark worker` runs: a broker that is made from the environment.

So does `taskiq worker legitmark_async.distributed.app:broker`.

`LEGITMARK_AMQP_URL`, `LEGITMARK_REDIS_URL` and `LEGITMARK_API_KEY` must be set. `LEGITMARK_BASE_URL` may be, and
`LEGITMARK_CHUNKS` and `LEGITMARK_CONCURRENCY`: how many chunks a process is given at once (4), and how many requests it
has in flight at most (64).
"""

import os

from taskiq import AsyncBroker

from legitmark_async.client import Legitmark
from legitmark_async.distributed._ledger import Ledger
from legitmark_async.distributed._rabbitmq import rabbitmq_broker
from legitmark_async.distributed._tasks import attach
from legitmark_async.errors import ConfigurationError
from legitmark_async.limits import RedisLimits
from legitmark_async.options import DEFAULT_CONCURRENCY

DEFAULT_CHUNKS = 4


def broker() -> AsyncBroker:
    """Return the broker, attached to the ledger.

    Raises:
        ConfigurationError: A variable is missing or wrong.
    """
    amqp_url, redis_url = _needed("LEGITMARK_AMQP_URL"), _needed("LEGITMARK_REDIS_URL")
    concurrency = _count("LEGITMARK_CONCURRENCY", DEFAULT_CONCURRENCY)
    made = rabbitmq_broker(amqp_url, chunks=_count("LEGITMARK_CHUNKS", DEFAULT_CHUNKS))

    def client() -> Legitmark:
        return Legitmark.from_env(concurrency=concurrency, limits=RedisLimits(redis_url))

    client()  # what is wrong with the key is told before anything is opened
    attach(made, Ledger(redis_url), client)
    return made


def _needed(name: str) -> str:
    """Return a variable of the environment.

    Raises:
        ConfigurationError: It isn't set.
    """
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"{name} is not set", problems=[name])
    return value


def _count(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not int(text):
        raise ConfigurationError(f"{name} must be a number above 0, not {text!r}", problems=[name])
    return int(text)
