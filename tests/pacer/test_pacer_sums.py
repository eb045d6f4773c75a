"""Each sum, bound and flag of the laws, where the rest of the tests would not notice another one."""

import math
from collections.abc import Sequence

import pytest
from laws import BULK, INF, INTERACTIVE, reading, refuse, send, turn

from legitmark_async._pacer._budget import Budget, Reserve
from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._discovery import Discovery, _Cycle
from legitmark_async._pacer._history import History
from legitmark_async._pacer._law import Hold, Law
from legitmark_async._pacer._phase import Bounds, Phase
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._resets import Move, Resets
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Refusal, Refused
from legitmark_async._pacer._uses import Uses
from legitmark_async._pacer._window import Window


def canary(law: Law, at: float, told: Refusal) -> Hold:
    """Refuse one that asks."""
    return refuse(law, at, told, canary=True)


class TestBudget:
    """What we allow ourselves of a window."""

    def test_two_parts(self) -> None:
        """Two processes have a half each."""
        budget = Budget(100)

        budget.part(2)

        assert budget.size == 50

    def test_part_grows_carefully(self) -> None:
        """Who becomes one of several begins to grow anew, by the smallest step, however it had grown before."""
        budget = Budget(100)
        for granted in (50, 50, None, None, None, None):
            if granted is not None:
                budget.fall_short()
            budget.close(granted or 0, told=False)
        budget.part(4)

        sizes = [budget.size]
        for _ in range(3):
            budget.close(0, told=True)
            sizes.append(budget.size)

        assert sizes == [25, 30, 70, 100]

    def test_small_steps(self) -> None:
        """The share of a small limit grows by one at least."""
        budget = Budget(8)
        for _ in range(2):
            budget.fall_short()
            budget.close(3, told=False)

        budget.close(3, told=False)

        assert budget.size == 4

    def test_by_chance(self) -> None:
        """One window that falls short is forgotten by one that doesn't."""
        budget = Budget(100)

        for granted in (50, None, 50):
            if granted is not None:
                budget.fall_short()
            budget.close(granted or 100, told=False)

        assert budget.size == 100

    def test_reserve_for_one(self) -> None:
        """One interactive call a window is enough for something to be kept."""
        reserve = Reserve()
        reserve.use()

        assert reserve.size(1.0) > 0

    @pytest.mark.parametrize(("granted", "size"), [(30, 100), (100, 200)])
    def test_more_than_the_budget(self, granted: int, size: int) -> None:
        """If more passes than a share of the limit, all of that is ours; if more than the limit, it has doubled."""
        budget = Budget(100)
        for _ in range(2 if granted < 100 else 0):
            budget.fall_short()
            budget.close(granted, told=False)

        budget.pass_probe()

        assert (budget.size, budget.limit) == (size, size)

    def test_no_probe_is_left(self) -> None:
        """Once a window falls short, or a probe is refused, none asks in it any more."""
        budget, probing = Budget(100), []

        for happens in (budget.fall_short, budget.refuse_probe):
            budget.probing = True
            happens()
            probing.append(budget.probing)

        assert probing == [False, False]


class TestPhase:
    """When windows begin and how long they last."""

    @pytest.mark.parametrize(
        ("resets_at", "period"),
        [
            # 99 windows of which the network may have made 0.1 ms each.
            pytest.param(999.91, 9.99909, id="no usual one"),
            pytest.param(1000.009, 10.0, id="a usual one"),
        ],
    )
    def test_long_measured(self, resets_at: float, period: float) -> None:
        """Over many windows a period is measured so well that it need not be a usual one."""
        phase = Phase(0.0, 10.0)

        for told in (10.0, resets_at):
            phase.learn(told)

        assert phase.period == pytest.approx(period, abs=1e-5)

    def test_settled(self) -> None:
        """Bounds are settled when they are close and the lower one was tried."""
        bounds = Bounds(9.5, 10.0)
        settled = [bounds.settled]

        bounds.refuse(9.5)

        assert [*settled, bounds.settled] == [False, True]

    def test_slides(self) -> None:
        """A reset that was reached and moves on by four tenths of a window is that of a sliding log."""
        resets = Resets()

        moves = [resets.follow(reading(5, resets_at, now), 10.0) for resets_at, now in ((10.0, 1.0), (14.0, 10.0))]

        assert moves == [Move.STAYS, Move.SLIDES]

    @pytest.mark.parametrize("relimit", [False, True])
    def test_uses_are_bounded(self, *, relimit: bool) -> None:
        """The uses are as many as the limit needs, and some, and not all there ever were."""
        uses = Uses(100 if relimit else 10)
        if relimit:
            uses.relimit(10)

        for number in range(1000):
            uses.add(float(number))

        assert len(list(uses.instants)) == 10 + 64

    def test_largest_uses(self) -> None:
        """Uses of a limit of ten thousand are kept, all of them."""
        uses = Uses(10_000)

        for _ in range(10_000):
            uses.add(5.0)

        assert (uses.complete, uses.free_in(6.0, 60.0)) == (True, 59.0)


