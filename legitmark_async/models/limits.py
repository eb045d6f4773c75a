"""What an answer tells of the rate limits, and what the client has learned of them."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen


class LimitType(StrEnum):
    """The known rate limits; the list is open (contract, section 6)."""

    PARTNER = "partner_level"
    USER = "user_level"
    ENDPOINT = "endpoint_specific"


@frozen(kw_only=True)
class Limit:
    """One rate limit, as the X-RateLimit-* headers of an answer tell it.

    Attributes:
        type: Which limit it is.
        limit: Requests that a window allows.
        remaining: Requests that are left in the window.
        resets_in: Seconds until the window opens anew, counted from the answer on the server's clock.
        resets_at: That instant, as epoch seconds of the server's clock; None if the header gives the seconds alone.
    """

    type: LimitType
    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None
    resets_at: float | None = None


@frozen(kw_only=True)
class RateLimit:
    """What the client knows of one rate limit at this moment.

    While calls wait for something else, that is told in the same form: `requests in flight` when no more may be, or
    `failures of the server` when one request at a time asks whether these are over.

    Attributes:
        type: Which limit it is, by the server's name (see `LimitType`), or one of these words; None if it gave none.
        endpoint: The path that it is for, such as `/api/v2/sr/{uuid}`; None if it counts all requests.
        limit: Requests that a window allows, or that a full bucket holds, if the server tells.
        remaining: Requests that may leave before the client waits, as far as it knows.
        resets_at: When the next window begins, on the clock of this machine; None if there are no windows, or it isn't
            known.
        opens_in: Seconds for which nobody may leave.
        per_second: Requests a second that the client expects in the long run. Less than the limit allows if others use
            the key too.
        kind: How the limit counts, as far as is known: `unknown`, `window`, `sliding window`, `sliding counter`, or
            `refill` for one that refills all the time; `in flight` if it is none of the server's.
        source: What told of it first: `429`, a refusal, or `headers`, those of other answers; or the `client` itself.
        learned_at: When.
        waiting: Calls of the client that wait for a turn.
    """

    type: str | None
    endpoint: str | None
    limit: int | None
    remaining: int | None
    resets_at: datetime | None
    opens_in: float
    per_second: float | None
    kind: str
    source: str
    learned_at: datetime
    waiting: int
