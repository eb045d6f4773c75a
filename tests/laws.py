"""Drive a law of spending by hand: what leaves, what is refused, and what an answer tells."""

import itertools
import math

from legitmark_async._pacer._law import Hold, Law
from legitmark_async._pacer._turn import Lane, Reading, Refusal, Refused, Turn

INF = math.inf
BULK, INTERACTIVE = Lane.BULK, Lane.INTERACTIVE
NUMBERS = itertools.count(1)


def turn(sent_at: float, lane: Lane = BULK) -> Turn:
    """Make a request that leaves at an instant."""
    return Turn(next(NUMBERS), lane, "", sent_at)


def send(law: Law, at: float, count: int = 1, lane: Lane = BULK) -> None:
    """Let so many leave at an instant, whatever the law says; they are admitted."""
    for _ in range(count):
        one = turn(at, lane)
        law.take(one)
        law.passed(one, at)


def refuse(law: Law, at: float, told: Refusal | None = None, *, canary: bool = False) -> Hold:
    """Let one leave at an instant, and refuse it at once."""
    one = turn(at)
    if not canary:
        law.take(one)
        law.give_back(one)
    return law.refused(Refused(one, at, told or Refusal(), canary))


def leave(law: Law, start: float, end: float, backlog: float = INF, lane: Lane = BULK) -> list[float]:
    """Let requests leave as the law wants it, one by one, and return when they did; all are admitted."""
    now, left = start, list[float]()
    while now < end and backlog > len(left):
        wait = law.delay(now, lane, backlog - len(left), 0)
        if wait > 0:
            now += max(wait, 1e-9)
        else:
            send(law, now, lane=lane)
            left.append(now)
    return left


def reading(left: int, resets_at: float, now: float, *, limit: int = 100, remaining: int | None = None) -> Reading:
    """Tell exactly what is left of a limit and until when."""
    remaining = left if remaining is None else remaining
    return Reading(limit, remaining, left, resets_at, mark=resets_at, exact=True, sent_at=now, now=now)
