"""The small parts of the pacer: phases, budgets, uses, slots, resets, and who goes next."""

import math

import pytest

from legitmark_async._pacer._budget import Budget, Reserve
from legitmark_async._pacer._phase import Bounds, Phase, likely_period, longest_likely
from legitmark_async._pacer._queue import Queue
from legitmark_async._pacer._resets import Move, Resets
from legitmark_async._pacer._slots import Slots
from legitmark_async._pacer._turn import Lane, Reading, Turn
from legitmark_async._pacer._uses import Uses


@pytest.mark.parametrize(
    ("shortest", "longest", "period"),
    [
        pytest.param(59.8, 60.1, 60.0, id="a minute"),
        pytest.param(0.995, 0.995, 1.0, id="off by the network's noise"),
        pytest.param(4.9, 6.2, 5.0, id="the shorter of two usual ones"),
        pytest.param(7.0, 7.5, 7.0, id="none that is usual"),
    ],
)
def test_likely_period(shortest: float, longest: float, period: float) -> None:
    """A window that lies between two bounds is held to be a usual one, else the shortest that it can be."""
    assert likely_period(shortest, longest) == period


@pytest.mark.parametrize(
    ("told", "start", "period"),
    [
        pytest.param([10.2], 0.5, 9.7, id="one shifts"),
        pytest.param([10.0, 20.0], 10.0, 10.0, id="two of windows in a row"),
        pytest.param([10.0, 40.0], 30.0, 10.0, id="two that are windows apart"),
        pytest.param([10.0, 10.1], 0.4, 9.7, id="the same again, about"),
        pytest.param([10.0, 14.0], 4.3, 9.7, id="one of other windows"),
        pytest.param([10.0, 14.0, 24.0], 14.0, 10.0, id="measured from the first of those"),
    ],
)
def test_phase_learns(told: list[float], start: float, period: float) -> None:
    """A told reset is the end of the window, and two of the same windows give the period."""
    phase = Phase(0.0, 9.7)

    for resets_at in told:
        phase.learn(resets_at)

    assert [phase.start, phase.period] == pytest.approx([start, period])
    assert phase.end == pytest.approx(told[-1])


@pytest.mark.parametrize(("now", "windows", "start"), [(-3.0, 0, 0.0), (9.9, 0, 0.0), (10.0, 1, 10.0), (35.0, 3, 30.0)])
def test_phase_advances(now: float, windows: int, start: float) -> None:
    """A phase goes on by whole windows, and never back."""
    phase = Phase(0.0, 10.0)

    assert phase.advance(now) == windows
    assert phase.start == start


def test_phase_shifts() -> None:
    """A shifted phase has the end and the length that it is given, and measures from there."""
    phase = Phase(0.0, 10.0, 10.0)

    phase.shift(17.0, 12.0)
    start = phase.start
    phase.learn(28.0)

    assert (start, phase.period) == (5.0, 11.0)


@pytest.mark.parametrize(
    ("passed", "refused", "tried"),
    [
        pytest.param([9.0], [], [6.5], id="a shorter one"),
        pytest.param([12.0], [], [7.0], id="the same"),
        pytest.param([4.1], [], [4.1], id="as short as can be"),
        pytest.param([], [6.0, 5.0], [10.0, 10.0], id="a longer one"),
        pytest.param([], [9.9], [11.0], id="longer than all"),
    ],
)
def test_bounds(passed: list[float], refused: list[float], tried: list[float]) -> None:
    """A period is looked for in the middle of its bounds until they are close, and beyond if it outlasts them."""
    bounds = Bounds(4.0, 10.0)

    found = [*map(bounds.pass_, passed), *map(bounds.refuse, refused)]

    assert found == pytest.approx(tried)


@pytest.mark.parametrize(
    ("age", "looked_for", "shortest"),
    [
        pytest.param(6.0, 8.0, 6.0, id="younger than it is given back"),
        pytest.param(9.9, 10.0, 9.9, id="close to the longest"),
        pytest.param(3.9, None, 4.0, id="younger than any"),
        pytest.param(10.0, None, 4.0, id="older than any"),
    ],
)
def test_bounds_of_a_place(age: float, looked_for: float | None, shortest: float) -> None:
    """A place that isn't given back at an age tells how long a period is at least, or that it is something else."""
    bounds = Bounds(4.0, 10.0)

    assert (bounds.refuse_place(age), bounds.shortest) == (looked_for, shortest)