class TestCounter:
    """A sliding counter."""

    def test_of_window_at_any_time(self) -> None:
        """A counter that is found has the limit's rate and the count that makes nothing left."""
        law = Counter.of_window(Phase(50.0, 10.0), 100, 60, 55.0)

        assert (law.rate, law.before) == (10.0, 80.0)

    def test_relimit_forgives_once(self) -> None:
        """After another limit one stray more is forgiven: the counts are but guessed."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)
        successors = []

        for left in (130, 110, 90):
            law.note(reading(left, 10.0, 5.0, limit=200))
            successors.append(law.successor is None)

        assert successors == [True, True, False]

    @pytest.mark.parametrize(("used", "tried"), [(113.0, False), (115.5, True)])
    def test_proof_of_more(self, used: float, *, tried: bool) -> None:
        """Who leaves ahead of what can be free, by more than two round trips and an error, is a trial."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=used, before=0.0)
        law._probing = True
        one = turn(5.0)
        one.rtt = 0.5

        law.take(one)

        assert (one.number in law._trials) == tried

    def test_probe_ends(self) -> None:
        """When a trial has passed, it is no longer tried."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=150.0, before=0.0)
        law._probing = True
        one = turn(5.0)
        law.take(one)

        law.passed(one, 5.1)

        assert (law.limit, law._probing) == (200, False)

    @pytest.mark.parametrize(("counts", "rate"), [((3, 2, 2, 0), 7.0), ((0, 0, 0, 0), 1.0)])
    def test_shared_at_once(self, counts: Sequence[int], rate: float) -> None:
        """Of refusals that come soon the pace is that of a tenth of a window, from the first of them on."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=60.0, before=0.0)
        send(law, 5.0, 40)
        refuse(law, 5.0)
        for count in counts:
            send(law, 5.5, count)
            refuse(law, 5.5)

        assert isinstance(law.successor, Rate)
        assert (law.successor.rate, law.successor.refill) == (rate, 10.0)

    def test_no_place_is_told(self) -> None:
        """Refused far too soon, with a reset in less than half a window: that is its end, and no place's."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)

        refuse(law, 6.0, Refusal(resets_in=4.0, asked=4.0))

        assert law.successor is None

    def test_strays_of_large_limits(self) -> None:
        """Ten of a thousand are no strays, however often."""
        law = Counter(100.0, 1000, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)

        for _ in range(5):
            law.note(reading(int(law._level(5.0)) - 11, 10.0, 5.0, limit=1000))

        assert law.successor is None

    @pytest.mark.parametrize(("grants", "scant"), [((5, 50, 5, 5), 2), ((50, 5, 5, 5), 3)])
    def test_scant_in_a_row(self, grants: Sequence[int], scant: int) -> None:
        """Scant windows count from the last one that was not."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)

        for number, count in enumerate(grants):
            send(law, 10.0 * number + 1.0, count)
            refuse(law, 10.0 * number + 5.0)
        law._level(10.0 * len(grants) + 0.5)

        assert law._scant == scant

    def test_refusals_of_a_window(self) -> None:
        """Refusals count within their window alone."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)

        for now in (1.0, 11.0, 11.0, 11.0, 11.0):
            law.used = 100.0 - law.before * (1 - (now % 10) / 10)
            refuse(law, now)

        assert (law.successor, law._refusals) == (None, 4)

    def test_rate_after_silence(self) -> None:
        """After a window in which nothing left it goes as if there had been one."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=30.0, before=0.0)

        law.delay(25.0, BULK, INF, 0)

        assert law.rate == 0.1

    @pytest.mark.parametrize(
        ("quiet_since", "now", "probes"),
        [
            pytest.param(0.0, 20.5, True, id="in the first tenth"),
            pytest.param(0.0, 21.5, False, id="later"),
            pytest.param(9.0, 20.5, False, id="too soon after a refusal"),
        ],
    )
    def test_when_it_is_tried(self, quiet_since: float, now: float, *, probes: bool) -> None:
        """Early in a window, two windows after the last refusal, it is tried whether there is more."""
        law = Counter(10.0, 100, 0.0, phase=Phase(0.0, 10.0), used=0.0, before=0.0)
        law._quiet_since = quiet_since
        law.delay(now, BULK, INF, 0)

        send(law, now)

        assert law._probing == probes


