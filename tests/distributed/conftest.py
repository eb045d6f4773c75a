"""Real servers for the tests of many machines, and the ready-made worker in processes of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
from local_servers import RabbitServer, RedisServer, Workers
from taskiq import AsyncBroker

from legitmark_async.distributed import Ledger, rabbitmq_broker
from legitmark_async.sandbox import Sandbox

Around = Callable[[Sandbox], Mapping[str, str]]


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """Start a RabbitMQ."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbit"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis that is durable."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), durable=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def ledger(redis: RedisServer) -> AsyncIterator[Ledger]:
    """A ledger in that Redis."""
    ledger = Ledger(redis.url)
    yield ledger
    await ledger.aclose()


@pytest.fixture
async def broker(rabbit: RabbitServer) -> AsyncIterator[AsyncBroker]:
    """A broker over that RabbitMQ, to submit by."""
    broker = rabbitmq_broker(rabbit.url)
    await broker.startup()
    yield broker
    await broker.shutdown()


@pytest.fixture
def around(rabbit: RabbitServer, redis: RedisServer) -> Around:
    """Tell what the environment of commands is, for a sandbox."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LEGITMARK_")}

    def tell(sandbox: Sandbox) -> Mapping[str, str]:
        return ours | {
            "LEGITMARK_AMQP_URL": rabbit.url,
            "LEGITMARK_REDIS_URL": redis.url,
            "LEGITMARK_BASE_URL": sandbox.url,
            "LEGITMARK_API_KEY": sandbox.api_key,
        }

    return tell


@pytest.fixture
def work(around: Around) -> Iterator[Callable[..., Workers]]:
    """Start `legitmark worker` with these options; at the end of the test it is killed."""
    with contextlib.ExitStack() as stack:

        def begin(sandbox: Sandbox, *options: str) -> Workers:
            command = [sys.executable, "-m", "legitmark_async", "worker", *options]
            manager = subprocess.Popen(command, env=around(sandbox), start_new_session=True)  # noqa: S603  # ours
            stack.enter_context(manager)
            stack.callback(_kill_all, manager)
            return Workers(manager)

        yield begin


def _kill_all(manager: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(manager.pid, signal.SIGKILL)
