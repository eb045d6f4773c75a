"""One call, from its first wait to its result: the only place that knows the order of the steps."""

from legitmark_async._call._caller import Caller
from legitmark_async._call._calls import Calls
from legitmark_async._call._confirmer import Confirmer
from legitmark_async._call._sender import Sender
from legitmark_async._call._state import CallState, Doubt

__all__ = ["CallState", "Caller", "Calls", "Confirmer", "Doubt", "Sender"]
