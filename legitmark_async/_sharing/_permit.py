"""What goes between a process and the others of its key: permits one way, and what became of requests the other. Pure.

Instants are on the clock that all of them share: the store's.
"""

from attrs import frozen

from legitmark_async._pacer import Lane, Refusal
from legitmark_async.models import Limit

# Requests that left without a permit, as nothing was known of any limit, all bear the same number: before any other.
UNNUMBERED = 1


@frozen
class Permit:
    """The right to let one request leave.

    Attributes:
        number: Counts up over all processes, in the order in which requests are to leave.
        lane: Whom it was given for.
        endpoint: Where the request goes; empty if that makes no difference to any limit.
        at: From when on.
        ends: When the window ends that it belongs to; infinity if it belongs to none.
        asks: Whether others wait for the answer, as it tells how the limit goes on.
    """

    number: int
    lane: Lane
    endpoint: str
    at: float
    ends: float
    asks: bool


@frozen
class Ended:
    """A request that has ended, or a permit that was not used.

    Attributes:
        number: The permit's.
        lane: Who sent it.
        endpoint: Where it went.
        sent_at: When it left; of an unused permit, when it was to leave.
        ended_at: When the answer came.
    """

    number: int
    lane: Lane
    endpoint: str
    sent_at: float
    ended_at: float


@frozen
class Answered(Ended):
    """It was admitted, and so many limits were told of."""

    limits: tuple[Limit, ...] = ()


@frozen
class RefusedBy(Ended):
    """It was refused."""

    refusal: Refusal


@frozen
class Lost(Ended):
    """It failed, or nobody waited for it."""


@frozen
class Uncounted(Ended):
    """No limit has counted it: another reason refused it, or its permit was not used."""

    ends: float


@frozen
class Line:
    """How many wait for turns of one kind.

    Attributes:
        lane: Who waits.
        endpoint: Where they go.
        count: How many, those included that are known to come.
    """

    lane: Lane
    endpoint: str
    count: float


@frozen
class Report:
    """What a process tells the others.

    Attributes:
        member: Its name.
        serial: Counts its reports: one that comes twice counts once.
        ended: What has ended since its last report, in order.
        lines: Who waits for more permits than it has.
        held: Requests in flight, and permits.
        leaves: Whether it has no more work for now.
    """

    member: str
    serial: int
    ended: tuple[Ended, ...] = ()
    lines: tuple[Line, ...] = ()
    held: int = 0
    leaves: bool = False
