"""How many may fly, one limit's gate, and all of them together."""

import itertools
import math

import pytest

from legitmark_async._pacer._budget import Budget
from legitmark_async._pacer._discovery import Discovery
from legitmark_async._pacer._gate import Gate
from legitmark_async._pacer._governor import Governor
from legitmark_async._pacer._law import Hold, Law
from legitmark_async._pacer._meter import Meter, State
from legitmark_async._pacer._phase import Phase
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._turn import Lane, Refusal, Turn
from legitmark_async._pacer._window import Window
from legitmark_async.models import Limit, LimitType

INF = math.inf


def make_governor(capacity: int = 1000, random: float = 1.0) -> Governor:
    """Make a governor whose chance is known."""
    return Governor(capacity, lambda: random)


def fail(governor: Governor, count: int, now: float = 0.0) -> None:
    """Let so many requests fail, one after the other."""
    for number in range(1, count + 1):
        governor.failed(number, count, now)


class TestGovernor:
    """How many may be in flight while nothing is known, and in trouble."""

    def test_begins(self) -> None:
        """At first 64 may fly, after 128 answers 32, and each second without a refusal twice as many."""
        governor, ceilings = make_governor(200), []

        for number, now in enumerate([*[0.1] * 127, 0.2, 1.1, 1.2, 2.1, 2.2, 3.2, 4.2, 5.2]):
            ceilings.append(governor.ceiling)
            governor.answered(number, now)

        assert ceilings == [64] * 128 + [32, 32, 64, 64, 128, 200, 200]
        assert make_governor(10).ceiling == 10

    def test_failures(self) -> None:
        """From a fifth of failures on fewer fly, once a second, two at least, and each answer lets one more fly."""
        governor, ceilings = make_governor(100), []
        governor.discovered()

        for now, count in ((0.0, 7), (0.0, 1), (0.9, 1), (1.1, 1)):
            fail(governor, count, now)
            ceilings.append(governor.ceiling)
        for number in range(100):
            governor.answered(number, 2.0)
            ceilings.append(governor.ceiling)
        fail(governor, 1, 4.0)
        ceilings.append(governor.ceiling)
        fail(small := make_governor(2), 10)

        assert ceilings[:5] == pytest.approx([100, 70, 70, 49, 50])
        assert (ceilings[-1], small.ceiling) == (100, 2)

    @pytest.mark.parametrize(("random", "longest"), [(1.0, [0.5, 1, 2, 4, 4]), (0.0, [0.25, 0.5, 1, 2, 2])])
    def test_breaker(self, random: float, longest: list[float]) -> None:
        """From half of failures on nobody leaves for half a second, then one that asks; each time it fails, longer."""
        governor, pauses, now = make_governor(random=random), list[float](), 0.0
        fail(governor, 22)
        pauses.append(governor.delay(now))

        fail(governor, 1)
        for number in range(24, 29):
            pauses.append(governor.delay(now))
            now += pauses[-1]
            governor.admit(number, now)
            pauses.append(governor.delay(now))
            governor.failed(number, number, now)

        assert pauses == [0.0, *itertools.chain.from_iterable((pause, 5.0) for pause in longest)]
        assert governor.ceiling == 2

    def test_recovers(self) -> None:
        """When the one that asks passes, one more may fly with each answer, and the next pause is a short one again."""
        governor, ceilings = make_governor(), list[float]()
        fail(governor, 23)
        governor.admit(24, 0.5)
        governor.failed(24, 24, 0.5)
        governor.admit(25, 1.5)

        for number in range(25, 28):
            governor.answered(number, 1.6)
            ceilings.append(governor.ceiling)
        waits = [governor.delay(1.6)]
        for number in range(30, 53):
            governor.failed(number, 53, 2.0)
            waits.append(governor.delay(2.0))

        assert ceilings == [2, 3, 4]
        assert waits == [0.0] * 23 + [0.5]

    def test_echoes(self) -> None:
        """What left before the pause and ends during it changes nothing, nor does its failure cause another pause."""
        governor = make_governor()
        fail(governor, 23)

        governor.answered(22, 0.1)
        governor.failed(23, 23, 0.2)
        governor.lost(21, 0.2)
        wait = governor.delay(0.2)
        governor.admit(24, 0.5)
        governor.answered(24, 0.6)
        fail(governor, 23, 0.7)

        assert wait == 0.3
        assert not governor.paused

    def test_canary_is_lost(self) -> None:
        """One that asks and is lost, or has no answer for five seconds, makes place for another."""
        governor = make_governor()
        fail(governor, 23)
        governor.admit(24, 0.5)

        waits = [governor.delay(5.4), governor.delay(5.5)]
        governor.lost(24, 1.0)

        assert [*waits, governor.delay(1.0)] == [pytest.approx(0.1), 0.0, 0.0]
        assert governor.paused

    @pytest.mark.parametrize(
        ("refusal", "in_flight", "crowd"),
        [
            pytest.param(Refusal(limit=10, asked=1.0), 12, 10, id="a limit in flight"),
            pytest.param(Refusal(limit=10, resets_in=0.5, asked=9.0), 12, 10, id="a reset counts more"),
            pytest.param(Refusal(limit=10, asked=2.0), 12, None, id="a long wait"),
            pytest.param(Refusal(limit=10), 12, None, id="no wait"),
            pytest.param(Refusal(limit=10, asked=1.0), 9, None, id="fewer in flight"),
            pytest.param(Refusal(limit=11, asked=1.0), 12, None, id="no more were answered than that allows"),
            pytest.param(Refusal(limit=500, asked=1.0), 600, None, id="a large limit"),
            pytest.param(Refusal(asked=1.0), 12, None, id="no limit"),
        ],
    )
    def test_crowd(self, refusal: Refusal, in_flight: int, crowd: int | None) -> None:
        """A small limit, a short wait, and far more were answered a moment ago: that counts what flies."""
        governor = make_governor()
        for number in range(50):
            governor.answered(number, 0.5 if number < 25 else 1.6)

        crowded = governor.crowded(refusal, in_flight)

        assert crowded is (crowd is not None)
        assert governor.crowd == crowd
        assert governor.ceiling == (crowd or 64)

    def test_crowd_is_withdrawn(self) -> None:
        """A limit in flight that refuses again is kept, one that refuses with room to spare was none."""
        governor, refusal = make_governor(100), Refusal(limit=10, asked=1.0)
        for number in range(50):
            governor.answered(number, 0.5)

        crowded = [(governor.crowded(refusal, flying), governor.crowd, governor.ceiling) for flying in (12, 10, 9)]
        governor.answered(50, 9.0)

        assert crowded == [(True, 10, 10), (True, 10, 10), (False, None, 100)]
        assert not governor.crowded(refusal, 12)