@pytest.mark.parametrize(
    ("shortest", "longest", "period"),
    [(1.0, 2.05, 2.0), (59.3, 61.2, 60.0), (1.0, 1.995, 2.0), (40.2, 41.2, 41.2), (2.1, 2.9, 2.9)],
)
def test_longest_likely(shortest: float, longest: float, period: float) -> None:
    """Looked for as soon as it could end, a window is the longest usual one that it can be."""
    assert longest_likely(shortest, longest) == period


def close_quietly(budget: Budget, windows: int) -> list[int]:
    """Close so many windows without a shortfall, refuse each probe, and return in which windows there was one."""
    probes = []
    for window in range(1, windows + 1):
        budget.close(budget.size, told=False)
        if budget.probing:
            probes.append(window)
            budget.refuse_probe()
    return probes


def test_budget_probes() -> None:
    """After 1, 2, 4, 8 and again 8 windows without a refusal one request asks whether there is more."""
    budget = Budget(100)

    assert close_quietly(budget, 24) == [1, 3, 7, 15, 23]
    assert budget.size == 100


def test_budget_doubles() -> None:
    """A probe that passes doubles the budget, and the next one comes a window later."""
    budget = Budget(100)
    close_quietly(budget, 7)

    budget.pass_probe()

    assert (budget.limit, budget.size, budget.probing) == (200, 200, False)
    assert close_quietly(budget, 3) == [1, 3]


@pytest.mark.parametrize(
    ("granted", "sizes"),
    [
        pytest.param([100], [1000], id="once, by chance"),
        pytest.param([100, 90, None, None, None], [1000, 90, 140, 540, 1000], id="twice, and then grows"),
        pytest.param([0, 0], [1000, 1], id="nothing at all"),
    ],
)
def test_budget_shares(granted: list[int | None], sizes: list[int]) -> None:
    """The second window that grants less makes its grant the budget, which grows by 5, 40 and 100 % of the limit."""
    budget, found = Budget(1000), []

    for number in granted:
        if number is not None:
            budget.fall_short()
        budget.close(number or 0, told=False)
        found.append(budget.size)

    assert found == sizes


@pytest.mark.parametrize(("parts", "size"), [(1, 20), (3, 6), (50, 1)])
def test_budget_parts(parts: int, size: int) -> None:
    """A part of a budget is at least one, and one part of one is all of it, which nobody falls short of."""
    budget = Budget(20)

    budget.part(parts)

    assert (budget.size, budget.limit, budget.shortfalls > 0) == (size, 20, parts > 1)


def test_budget_relimits() -> None:
    """Another limit is all ours, until two more windows grant less."""
    budget, sizes = Budget(100), []

    for limit in (100, 300):
        budget.relimit(limit)
        for _ in range(2):
            budget.fall_short()
            budget.close(50, told=False)
            sizes.append(budget.size)

    assert sizes == [100, 50, 300, 50]


def test_reserve() -> None:
    """What interactive calls used and some more is kept for them, by the share that is left, and forgotten once."""
    reserve, later = Reserve(), []
    sizes = [reserve.size(1.0)]

    for _ in range(100):
        reserve.use()
    sizes += [reserve.size(-1.0), reserve.size(0.25), reserve.size(1.0)]
    for _ in range(30):
        reserve.close()
        later.append(reserve.size(1.0))

    assert sizes[0] == 0 < sizes[1] <= 2
    assert 25 <= sizes[2] <= 50
    assert 100 <= sizes[3] == later[0] <= 150
    assert later == sorted(later, reverse=True)
    assert later[-1] == 0


def test_uses() -> None:
    """A place is free a window after its use, once as many uses are known as the limit allows."""
    uses, waits = Uses(2), []

    for instant in (1.0, 2.0, 4.0):
        uses.add(instant)
        waits.append(uses.free_in(5.0, period=10.0))

    assert waits == [0.0, 6.0, 7.0]
    assert [uses.free_in(now, period=10.0) for now in (12.0, 13.0)] == [0.0, 0.0]
    assert uses.free_in(5.0, period=10.0, spare=1) == 9.0


