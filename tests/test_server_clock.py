"""The server's clock, followed by the dates of its answers."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from legitmark_async._headers import ServerClock, parse_limits, server_time
from legitmark_async.models import ErrorEnvelope

# Epoch seconds at which our monotonic clock showed 0: 2024-01-01T00:00:00.25Z.
BOOT = 1_704_067_200.25
OUR_CLOCKS = pytest.mark.parametrize("skew", [0.0, 3600.0, -3600.0], ids=["right", "an hour fast", "an hour slow"])


def dated(instant: float) -> CIMultiDict[str]:
    """Write the headers of an answer as a server whose clock shows this instant."""
    return CIMultiDict({"Date": format_datetime(datetime.fromtimestamp(int(instant), UTC), usegmt=True)})


def follow(
    clock: ServerClock, answers: int, *, every: float, rtt: float, offset: float = BOOT, wall: float = 0.0
) -> float:
    """Get so many answers, each written in the midst of its round trip; return by how much the clock is slow then."""
    slow = 0.0
    for number in range(answers):
        sent, received = number * every, number * every + rtt
        headers = dated(offset + sent + rtt / 2)
        slow = offset + received - clock.now(headers, sent, received, wall)
    return slow


@pytest.mark.parametrize(("answers", "slow"), [(1, 1.0), (200, 0.05)])
def test_narrows(answers: int, slow: float) -> None:
    """After one answer the clock is known to a second and a half, after some to about half a round trip."""
    found = follow(ServerClock(), answers, every=0.137, rtt=0.08)

    assert 0.0 <= found <= slow


@OUR_CLOCKS
def test_skew(skew: float) -> None:
    """However wrong our own clock is, that changes nothing."""
    slow = follow(ServerClock(), 50, every=0.137, rtt=0.08, wall=BOOT + skew)

    assert slow == follow(ServerClock(), 50, every=0.137, rtt=0.08, wall=BOOT)


@OUR_CLOCKS
def test_skew_of_waits(skew: float) -> None:
    """A reset is as many seconds away as by the server's clock, however wrong our own is."""
    clock, headers = ServerClock(), dated(BOOT + 1.0)
    headers["X-RateLimit-Limit-Partner"], headers["X-RateLimit-Reset-Partner"] = "100", str(BOOT + 61.0)

    [limit] = parse_limits(headers, clock.now(headers, 1.0, 1.1, BOOT + skew))

    assert limit.resets_in == pytest.approx(60.0, abs=1.0)
    assert limit.resets_at == BOOT + 61.0


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_set(step: float) -> None:
    """When the server's clock is set, what was known of it is forgotten."""
    clock = ServerClock()
    follow(clock, 50, every=0.137, rtt=0.08)

    first = follow(clock, 1, every=0.137, rtt=0.08, offset=BOOT + step)
    later = follow(clock, 50, every=0.137, rtt=0.08, offset=BOOT + step)

    assert 0.0 <= first <= 1.1
    assert 0.0 <= later <= 0.2


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_no_date(headers: dict[str, str]) -> None:
    """For a server that dates nothing our own clock counts, and a date once known is not kept."""
    clock = ServerClock()
    follow(clock, 1, every=1.0, rtt=0.1)

    assert clock.now(CIMultiDict(headers), 2.0, 2.1, 77.0) == 77.0


@given(
    st.floats(-1e8, 1e9),
    st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.0, 30.0), st.floats(0.0, 1.0)), min_size=1, max_size=30),
)
def test_never_late(offset: float, answers: list[tuple[float, float, float]]) -> None:
    """Whatever the latencies, no instant is taken for later than it is: so no wait is too short."""
    clock, sent = ServerClock(), 0.0

    for pause, rtt, share in answers:
        sent += pause
        headers = dated(BOOT + offset + sent + rtt * share)
        now = clock.now(headers, sent, sent + rtt, 0.0)

        assert BOOT + offset + sent - 1.0 - 1e-5 <= now <= BOOT + offset + sent + rtt + 1e-5


@given(st.floats(0.0, 2.9), st.floats(3.0, 1e6))
def test_server_time(soon: float, later: float) -> None:
    """What we know of the server's clock counts if the Date of the answer does not belie it."""
    date = 1_704_067_200.0

    times = [server_time(dated(date), None, now) for now in (date + soon, date + later, date - 0.1)]

    assert times == [date + soon, date, date]
    assert server_time(CIMultiDict(), ErrorEnvelope(), date + later) == date + later


def test_instants() -> None:
    """An instant of our monotonic clock is told by the server's clock, or by ours as long as no answer is dated."""
    clock = ServerClock()

    assert clock.at(40.0, now=10.0, wall=BOOT) == BOOT + 30.0
    clock.now(dated(BOOT + 12.0), 10.0, 12.0, wall=BOOT)
    assert clock.at(40.0, now=12.0, wall=BOOT + 3600.0) == pytest.approx(BOOT - 0.25 + 12.0 + 28.0, abs=1e-3)


@pytest.mark.parametrize("by", [3600.0, -3600.0], ids=["on", "back"])
def test_clock_that_is_set(by: float) -> None:
    """A server's clock that is set, on or back, is followed from the next answer on."""
    clock = ServerClock()
    follow(clock, 20, every=0.137, rtt=0.08, offset=BOOT)
    sent = 5000.0

    told = clock.now(dated(BOOT + by + sent), sent, sent + 0.1, wall=0.0)

    assert told == pytest.approx(BOOT + by + sent, abs=1.1)