class TestRate:
    """A limit that refills all the time."""

    @pytest.mark.parametrize(
        ("limit", "level", "speed"),
        [
            pytest.param(200, 2.0, 10.0, id="as much as is to be left"),
            pytest.param(200, 12.0, 15.0, id="more: spent in a tenth of a refill"),
            pytest.param(100, 1.0, 5.0, id="half of it"),
            pytest.param(100, 0.0, 10 / 3, id="nothing: what is to be left must gather"),
            pytest.param(10_000, 50.0, 5.0, id="half of much"),
            pytest.param(10_000, 0.0, 1.0, id="nothing of much"),
        ],
    )
    def test_speed(self, limit: int, level: float, speed: float) -> None:
        """It goes at the rate with the cushion left, faster with more, slower with less."""
        law = Rate(10.0, limit, 0.0)
        law.level = level

        assert law._speed(0.0) == pytest.approx(speed)

    @pytest.mark.parametrize(("backlog", "at_once"), [(47.0, True), (49.0, False)])
    @pytest.mark.parametrize("kind", [Rate, Told])
    def test_all_at_once(self, kind: type[Rate | Told], backlog: float, *, at_once: bool) -> None:
        """What is left beside the cushion goes at once, and if more waits it is spread."""
        law = Rate(10.0, 100, 0.0) if kind is Rate else Told(10.0, 100, 51.0, 0.0, fills=True)
        law.level = 52.0 if kind is Told else 51.0
        send(law, 0.0)

        wait = law.delay(0.0, BULK, backlog, 0)

        assert (wait == 0.0) == at_once

    def test_nothing_after_a_refusal(self) -> None:
        """After a refusal nothing is free."""
        law = Rate(10.0, 100, 0.0)

        refuse(law, 5.0)

        assert law.delay(5.0, INTERACTIVE, 1, 0) == pytest.approx(1 / law.rate)

    def test_part_refills_alike(self) -> None:
        """A part of it refills in the time in which all of it does."""
        part = Rate(10.0, 100, 0.0).part(2, 3.0)

        assert isinstance(part, Rate)
        assert (part.rate, part.refill, part.at) == (5.0, 10.0, 3.0)

    def test_relimit_ends_a_trial(self) -> None:
        """With another limit what was tried on top of the rate is over."""
        law = Rate(10.0, 100, 0.0)
        law.rate, law._steps = 14.0, 1

        law.relimit(200)
        refuse(law, 0.3)

        # Grown it would have gone back to its base.
        assert law.rate == pytest.approx(20.0 * 0.9 if not law._measured_for else 20.0)

    @pytest.mark.parametrize(("granted", "patience"), [(130, 1), (63, 4)])
    def test_more_is_found(self, granted: int, patience: int) -> None:
        """If there was more it is soon tried again, and else it takes twice as long."""
        law = Rate(10.0, 100, 0.0)
        law._steps, law._quiet_after = 1, 2
        send(law, 0.0, granted)

        refuse(law, 6.0)

        assert law._patience == patience

    @pytest.mark.parametrize(
        ("measured_for", "proven"), [pytest.param(0.0, False, id="never before"), pytest.param(0.4, True, id="before")]
    )
    def test_soon_measured(self, measured_for: float, *, proven: bool) -> None:
        """Measured in less than half a second counts if it is about what was measured before."""
        law = Rate(100.0, 1000, 0.0, proven=False)
        law._measured_for = measured_for
        send(law, 0.0, 30)
        law._quiet_since = 0.3

        refuse(law, 0.3)

        assert law.proven == proven