def test_uses_of_others() -> None:
    """Nothing is free before an instant that is told, whatever we used ourselves; a refused use is none."""
    uses, waits = Uses(1), []
    uses.take_back()

    for closed_until, used in ((9.0, False), (9.0, True), (15.0, False)):
        uses.closed_until = closed_until
        if used:
            uses.add(1.0)
        waits.append(uses.free_in(2.0, period=10.0))
    uses.take_back()

    assert waits == [7.0, 9.0, 13.0]
    assert (uses.complete, uses.free_in(15.0, period=10.0)) == (False, 0.0)


def test_uses_relimit() -> None:
    """With a smaller limit the latest uses count."""
    uses = Uses(3)
    for instant in (1.0, 2.0, 3.0):
        uses.add(instant)

    uses.relimit(2)

    assert uses.free_in(4.0, period=10.0) == 8.0


@pytest.mark.parametrize(
    ("gap", "at_once"),
    [
        pytest.param(2**-10, 21, id="20 ms"),
        pytest.param(2**-7, 5, id="four slots"),
        pytest.param(2**-3, 3, id="a quarter second"),
        pytest.param(16.0, 1, id="none"),
    ],
)
def test_slots(gap: float, at_once: int) -> None:
    """A late timer makes up for four slots, or for those of 20 to 250 ms, and then they come in even steps."""
    slots = Slots()
    slots.take(turn(0.0), gap)
    assert slots.wait(0.0) == gap

    now, taken = 100.0, 0
    while slots.wait(now) == 0.0:
        slots.take(turn(now), gap)
        taken += 1

    assert taken == at_once
    now += slots.wait(now)
    slots.take(turn(now), gap)
    assert slots.wait(now) == gap


def turn(sent_at: float, *, planned: bool = False) -> Turn:
    """Make a request that leaves at an instant."""
    return Turn(1, Lane.BULK, "", sent_at, planned=planned)


def test_slots_that_were_planned() -> None:
    """What left as it was planned, by a slower pace than now, was not late: nothing is made up for."""
    slots = Slots()
    for number in range(10):
        slots.take(turn(number * 0.01, planned=True), 0.002)

    assert slots.wait(0.09) == pytest.approx(0.002)


def test_slots_after_a_burst() -> None:
    """Whatever left at once doesn't postpone the next slot: it is a gap behind the last of them."""
    slots = Slots()
    for _ in range(600):
        slots.take(turn(10.0), 0.003)

    assert slots.wait(10.0, 0.004) == pytest.approx(0.004)
    assert slots.wait(10.003, 0.004) == pytest.approx(0.001)
    # Whoever looks at an earlier moment, as a plan does, learns nothing else.
    assert slots.wait(9.0, 0.004) == pytest.approx(1.004)


def reading(resets_at: float, sent_at: float, *, exact: bool = True) -> Reading:
    """Tell a reset of a limit of 100, by an answer to a request of an instant."""
    return Reading(100, 50, 50, resets_at, mark=resets_at + 1e6, exact=exact, sent_at=sent_at, now=sent_at)


@pytest.mark.parametrize(
    ("answers", "exact", "move"),
    [
        pytest.param([(10.0, 1.0)], True, Move.STAYS, id="the first"),
        pytest.param([(10.0, 1.0), (10.004, 2.0)], True, Move.STAYS, id="the same to some ms"),
        pytest.param([(10.0, 1.0), (10.9, 2.0), (9.1, 3.0)], False, Move.STAYS, id="the same in whole seconds"),
        pytest.param([(10.0, 1.0), (10.9, 2.0), (11.8, 9.9)], False, Move.SLIDES, id="small steps add up"),
        pytest.param([(10.0, 1.0), (10.5, 2.0)], True, Move.STAYS, id="moved once"),
        pytest.param([(10.0, 1.0), (10.5, 2.0), (11.0, 3.0)], True, Move.CREEPS, id="moved twice"),
        pytest.param([(10.0, 1.0), (9.5, 2.0), (9.0, 3.0)], True, Move.STAYS, id="moved back"),
        pytest.param([(10.0, 1.0), (10.5, 9.9)], True, Move.SLIDES, id="reached, moved a little"),
        pytest.param([(10.0, 1.0), (20.0, 9.9)], True, Move.TURNS, id="reached, moved a window"),
    ],
)
def test_resets(answers: list[tuple[float, float]], *, exact: bool, move: Move) -> None:
    """How the reset moves from answer to answer tells what kind of limit it is."""
    resets = Resets()

    moves = [resets.follow(reading(resets_at, sent_at, exact=exact), 10.0) for resets_at, sent_at in answers]

    assert moves[-1] is move
    assert (Resets().told, resets.told) == (False, True)
    assert moves[-1] is not Move.TURNS or resets.by == 10.0