class Limited:
    """A meter, and requests to it."""

    def __init__(self, law: Law | None = None, random: float = 0.0) -> None:
        self.meter = Meter("partner_level", None, law or Discovery(0.0, 0.1, 1), lambda: random)
        self.sent = 0

    def send(self, now: float) -> Turn:
        """Let one leave."""
        self.sent += 1
        turn = Turn(self.sent, Lane.INTERACTIVE, "", now)
        self.meter.take(turn)
        return turn

    def refuse(
        self,
        turn: Turn,
        now: float,
        *,
        limit: int | None = None,
        resets_in: float | None = None,
        asked: float | None = None,
    ) -> bool:
        """Refuse one."""
        return self.meter.refused(turn, now, self.sent, Refusal("partner_level", limit, resets_in, asked))

    def delay(self, now: float) -> float:
        """Return how long an interactive call has to wait."""
        return self.meter.delay(now, Lane.INTERACTIVE, 1, 0)


class TestMeter:
    """The gate of one limit."""

    def test_closes(self) -> None:
        """A refusal closes for everybody, then one asks alone, and if that passes all may go."""
        limited, waits = Limited(), list[float]()

        closed = limited.refuse(limited.send(0.0), 0.5, asked=10.0)
        waits += [limited.delay(0.5), limited.delay(10.5)]
        canary = limited.send(10.5)
        waits.append(limited.delay(10.5))
        limited.meter.passed(canary, 10.6)

        assert closed
        assert [*waits, limited.delay(10.6)] == [10.0, 0.0, 5.0, 0.0]

    def test_patience(self) -> None:
        """One that asks and has no answer gets company after five seconds, and the first to pass opens for all."""
        limited = Limited()
        limited.refuse(limited.send(0.0), 0.0, asked=10.0)
        first = limited.send(10.0)

        waits = [limited.delay(12.0), limited.delay(15.0)]
        second = limited.send(15.0)
        waits.append(limited.delay(15.0))
        limited.meter.passed(second, 15.1)
        limited.meter.passed(first, 15.2)

        assert [*waits, limited.delay(15.2)] == [3.0, 0.0, 5.0, 0.0]

    def test_canary_is_lost(self) -> None:
        """One that asks and is lost makes place for another; of any other nothing is lost."""
        limited = Limited()
        other = limited.send(0.0)
        limited.refuse(limited.send(0.0), 0.0, asked=10.0)
        canary = limited.send(10.0)

        limited.meter.lost(other)
        wait = limited.delay(10.5)
        limited.meter.lost(canary)

        assert [wait, limited.delay(10.5)] == [4.5, 0.0]

    def test_echoes(self) -> None:
        """What left before the gate closed and is refused after closes nothing, but tells the limit."""
        limited = Limited()
        first, second = limited.send(0.0), limited.send(0.0)
        limited.refuse(first, 0.1, asked=1.0)

        closed = limited.refuse(second, 0.2, asked=50.0, limit=7)
        waits = [limited.delay(0.2)]
        limited.meter.passed(limited.send(1.1), 1.2)
        waits.append(limited.delay(1.2))

        assert not closed
        assert waits == [pytest.approx(0.9), 0.0]
        assert limited.meter.reason == "partner limit of 7"

    @pytest.mark.parametrize(
        ("told", "random", "hold"),
        [
            pytest.param({"resets_in": 9.0}, 1.0, 9.0, id="exact"),
            pytest.param({"asked": 10.0}, 0.0, 10.0, id="asked"),
            pytest.param({"asked": 10.0}, 1.0, 10.2, id="a fiftieth more at most"),
            pytest.param({"asked": 100.0}, 1.0, 100.25, id="a quarter second at most"),
            pytest.param({"asked": 0.0}, 0.0, 0.0, id="asked for nothing"),
            pytest.param({}, 0.0, Hold(None).floor, id="not told"),
            pytest.param({"asked": 80_000.0}, 1.0, 3600.0, id="an hour at most"),
            pytest.param({"resets_in": 80_000.0}, 0.0, 3600.0, id="an hour at most, exactly"),
        ],
    )
    def test_hold(self, told: dict[str, float], random: float, hold: float) -> None:
        """An exact wait is kept to the instant, a vague one somewhat longer, never shorter."""
        limited = Limited(random=random)

        limited.refuse(limited.send(0.0), 1.0, resets_in=told.get("resets_in"), asked=told.get("asked"))

        assert limited.delay(1.0) == pytest.approx(hold)

    def test_refused_canaries(self) -> None:
        """Waits that are not enough grow each time, up to a minute; one that passes makes them short again."""
        limited, waits, now = Limited(), [], 0.0
        limited.refuse(limited.send(now), now, asked=0.1)

        for _ in range(40):
            waits.append(limited.delay(now))
            now += waits[-1]
            limited.refuse(limited.send(now), now, asked=0.1)
        limited.meter.passed(limited.send(now + 60.0), now + 60.0)
        limited.refuse(limited.send(now + 61.0), now + 61.0, asked=0.1)

        assert waits[0] == pytest.approx(0.1)
        assert [later / sooner for sooner, later in itertools.pairwise(waits[1:8])] == pytest.approx([1.4] * 6)
        assert waits[-1] == pytest.approx(60.0)
        assert limited.delay(now + 61.0) == pytest.approx(0.1)

    def test_round_trip(self) -> None:
        """A request that leaves knows how long those before it took."""
        limited = Limited()

        for number in range(50):
            limited.meter.passed(limited.send(float(number)), number + 0.5)

        assert limited.send(50.0).rtt == pytest.approx(0.5, abs=0.01)

    def test_turn_of_a_window(self) -> None:
        """When a window ends one request asks, and the others wait for its answer."""
        limited = Limited(Window(Phase(0.0, 10.0), Budget(100)))
        limited.send(9.0)

        waits = [limited.delay(10.0)]
        canary = limited.send(10.0)
        waits.append(limited.delay(10.1))
        limited.meter.passed(canary, 10.2)

        assert [*waits, limited.delay(10.2)] == [0.0, pytest.approx(4.9), 0.0]
        assert limited.meter.law.view(10.2).resets_at == 20.0

    def test_an_hour(self) -> None:
        """However long a window is said to last, after an hour one asks."""
        limited = Limited(Window(Phase(0.0, 90_000.0), Budget(1)))
        limited.send(10.0)

        waits = [limited.delay(now) for now in (10.0, 3609.0, 3610.0)]
        limited.send(3610.0)

        assert [*waits, limited.delay(3610.0)] == [3600.0, 1.0, 0.0, 5.0]

    def test_notes(self) -> None:
        """What answers tell is taken, less those that left since; late answers and halves of it are not."""
        limited, left = Limited(), []
        first, second, _ = (limited.send(now) for now in (0.0, 0.1, 0.2))
        answers = [
            (second, Limit(type=LimitType.PARTNER, limit=100, remaining=50, resets_in=9.0)),
            (first, Limit(type=LimitType.PARTNER, limit=100, remaining=10, resets_in=9.0)),
            (second, Limit(type=LimitType.PARTNER, limit=100, remaining=None, resets_in=9.0)),
            (second, Limit(type=LimitType.PARTNER, limit=100, remaining=40, resets_in=9.0, resets_at=1.7e9)),
        ]

        for turn, limit in answers:
            limited.meter.note(turn, 1.0, limited.sent, limit)
            left.append(limited.meter.law.view(1.0).remaining)

        assert left[:3] == [49, 49, 49]
        assert (limited.meter.limit, limited.meter.source, limited.meter.learned_at) == (100, "headers", 1.0)

    def test_known(self) -> None:
        """A limit is known once it has a law, and its first source is remembered."""
        limited = Limited()
        known = [limited.meter.known]

        limited.refuse(limited.send(1.0), 1.0, limit=100, resets_in=9.0)
        known.append(limited.meter.known)
        limited.meter.passed(limited.send(10.0), 10.1)

        assert [*known, limited.meter.known] == [False, False, True]
        assert (limited.meter.source, limited.meter.learned_at) == ("429", 1.0)

    def test_refused_is_given_back(self) -> None:
        """A request that another limit refused counts in none, and one that asked makes place for another."""
        limited = Limited(Window(Phase(0.0, 10.0), Budget(100)))
        limited.meter.give_back(limited.send(1.0))
        left = limited.meter.law.view(1.0).remaining
        limited.delay(10.0)

        limited.meter.give_back(limited.send(10.0))

        assert left == 100
        assert limited.delay(10.1) == 0.0

    @pytest.mark.parametrize(("ahead", "open_", "closed"), [(0, 0.1, 5.0), (99, 10.0, 10.0)])
    def test_wait(self, ahead: int, open_: float, closed: float) -> None:
        """One waits until the gate opens, or until those before it have left."""
        limited = Limited(Rate(10.0, 100, 0.0))
        wait = limited.meter.wait(0.0, ahead)

        limited.meter.state, limited.meter.opens_at = State.CLOSED, 5.0

        assert [wait, limited.meter.wait(0.0, ahead)] == pytest.approx([open_, closed])


