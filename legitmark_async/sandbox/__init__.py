"""A look-alike of the Legitmark Partner API on a loopback socket, for tests, demos and benchmarks.

It has the documented operations, from creating a service request to its verdict: the taxonomy, upload intents and
presigned URLs on a second host, a clock that moves states on, and signed webhooks. It has rate limits of four kinds,
faults on demand, and a ledger of what really happened, so that a client's own account can be checked against it.
It imports nothing from the rest of the package: what it answers comes from the contract alone.

Example:
    async with Sandbox(limits=Limits(partner=100, window=1.0), faults={"drop-after": 0.05}) as sandbox:
        print(sandbox.url, sandbox.api_key)
"""

from legitmark_async.sandbox._faults import FAULT_KINDS, FaultKind
from legitmark_async.sandbox._ledger import Ledger
from legitmark_async.sandbox._limits import HeaderMode, Limits, ResetFormat, WindowKind
from legitmark_async.sandbox._records import Photo
from legitmark_async.sandbox._server import Sandbox
from legitmark_async.sandbox._webhooks import Delivery
from legitmark_async.sandbox._wire import SeenRequest

__all__ = [
    "FAULT_KINDS",
    "Delivery",
    "FaultKind",
    "HeaderMode",
    "Ledger",
    "Limits",
    "Photo",
    "ResetFormat",
    "Sandbox",
    "SeenRequest",
    "WindowKind",
]