def test_reset_known_better() -> None:
    """An instant that is told again may be known better by then: the last answer says when it is reached."""
    resets = Resets()
    moves = [
        resets.follow(Reading(100, 50, 50, resets_at, mark, exact=False, sent_at=sent_at, now=sent_at), 10.0)
        for resets_at, mark, sent_at in ((10.9, 1010.0, 1.0), (10.0, 1010.0, 5.0), (20.0, 1020.0, 10.1))
    ]

    assert moves == [Move.STAYS, Move.STAYS, Move.TURNS]


def make_queue(interactive: str = "", bulk: str = "") -> Queue[str]:
    """Let everybody wait whose letters these are."""
    queue: Queue[str] = Queue()
    for lane, letters in zip(Lane, (interactive, bulk), strict=True):
        for letter in letters:
            queue.join(letter, lane, "", deadline=math.inf, first=False)
    return queue


def serve(queue: Queue[str]) -> str:
    """Give a turn to everybody, in order."""
    order = ""
    while queue:
        order += queue.pop(*queue.heads()[0])
    return order


@pytest.mark.parametrize(
    ("interactive", "bulk", "order"),
    [("abc", "", "abc"), ("", "XYZ", "XYZ"), ("ab", "XY", "abXY"), ("abcdefghij", "XYZ", "abcdXefghYijZ")],
)
def test_queue(interactive: str, bulk: str, order: str) -> None:
    """First come, first served; interactive calls before bulk ones, but one of these after four in a row."""
    assert serve(make_queue(interactive, bulk)) == order


def test_queue_first() -> None:
    """A call that has had its turn goes before all of its line, but not before another lane."""
    queue = make_queue("ab", "XY")

    queue.join("c", Lane.INTERACTIVE, "", deadline=math.inf, first=True)
    queue.join("Z", Lane.BULK, "", deadline=math.inf, first=True)

    assert serve(queue) == "cabZXY"


def test_queue_leave() -> None:
    """Whoever leaves leaves no trace, and may do so again, or after the turn has come."""
    queue = make_queue("abc", "X")
    queue.pop(Lane.INTERACTIVE, "")

    for letter in "abb":
        queue.leave(letter, Lane.INTERACTIVE, "")

    assert (len(queue), queue.waiting(Lane.INTERACTIVE), queue.waiting(Lane.BULK)) == (2, 1, 1)
    assert serve(queue) == "cX"


def test_queue_endpoints() -> None:
    """Each endpoint has a line of its own, so that none has to wait for another one's limit."""
    queue = make_queue("a")
    queue.join("b", Lane.INTERACTIVE, "/api", deadline=math.inf, first=False)

    heads = queue.heads()

    assert sorted(heads) == [(Lane.INTERACTIVE, ""), (Lane.INTERACTIVE, "/api")]
    assert queue.pop(Lane.INTERACTIVE, "/api") == "b"
    assert queue.heads() == [(Lane.INTERACTIVE, "")]


def test_queue_hurried() -> None:
    """Those who have a deadline are told with how many of their line go before."""
    queue = make_queue("ab", "X")
    queue.join("c", Lane.INTERACTIVE, "", deadline=5.0, first=False)
    queue.join("Y", Lane.BULK, "/api", deadline=7.0, first=False)

    assert list(queue.hurried()) == [("c", Lane.INTERACTIVE, "", 5.0, 2), ("Y", Lane.BULK, "/api", 7.0, 0)]