class TestTold:
    """What tells of each answer what is left."""

    def test_one_is_missing(self) -> None:
        """A bucket of which one is missing refills one in that time."""
        assert Told.of_bucket(reading(99, 2.0, 0.0)).rate == 0.5

    def test_free_now(self) -> None:
        """With one left by the server's count, and none by ours, one asks at once; with none, at the reset."""
        law, waits = Told(10.0, 100, 5.0, 0.0, fills=False), []

        for remaining in (1, 0):
            law.note(reading(0, 9.0, 2.0, remaining=remaining))
            waits.append(law.delay(2.0, BULK, INF, 0))

        assert waits == [0.0, 7.0]

    def test_half_a_second_late(self) -> None:
        """What comes late by half a second counts a fifth."""
        law = Told(10.0, 100, 50.0, 2.5, fills=True)

        law.note(reading(25, 5.0, 2.0, remaining=90))

        assert law.level == pytest.approx(50.0 + 0.2 * (25 + 5 - 50))

    def test_soon_full(self) -> None:
        """A bucket that will be full in half a second tells its rate."""
        law = Told(10.0, 100, 50.0, 0.0, fills=True)

        law.note(reading(50, 2.5, 2.0))

        assert law.rate == pytest.approx(10 + 0.1 * (100 - 10))


