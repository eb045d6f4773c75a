"""What an answer tells of the rate limits."""

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
    """

    type: LimitType
    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None
