"""What a client remembers of the time before it met a limit."""

import pytest

from legitmark_async._pacer import History


def history(*granted: tuple[float, int]) -> History:
    """Make one of instants and how many were granted then."""
    made = History()
    for at, count in granted:
        for _ in range(count):
            made.add(at)
    return made


def test_nothing() -> None:
    """Before the first request nothing is known."""
    empty = History()

    assert (empty.count, empty.since_last(1), empty.beyond(10, 1.0), empty.busy()) == (0, None, 0.0, (0.0, 0))


@pytest.mark.parametrize(
    ("count", "since"),
    [(1, 9.0), (50, 9.0), (51, 5.0), (60, 5.0), (61, 5.0), (62, 1.0), (63, None)],
)
def test_since_last(count: int, since: float | None) -> None:
    """The first of the last so many is found by its step, and within one by an even share of it."""
    found = history((1.0, 1), (5.0, 11), (9.0, 50)).since_last(count)

    assert (found is None) is (since is None)
    # A step lasts until the next one.
    assert found is None or since is None or since <= found <= since + 4.0 * (count < 62)


def test_within_a_step() -> None:
    """Of a step of ten that lasted 4 s the last five came within the last 2 s."""
    made = history((1.0, 10), (5.0, 20))

    assert made.since_last(25) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("limit", "rate"),
    [
        pytest.param(100, 5.0, id="a full bucket, emptied in ten seconds"),
        pytest.param(150, 0.0, id="no more than it holds"),
    ],
)
def test_beyond(limit: int, rate: float) -> None:
    """What was granted beyond the limit has become free meanwhile: the least that it can be."""
    made = history(*((float(second), 150 // 10) for second in range(10)))

    # The last came 9 s after the first.
    assert made.beyond(limit, 9.0) == pytest.approx(rate * 10 / 9)
    assert made.beyond(limit, 8.9) == pytest.approx(max((135 - limit) / 8, 0.0))
    assert made.beyond(0, 0.0) == pytest.approx(15 / 0.02)


def test_light_then_busy() -> None:
    """Calls now and then are no part of the busy time after them, whatever their number."""
    made = history(*((2.0 * call, 1) for call in range(3000)), (6000.0, 200), (6000.1, 200))

    at, granted = made.busy()

    assert (at, granted) == (6000.0, 400)
    assert made.count == 3400


def test_evenly_busy() -> None:
    """Who has always been as busy has been so since the first request, even if the last few came at once."""
    made = history(*((0.1 * call, 6) for call in range(30)), (2.95, 10))

    assert made.busy() == (0.0, 190)


def test_few() -> None:
    """So few show no pace: all of them count."""
    assert history((0.0, 1), (100.0, 1), (100.1, 10)).busy() == (0.0, 12)


def test_keeps_little() -> None:
    """Days of calls take no more room than an hour, and the latest are known as exactly as ever."""
    made = history(*((2.0 * call, 1) for call in range(100_000)))

    assert len(made._steps) <= 128
    assert made.since_last(10) == pytest.approx(2.0 * (100_000 - 10))
    assert made.since_last(50_000) == pytest.approx(100_000, rel=0.1)
