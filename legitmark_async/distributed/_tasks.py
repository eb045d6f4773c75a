"""The task that a worker of taskiq carries out, and how a broker comes to know it."""

from collections.abc import Callable
from typing import Annotated

from taskiq import AsyncBroker, TaskiqDepends, TaskiqEvents, TaskiqState

from legitmark_async.client import Legitmark
from legitmark_async.distributed._ledger import Ledger
from legitmark_async.distributed._worker import Worker
from legitmark_async.limits import RedisLimits

TASK = "legitmark_async:create_chunk"
_STATE = "legitmark_async"


def attach(broker: AsyncBroker, ledger: Ledger, client: Callable[[], Legitmark] | None = None) -> None:
    """Let the workers of a broker create the items of jobs.

    Call it in the module that the workers import. Each worker process makes one client when it starts, and closes it
    when it stops.

    ```python
    broker = AioPikaBroker("amqp://guest:guest@localhost:5672")
    attach(broker, Ledger("redis://localhost:6379/0"))
    ```

    Args:
        broker: Of taskiq, any that delivers a message again if its worker dies, as `AioPikaBroker` does.
        ledger: Where it is noted what becomes of the items.
        client: Makes the client. By default it is `Legitmark.from_env`, with the rate limits shared in the Redis of the
            ledger.
    """
    worker = Worker(ledger, client or (lambda: Legitmark.from_env(limits=RedisLimits(ledger.url, ledger.prefix))))

    async def start(state: TaskiqState) -> None:
        setattr(state, _STATE, worker)
        await worker.start()

    async def stop(state: TaskiqState) -> None:
        del state
        await worker.stop()

    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, start)
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, stop)
    broker.register_task(_create_chunk, task_name=TASK)


def _worker_of(state: Annotated[TaskiqState, TaskiqDepends()]) -> Worker:
    worker: Worker = getattr(state, _STATE)
    return worker


async def _create_chunk(
    job: str, chunk: str, version: int, drafts: str, worker: Annotated[Worker, TaskiqDepends(_worker_of)]
) -> None:
    await worker.work(job, chunk, version, drafts)
