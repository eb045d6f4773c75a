"""What the first refusal is held against, and what makes a law give way to another."""

import itertools
import random

import pytest
from laws import INF, refuse, send, turn
from simulator import Figures, LimitedServer, measure, ours, simulate

from legitmark_async._pacer import Lane, Law, Limits, Refusal, Turn
from legitmark_async._pacer._budget import Budget
from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._phase import Phase
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Reading
from legitmark_async._pacer._window import Window
from legitmark_async.models import LimitType
from legitmark_async.sandbox import HeaderMode, WindowKind
from legitmark_async.sandbox import Limits as ServerLimits

# A call every other second, for a hundred seconds.
LIGHT = tuple((2.0 * number, 1) for number in range(50))


class Client:
    """What one client's limits hear."""

    def __init__(self) -> None:
        self.limits = Limits(lambda: 0.0)
        self._numbers = itertools.count(1)

    def turn(self, sent_at: float) -> Turn:
        """Let a request leave."""
        turn = Turn(next(self._numbers), Lane.BULK, "", sent_at)
        self.limits.take(turn)
        return turn

    def grant(self, *granted: tuple[float, int]) -> None:
        """Let so many leave at an instant, and be answered half a second later."""
        for at, count in granted:
            turns = [self.turn(at) for _ in range(count)]
            for one in turns:
                self.limits.answered(one, at + 0.5)

    def refuse(self, at: float, resets_in: float, limit: int = 100) -> None:
        """Let one leave, and be refused half a second later."""
        self.limits.refused(self.turn(at), at + 0.5, Refusal(LimitType.PARTNER, limit, resets_in))

    @property
    def law(self) -> Law:
        """What was learned."""
        (meter,) = self.limits.known.values()
        return meter.law


def found(client: Client, opens_at: float) -> Law:
    """Let a canary pass, and return what was learned."""
    client.grant((opens_at, 1))
    return client.law


class TestLookingBack:
    """However long a client has been at work, a limit is known by the last of what it did."""

    @pytest.mark.parametrize(
        ("granted", "period"),
        [
            pytest.param([(100.0, 100)], 10.0, id="all at once"),
            pytest.param([*LIGHT, (100.0, 100)], 10.0, id="after light work"),
            # The 38 before them are of the same window: the first was answered at 24.5.
            pytest.param([*LIGHT, (100.0, 60)], 86.0, id="light work counts too"),
            pytest.param([(0.0, 20), (100.0, 60)], 10.0, id="fewer than the limit"),
        ],
    )
    def test_window(self, granted: list[tuple[float, int]], period: float) -> None:
        """A window began no later than with the first of the last requests that make the limit."""
        client = Client()
        client.grant(*granted)
        client.refuse(100.5, 9.5)

        law = found(client, 110.5)

        assert isinstance(law, Window)
        assert law.phase.period == pytest.approx(period, abs=0.51)
        assert law.phase.start == pytest.approx(110.5)
        assert (law.budget.limit, law.used) == (100, 1)
        assert not law.shown

    @pytest.mark.parametrize(
        ("granted", "answered_at", "period"),
        [
            pytest.param(LIGHT, 101.2, 10.0, id="before the reset"),
            pytest.param(LIGHT, 110.6, 86.0, id="after it"),
            pytest.param((), 110.6, 10.0, id="after it, and there was nothing before"),
        ],
    )
    def test_answered_late(self, granted: tuple[tuple[float, int], ...], answered_at: float, period: float) -> None:
        """What is answered after the refusal counts, but not what is answered after the reset."""
        client = Client()
        client.grant(*granted)
        turns = [client.turn(100.0) for _ in range(104)]
        for one in turns[:60]:
            client.limits.answered(one, 100.5)
        client.refuse(100.5, 9.5)
        for one in turns[60:]:
            client.limits.answered(one, answered_at)

        law = found(client, 110.7)

        assert isinstance(law, Window)
        assert law.phase.period == pytest.approx(period, abs=0.75)

    @pytest.mark.parametrize(
        ("granted", "rate", "proven"),
        [
            pytest.param([(0.5 * step, 15) for step in range(10)], 50 / 5.0, True, id="far more"),
            # In 4.5 s at most, and that may have been in another window.
            pytest.param([(0.5 * step, 12) for step in range(10)], 20 / 4.5, False, id="somewhat more"),
            pytest.param([(0.5 * step, 10) for step in range(10)], 1 / 0.3, False, id="no more"),
            pytest.param([*((at - 95.5, 1) for at, _ in LIGHT), (4.5, 95)], 1 / 0.3, False, id="after light work"),
        ],
    )
    def test_refill(self, granted: list[tuple[float, int]], rate: float, *, proven: bool) -> None:
        """Refused for a moment only: what came on top of the limit has become free meanwhile."""
        client = Client()
        client.grant(*granted)
        client.refuse(5.0, 0.3)

        law = found(client, 6.0)

        assert isinstance(law, Rate)
        assert law.proven == proven
        assert law.rate == pytest.approx(rate)

    def test_first_wait(self) -> None:
        """The first wait that was told counts, not those that a canary was told."""
        client = Client()
        client.grant(*((0.5 * step, 10) for step in range(10)))
        client.refuse(5.0, 0.4)
        client.refuse(5.9, 0.5)

        law = found(client, 7.5)

        assert isinstance(law, Rate)
        assert law.rate == pytest.approx(1 / 0.4)


