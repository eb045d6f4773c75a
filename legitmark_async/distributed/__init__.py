"""Bulk work on many machines: an engine of others delivers it, and a ledger knows what became of each item.

Needs the extra `distributed`: taskiq delivers chunks of drafts, by RabbitMQ for example, and Redis holds the ledger and
what is known of the rate limits.
"""

try:
    import taskiq as _taskiq
except ImportError as _error:
    raise ImportError(
        "legitmark_async.distributed needs taskiq: python -m pip install 'legitmark-async[distributed]'"
    ) from _error

from legitmark_async.distributed._job import DeadLetter, Job, JobProgress
from legitmark_async.distributed._ledger import Ledger
from legitmark_async.distributed._rabbitmq import rabbitmq_broker
from legitmark_async.distributed._submit import submit_job
from legitmark_async.distributed._tasks import attach
from legitmark_async.limits import RedisLimits

__all__ = ["DeadLetter", "Job", "JobProgress", "Ledger", "RedisLimits", "attach", "rabbitmq_broker", "submit_job"]

del _taskiq
