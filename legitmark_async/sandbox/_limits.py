"""The rate limits: their settings, and the gate that admits or refuses by them. Pure: `now` is passed in."""

from typing import Any, Literal, get_args

import attrs

from legitmark_async.sandbox._windows import FixedWindow, SlidingCounter, SlidingLog, TokenBucket, Window

WindowKind = Literal["fixed", "sliding", "counter", "bucket"]
HeaderMode = Literal["always", "on-429", "retry-after", "never"]
ResetFormat = Literal["epoch", "epoch-ms", "iso", "delta"]

NANOSECONDS = 1_000_000_000

_WINDOWS: dict[WindowKind, type[Window]] = {
    "fixed": FixedWindow,
    "sliding": SlidingLog,
    "counter": SlidingCounter,
    "bucket": TokenBucket,
}


def _check_count(_: object, field: "attrs.Attribute[int]", value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = f"{field.name} must be a whole number from 0 (no such limit), not {value!r}"
        raise ValueError(message)


def _check_window(_: object, __: "attrs.Attribute[float]", value: object) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    # A nanosecond is the sandbox's unit of time: a shorter window would be none.
    if not 1 / NANOSECONDS <= number < float("inf"):
        message = f"window must be a finite number of seconds above 0, not {value!r}"
        raise ValueError(message)


def _check_choice(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
    choices = _CHOICES[field.name]
    if value not in choices:
        message = f"{field.name} must be one of {', '.join(choices)}, not {value!r}"
        raise ValueError(message)


_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(WindowKind),
    "headers": get_args(HeaderMode),
    "reset_format": get_args(ResetFormat),
}


@attrs.frozen
class Limits:
    """What the sandbox limits, and what it tells of it.

    Attributes:
        partner: Requests a window over all users of the key; 0 for no such limit.
        user: Requests a window of the one user the sandbox has; 0 for no such limit.
        window: Seconds.
        kind: `fixed` windows on the phase of the first request, a `sliding` log, a sliding `counter` of two
            counts, or a token `bucket` (a burst of the limit, refilled over the window).
        headers: `always`; `on-429`; `retry-after`: on a 429 that header alone; `never`. With the last two the
            body of a 429 tells no numbers either: its `details` is the string of contract section 6.
        reset_format: Of `X-RateLimit-Reset-*`, whose format the API leaves open: seconds or milliseconds of
            the epoch, an ISO 8601 instant, or the seconds left (`delta`).

    Raises:
        ValueError: A field is out of its range; the message names it.
    """

    partner: int = attrs.field(default=1000, validator=_check_count)
    user: int = attrs.field(default=0, validator=_check_count)
    window: float = attrs.field(default=60.0, validator=_check_window)
    kind: WindowKind = attrs.field(default="fixed", validator=_check_choice)
    headers: HeaderMode = attrs.field(default="on-429", validator=_check_choice)
    reset_format: ResetFormat = attrs.field(default="iso", validator=_check_choice)


NO_LIMITS = Limits(partner=0, user=0, headers="never")


@attrs.frozen
class Gauge:
    """One limit as it stands: `dimension` is `partner` or `user`, instants are nanoseconds."""

    dimension: str
    limit: int
    used: int
    resets_at: int
    opens_at: int


class Limiter:
    """Admits a request when every limit does; one that is refused counts in none."""

    def __init__(self, limits: Limits) -> None:
        window = round(limits.window * NANOSECONDS)
        of_kind = _WINDOWS[limits.kind]
        self._windows = [
            (dimension, limit, of_kind(limit, window))
            for dimension, limit in (("partner", limits.partner), ("user", limits.user))
            if limit
        ]

    def admit(self, now: int) -> bool:
        """Counts the request and tells True, or counts nothing and tells False."""
        for _, _, window in self._windows:
            if window.opens_at(now) > now:
                return False
        for _, _, window in self._windows:
            window.admit(now)
        return True

    def gauges(self, now: int, *, refused: bool) -> list[Gauge]:
        """Every limit that is on, as the answer to an admitted or a `refused` request tells it."""
        gauges: list[Gauge] = []
        for dimension, limit, window in self._windows:
            opens_at = window.opens_at(now)
            resets_at = window.refused_until(now) if refused and opens_at > now else window.resets_at(now)
            gauges.append(Gauge(dimension, limit, window.used(now), resets_at, opens_at))
        return gauges