def refused(law: Law, at: float, resets_in: float | None, asked: float | None = None) -> None:
    """Refuse one that leaves at an instant, by a limit of 100."""
    refuse(law, at, Refusal(LimitType.PARTNER, 100, resets_in, asked))


def window(*, period: float = 10.0, shown: bool = True) -> Window:
    """Make a window of 100 that begins now."""
    return Window(Phase(0.0, period), Budget(100), shown=shown)


class TestScant:
    """Windows that are over with next to nothing, one after the other, are none."""

    @pytest.mark.parametrize(
        ("granted", "parts", "kind"),
        [([20] * 3, 1, "refill"), ([21] * 3, 1, "window"), ([20, 20, 21], 1, "window"), ([20] * 3, 2, "window")],
        ids=["a fifth", "more", "more once", "of a part"],
    )
    def test_windows(self, granted: list[int], parts: int, kind: str) -> None:
        """After three of them it is taken for what refills all the time."""
        law = window()
        send(law, 0.0, 100)
        law.part(parts, 0.0)

        for start, count in enumerate(granted, 1):
            law.opened(turn(10.0 * start))
            send(law, 10.0 * start + 3, count - 1)
            refused(law, 10.0 * start + 4, 6.0)
            assert law.successor is None
        law.opened(turn(40.0))
        refused(law, 43.0, 7.0)

        assert (law.successor or law).kind == kind
        assert law.successor is None or law.successor.view(43.0).per_second == pytest.approx(1 / 7)

    def test_windows_that_nobody_needs(self) -> None:
        """Whoever sends little is refused nothing, and that says nothing."""
        law = window()

        for start in range(1, 7):
            law.opened(turn(10.0 * start))
        refused(law, 63.0, 7.0)

        assert law.successor is None

    @pytest.mark.parametrize(("counts", "kind"), [((20, 20, 20), "refill"), ((20, 21, 20), "sliding counter")])
    def test_counter(self, counts: tuple[int, int, int], kind: str) -> None:
        """The same of a sliding counter."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)

        for number, count in enumerate(counts):
            law.view(10.0 * number + 5)
            send(law, 10.0 * number + 5, count)
            law._strays = 0
            refused(law, 10.0 * number + 6, None)
            assert law.successor is None
        law._strays = -9
        refused(law, 34.0, 4.0)

        assert (law.successor or law).kind == kind
        assert law.successor is None or law.successor.view(34.0).per_second == pytest.approx(1 / 4)

    def test_until_it_is_shown(self) -> None:
        """Until a window has granted more than two at a time, at most three are in flight."""
        law = window(shown=False)
        law.opened(turn(10.0))
        delays = [law.delay(10.0, Lane.BULK, 50, in_flight) for in_flight in (2, 3)]

        send(law, 10.0, 1)
        early = law.shown
        send(law, 10.0, 1)

        assert delays == [0.0, INF]
        assert (early, law.shown) == (False, True)
        assert law.delay(10.0, Lane.BULK, 50, 3) == 0.0

    @pytest.mark.parametrize(
        ("late", "granted", "left", "kind"),
        [
            pytest.param(0.4, 2, 5.0, "refill", id="soon"),
            pytest.param(0.6, 2, 5.0, "window", id="later"),
            pytest.param(0.4, 3, 5.0, "window", id="more"),
            pytest.param(0.4, 2, 0.3, "window", id="until the same reset"),
        ],
    )
    def test_how_little_trickles(self, late: float, granted: int, left: float, kind: str) -> None:
        """Two openings that grant two requests before another reset is told: the places of a bucket, one by one."""
        law = window()
        send(law, 0.0, 100)

        for start in (10.0, 16.0):
            law.opened(turn(start))
            send(law, start, granted - 1)
            refused(law, start + late, left)

        assert (law.successor or law).kind == kind
        assert law.successor is None or law.successor.view(20.0).per_second == pytest.approx(1 / left)


class TestLengths:
    """How long a window is, where it was guessed too short."""

    @pytest.mark.parametrize(("resets_at", "period"), [(10.0, 8.0), (4.0, 2.0)], ids=["longer", "as thought"])
    def test_doubted(self, resets_at: float, period: float) -> None:
        """A place is free before a reset that is beyond the window's end: it is longer, and a counter's."""
        law = window(period=2.0)
        law.opened(turn(2.0))
        refused(law, 2.1, resets_at - 2.1, asked=1.0)

        law.opened(turn(3.1))

        assert isinstance(law.successor, Counter)
        assert (law.successor.phase.start, law.successor.phase.period) == pytest.approx((2.0, period))

    @pytest.mark.parametrize(("by", "period"), [(10.2, 10.2), (20.4, 10.2), (11.0, 10.0), (15.0, 10.0)])
    def test_turned(self, by: float, period: float) -> None:
        """A reset that moves by windows of about that length measures it; by another one, others have begun."""
        law = window()
        law.note(self.reading(10.0, 1.0))

        law.note(self.reading(10.0 + by, 10.0 + by - 9.0))

        assert (law.phase.period, law.phase.end) == pytest.approx((period, 10.0 + by))

    @pytest.mark.parametrize(
        ("period", "waits", "kind"),
        [
            pytest.param(0.1, [0.1] * 4, "refill", id="again and again"),
            pytest.param(0.1, [0.1] * 3, "window", id="too seldom"),
            pytest.param(0.1, [0.1, 0.1, 0.5, 0.1, 0.1], "window", id="longer once"),
            pytest.param(0.5, [0.1] * 6, "window", id="a window that is no shorter"),
        ],
    )
    def test_brief(self, period: float, waits: list[float], kind: str) -> None:
        """A window that is told to end at once, again and again, is a bucket that is nearly full."""
        law = window(period=period)

        for number, wait in enumerate(waits):
            law.note(self.reading(number + wait, float(number)))

        assert (law.successor or law).kind == kind
        assert law.successor is None or (isinstance(law.successor, Told) and law.successor.fills)

    @staticmethod
    def reading(resets_at: float, now: float) -> Reading:
        """Tell that ninety of a hundred are left."""
        return Reading(100, 90, 90, resets_at, mark=resets_at, exact=True, sent_at=now, now=now)


@pytest.mark.parametrize("headers", ["on-429", "always", "retry-after", "never"])
@pytest.mark.parametrize("kind", ["fixed", "bucket", "sliding", "counter"])
def test_any_time(kind: WindowKind, headers: HeaderMode) -> None:
    """Whatever the clock shows when a run begins, it goes in the same way."""
    limits = ServerLimits(partner=40, window=2.0, kind=kind, headers=headers)

    async def main() -> Figures:
        rng = random.Random(1)
        server = LimitedServer(limits, 0.005, rng)
        await ours(server, 160, 16, rng)
        return measure(server.admitted, server.refusals, limits.partner, limits.window)

    # The later one begins after a whole number of windows, so that nothing else differs.
    now, later = (simulate(main(), start) for start in (0.0, 2.0**18))

    assert later.ratio == pytest.approx(now.ratio, rel=0.02)
    assert sum(later.refusals) == pytest.approx(sum(now.refusals), abs=2)
