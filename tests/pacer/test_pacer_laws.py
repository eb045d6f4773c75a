"""The laws of spending, each driven by hand: what they let leave, and what they learn of refusals and answers."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import BULK, INF, INTERACTIVE, leave, reading, refuse, send, turn

from legitmark_async._pacer._budget import Budget
from legitmark_async._pacer._counter import Counter
from legitmark_async._pacer._discovery import Discovery
from legitmark_async._pacer._law import Hold, Law, View
from legitmark_async._pacer._phase import Bounds, Phase
from legitmark_async._pacer._rate import Rate
from legitmark_async._pacer._told import Told
from legitmark_async._pacer._turn import Lane, Refusal, Refused, Turn
from legitmark_async._pacer._window import Window


def window(limit: int = 100, shortest: float | None = None, began: tuple[float, float] | None = None) -> Window:
    """Make a window of ten seconds that has just begun, or of at least so many and at most ten."""
    bounds = None if shortest is None else Bounds(shortest, 10.0)
    return Window(Phase(0.0, 10.0), Budget(limit), bounds, began)


class TestWindow:
    """A limit that counts in windows."""

    @pytest.mark.parametrize(("shortest", "ends_at"), [(None, 9.0), (4.0, 5.0)], ids=["exact", "vague"])
    def test_spreads(self, shortest: float | None, ends_at: float) -> None:
        """What doesn't fit is spread evenly over 0.9 of the window, or over half of one that may end sooner."""
        left = leave(window(shortest=shortest), 0.0, 10.0)

        assert len(left) == 100
        assert [left[50], left[-1]] == pytest.approx([ends_at / 2, ends_at], abs=0.3)

    def test_at_once(self) -> None:
        """What fits leaves at once; when nothing is left everybody waits for the end of the window."""
        law = window()

        left = leave(law, 0.0, 1.0, backlog=100)

        assert left == [0.0] * 100
        assert [law.delay(4.0, lane, 1, 0) for lane in Lane] == [6.0, 6.0]

    def test_roughly(self) -> None:
        """If little more waits than fits, what fits leaves at once."""
        little, more = [len(leave(window(), 0.0, 0.1, backlog)) for backlog in (110, 111)]

        assert little == 100
        assert more == pytest.approx(1, abs=2)

    @given(st.lists(st.tuples(st.sampled_from(Lane), st.integers(1, 50), st.floats(0.0, 3.0))))
    def test_never_more(self, asked: list[tuple[Lane, int, float]]) -> None:
        """Whoever asks, and whenever, no more than the budget leaves in a window."""
        law, now, sent = window(limit=20), 0.0, 0

        for lane, backlog, pause in asked:
            sent += len(leave(law, now, min(now + pause, 10.0), backlog, lane))
            now += pause

        assert law.used == sent <= 20

    @pytest.mark.parametrize(("resets_at", "turns_at"), [(60.0, 60.0), (56.5, 65.0)], ids=["goes on", "grazed"])
    def test_silence(self, resets_at: float, turns_at: float) -> None:
        """After a silence the windows may have begun anew; a refusal tells if they went on as before."""
        law = window()
        send(law, 1.0)
        law.opened(turn(55.0))
        assert law.turns_at == 65.0

        refuse(law, 56.0, Refusal(resets_in=resets_at - 56.0))

        assert law.turns_at == turns_at

    def test_reserve(self) -> None:
        """Bulk calls leave alone what interactive ones are expected to need, and less as the window ends."""
        law, left = window(), []
        send(law, 0.0, 25, INTERACTIVE)

        for now in (0.0, 9.9):
            while law.delay(now, BULK, 1, 0) == 0.0:
                send(law, now)
            left.append(100 - law.used)

        assert 25 <= left[0] <= 50
        assert 0 < left[1] <= 5
        assert law.delay(9.9, INTERACTIVE, 1, 0) == 0.0

    def test_probes(self) -> None:
        """After 1, 2, 4 and 8 quiet windows one more than the budget asks; if it is refused the budget stays."""
        law, asked = window(), []

        for number in range(16):
            send(law, law.phase.start, 100 - law.used)
            if law.delay(law.phase.start, BULK, INF, 0) == 0.0:
                asked.append(number)
                refuse(law, law.phase.start, Refusal(resets_in=10.0))
            law.opened(turn(law.turns_at))

        assert asked == [1, 3, 7, 15]
        assert law.budget.size == 100

    def test_probe_passes(self) -> None:
        """A probe leaves alone, once, not at the end of a window; if it passes the budget is doubled."""
        law, probe = window(), turn(11.0)
        send(law, 0.0, 100)
        law.opened(turn(10.0))
        send(law, 10.0, 99)

        waits = [law.delay(11.0, BULK, INF, 1), law.delay(19.6, BULK, INF, 0)]
        law.take(probe)
        waits.append(law.delay(11.0, BULK, INF, 0))
        law.passed(probe, 11.0)

        assert waits == [INF, pytest.approx(0.4), 9.0]
        assert (law.budget.size, law.delay(11.0, INTERACTIVE, 1, 0)) == (200, 0.0)

    def test_probe_is_told(self) -> None:
        """The reset that a probe is told is the window's, however soon."""
        law = window()
        send(law, 0.0, 100)

        refuse(law, 1.0, Refusal(resets_in=4.0))

        assert (law.turns_at, law.phase.period) == (5.0, 10.0)

    def test_strangers(self) -> None:
        """Two windows that others spent make our share the budget, and quiet ones let it grow again."""
        law, sizes = window(), []

        for others in (40, 40, 0, 0):
            send(law, law.phase.start, min(100 - others, law.budget.size) - law.used)
            if others:
                assert refuse(law, law.phase.start + 1, Refusal(resets_in=9.0)) == Hold(9.0, exact=True)
            law.opened(turn(law.turns_at))
            sizes.append(law.budget.size)

        assert sizes == [100, 60, 65, 100]

    @pytest.mark.parametrize(("passes", "kind"), [(True, "window"), (False, "sliding window")])
    def test_log_or_fixed(self, *, passes: bool, kind: str) -> None:
        """Three try what comes sooner than a window after its like: if two pass it is fixed, else a log."""
        law = window()
        send(law, 5.0, 100)
        law.opened(turn(10.0))
        tries = [law.delay(10.0, INTERACTIVE, 1, in_flight) for in_flight in (0, 2, 3)]

        if not passes:
            refuse(law, 10.0, Refusal(resets_in=5.0))
        send(law, 10.0)
        by_one = law.refills_at_once
        send(law, 10.0)

        assert by_one is (None if passes else False)
        assert tries == [0.0, 0.0, INF]
        assert (law.kind, law.refills_at_once) == (kind, passes)
        assert law.delay(10.0, INTERACTIVE, 1, 3) == (0.0 if passes else 5.0)

    @pytest.mark.parametrize(
        ("at", "resets_at", "canary", "start", "period", "left"),
        [
            pytest.param(5.0, 9.0, False, -1.0, 10.0, 0, id="somewhat sooner"),
            pytest.param(5.0, 12.0, False, 2.0, 10.0, 0, id="later"),
            pytest.param(10.0, 14.0, True, 0.0, 14.0, 0, id="later, by a canary"),
            pytest.param(5.0, 7.0, False, 0.0, 10.0, 100, id="much sooner"),
        ],
    )
    def test_reset(self, at: float, resets_at: float, *, canary: bool, start: float, period: float, left: int) -> None:
        """A told reset shifts the window, one told to a canary lengthens it, and one in its midst is a place's."""
        law = window()

        hold = refuse(law, at, Refusal(resets_in=resets_at - at), canary=canary)

        assert hold == Hold(resets_at - at, exact=True)
        assert (law.phase.start, law.phase.period, law.view(at).remaining) == (start, period, left)

    @pytest.mark.parametrize(("granted", "kind", "budget"), [(95, "sliding counter", 100), (60, "window", 60)])
    def test_begins_full(self, granted: int, kind: str, budget: int) -> None:
        """A window that begins full has the last one in view, if that was ours, or else was spent by others."""
        law, found = window(), list[tuple[str, float | None]]()

        for end in (10.0, 30.0):
            send(law, end - 5, granted - law.used)
            hold = refuse(law, end, Refusal(resets_in=10.0), canary=True)
            found.append(((law.successor or law).kind, hold.seconds))
            law.opened(turn(end + 10))

        assert found[0] == (kind, 10.0)
        assert law.budget.size == budget

    @pytest.mark.parametrize(
        ("windows", "told", "rate"),
        [
            pytest.param(0, False, 4.0, id="by the first window"),
            pytest.param(1, False, 10.0, id="by the window before"),
            pytest.param(0, True, 10.0, id="by what is told"),
        ],
    )
    def test_grazed(self, *, windows: int, told: bool, rate: float) -> None:
        """After three refusals in the midst of a window it is none, and we go on with what we got or are told."""
        law, found = window(), list[Law | None]()
        for number in range(windows):
            send(law, 10.0 * number, 100)
            law.opened(turn(10.0 * number + 10))
        now = law.phase.start + 2
        send(law, now, 40 - law.used)
        if told:
            law.note(reading(60, 10.0, 1.0))

        for _ in range(4):
            refuse(law, now, Refusal(resets_in=0.5))
            found.append(law.successor)

        assert found[:3] == [None] * 3
        assert isinstance(found[3], Told if told else Rate)
        assert found[3].view(now) == View(0, rate)

    def test_late_answers(self) -> None:
        """Requests of the window before that are admitted late count there."""
        law, late = window(), [turn(9.0) for _ in range(50)]
        for one in late:
            law.take(one)
        law.opened(turn(10.0))

        for one in late:
            law.passed(one, 11.0)
        for _ in range(4):
            refuse(law, 11.0, Refusal(resets_in=0.5))

        assert law.successor is not None
        assert law.successor.view(11.0).per_second == 5.0

    @pytest.mark.parametrize(("at", "used", "free"), [(5.0, 80, 3), (10.0, 0, 9)], ids=["midway", "at its end"])
    def test_counter(self, at: float, used: int, free: int) -> None:
        """Asked back before the reset, and then let in: that is a sliding counter."""
        law = window()
        send(law, 0.0, 80)

        hold = refuse(law, at, Refusal(resets_in=5.0 if at < 10.0 else 10.0, asked=1.0), canary=at == 10.0)
        law.opened(turn(at + 1))

        assert hold == Hold(1.0)
        assert isinstance(law.successor, Counter)
        assert (law.successor.used, law.successor.phase.start) == (used + 1, at // 10 * 10)
        assert law.successor.view(at + 1).remaining == free

    @pytest.mark.parametrize(
        ("granted", "at", "used", "kind"),
        [
            pytest.param(100, 12.0, 21, "sliding counter", id="as much as it leaves over"),
            pytest.param(100, 12.0, 30, "window", id="another number"),
            pytest.param(60, 12.0, 52, "window", id="not all ours"),
            pytest.param(100, 16.0, 61, "window", id="late in the window"),
        ],
    )
    def test_left_by_last(self, granted: int, at: float, used: int, kind: str) -> None:
        """Refused early in a window, after as many as the share of the last one leaves over: a sliding counter."""
        law = window()
        send(law, 5.0, granted)
        law.opened(turn(10.0))
        send(law, 10.0, used - 1)

        refuse(law, at, Refusal(resets_in=20.0 - at, asked=20.0 - at))

        assert (law.successor or law).kind == kind

    @pytest.mark.parametrize(
        ("granted", "late", "asked", "kind"),
        [
            pytest.param(1, 0.1, 10.0, "refill", id="one at its beginning"),
            pytest.param(1, 0.1, None, "refill", id="no Retry-After"),
            pytest.param(5, 0.1, 10.0, "window", id="some more"),
            pytest.param(1, 3.0, 10.0, "window", id="not at its beginning"),
        ],
    )
    def test_trickle(self, granted: int, late: float, asked: float | None, kind: str) -> None:
        """Two windows in a row that grant but one request, at their beginnings: a bucket, and its places are told."""
        law = window()
        send(law, 0.0, 100)

        for start in (10.0, 20.0):
            law.opened(turn(start))
            send(law, start, granted - 1)
            refuse(law, start + late, Refusal(resets_in=10.0 - late, asked=asked))

        assert (law.successor or law).kind == kind
        assert kind == "window" or (law.successor and law.successor.view(20.0).per_second) == pytest.approx(1 / 9.9)

    def test_rounded_down(self) -> None:
        """Asked back before the reset, and then refused again: so Retry-After is rounded down, and the reset counts."""
        law = window()

        holds = [
            refuse(law, 5.0, Refusal(resets_in=5.0, asked=4.0)),
            refuse(law, 9.0, Refusal(resets_in=1.0, asked=0.0), canary=True),
        ]
        law.opened(turn(10.0))

        assert holds == [Hold(4.0), Hold(1.0, exact=True)]
        assert (law.successor, law.phase.start) == (None, 10.0)

    def test_narrows(self) -> None:
        """Where no reset is told canaries find the period between its bounds, by halves."""
        law, period, tried = window(shortest=4.0), 6.1, list[float]()
        law.opened(turn(10.0))

        while len(tried) < 8:
            tried.append(law.phase.period)
            at = law.turns_at
            if law.phase.period < period:
                assert refuse(law, at, canary=True) == Hold(law.turns_at - at, exact=True)
                at = law.turns_at
            law.opened(turn(at))

        assert tried[:4] == pytest.approx([7.0, 5.5, 6.25, 5.875])
        assert period <= tried[-1] <= 1.05 * period

    def test_vaguely_spent(self) -> None:
        """A refusal that tells nothing spends the window, but one that came too soon for a log does not."""
        law = window()
        send(law, 5.0, 100)
        law.opened(turn(10.0))

        refuse(law, 11.0)
        used = law.used
        hold = refuse(law, 11.0)

        assert (used, law.used, law.kind) == (1, 100, "sliding window")
        assert hold == Hold(9.0, exact=True)

    def test_vaguely_shared(self) -> None:
        """Where no reset is told, the second window that others spent shows that it is none."""
        law, found = window(shortest=4.0), list[tuple[Hold, str]]()

        for _ in range(2):
            send(law, law.phase.start, 60 - law.used)
            hold = refuse(law, law.phase.start + 1, Refusal(asked=2.0))
            found.append((hold, (law.successor or law).kind))
            law.opened(turn(law.turns_at))

        assert found == [(Hold(9.0, exact=True), "window"), (Hold(2.0), "refill")]

    @pytest.mark.parametrize("told", [False, True])
    def test_taken_for_shared(self, *, told: bool) -> None:
        """What is taken for a limit that others use keeps its size; it refills in a window, or as the answers tell."""
        law = window(limit=50)
        send(law, 1.0, 20)
        if told:
            law.note(reading(30, 10.0, 1.0, limit=50))

        shared = law._as_shared(5.0)

        assert isinstance(shared, Told if told else Rate)
        assert isinstance(shared, Told | Rate)
        assert (shared.limit, shared.at) == (50, 5.0)
        assert not isinstance(shared, Told) or (shared.fills, shared.rate, shared.level) == (False, 5.0, 0.0)
        assert not isinstance(shared, Rate) or (shared.refill, shared.proven) == (10.0, False)

    def test_part(self) -> None:
        """Of a window each of four gets a fourth; what was used counts as it did, and no probe is under way."""
        law = window()
        send(law, 1.0, 20)

        part = law.part(4, 2.0)

        assert isinstance(part, Window)
        assert (part.budget.size, part.budget.limit, part.budget.probing) == (25, 100, False)
        assert part._probe is None
        assert part.turns_at == 10.0
        assert part._granted == 20 // 4

    def test_refused_midway(self) -> None:
        """Refused in the midst of a window, the use a limit ago was its first, and it lasts longer than since then."""
        law = window(shortest=8.0)
        for at in (0.0, 4.0):
            send(law, at, 50)
        law.opened(turn(10.0))
        period = law.phase.period
        send(law, 10.0, 49)

        holds = [refuse(law, 4.0 + period), refuse(law, 4.5 + period, canary=True)]

        assert period == 9.0
        assert [hold.seconds for hold in holds] == pytest.approx([0.5, 0.5])
        assert (law.kind, law.phase.start, law.phase.period, law.used) == ("window", 4.0, 10.0, 100)
        law.opened(turn(14.0))
        assert (law.phase.start, law.used) == (14.0, 1)

    def test_no_strangers(self) -> None:
        """A canary that is refused after a whole budget shows no strangers."""
        law = window()

        for _ in range(2):
            send(law, law.phase.start, 100 - law.used)
            refuse(law, law.turns_at, canary=True)
            law.opened(turn(law.turns_at))

        assert law.budget.size == 100

    @pytest.mark.parametrize(
        ("sent", "opened_at", "start", "left"),
        [
            pytest.param(1, 6.0, 0.0, 98, id="within a window"),
            pytest.param(100, 6.0, 6.0, 99, id="a spent one, long before its end"),
            pytest.param(1, 19.9, 10.0, 99, id="in the next one"),
            pytest.param(1, 21.0, 21.0, 99, id="after a silence"),
        ],
    )
    def test_opens(self, sent: int, opened_at: float, start: float, left: int) -> None:
        """Windows go on by their period, but begin anew when a spent one opens early, and after one and a half."""
        law = window()
        send(law, 5.0, sent)

        law.opened(turn(opened_at))

        assert (law.phase.start, law.view(opened_at).remaining) == (start, left)

    def test_told(self) -> None:
        """What is told counts, and the first reset gives the period if it is known when the window began."""
        law = window(began=(-0.5, 0.5))

        law.note(reading(30, 20.0, 1.0, limit=50))

        assert (law.phase.start, law.phase.period, law.used) == (0.0, 20.0, 20)
        assert law.view(1.0) == View(30, 2.5, 20.0)

    def test_told_in_flight(self) -> None:
        """Where answers tell what is left those in flight count in the next window, and nobody asks for more."""
        law = window()
        law.note(reading(0, 10.0, 1.0))
        law.delay(9.0, BULK, 1, 7)

        law.opened(turn(10.0))

        assert (law.used, law.budget.probing) == (8, False)

    @pytest.mark.parametrize(
        ("second", "third", "kind"),
        [
            pytest.param((50, 10.5, 2.0), (40, 11.0, 3.0), "refill", id="creeps"),
            pytest.param((1, 10.5, 10.0), (1, 10.6, 10.1), "sliding window", id="slides"),
            pytest.param((99, 20.0, 10.0), (98, 20.0, 10.1), "window", id="turns"),
            pytest.param((1, 20.0, 10.0), (1, 20.0, 10.1), "sliding counter", id="turns, and is not empty"),
        ],
    )
    def test_moves(self, second: tuple[int, float, float], third: tuple[int, float, float], kind: str) -> None:
        """How the told reset moves shows which kind of limit it is."""
        law: Law = window()
        send(law, 0.5, 100)

        for left, resets_at, now in ((90, 10.0, 1.0), second, third):
            law.note(reading(left, resets_at, now))
            law = law.successor or law

        assert law.kind == kind

    @pytest.mark.parametrize(("resets_at", "period"), [(22.0, 12.0), (31.0, 10.5)], ids=["one", "two"])
    def test_turns(self, resets_at: float, period: float) -> None:
        """The period is what the reset has moved by, in so many windows."""
        law = window()
        law.note(reading(90, 10.0, 1.0))

        law.note(reading(99, resets_at, resets_at - period))

        assert (law.phase.end, law.phase.period, law.used) == (resets_at, period, 1)

    @pytest.mark.parametrize(
        ("now", "period"),
        [
            pytest.param(101.0, 10.0, id="no more than a window is left"),
            pytest.param(85.0, 25.0, id="more is left"),
        ],
    )
    def test_turns_after_a_silence(self, now: float, period: float) -> None:
        """A call now and then shows no windows that follow each other: only that one lasts as long as is left of it."""
        law = window()
        law.note(reading(90, 10.0, 1.0))

        law.note(reading(99, 110.0, now))

        assert (law.phase.end, law.used) == (110.0, 1)
        assert law.phase.period == period

    def test_log_is_told(self) -> None:
        """In a log nothing is free before the told instant, and if that isn't by our uses others share it."""
        law, waits = window(limit=2), []
        law.refills_at_once = False

        for left, resets_at, now in ((0, 8.0, 1.0), (1, 11.0, 2.0)):
            law.note(reading(left, resets_at, now, limit=2))
            waits.append(law.delay(now, INTERACTIVE, 1, 0))
            send(law, now)
        shared, law.successor = law.successor, None
        send(law, 2.0)
        law.note(reading(0, 11.0, 3.0, limit=2))

        assert waits == [7.0, 0.0]
        assert isinstance(shared, Told)
        assert (shared.fills, shared.rate, law.successor) == (False, 0.2, None)

    @pytest.mark.parametrize(
        ("count", "log", "seconds"),
        [(60, False, 0), (61, False, 8), (160, False, 8), (161, False, 18), (110, True, 12.5)],
    )
    def test_ends_in(self, count: int, *, log: bool, seconds: float) -> None:
        """So many more have left when the windows that they fill have ended, but for the last; part of it in a log."""
        law = window()
        law.refills_at_once = not log
        send(law, 2.0, 40)

        assert law.ends_in(count, 2.0) == pytest.approx(seconds)

    def test_view(self) -> None:
        """It is told what is left, the pace in the long run, and when the next window begins."""
        law = window()
        send(law, 2.0, 40)

        assert law.view(3.0) == View(60, 10.0, 10.0)
        assert law.view(10.0).remaining == 100


# What a refusal tells, and how long to wait then at a rate of 10 a second: at least until four have become free.
WAITS = pytest.mark.parametrize(
    ("resets_in", "asked", "seconds"),
    [(9.0, 3.0, 3.0), (2.0, 3.0, 2.0), (None, 3.0, 3.0), (0.1, 1.0, 0.4), (None, None, 0.4)],
)


def grow(law: Rate, at: float, backlog: float = INF, count: int = 1) -> float:
    """Let so many leave when all is spent that has gathered, and return how fast it goes then."""
    law.delay(at, BULK, backlog, 0)
    law.level, law.at = 0.0, at
    send(law, at, count)
    return law.rate


class TestRate:
    """A limit that refills all the time, told by refusals alone."""

    @pytest.mark.parametrize(
        ("granted", "proven", "rate"),
        [
            pytest.param(90, True, 15.0, id="more"),
            pytest.param(63, True, 10.5, id="about the same"),
            pytest.param(30, True, 5.0, id="less"),
            pytest.param(10, True, 9.0, id="too few to measure"),
            pytest.param(63, False, 10.5, id="for the first time"),
        ],
    )
    def test_measures(self, *, granted: int, proven: bool, rate: float) -> None:
        """What was granted between two moments with nothing left is the rate."""
        law = Rate(10.0, 100, 0.0, proven=proven)
        send(law, 0.0, granted)

        refuse(law, 6.0)

        assert law.rate == pytest.approx(rate)

    @pytest.mark.parametrize(("granted", "rate"), [(100, 10.0), (60, 3.125)])
    def test_was_full(self, granted: int, rate: float) -> None:
        """While it is full nothing becomes free: that measures nothing, if it was full as thought."""
        law = Rate(10.0, 100, 0.0)
        send(law, 5.0, 2)
        send(law, 19.5)

        send(law, 20.0, granted - 1)
        refuse(law, 20.2)

        assert law.rate == pytest.approx(rate, rel=0.02)

    def test_was_full_once(self) -> None:
        """From the refusal after it was full it is measured again."""
        law = Rate(10.0, 100, 0.0)
        send(law, 20.0, 100)
        refuse(law, 20.0)
        send(law, 25.0, 60)

        refuse(law, 26.0)

        assert law.rate == pytest.approx(10.0)

    @pytest.mark.parametrize(("backlog", "rate"), [(1, 10.0), (50, 15.0)])
    def test_light_work_ramps_nothing(self, backlog: float, rate: float) -> None:
        """As long as nobody is held up nothing shows that there is more; while much waits it is tried."""
        law = Rate(10.0, 100, 0.0, proven=False)
        law.delay(30.0, INTERACTIVE, backlog, 0)

        send(law, 30.0)

        assert law.rate == rate

    def test_next_place_is_told(self) -> None:
        """As long as nothing is measured the pause after a refusal is by what is told of the next place."""
        slow = [Rate(0.5, 5, 0.0, proven=proven) for proven in (False, True)]

        holds = [refuse(law, 1.0, Refusal(resets_in=0.15, asked=1.0)) for law in slow]

        assert [hold.seconds for hold in holds] == pytest.approx([4 * 0.15, 4 / 0.45])
        assert holds[0].longest == pytest.approx(0.05 * 5 / 0.35)

    def test_share(self) -> None:
        """A share of somebody else's limit is of what it was told of, refills like that, and isn't proven."""
        law = Rate.of_share(4.0, 100, 2.0, 10.0)

        assert (law.limit, law.at, law.refill, law.proven, law.view(2.0)) == (100, 2.0, 10.0, False, View(0, 4.0))

    @pytest.mark.parametrize("proven", [False, True])
    def test_opened_by_what_was_told(self, *, proven: bool) -> None:
        """That a canary passed which was held as long as told is no proof that there is more; else it is quiet."""
        law = Rate(10.0, 100, 0.0, proven=proven)
        refuse(law, 5.0, Refusal(resets_in=0.5))
        quiet = law._quiet_since

        law.opened(turn(5.5))

        assert (quiet, law._quiet_since) == (5.0, 5.0 if proven else 5.5)

    def test_mean(self) -> None:
        """Measurements that are alike count by the time that they took; one that differs counts alone."""
        law, rates = Rate(10.0, 100, 0.0), []

        # The third is too short to count alone; of the fourth it was said before.
        for count, at in ((63, 6.0), (30, 9.0), (21, 11.0), (180, 20.0)):
            send(law, at - 1, count)
            refuse(law, at)
            rates.append(law.rate)

        assert rates == pytest.approx([10.5, 93 / 9, 114 / 11, 20.0])

    def test_late_refusals(self) -> None:
        """Of those in flight at a refusal, those count for the next measurement that left after who was refused."""
        law = Rate(10.0, 100, 0.0)
        for at in range(60):
            law.take(turn(at / 10))
        early, late = turn(5.4), turn(5.7)

        law.refused(Refused(turn(5.5), 6.0, Refusal(), canary=False))
        law.give_back(early)
        before = law._granted
        law.give_back(late)

        assert law.rate == 10.0
        assert (before, law._granted) == (5, 4)

    def test_measured_lessens(self) -> None:
        """What was measured is hardly lessened by refusals in quick succession."""
        law = Rate(10.0, 100, 0.0)
        send(law, 5.0, 60)

        for at in (6.0, 6.1, 6.2):
            refuse(law, at)

        assert law.rate == pytest.approx(9.8)

    @pytest.mark.parametrize(("proven", "rates"), [(True, [9.0, 9.0, 8.1]), (False, [7.0, 7.0, 4.9])])
    def test_lessens(self, *, proven: bool, rates: list[float]) -> None:
        """Refusals before anything could be measured lessen the rate, but once if they come in quick succession."""
        law, found = Rate(10.0, 100, 0.0, proven=proven), []

        for at in (0.2, 0.4, 2.0):
            refuse(law, at)
            found.append(law.rate)

        assert found == pytest.approx(rates)

    def test_grows(self) -> None:
        """While much waits and nothing is refused it goes faster by 4, 10, 20, 40 % of the limit, until refused."""
        law, rates = Rate(10.0, 100, 0.0, window=10.0), []

        # The first step lasts twice as long as the others.
        for at, backlog in ((4.0, INF), (4.5, 49), (4.5, INF), (13.0, INF), (13.5, INF), (18.0, INF), (22.5, INF)):
            rates.append(grow(law, at, backlog))
        refuse(law, 23.0)

        assert rates == pytest.approx([10.0, 10.0, 10.4, 10.4, 11.0, 12.0, 14.0])
        assert law.rate == 10.0

    @pytest.mark.parametrize(("steps", "count"), [(3, 100), (6, 1)], ids=["measured", "through all the steps"])
    def test_grown(self, steps: int, count: int) -> None:
        """What was measured after it went faster stays, and so does what went through all the steps."""
        law = Rate(10.0, 100, 0.0, window=10.0)

        for at in (4.5, 13.5, 18.0, 22.5, 27.0, 31.5)[:steps]:
            grow(law, at, count=count)
        refuse(law, at + 1.5)

        assert law.rate >= 15.0

    def test_grows_only_if_spent(self) -> None:
        """As long as more has gathered than it can send, it goes no faster."""
        law = Rate(10.0, 100, 0.0, window=10.0)
        law.delay(4.5, BULK, INF, 0)

        send(law, 4.5)

        assert law.rate == 10.0

    def test_holds_still(self) -> None:
        """What leaves as it was planned tries nothing."""
        law = Rate(10.0, 100, 0.0, window=10.0)
        law.hold_still()

        assert grow(law, 100.0) == 10.0

    def test_grows_later(self) -> None:
        """After each refused growth it takes twice as long until the next one."""
        law, quiet, now = Rate(10.0, 100, 0.0, window=10.0), [], 0.0

        for _ in range(5):
            started = now
            while law.rate <= 10.0:
                now += 0.5
                law.delay(now, BULK, INF, 0)
                law.level, law.at = 0.0, now
                law._grow(now)
            quiet.append(now - started)
            refuse(law, now)

        assert quiet == [4.5, 9.0, 18.0, 36.0, 36.0]

    def test_ramps(self) -> None:
        """A guess goes faster by half each quarter second, until something is refused."""
        law, rates = Rate(10.0, 100, 0.0, proven=False), []

        for at in (0.2, 0.25, 0.4, 0.5):
            send(law, at)
            rates.append(law.rate)

        assert rates == [10.0, 15.0, 15.0, 22.5]

    @WAITS
    def test_holds(self, resets_in: float | None, asked: float | None, seconds: float) -> None:
        """The shorter of reset and Retry-After is waited, but at least until four have become free."""
        law = Rate(10.0, 100, 0.0)
        send(law, 0.0, 60)

        hold = refuse(law, 6.0, Refusal(resets_in=resets_in, asked=asked))

        assert hold.seconds == pytest.approx(seconds)
        assert (hold.floor, hold.longest, hold.exact) == (0.4, 0.5, False)

    def test_refill(self) -> None:
        """Everything refills in a known window, else by the rate, or by the longest wait for a place that was told."""
        law = Rate(10.0, 100, 0.0)
        refills = [Rate(10.0, 100, 0.0, window=7.0).refill, law.refill]

        # Each tells some part of that time: so one of them alone tells little.
        for at, resets_in in ((1.0, 0.001), (1.01, 0.05), (1.02, 0.02), (1.03, 0.03)):
            refuse(law, at, Refusal(resets_in=resets_in))
            refills.append(100 / law.rate if law.refill == 100 / law.rate else law.refill)

        assert refills[:2] == [7.0, 10.0]
        assert refills[5] == 5.0
        assert all(refill >= 10.0 for refill in refills[2:5])

    def test_refill_after_a_trial(self) -> None:
        """Who went a little too fast is refused just before the next place is free, and learns nothing from that."""
        law, now = Rate(10.0, 100, 0.0), 0.0

        for _ in range(8):
            while law.rate <= 10.0:
                now += 1.0
                law.delay(now, BULK, INF, 0)
                law.level, law.at = 0.0, now
                law._grow(now)
            refuse(law, now, Refusal(resets_in=0.005))

        assert law.refill == 10.0

    def test_pace(self) -> None:
        """From empty it goes at the rate, what has gathered is spent soon, and an interactive call needs one alone."""
        law = Rate(10.0, 100, 0.0)

        waits = [law.delay(now, INTERACTIVE, 1, 99) for now in (0.05, 0.1)]
        left = leave(law, 0.0, 4.0)
        later = leave(law, 9.0, 11.0)

        assert waits == [pytest.approx(0.05), 0.0]
        assert 36 <= len(left) <= 40
        assert 50 <= len(later) <= 75

    def test_burst(self) -> None:
        """If all that waits fits into what has gathered it leaves at once, sixteen in flight."""
        law = Rate(10.0, 100, 0.0)

        assert [law.delay(5.0, BULK, 40, in_flight) for in_flight in (15, 16)] == [0.0, INF]

    def test_told(self) -> None:
        """Once answers tell what is left, nothing has to be guessed any more."""
        law = Rate(10.0, 100, 0.0)

        law.note(reading(80, 9.0, 5.0))

        assert isinstance(law.successor, Told)
        assert law.successor.view(5.0) == View(80, 10.0)

    def test_relimit(self) -> None:
        """Another limit scales the rate from before it was raised; the same one changes nothing."""
        law = Rate(10.0, 100, 0.0, window=10.0)
        grow(law, 4.5)

        law.relimit(100)
        rates = [law.rate]
        law.relimit(50)

        assert [*rates, law.rate, law.limit] == [10.4, 5.0, 50]

    def test_ends_in(self) -> None:
        """What is free has left at once, the rest at the rate."""
        law = Rate(10.0, 100, 0.0)
        law.opened(turn(5.0))

        assert [law.ends_in(count, 5.0) for count in (49, 59)] == [0.0, 1.0]
        assert (law.kind, law.turns_at, law.view(5.0)) == ("refill", INF, View(49, 10.0))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Rate(10.0, 100, 0.0), id="rate"),
        pytest.param(lambda: Told(10.0, 100, 2.0, 0.0, fills=True), id="told"),
    ],
)
def test_out_of_turn(make: Callable[[], Rate | Told]) -> None:
    """However many interactive calls have left out of turn, a bulk call waits for one step, not for each of them."""
    law = make()
    for number in range(200):
        send(law, number / 10, lane=INTERACTIVE)

    # With nothing left a step is the longest there is: ten times that of the rate.
    assert law.delay(20.0, BULK, math.inf, 0) <= 1.0
    assert law.delay(21.0, BULK, math.inf, 0) == 0.0


