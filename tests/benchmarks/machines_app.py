"""The workers that `machines.py` measures: each writes down when it created something."""

import json
import os
import time
from pathlib import Path

import aiohttp
from taskiq import TaskiqEvents, TaskiqState

from legitmark_async import Legitmark
from legitmark_async.distributed import Ledger, RedisLimits, attach, rabbitmq_broker

REDIS = os.environ["LEGITMARK_REDIS_URL"]
created: list[float] = []
sessions: list[aiohttp.ClientSession] = []
broker = rabbitmq_broker(os.environ["LEGITMARK_AMQP_URL"])


async def note(session: object, context: object, request: aiohttp.TraceRequestEndParams) -> None:
    """Note a create that has succeeded."""
    del session, context
    if request.method == "POST" and request.response.status == 200:
        created.append(time.monotonic())


def client() -> Legitmark:
    """Make a client over a session that takes notes."""
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    sessions.append(aiohttp.ClientSession(trace_configs=[trace]))
    return Legitmark(
        os.environ["LEGITMARK_API_KEY"],
        base_url=os.environ["LEGITMARK_BASE_URL"],
        limits=RedisLimits(REDIS),
        session=sessions[0],
    )


async def write_down(state: TaskiqState) -> None:
    """Write down what was noted."""
    del state
    await sessions[0].close()
    (Path(os.environ["NOTES"]) / f"{os.getpid()}.json").write_text(json.dumps(created))


attach(broker, Ledger(REDIS), client)
broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, write_down)