def make_gate(capacity: int = 64) -> Gate:
    """Make a gate without chance."""
    return Gate(capacity, lambda: 0.0)


def partner(remaining: int, resets_in: float = 10.0) -> Limit:
    """Tell of the partner's limit of 100."""
    return Limit(type=LimitType.PARTNER, limit=100, remaining=remaining, resets_in=resets_in)


def user(remaining: int, resets_in: float = 60.0) -> Limit:
    """Tell of the user's limit of 50."""
    return Limit(type=LimitType.USER, limit=50, remaining=remaining, resets_in=resets_in)


def send(gate: Gate, now: float = 0.0, endpoint: str = "/a") -> Turn:
    """Let one interactive request leave."""
    return gate.admit(now, Lane.INTERACTIVE, endpoint)


def delay(gate: Gate, now: float, endpoint: str = "/a") -> float:
    """Return how long an interactive call has to wait."""
    return gate.delay(now, Lane.INTERACTIVE, endpoint, 1)


class TestGate:
    """All limits together, and the governor."""

    def test_capacity(self) -> None:
        """No more than the capacity fly, and each that ends makes place, however it ends; a limit may have no name."""
        gate = make_gate(4)
        turns = [send(gate) for _ in range(4)]
        full = delay(gate, 0.0)

        gate.answered(turns[0], 0.1)
        gate.failed(turns[1], 0.1)
        gate.lost(turns[2], 0.1)
        gate.refused(turns[3], 0.1, Refusal(asked=1.0))

        assert full == INF
        assert (gate.in_flight, gate.sent) == (0, 4)
        assert [turn.number for turn in turns] == [1, 2, 3, 4]
        assert gate.wait(0.1, "/b") == (1.0, "rate limit")

    def test_known_limit(self) -> None:
        """While nothing is known 64 may fly, and as many as the capacity once a limit is."""
        gate, flying = make_gate(80), []

        for limits in ((), (partner(99),)):
            gate.answered(send(gate), 0.1, limits)
            while delay(gate, 0.1) == 0.0:
                send(gate, 0.1)
            flying.append(gate.in_flight)
            gate.lost(send(gate, 0.1), 0.1)

        assert flying == [64, 80]

    def test_endpoint(self) -> None:
        """A limit of an endpoint closes that endpoint alone, and each has its own."""
        gate = make_gate()
        first, second = send(gate), send(gate, endpoint="/b")

        gate.refused(first, 0.0, Refusal(LimitType.ENDPOINT, asked=10.0))
        waits = [delay(gate, 0.0, endpoint) for endpoint in ("/a", "/b")]
        gate.refused(second, 0.0, Refusal(LimitType.ENDPOINT, asked=20.0))
        waits += [delay(gate, 0.0, endpoint) for endpoint in ("/a", "/b", "/c")]

        assert waits == [10.0, 0.0, 10.0, 20.0, 0.0]
        assert [meter.endpoint for meter in gate.limits.meters(0.0)[1]] == ["/a", "/b"]
        assert gate.wait(0.0, "/b") == (20.0, "endpoint limit")
        assert gate.wait(0.0, "/c") == (0.0, "")

    def test_two_limits(self) -> None:
        """Of two limits the longer wait counts, and is the reason."""
        gate = make_gate()
        first, second = send(gate), send(gate)

        closed = [
            gate.refused(first, 0.0, Refusal(LimitType.PARTNER, asked=3.0)),
            gate.refused(second, 0.0, Refusal(LimitType.USER, limit=50, asked=10.0)),
        ]

        assert closed == [True, True]
        assert delay(gate, 1.0) == 9.0
        assert gate.wait(1.0, "/a") == (9.0, "user limit of 50")

    def test_place_is_given_back(self) -> None:
        """A request that one limit refuses gives the others their place back."""
        gate = make_gate()
        gate.answered(send(gate), 0.1, (partner(99), user(49)))
        turn = send(gate, 0.2)
        left = [meter.law.view(0.2).remaining for meter in gate.limits.meters(0.0)[1]]

        gate.refused(turn, 0.3, Refusal(LimitType.USER, limit=50, resets_in=59.8))

        assert left == [98, 48]
        assert [meter.law.view(0.3).remaining for meter in gate.limits.meters(0.0)[1]] == [99, 0]

    def test_ends(self) -> None:
        """Answers, failures and losses are told to the limits that concern them."""
        gate = make_gate()
        gate.refused(send(gate), 0.0, Refusal(LimitType.PARTNER, asked=1.0))
        waits = []

        for end in (gate.failed, gate.lost, gate.answered):
            canary = send(gate, 1.0)
            waits.append(delay(gate, 1.0))
            end(canary, 1.0)
            waits.append(delay(gate, 1.0))

        assert waits == [5.0, 0.0] * 3

    def test_ends_in(self) -> None:
        """Nobody knows when so many have left, until a limit is known; then the slowest counts."""
        gate = make_gate()
        ends = [gate.ends_in(0.0, "/a", 100)]
        gate.refused(send(gate), 0.0, Refusal(LimitType.ENDPOINT, asked=0.0))
        ends.append(gate.ends_in(0.0, "/a", 100))

        gate.answered(send(gate), 0.0, (partner(99), user(49)))
        ends += [gate.ends_in(0.0, "/a", count) for count in (0, 49, 51, 101)]

        assert ends == [None, None, 0.0, 0.0, 60.0, 120.0]

    def test_trouble(self) -> None:
        """While the server is in trouble one request asks, whatever the limits say."""
        gate = make_gate()
        for turn in [send(gate) for _ in range(23)]:
            gate.failed(turn, 1.0)

        waits = [delay(gate, 1.0), delay(gate, 1.25)]
        reason = gate.wait(1.0, "/a")
        for end in (gate.lost, gate.answered):
            canary = send(gate, 1.25)
            waits.append(delay(gate, 1.25))
            end(canary, 1.5)
            waits.append(delay(gate, 1.5))

        assert waits == [0.25, 0.0, 5.0, 0.0, 5.0, 0.0]
        assert reason == (0.25, "failures of the server")

    def test_crowd(self) -> None:
        """A limit on requests in flight closes nothing: fewer fly, and the refused one counts nowhere."""
        gate = make_gate()
        for _ in range(20):
            gate.answered(send(gate), 0.5, (partner(80),))
        turns = [send(gate, 0.6) for _ in range(4)]
        waits = []

        closed = gate.refused(turns[0], 0.7, Refusal(limit=2, asked=1.0))
        for turn in turns[1:]:
            waits.append(delay(gate, 0.7))
            gate.answered(turn, 0.8)

        assert not closed
        assert waits == [INF, INF, 0.0]
        assert [meter.law.view(0.8).remaining for meter in gate.limits.meters(0.0)[1]] == [77]


def test_refusal_overtakes() -> None:
    """A refusal that comes before any other answer tells no window of the length of the clock's age."""
    gate, start = Gate(64, lambda: 0.0), 10_000.0
    turns = [gate.admit(start, Lane.BULK, "") for _ in range(20)]
    refusal = Refusal(LimitType.PARTNER, 10, resets_in=0.5, asked=1.0)

    gate.refused(turns[15], start + 0.01, refusal)
    for turn in turns[:10]:
        gate.answered(turn, start + 0.02)
    canary = gate.admit(start + 0.51, Lane.BULK, "")
    gate.answered(canary, start + 0.52)

    (meter,) = gate.limits.meters(0.0)[1]
    assert isinstance(meter.law, Window)
    assert meter.law.phase.period == 0.5