@pytest.mark.parametrize(
    ("make", "per_second", "left"),
    [
        pytest.param(lambda: Rate(12.0, 100, 0.0), 4.0, 16, id="rate"),
        pytest.param(lambda: Told(12.0, 100, 48.0, 0.0, fills=True), 4.0, 64, id="told"),
        pytest.param(lambda: Discovery(0.0, 0.1, 100), None, None, id="unknown"),
    ],
)
def test_parts(make: Callable[[], Law], per_second: float | None, left: int | None) -> None:
    """Of what refills each of three processes that use it alike gets a third; of what isn't known, nothing is."""
    view = make().part(3, 4.0).view(4.0)

    assert (view.per_second, view.remaining) == (per_second, left)


class TestTold:
    """A limit without windows that tells what is left on every answer."""

    @pytest.mark.parametrize(("left", "per_second"), [(1, 1.0), (3, 5.0), (5, 10.0), (9, 20.0), (90, 30.0)])
    def test_equilibrium(self, left: int, per_second: float) -> None:
        """It goes in proportion to what is left, so that all who share the key go alike; within bounds."""
        law, now, sent = Told(10.0, 100, float(left), 0.0, fills=False), 0.0, 0

        while now < 20.0:
            send(law, now)
            sent += 1
            law.note(reading(left, 1000.0, now))
            now += law.delay(now, BULK, INF, 0)

        assert sent / 20 == pytest.approx(per_second, rel=0.1)

    def test_bucket(self) -> None:
        """What is missing and when it will be full again give the rate of a bucket; several answers, its mean."""
        law = Told.of_bucket(reading(20, 10.0, 2.0))
        rates = [law.rate]

        law.note(reading(20, 7.0, 3.0))
        law.note(reading(95, 3.1, 3.0))

        assert [*rates, law.rate] == [10.0, 11.0]
        assert law.view(3.0).remaining == 20
        assert (law.kind, law.turns_at) == ("refill", INF)

    def test_bucket_told_late(self) -> None:
        """What others bring late has refilled since; how much is but guessed, so it counts for a part."""
        law = Told(10.0, 100, 50.0, 4.0, fills=True)

        law.note(reading(10, 11.0, 2.0))

        assert (law.rate, law.view(4.0).remaining) == (10.0, 46)

    def test_bucket_level(self) -> None:
        """A bucket fills meanwhile, and what waits fits into it or not."""
        law = Told(10.0, 100, 0.0, 0.0, fills=True)

        waits = [law.delay(0.05, BULK, 1, 0), law.delay(0.1, INTERACTIVE, 1, 0)]
        waits += [law.delay(5.0, BULK, 40, in_flight) for in_flight in (15, 16)]
        left = leave(law, 0.0, 10.0)

        assert waits == [pytest.approx(0.05), 0.0, 0.0, INF]
        assert 94 <= len(left) <= 100

    @pytest.mark.parametrize(
        ("remaining", "waits"),
        [
            pytest.param(0, [1.0, 0.0, INF], id="nothing"),
            pytest.param(3, [0.0, 0.0, INF], id="what is on its way"),
        ],
    )
    def test_spent(self, remaining: int, waits: list[float]) -> None:
        """With nothing left everybody waits until the reset, and then one at a time asks."""
        law = Told.of_shared(reading(5, 10.0, 1.0), 10.0)

        law.note(reading(-1, 4.0, 2.0, remaining=remaining))

        assert [law.delay(now, INTERACTIVE, 1, flying) for now, flying in ((3.0, 0), (4.0, 0), (4.0, 1))] == waits

    @WAITS
    def test_holds(self, resets_in: float | None, asked: float | None, seconds: float) -> None:
        """After a refusal the shorter of reset and Retry-After is waited, at least until four have become free."""
        law = Told(10.0, 100, 50.0, 0.0, fills=True)

        hold = refuse(law, 1.0, Refusal(resets_in=resets_in, asked=asked))

        assert hold == Hold(seconds, floor=0.4, longest=0.5)
        assert law.view(1.0) == View(0, 10.0)

    def test_relimit(self) -> None:
        """Another limit scales the rate, and the end is foretold by it."""
        law = Told(10.0, 100, 50.0, 0.0, fills=False)

        law.note(reading(20, 5.0, 1.0, limit=50))

        assert (law.rate, law.limit) == (5.0, 50)
        assert [law.ends_in(count, 1.0) for count in (20, 30)] == [0.0, 2.0]


