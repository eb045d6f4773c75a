"""`legitmark worker`: creates the items of jobs, beside others on other machines."""

import logging
import os
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter, validators

from legitmark_async import ConfigurationError
from legitmark_async.cli._conventions import ALL_DONE, WRONG_USAGE
from legitmark_async.cli._job import AmqpUrl, RedisUrl, distributed
from legitmark_async.cli._output import complain

_COUNT = Parameter(validator=validators.Number(gte=1))


@Parameter(name="*", group=Group("Worker", sort_key=1))
@frozen(kw_only=True)
class WorkerOptions:
    """How to work.

    Attributes:
        processes: How many there are; one that dies is started again.
        chunks: Chunks that a process works on at once. All that it has are done again by others if it dies.
        concurrency: Requests that a process has in flight at most.
        base_url: Where the API is, if not at https://api.legitmark.com.
    """

    processes: Annotated[int, _COUNT] = 1
    chunks: Annotated[int, _COUNT] = 4
    concurrency: Annotated[int, _COUNT] = 64
    base_url: Annotated[str | None, Parameter(env_var="LEGITMARK_BASE_URL")] = None


_DEFAULT = WorkerOptions()
# Seconds that a chunk may take to end when the worker is to stop, and that it may take to be given back then.
_ENDING = 10.0
_GIVING_BACK = 15.0


def worker(*, amqp: AmqpUrl = None, redis: RedisUrl = None, options: WorkerOptions = _DEFAULT) -> int:
    """Create the items of jobs until a signal comes."""
    # The processes read it there; forked or not, they have the same environment.
    told = {"LEGITMARK_AMQP_URL": amqp, "LEGITMARK_REDIS_URL": redis, "LEGITMARK_BASE_URL": options.base_url}
    told |= {"LEGITMARK_CHUNKS": str(options.chunks), "LEGITMARK_CONCURRENCY": str(options.concurrency)}
    os.environ |= {name: value for name, value in told.items() if value}
    try:
        distributed()
        from legitmark_async.distributed import app  # noqa: PLC0415  # the same

        app.broker()
    except ConfigurationError as error:
        complain(error)
        return WRONG_USAGE
    from taskiq.cli.worker.args import WorkerArgs  # noqa: PLC0415  # the same
    from taskiq.cli.worker.run import run_worker  # noqa: PLC0415  # the same

    # It tells of each message otherwise.
    logging.getLogger("taskiq.receiver.receiver").setLevel(logging.WARNING)
    status = run_worker(
        WorkerArgs(
            broker="legitmark_async.distributed.app:broker",
            modules=[],
            workers=options.processes,
            max_async_tasks=options.chunks,
            wait_tasks_timeout=_ENDING,
            shutdown_timeout=_GIVING_BACK,
        )
    )
    return status or ALL_DONE
