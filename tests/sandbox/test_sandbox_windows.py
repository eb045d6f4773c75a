"""The pure limiter, driven by Hypothesis against definitions written out longhand."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async.sandbox._limits import Limiter, Limits
from legitmark_async.sandbox._windows import FixedWindow, SlidingCounter, SlidingLog, TokenBucket, Window

KINDS = [FixedWindow, SlidingLog, SlidingCounter, TokenBucket]
LIMITS = st.integers(1, 6)
WINDOWS = st.integers(1, 40)
GAPS = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 100)), max_size=80)


def admitted_by(window: Window, gaps: list[int], start: int = 7) -> list[int]:
    """The instants at which requests after these gaps were admitted."""
    now, admitted = start, list[int]()
    for gap in gaps:
        now += gap
        if window.opens_at(now) == now:
            window.admit(now)
            admitted.append(now)
    return admitted


def fixed_is_kept(instants: list[int], limit: int, window: int) -> bool:
    """No window on the phase of the first request holds more than the limit."""
    indexes = [(instant - instants[0]) // window for instant in instants]
    return all(indexes.count(index) <= limit for index in indexes)


def sliding_is_kept(instants: list[int], limit: int, window: int) -> bool:
    """No trailing window holds more than the limit."""
    return all(sum(end - window < instant <= end for instant in instants) <= limit for end in instants)


def counter_is_kept(instants: list[int], limit: int, window: int) -> bool:
    """No request takes the weighted sum of the last window and this one beyond the limit."""
    indexes = [(instant - instants[0]) // window for instant in instants]
    for count, (index, instant) in enumerate(zip(indexes, instants, strict=True), start=1):
        left = Fraction(window - (instant - instants[0]) % window, window)
        if indexes.count(index - 1) * left + indexes[:count].count(index) > limit:
            return False
    return True


def bucket_is_kept(instants: list[int], limit: int, window: int) -> bool:
    """No stretch of time gives more than the burst and what is refilled in it."""
    return all(
        later - earlier + 1 <= limit + Fraction((instants[later] - instants[earlier]) * limit, window)
        for later in range(len(instants))
        for earlier in range(later)
    )


LAWS: list[tuple[type[Window], Callable[[list[int], int, int], bool]]] = [
    (FixedWindow, fixed_is_kept),
    (SlidingLog, sliding_is_kept),
    (SlidingCounter, counter_is_kept),
    (TokenBucket, bucket_is_kept),
]


@pytest.mark.parametrize(("kind", "is_kept"), LAWS)
@given(limit=LIMITS, window=WINDOWS, gaps=GAPS)
def test_never_too_many(
    kind: type[Window],
    is_kept: Callable[[list[int], int, int], bool],
    limit: int,
    window: int,
    gaps: list[int],
) -> None:
    """Whatever the arrivals, a limiter admits no more than its law allows."""
    admitted = admitted_by(kind(limit, window), gaps)

    assert is_kept(admitted, limit, window)


@pytest.mark.parametrize("kind", KINDS)
@given(limit=LIMITS, window=WINDOWS, gaps=GAPS)
def test_opens_when_told(kind: type[Window], limit: int, window: int, gaps: list[int]) -> None:
    """A closed limiter opens at the instant it names, not a nanosecond earlier, within two windows."""
    limiter = kind(limit, window)
    admitted_by(limiter, gaps)
    now = 7 + sum(gaps)
    while limiter.opens_at(now) == now:
        limiter.admit(now)

    told = limiter.opens_at(now)

    assert told - now <= 2 * window
    assert limiter.opens_at(told - 1) > told - 1
    assert limiter.opens_at(told) == told


@pytest.mark.parametrize("kind", KINDS)
@given(limit=LIMITS, window=WINDOWS, gaps=GAPS)
def test_used_agrees(kind: type[Window], limit: int, window: int, gaps: list[int]) -> None:
    """Something of the limit remains exactly when one more request is admitted, and resets lie ahead."""
    limiter = kind(limit, window)
    admitted_by(limiter, gaps)
    now = 7 + sum(gaps)

    open_now = limiter.opens_at(now) == now

    assert 0 <= limiter.used(now) <= limit
    assert (limiter.used(now) < limit) == open_now
    assert limiter.resets_at(now) >= now
    assert limiter.refused_until(now) >= now


@pytest.mark.parametrize("kind", KINDS)
def test_whole_limit_at_once(kind: type[Window]) -> None:
    """A fresh limiter of any kind gives its whole limit in one instant."""
    assert len(admitted_by(kind(5, 1000), [0] * 9)) == 5


def test_fixed_phase_survives_idling() -> None:
    """After an idle gap, fixed windows go on at the phase of the first request."""
    window = FixedWindow(2, 10)

    admitted = admitted_by(window, [0, 0, 0, 35, 0, 0], start=3)

    assert admitted == [3, 3, 38, 38]
    assert window.opens_at(38) == 43


def test_resets_of_a_bucket() -> None:
    """A bucket tells an admitted request when it is full again, and a refused one when a token is there."""
    bucket = TokenBucket(4, 100)
    admitted_by(bucket, [0, 0, 0, 0], start=0)

    assert bucket.resets_at(0) == 100
    assert bucket.refused_until(0) == 25


def test_resets_of_a_log() -> None:
    """A sliding log resets when its oldest request leaves the window."""
    log = SlidingLog(2, 10)
    admitted_by(log, [0, 4], start=0)

    assert log.resets_at(5) == 10
    assert log.opens_at(5) == 10


def test_a_refused_request_counts_nowhere() -> None:
    """A request that one limit refuses counts in the other neither."""
    limiter = Limiter(Limits(partner=5, user=2))

    admitted = [limiter.admit(0) for _ in range(4)]

    assert admitted == [True, True, False, False]
    assert [(gauge.dimension, gauge.used) for gauge in limiter.gauges(0, refused=True)] == [
        ("partner", 2),
        ("user", 2),
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"partner": -1}, "partner must be a whole number"),
        ({"user": True}, "user must be a whole number"),
        ({"partner": 1.5}, "partner must be a whole number"),
        ({"window": 0}, "window must be a finite number of seconds above 0"),
        ({"window": float("nan")}, "window must be"),
        ({"window": "60"}, "window must be"),
        ({"kind": "square"}, "kind must be one of fixed, sliding, counter, bucket, not 'square'"),
        ({"headers": ["always"]}, "headers must be one of"),
        ({"reset_format": "rfc"}, "reset_format must be one of"),
    ],
)
def test_limits_are_checked(fields: dict[str, object], complaint: str) -> None:
    """Limits out of their range are refused, and the message names the field."""
    with pytest.raises(ValueError, match=complaint):
        Limits(**fields)  # type: ignore[arg-type]  # wrong on purpose