def counter(used: float = 0.0, before: float = 100.0) -> Counter:
    """Make a counter of 100 in ten seconds, at the beginning of a window."""
    return Counter(max(before, 1.0) / 10, 100, 0.0, phase=Phase(0.0, 10.0), used=used, before=before)


class TestCounter:
    """A sliding counter: this window's count, and what of the last one's is still in view."""

    @pytest.mark.parametrize(
        ("now", "free"), [(0.0, 0), (5.0, 30), (7.5, 50), (10.0, 70), (15.0, 85), (20.0, 100), (25.0, 100)]
    )
    def test_formula(self, now: float, free: int) -> None:
        """Free is the limit, less this count, less the last one by the share of the window that is left."""
        assert counter(30, 80).view(now) == View(free, 10.0)

    @pytest.mark.parametrize(("used", "before"), [(60, 80.0), (20, 100.0)])
    def test_of_window(self, used: int, before: float) -> None:
        """The last count is what makes nothing left, and no more than the limit."""
        law = Counter.of_window(Phase(0.0, 10.0), 100, used, 5.0)

        assert (law.before, law.used, law.kind, law.refill) == (before, used, "sliding counter", 10.0)

    def test_obeys(self) -> None:
        """What leaves is admitted by the formula, and little is left over."""
        left = leave(counter(), 0.5, 20.0)
        first = [at for at in left if at < 10]

        assert len(left) == pytest.approx(190, abs=10)
        for number, at in enumerate(first, start=1):
            assert number + 100 * (1 - at / 10) <= 100
        for number, at in enumerate(left[len(first) :], start=1):
            assert number + len(first) * (2 - at / 10) <= 100

    @pytest.mark.parametrize(("resets_in", "end"), [(5.2, 10.2), (None, 10.0)])
    def test_refused(self, resets_in: float | None, end: float) -> None:
        """A refusal means that nothing was free, and the reset is the window's."""
        law = counter(20, 70)
        send(law, 5.0, 5)

        hold = refuse(law, 5.0, Refusal(resets_in=resets_in, asked=1.0))

        assert (hold.seconds, law.successor) == (1.0, None)
        assert [law.phase.end, law.used] == pytest.approx([end, 100 - 7 * (end - 5.0) + 0.5])

    @pytest.mark.parametrize(
        ("before", "refusals", "rate"),
        [
            pytest.param(100, [(2.0, 10.0), (4.0, 10.0)], 5.0, id="twice in a window"),
            pytest.param(50, [(5.0, 10.0), (19.0, 20.0)], None, id="in one window and another"),
        ],
    )
    def test_strays(self, before: float, refusals: list[tuple[float, float]], rate: float | None) -> None:
        """Refused twice with much free, others use the key: then it is a rate, of what we got."""
        law = counter(0, before)

        for at, resets_at in refusals:
            law.delay(at, BULK, 1, 0)
            send(law, at, 10)
            refuse(law, at, Refusal(resets_in=resets_at - at))

        assert (law.successor and law.successor.kind) == (rate and "refill")
        assert (law.successor and law.successor.view(4.0).per_second) == rate

    @pytest.mark.parametrize(
        ("before", "asked", "rate"),
        [
            pytest.param(10, 10.0, 0.1, id="much was free"),
            pytest.param(60, 10.0, None, id="less was free"),
            pytest.param(10, 1.0, None, id="asked back before the reset"),
        ],
    )
    def test_told_place(self, before: float, asked: float, rate: float | None) -> None:
        """Nothing is free where most should be, nor before the next window: so it is a bucket, and a place is told."""
        law = counter(0, before)

        refuse(law, 0.0, Refusal(resets_in=10.0, asked=asked))

        assert (law.successor and law.successor.view(0.0).per_second) == rate

    @pytest.mark.parametrize("told", [False, True])
    def test_refused_often(self, *, told: bool) -> None:
        """Refused again and again in one window, the counts are not the server's: then it is a rate, unless told."""
        law = counter(0, 100)
        if told:
            law.note(reading(0, 10.0, 0.0))

        for number in range(5):
            at = 2.0 + number / 2
            send(law, at, 5)
            refuse(law, at, Refusal(asked=1.0))

        assert (law.successor and law.successor.view(4.0)) == (None if told else View(0, 10.0))

    @pytest.mark.parametrize(("left", "free"), [(30, 31), (48, 49), (50, 50), (54, 50), (70, 66)])
    def test_told(self, left: int, free: int) -> None:
        """What is told is taken if it is less than thought, or much more."""
        law = counter(25, 50)

        law.note(reading(left, 10.0, 5.0))

        assert law.view(5.0).remaining == free

    def test_told_late(self) -> None:
        """What is told of a window that is over tells nothing of this one."""
        law = counter(25, 50)
        law.view(12.0)

        law.note(reading(3, 10.0, 9.0))

        assert law.view(12.0).remaining == 100 - 20

    def test_told_strays(self) -> None:
        """Told twice that much less is left than we thought, others use the key."""
        law = counter(0, 50)

        for left in (60, 40):
            law.note(reading(left, 10.0, 5.0))

        assert isinstance(law.successor, Told)
        assert (law.successor.rate, law.successor.fills) == (10.0, False)

    def test_relimit(self) -> None:
        """With another limit the counts keep their share of it."""
        law = counter(20, 50)

        law.note(reading(109, 10.0, 5.0, limit=200))

        assert (law.limit, law.used, law.before) == (200, 40, 100)

    def test_gives_back(self) -> None:
        """A request that another limit refused takes no place."""
        law = counter(20, 50)
        law.take(sent := turn(5.0))

        law.give_back(sent)

        assert law.used == 20

    @pytest.mark.parametrize(("passes", "limit", "quiet_after"), [(True, 200, 1), (False, 100, 4)])
    def test_probes(self, *, passes: bool, limit: int, quiet_after: int) -> None:
        """After two quiet windows it goes faster for a while to see if that passes; then the limit is doubled."""
        law, now, left = counter(), 20.0, list[Turn]()
        leave(law, 0.5, 20.0)

        while now < 23.0:
            left.append(turn(now))
            law.take(left[-1])
            now += max(law.delay(now, BULK, INF, 0), 1e-9)
        if passes:
            law.passed(left[-1], now)
        else:
            law.give_back(left[-1])
            law.refused(Refused(left[-1], now, Refusal(resets_in=30 - now), canary=False))

        assert len(left) == pytest.approx(45, abs=3)
        assert (law.limit, law.successor, law._quiet_after) == (limit, None, quiet_after)