class TestDiscovery:
    """What shows which law holds."""

    def test_note(self) -> None:
        """A reset that is told is the end of a window that began with the first request; later ones say it better."""
        law = Discovery(100.0, 100.05, 1)

        law.note(reading(90, 107.3, 100.05))
        found = law.successor
        assert isinstance(found, Window)
        first = found.phase.period
        found.note(reading(89, 107.303, 100.1))

        assert [first, found.phase.period] == pytest.approx([7.25, 7.253])

    def test_soon_again(self) -> None:
        """If it looks like the window before, it is waited for its end though that is in half a second."""
        law = Discovery(0.0, 0.1, 100)
        refuse(law, 5.0)
        law.opened(turn(10.0))
        send(law, 10.0, 98)

        assert refuse(law, 19.5) == Hold(0.5, exact=True)

    def test_told_resets_are_measured(self) -> None:
        """The reset that opened it and the next one give the period."""
        law = Discovery(0.0, 0.1, 100)
        law.relimit(100)
        refuse(law, 1.0, Refusal(resets_in=9.0))
        law.opened(turn(10.0))
        found = law.successor
        assert isinstance(found, Window)

        found.phase.learn(20.4)

        assert found.phase.period == pytest.approx(10.4)

    @pytest.mark.parametrize(("late", "granted"), [(0, 100), (40, 60)])
    def test_granted_by_the_window(self, late: int, granted: int) -> None:
        """What was answered after the reset may be of the next window, and doesn't count as this one's."""
        law = Discovery(0.0, 0.1, 100 - late)
        law.relimit(100)
        refuse(law, 1.0, Refusal(resets_in=9.0))
        for _ in range(late):
            law.passed(turn(0.5), 10.1)

        law.opened(turn(10.2))

        assert isinstance(law.successor, Window)
        assert law.successor._granted_before == granted

    def test_late_answers_measure_nothing(self) -> None:
        """Of more than the limit, what was answered after the reset is no proof that it refills so fast."""
        law = Discovery(0.0, 0.1, 100)
        law.relimit(100)
        refuse(law, 1.0, Refusal(resets_in=0.05))
        for _ in range(60):
            law.passed(turn(0.5), 1.2)

        law.opened(turn(1.3))

        assert isinstance(law.successor, Rate)
        assert not law.successor.proven

    @pytest.mark.parametrize(
        ("history", "at"), [pytest.param(True, 9.0, id="last answer"), pytest.param(False, 8.0, id="refused request")]
    )
    def test_empty_since(self, at: float, *, history: bool) -> None:
        """Where what it grants is known of before, it was empty at the last answer, else when the refused one left."""
        past = History()
        for number in range(300):
            past.add(number * 0.03)
        law = Discovery(0.0, 0.1, 40, past if history else None)

        found = law._refill(_Cycle(0.0, 0.1, 40, exhausted_at=8.0, ended_at=9.0), 32, 0.2)

        assert isinstance(found, Rate)
        assert found.at == at

    def test_asked_for_the_reset(self) -> None:
        """A Retry-After that ends with the reset is no other instant."""
        law = Discovery(0.0, 0.1, 100)
        law.relimit(100)

        assert refuse(law, 1.0, Refusal(resets_in=9.0, asked=9.0)) == Hold(9.0, exact=True)

    def test_told_the_second_time(self) -> None:
        """A limit that is told by the second refusal only is a window that began between its canary and the answer."""
        law, one = Discovery(0.0, 0.1, 100, History()), turn(10.0)
        refuse(law, 5.0)
        one.rtt = 0.5
        law.opened(one)
        send(law, 11.0, 99)
        law.relimit(100)

        refuse(law, 12.0, Refusal(resets_in=5.3))
        law.opened(turn(17.3))

        assert isinstance(law.successor, Window)
        assert law.successor.phase.period == pytest.approx(6.8)

    def test_answered_after_the_refusal(self) -> None:
        """Of those that make a limit, the ones that were answered after the refusal are not in what was before it."""
        past = History()
        for number in range(300):
            past.add(number * 0.1)
        law = Discovery(20.0, 20.1, 30, past)

        _, since = law._since(_Cycle(20.0, 20.1, 50), 100)

        # 98 of them, of which 20 came after it.
        assert since == pytest.approx((300 - 78) * 0.1, abs=0.2)

    def test_slow_place(self) -> None:
        """A place that takes long makes a slow rate."""
        law = Discovery(0.0, 0.1, 5)

        found = law._refill(_Cycle(0.0, 0.1, 5, exhausted_at=1.0, ended_at=1.0), 5, 10.0)

        assert found.view(1.0).per_second == pytest.approx(0.1)

    @pytest.mark.parametrize(
        ("first", "second", "told", "kind"),
        [
            pytest.param((0.0, 5.0, 1000), (10.0, 15.0, 990), True, "window", id="twice the same of many"),
            pytest.param((0.0, 5.0, 50), (10.0, 12.0, 100), True, "refill", id="more the second time"),
            pytest.param((0.0, 1.0, 100), (10.0, 16.0, 40), True, "sliding counter", id="less, and evenly"),
            pytest.param((0.0, 4.0, 100), (10.0, 16.0, 20), True, "refill", id="less, and it had been due late"),
            pytest.param((1000.0, 1004.0, 100), (1010.0, 1016.0, 20), True, "refill", id="whatever the clock shows"),
            pytest.param((0.0, 100.0, 100), (120.0, 160.0, 60), True, "refill", id="slowly"),
        ],
    )
    def test_seen(
        self, first: tuple[float, float, int], second: tuple[float, float, int], *, told: bool, kind: str
    ) -> None:
        """Twice the same is a window; less and sooner a counter, if much was due; all else refills."""
        before, cycle = (
            _Cycle(opened_at, opened_at, granted, exhausted_at=exhausted_at, told=told)
            for opened_at, exhausted_at, granted in (first, second)
        )
        before.closed_until = before.exhausted_at + 2.0

        found = Discovery(0.0, 0.1)._seen(before, cycle, cycle.exhausted_at + 1.0)

        assert found.kind == kind
        assert kind != "refill" or getattr(found, "proven", None) is False

    def test_length_of_a_counter(self) -> None:
        """A counter's window is the longest usual one in which all that it granted was closed."""
        before = _Cycle(0.0, 0.0, 10, exhausted_at=1.0, closed_until=11.0, told=True)
        cycle = _Cycle(11.0, 11.0, 7, exhausted_at=14.0, told=True)

        found = Discovery(0.0, 0.1)._seen(before, cycle, 15.0)

        assert isinstance(found, Counter)
        assert found.phase.period == 10.0


