"""The error envelope of the API, with all its variants (contract, section 6)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from legitmark_async.models.limits import LimitType


@frozen(kw_only=True)
class ErrorItem:
    """One of the `errors` of an error envelope.

    Attributes:
        code: A slash code such as `validation/missing-field`.
        message: The sentence that goes with it.
        raw: The JSON object this was read from.
    """

    code: str | None = None
    message: str | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class RateLimitDetails:
    """The `details` of a 429, where they are an object.

    Attributes:
        limit_type: Which limit was reached: a `LimitType`, or the text itself if unknown.
        current_usage: Requests counted in the window, the refused one included.
        limit: Requests the window allows.
        reset_time: When the window opens again, on the server's clock.
        retry_after_seconds: Seconds to wait.
        raw: The JSON object this was read from.
    """

    limit_type: LimitType | str | None = None
    current_usage: int | None = None
    limit: int | None = None
    reset_time: datetime | None = None
    retry_after_seconds: float | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class ErrorEnvelope:
    """What an answer says of an error; every field may be missing.

    Attributes:
        code: HTTP status as the body repeats it.
        message: Sentence for people; the whole text (cut) where the answer was no JSON.
        timestamp: When it happened, on the server's clock.
        details: A slash code such as `authorization/missing_token`, or what a 429 tells of the limit.
        errors: The single faults of a request that didn't validate.
        raw: The JSON object this was read from; empty if the answer was none.
    """

    code: int | None = None
    message: str | None = None
    timestamp: datetime | None = None
    details: RateLimitDetails | str | None = None
    errors: tuple[ErrorItem, ...] = ()
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    @property
    def rate_limit(self) -> RateLimitDetails | None:
        """The details, where they are an object."""
        return self.details if isinstance(self.details, RateLimitDetails) else None