def discovery(granted: int = 100, limit: int | None = None) -> Discovery:
    """Begin to discover: so many were granted at once, and perhaps the limit was told."""
    law = Discovery(0.0, 0.1, granted)
    law.limit = limit
    return law


class TestDiscovery:
    """What is seen from one opening to the next tells which law holds."""

    def test_unknown(self) -> None:
        """As long as nothing is known nothing is told, and eight may fly at once, doubled each second."""
        law = discovery()

        flying = [law.delay(now, BULK, INF, count) for now, count in ((0.0, 7), (0.0, 8), (3.5, 63), (3.5, 64))]

        assert flying == [0.0, INF, 0.0, INF]
        assert (law.kind, law.turns_at, law.ends_in(1000, 1.0), law.view(1.0)) == ("unknown", INF, 0.0, View())

    def test_told_window(self) -> None:
        """As many as the limit until a reset that is far: a window, since the first request."""
        law = discovery()
        law.relimit(100)

        hold = refuse(law, 1.0, Refusal(resets_in=9.0, asked=9.5))
        law.opened(turn(10.0))

        assert hold == Hold(9.0, exact=True)
        assert isinstance(law.successor, Window)
        assert (law.successor.phase.start, law.successor.turns_at) == (10.0, 20.0)
        assert (law.successor.budget.limit, law.successor.used) == (100, 1)

    @pytest.mark.parametrize(
        ("granted", "at", "resets_in", "rate", "proven"),
        [
            pytest.param(150, 5.1, 0.2, 10.0, True, id="more than the limit"),
            pytest.param(120, 5.1, 0.2, 5.0, False, id="somewhat more than the limit"),
            pytest.param(100, 5.0, 0.4, 2.5, False, id="refused for a moment"),
            pytest.param(100, 5.0, 0.004, 25.0, False, id="refused for too short a moment to tell"),
            pytest.param(10, 0.1, 0.2, 2.5, False, id="few"),
            pytest.param(100, 0.1, 0.05, 10.0, False, id="a window too short to be one"),
            pytest.param(100, 0.1, 0.25, 4.0, False, id="no faster than the place that is told"),
        ],
    )
    def test_told_rate(self, *, granted: int, at: float, resets_in: float, rate: float, proven: bool) -> None:
        """More than the limit, or refused for a moment only: it refills all the time."""
        limit = min(granted, 100)
        law = discovery(granted, limit)

        refuse(law, at, Refusal(resets_in=resets_in))
        law.opened(turn(at + resets_in))

        assert isinstance(law.successor, Rate)
        assert (law.successor.limit, law.successor.proven) == (limit, proven)
        assert law.successor.rate == pytest.approx(rate)

    def test_told_rate_by_answers(self) -> None:
        """What was admitted until the last answer came is counted by that: it may have waited at the server."""
        law = discovery(100, 100)
        law.take(one := turn(4.0))
        law.passed(one, 6.1)
        send(law, 5.0, 49)

        refuse(law, 5.0, Refusal(resets_in=0.1))
        law.opened(turn(6.5))

        assert isinstance(law.successor, Rate)
        assert law.successor.rate == pytest.approx(50 / 6)
        assert law.successor.at == 6.5

    @pytest.mark.parametrize(
        ("limit", "resets_in", "start", "hold"),
        [
            pytest.param(100, 10.0, 10.0, Hold(10.0, exact=True), id="another window"),
            pytest.param(100, 1.0, None, Hold(1.0), id="for a moment more"),
            pytest.param(None, 10.0, None, Hold(10.0), id="of an unknown limit"),
        ],
    )
    def test_refused_at_reset(self, limit: int | None, resets_in: float, start: float | None, hold: Hold) -> None:
        """Refused at the told reset until another one: those are the windows, though of a kind that doesn't empty."""
        law = discovery(limit=limit)
        refuse(law, 1.0, Refusal(resets_in=9.0))

        found = refuse(law, 10.0, Refusal(resets_in=resets_in), canary=True)

        assert found == hold
        assert isinstance(law.successor, Window) is (start is not None)
        assert not isinstance(law.successor, Window) or law.successor.phase.start == start

    @pytest.mark.parametrize(
        ("resets_in", "asked", "hold"),
        [
            pytest.param(9.0, None, Hold(9.0, exact=True), id="reset alone"),
            pytest.param(9.0, 10.0, Hold(9.0, exact=True), id="the same instant"),
            pytest.param(9.0, 30.0, Hold(30.0), id="asks for far more"),
            pytest.param(9.0, 1.0, Hold(1.0), id="asks for less"),
            pytest.param(None, 5.0, Hold(5.0), id="no reset"),
            pytest.param(None, None, Hold(None), id="nothing"),
        ],
    )
    def test_holds(self, resets_in: float | None, asked: float | None, hold: Hold) -> None:
        """The reset is waited for, or what is asked for if that is something else."""
        assert refuse(discovery(), 1.0, Refusal(resets_in=resets_in, asked=asked)) == hold

    @pytest.mark.parametrize(
        ("granted", "asked", "period", "per_second"),
        [
            pytest.param(99, 8.0, 9.0, 11.0, id="alike"),
            pytest.param(99, None, 5.5, 18.0, id="alike, without any wait"),
            pytest.param(50, 8.0, None, 5.0, id="not alike"),
        ],
    )
    def test_seen(self, granted: int, asked: float | None, period: float | None, per_second: float) -> None:
        """Twice about the same number is a window's, as long as it may be; else it refills as fast as it did last."""
        law = discovery()

        refuse(law, 1.0, Refusal(asked=asked))
        law.opened(turn(10.0))
        law.passed(turn(9.0), 10.0)
        send(law, 10.5, granted - 1)
        refuse(law, 11.0, Refusal(asked=asked))
        law.opened(turn(20.0))

        assert isinstance(law.successor, Window if period else Rate)
        assert law.successor.view(20.0).per_second == per_second
        assert law.successor.turns_at == (20.0 + period if period else INF)

    @pytest.mark.parametrize(
        ("asked", "again_at", "period"),
        [
            pytest.param(9.0, 12.0, 10.0, id="a usual window"),
            pytest.param(10.8, 12.0, 10.4, id="any window"),
            pytest.param(None, 12.0, None, id="no wait told"),
            pytest.param(9.0, 19.0, None, id="closed for long again"),
            pytest.param(1.0, 12.0, None, id="perhaps free all the time"),
        ],
    )
    def test_counter(self, asked: float | None, again_at: float, period: float | None) -> None:
        """Nothing free until a reset, and then some at once and the rest evenly: that is a sliding counter."""
        law = discovery()
        refuse(law, 0.5, Refusal(asked=asked))
        law.opened(turn(10.4))

        send(law, 10.6, 6)
        refuse(law, 11.0, Refusal(asked=1.0))
        law.opened(turn(again_at))

        assert isinstance(law.successor, Counter if period else Rate)
        if isinstance(law.successor, Counter):
            phase = law.successor.phase
            assert (phase.start, phase.period, law.successor.used) == (period, period, 8)

    @pytest.mark.parametrize("granted", [0, 1])
    def test_refused_at_once(self, granted: int) -> None:
        """Refused again and again at the same instant, with nothing or next to nothing granted: no law breaks."""
        law = discovery(granted)

        for _ in range(2):
            refuse(law, 1.0, Refusal(asked=0.0))
            law.opened(turn(1.0))
        refuse(law, 1.0, Refusal(asked=9.0))

        assert law.successor is not None
        assert law.successor.delay(50.0, BULK, 1, 0) < 50.0

    @pytest.mark.parametrize(
        ("granted", "asked", "hold"),
        [
            pytest.param(95, None, Hold(8.0, exact=True), id="alike"),
            pytest.param(95, 20.0, Hold(8.0, exact=True), id="alike, and sooner than asked"),
            pytest.param(95, 5.0, Hold(5.0), id="asked sooner"),
            pytest.param(50, 20.0, Hold(20.0), id="not alike"),
        ],
    )
    def test_guesses(self, granted: int, asked: float | None, hold: Hold) -> None:
        """What looks like the window before may take as long."""
        law = discovery()
        refuse(law, 1.0)
        law.opened(turn(10.0))
        send(law, 11.0, granted - 1)

        assert refuse(law, 12.0, Refusal(asked=asked)) == hold

    @pytest.mark.parametrize(("resets_at", "end"), [(60.0, 60.0), (-1.0, INF)])
    def test_answer_tells(self, resets_at: float, end: float) -> None:
        """An answer that tells of a reset to come tells of a window, since the first request."""
        law = discovery(1)

        law.note(reading(99, resets_at, 0.1))

        assert (law.successor or law).turns_at == end
        assert (law.successor or law).view(1.0).remaining == (99 if end < INF else None)

    @pytest.mark.parametrize(
        ("limit", "steps"),
        [
            pytest.param(100, ((1.0, Refusal(resets_in=9.0), False), (10.0, None, False)), id="told window"),
            pytest.param(100, ((5.0, Refusal(resets_in=0.4), False), (5.4, None, False)), id="told rate"),
            pytest.param(
                100, ((1.0, Refusal(resets_in=9.0), False), (10.0, Refusal(resets_in=10.0), True)), id="reset to reset"
            ),
            pytest.param(
                None,
                (
                    (1.0, Refusal(asked=8.0), False),
                    (10.0, None, False),
                    (10.5, 98, False),
                    (11.0, Refusal(asked=8.0), False),
                    (20.0, None, False),
                ),
                id="seen twice",
            ),
            pytest.param(
                None,
                (
                    (0.5, Refusal(asked=9.0), False),
                    (10.4, None, False),
                    (10.6, 6, False),
                    (11.0, Refusal(asked=1.0), False),
                    (12.0, None, False),
                ),
                id="counter",
            ),
            pytest.param(
                None,
                ((1.0, Refusal(), False), (10.0, None, False), (11.0, 94, False), (12.0, Refusal(asked=20.0), False)),
                id="guess",
            ),
        ],
    )
    def test_whenever(self, limit: int | None, steps: tuple[tuple[float, Refusal | int | None, bool], ...]) -> None:
        """The clock's beginning means nothing: later all is concluded as it is at first."""
        first, later = [_conclude(start, limit, steps) for start in (0.0, 1000.0)]

        assert [*later[0], *later[1:]] == [pytest.approx(value) for value in (*first[0], *first[1:])]


def _conclude(
    start: float, limit: int | None, steps: tuple[tuple[float, Refusal | int | None, bool], ...]
) -> tuple[list[float], float, float, float]:
    """Let things happen after a start, refusals, openings and requests; return the holds, and what is concluded."""
    law: Law = Discovery(start, start + 0.1, 100)
    if limit is not None:
        law.relimit(limit)
    holds: list[float] = []
    for at, what, canary in steps:
        if isinstance(what, Refusal):
            holds.append(refuse(law, start + at, what, canary=canary).seconds or -1.0)
        elif what is None:
            law.opened(turn(start + at))
        else:
            send(law, start + at, what)
    flying = next((count for count in range(1000) if law.delay(start + 12.5, BULK, INF, count) > 0), INF)
    found, now = law.successor or law, start + steps[-1][0]
    return holds, found.view(now).per_second or 0.0, found.turns_at - start, flying