class TestWindow:
    """A limit that counts in windows."""

    def make(
        self, used: int = 0, *, start: float = 0.0, bounds: Bounds | None = None, at_once: bool | None = None
    ) -> Window:
        """Make a window of 100 in ten seconds."""
        law = Window(Phase(start, 10.0), Budget(100), bounds)
        law.refills_at_once = at_once
        send(law, start, used)
        return law

    def test_doubt(self) -> None:
        """In doubt no probe is left."""
        law = self.make()
        law.budget.probing = True

        law.doubt()

        assert law.budget.probing is False

    @pytest.mark.parametrize(("bounds", "ahead"), [(None, 1.0), (Bounds(8.0, 10.0), 3.0)])
    def test_proof(self, bounds: Bounds | None, ahead: float) -> None:
        """A proof is ahead by two round trips, and by what the period may be shorter."""
        one = turn(0.0)
        one.rtt = 0.5

        assert self.make(bounds=bounds)._proof(one) == ahead

    def test_trial_is_refused(self) -> None:
        """Where no reset is told, a trial that is refused waits for its place, which is known to the instant."""
        law = self.make(100)
        law._turn_over(10.0)
        law._uses.closed_until = 14.0
        one = turn(10.0)
        law.take(one)
        law.give_back(one)

        hold = law.refused(Refused(one, 10.0, Refusal(), canary=False))

        assert hold == Hold(4.0, exact=True)
        assert law.kind == "sliding window"

    def test_parts_of_parts(self) -> None:
        """A third of a half is a sixth."""
        law = self.make(60)

        law.part(2, 1.0)
        law.part(3, 1.0)

        assert (law._parts, law.used, repr(law._granted)) == (6, 10, "10")

    def test_asked_for_the_reset(self) -> None:
        """A Retry-After that goes to the reset leaves no doubt, whatever the clock shows."""
        law = self.make(50, start=50.0)

        assert refuse(law, 55.0, Refusal(resets_in=5.0, asked=5.0)) == Hold(5.0, exact=True)

    def test_somewhat_later(self) -> None:
        """Resets that are told a little later than thought, twice, make the period longer."""
        law = self.make(100)
        refuse(law, 1.0, Refusal(resets_in=9.1))
        law.opened(turn(10.1))
        send(law, 10.2, 99)

        refuse(law, 11.0, Refusal(resets_in=9.2))

        assert law.phase.period == pytest.approx(10.1)

    def test_canary_learns_the_length(self) -> None:
        """One that asks and is told of a later reset tells how long the window is."""
        law = self.make(100, start=50.0)

        canary(law, 60.0, Refusal(resets_in=5.0))

        assert (law.phase.start, law.phase.period) == (50.0, 15.0)

    def test_place_before_the_reset(self) -> None:
        """A place that comes free before a reset that was thought right leaves the period as it was."""
        law = self.make(50)
        refuse(law, 5.0, Refusal(resets_in=5.1, asked=2.0))

        law.opened(turn(7.0))

        assert isinstance(law.successor, Counter)
        assert law.successor.phase.period == 10.0

    @pytest.mark.parametrize(("resets_at", "goes_on"), [(52.9, True), (53.1, True), (56.0, False)])
    def test_goes_on(self, resets_at: float, *, goes_on: bool) -> None:
        """After a silence it is seen whether windows begin as they did, give or take a little."""
        law = self.make()
        law._left_off = 3.0

        assert law._goes_on(resets_at) == goes_on

    @pytest.mark.parametrize(
        ("openings", "at_once", "gives_way"),
        [
            pytest.param(1, None, False, id="once"),
            pytest.param(2, None, True, id="twice"),
            pytest.param(2, True, True, id="twice, of a fixed window"),
            pytest.param(3, False, False, id="of a log, that is grazed"),
        ],
    )
    def test_trickles(self, openings: int, *, at_once: bool | None, gives_way: bool) -> None:
        """Openings that grant nothing, twice in a row, are none, and what was told is waited for."""
        law, hold = self.make(100, at_once=at_once), Hold(None)

        for number in range(1, openings + 1):
            law.opened(turn(10.0 * number))
            law.refills_at_once = at_once
            hold = refuse(law, 10.0 * number, Refusal(resets_in=3.0, asked=4.0))

        assert (law.successor is not None) == gives_way
        assert not gives_way or hold == Hold(3.0, exact=True)

    def test_no_trickle(self) -> None:
        """What was refused two round trips after an opening was not refused at once."""
        law = self.make(100)

        for number in (1, 2):
            law.opened(turn(10.0 * number))
            one = turn(10.0 * number + 0.9)
            one.rtt = 0.4
            law.take(one)
            law.refused(Refused(one, one.sent_at + 0.4, Refusal(resets_in=3.0, asked=4.0), canary=False))

        assert law._trickles == 0

    @pytest.mark.parametrize(("granted", "kind"), [(100, "sliding counter"), (50, None)])
    def test_begins_full(self, granted: int, kind: str | None) -> None:
        """A window that begins full was emptied by others, or the last one, all ours, is still in view."""
        law = self.make(granted)
        law.used = 100

        hold = canary(law, 10.0, Refusal(resets_in=10.0))

        found = law.successor
        assert (found.kind if found else None) == kind
        assert found.before == 100.0 if isinstance(found, Counter) else hold == Hold(10.0, exact=True)

    def test_full_as_thought(self) -> None:
        """Refused with all used, as thought, it has not fallen short, and begins where it did."""
        law, last = self.make(bounds=Bounds(4.0, 10.0)), turn(5.0)
        for number in range(99):
            send(law, number * 0.05)
        law.take(last)

        hold = law.refused(Refused(last, 5.5, Refusal(), canary=False))
        law.budget.close(100, told=False)

        assert (law.phase.start, hold.seconds, law.budget.shortfalls) == (0.0, 4.5, 0)

    def test_place_not_given_back(self) -> None:
        """A use that still counts tells how long windows are at least, and when this one ends, to the instant."""
        law = self.make(100, bounds=Bounds(4.0, 10.0), at_once=True)
        law.used = 50

        assert refuse(law, 6.0) == Hold(2.0, exact=True)

    def test_shared_from_now(self) -> None:
        """Twice short of a vague window it is none, and what is measured begins then."""
        law = self.make(10, bounds=Bounds(4.0, 10.0))
        law.budget.shortfalls = 1

        refuse(law, 3.0)

        assert isinstance(law.successor, Rate)
        assert law.successor.at == 3.0

    def test_left_off(self) -> None:
        """A window that begins when it should has left off nowhere; one after a silence may go on as before."""
        law, left_off = self.make(20), list[float | None]()

        for now in (10.0, 40.0):
            law.opened(turn(now))
            left_off.append(law._left_off)

        assert left_off == [None, 10.0]

    @pytest.mark.parametrize(("told", "used"), [(False, 1), (True, 8)])
    def test_in_flight_at_the_turn(self, used: int, *, told: bool) -> None:
        """Where answers tell what is left, those in flight when a window begins are counted, else not."""
        law = self.make(20)
        if told:
            law.note(reading(80, 10.0, 1.0))
        law.delay(5.0, BULK, INF, 7)

        law.opened(turn(10.0))

        assert law.used == used

    def test_brief(self) -> None:
        """Ends count one after the other, from the last that was long enough on."""
        law = Window(Phase(0.0, 0.3), Budget(100))
        law._resets.by = 0.3

        brief = [law._is_brief(reading(90, resets_in, 0.0)) for resets_in in (0.3, 0.3, 0.6, 0.3, 0.3, 0.3)]

        assert brief == [False] * 5 + [True]

    @pytest.mark.parametrize(
        ("resets_at", "start"),
        [
            pytest.param(59.9, 49.9, id="earlier is better"),
            pytest.param(60.1, 50.0, id="the network made it later"),
            pytest.param(64.0, 54.0, id="another one"),
        ],
    )
    def test_told_start(self, resets_at: float, start: float) -> None:
        """Of resets that are about the same the earliest is the window's."""
        law = self.make(20, start=50.0)

        law.note(reading(80, resets_at, 51.0))

        assert law.phase.start == pytest.approx(start)

    @pytest.mark.parametrize(
        ("left", "now", "resets_at", "period", "kind"),
        [
            pytest.param(99, 10.2, 20.0, 10.0, None, id="a little less than a window"),
            pytest.param(99, 10.0, 23.0, 13.0, None, id="longer than a window"),
            pytest.param(40, 10.0, 20.0, 10.0, "sliding counter", id="more than a half of it is gone"),
            pytest.param(60, 10.0, 20.0, 10.0, None, id="less than that"),
        ],
    )
    def test_told_turn(  # a table
        self, left: int, now: float, resets_at: float, period: float, kind: str | None
    ) -> None:
        """A new window that is told lasts as long as thought, unless it can't; if half is gone, the last is in view."""
        law = self.make(20)
        law.note(reading(80, 10.0, 1.0))

        law.note(reading(left, resets_at, now))

        assert law.phase.period == pytest.approx(period, abs=0.01)
        found = law.successor
        assert (found.kind if found else None) == kind
        assert not isinstance(found, Counter) or found.used == 1.0


