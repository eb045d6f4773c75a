"""One rate limit for many processes: stores that their clients share what they know of it by."""

from legitmark_async._sharing import LimitStore, Stored
from legitmark_async.limits._redis import RedisLimits
from legitmark_async.limits._sqlite import SqliteLimits

__all__ = ["LimitStore", "RedisLimits", "SqliteLimits", "Stored"]