class TestSpending:
    """How a window is spent."""

    def make(self, used: int = 0, *, at_once: bool | None = None, bounds: Bounds | None = None) -> Window:
        """Make a window of 100 in ten seconds, of which so many were used a while before it began."""
        law = Window(Phase(0.0, 10.0), Budget(100), bounds)
        law.refills_at_once = at_once
        for _ in range(100):
            law._uses.add(-9.5)
        law.used = used
        return law

    @pytest.mark.parametrize(("now", "wait"), [(5.0, 0.2), (9.9, 0.1)])
    def test_kept(self, now: float, wait: float) -> None:
        """What is kept for interactive calls is looked at again in a fiftieth of the window, or at its end."""
        law = self.make(99)
        for _ in range(100):
            law._reserve.use()

        assert law.delay(now, BULK, INF, 0) == pytest.approx(wait)

    def test_all_is_kept(self) -> None:
        """If no more is left than is kept for interactive calls, bulk calls leave it."""
        law = self.make(at_once=True)
        for _ in range(10):
            law._reserve.use()
        law.used = 100 - law._reserve.size(1.0)

        assert [law.delay(0.0, lane, 1, 0) for lane in (INTERACTIVE, BULK)] == [0.0, pytest.approx(0.2)]

    def test_gap_of_now(self) -> None:
        """If more is left than was thought when the last one left, the next one needn't wait for so long."""
        law = self.make(98, at_once=True)
        send(law, 0.0)
        law.used = 10

        assert law.delay(0.0, BULK, INF, 0) == pytest.approx(0.1)

    def test_places_are_kept(self) -> None:
        """Where places come free one by one, bulk calls leave some of them to others."""
        law = self.make(at_once=False)
        law._uses.relimit(100)
        for number in range(100):
            law._uses.add(-9.0 + number * 0.09)
        for _ in range(20):
            law._reserve.use()

        waits = [law.delay(1.0, lane, INF, 0) for lane in (INTERACTIVE, BULK)]

        assert waits[0] == 0.0 < waits[1]

    def test_trials(self) -> None:
        """Where it isn't known how places come free, one that leaves half a second ahead of its place is a trial."""
        law = self.make()
        wait, one, other = law.delay(0.0, INTERACTIVE, 1, 0), turn(0.0), turn(5.0)
        law.take(one)
        law.passed(other, 5.1)
        law.passed(other, 5.1)
        unknown = law.refills_at_once
        law.passed(one, 0.1)
        law.passed(one, 0.1)

        assert (wait, law._trials, unknown) == (0.0, {}, None)
        assert law.refills_at_once is True

    def test_no_proof(self) -> None:
        """A trial that was ahead by less than two round trips proves nothing."""
        law, one = self.make(), turn(0.0)
        one.rtt = 0.3
        law.take(one)

        for _ in range(3):
            law.passed(one, 0.6)

        assert law._trials == {one.number: pytest.approx(0.5)}
        assert law.refills_at_once is None

    def test_shown(self) -> None:
        """It has shown that it is a window when it grants more than two after an opening, whatever came before."""
        law, shown = Window(Phase(0.0, 10.0), Budget(100), shown=False, granted=50), []
        law.opened(turn(5.0))

        for _ in range(2):
            send(law, 5.0)
            shown.append(law.shown)

        assert (shown, law._granted) == ([False, True], 53)

    @pytest.mark.parametrize(("used", "gap"), [(0, 0.09), (99, 9.0), (100, 9.0)])
    def test_gap(self, used: int, gap: float) -> None:
        """What is left is spread over nine tenths of the window; the last one has them to itself."""
        assert self.make(used)._gap(0.0) == pytest.approx(gap)

    def test_when_it_counts(self) -> None:
        """A use counts when it comes to the server, which is no later than a round trip after it left."""
        law, one = self.make(), turn(3.0)
        one.rtt = 0.4

        law.take(one)

        assert list(law._uses.instants)[-1] == 3.4

    @pytest.mark.parametrize(("refused", "wait"), [(False, 5.0), (True, 0.0)])
    def test_probe_needs_a_beginning(self, wait: float, *, refused: bool) -> None:
        """Whether there is more is asked only when it is known that the window begins when it is thought to."""
        bounds = Bounds(9.9, 10.0)
        law = self.make(100, bounds=bounds)
        law.budget.probing = True
        if refused:
            bounds.refuse(9.8)
        law.phase.period = 10.0

        assert law.delay(5.0, BULK, INF, 0) == wait


def test_log_with_some_left() -> None:
    """Where a sliding log tells that one is left, that is no sign of others."""
    law = Window(Phase(0.0, 10.0), Budget(100))
    law.refills_at_once = False

    law.note(reading(1, math.inf, 5.0))

    assert law.successor is None
