"""How service requests go on after they are submitted (contract section 9)."""

import random
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from legitmark_async.sandbox._records import Record

Verdict = Literal["authentic", "counterfeit", "cancelled", "rejected"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

State = tuple[str, str | None]
_TO_QC: tuple[State, ...] = (("QC", "PENDING"),)
_TO_RESULT: tuple[State, ...] = (
    *_TO_QC,
    ("QC", "APPROVED"),
    ("UNDERWAY", "PENDING"),
    ("UNDERWAY", "ASSIGNED"),
    ("UNDERWAY", "APPROVED"),
)
_ENDS: dict[Verdict, State] = {
    "authentic": ("COMPLETE", "APPROVED"),
    "counterfeit": ("COMPLETE", "REJECTED"),
    "cancelled": ("CANCELLED", None),
    "rejected": ("QC", "REJECTED"),
}
_SUBMITTABLE: frozenset[State] = frozenset({("DRAFT", None), ("QC", "REJECTED")})


class States:
    """Moves service requests on, and tells a listener of each move.

    Attributes:
        verdicts: Weights of what becomes of those that are submitted. One that is rejected is so once: submitted
            again, it becomes one of the others.
    """

    def __init__(self, rng: random.Random, verdicts: Mapping[str, float] | None) -> None:
        weights = {"authentic": 1.0} if verdicts is None else dict(verdicts)
        for name in weights:
            if name not in VERDICTS:
                message = f"unknown verdict {name!r}; there are {', '.join(VERDICTS)}"
                raise ValueError(message)
        self._rng = rng
        self._weights: dict[str, float] = weights
        self._ahead: dict[str, list[State]] = {}
        self.listener: Callable[[Record], None] = lambda _: None

    def clear(self) -> None:
        """Forgets what was to come."""
        self._ahead.clear()

    def can_submit(self, record: Record) -> bool:
        """Whether it is in a state from which it can be submitted."""
        return (record.primary, record.supplement) in _SUBMITTABLE

    def submit(self, record: Record, now: str) -> None:
        """Begins its way to a verdict."""
        record.submissions += 1
        verdict = self._draw(again=record.submissions > 1)
        way = _TO_QC if verdict in {"cancelled", "rejected"} else _TO_RESULT
        self._ahead[record.uuid] = [*way, _ENDS[verdict]]
        self.step(record, now)

    def step(self, record: Record, now: str) -> None:
        """Goes one state on, if there is one ahead."""
        ahead = self._ahead.get(record.uuid)
        if not ahead:
            return
        self.move(record, *ahead.pop(0), now)
        if not ahead:
            del self._ahead[record.uuid]

    def move(self, record: Record, primary: str, supplement: str | None, now: str) -> None:
        """Puts it into any state, as somebody at the vendor's might."""
        record.primary, record.supplement, record.updated_at = primary, supplement, now
        self.listener(record)

    @property
    def moving(self) -> tuple[str, ...]:
        """The uuids of those that have a way to go."""
        return tuple(self._ahead)

    def _draw(self, *, again: bool) -> Verdict:
        weights: dict[Verdict, float] = {
            verdict: self._weights.get(verdict, 0.0) for verdict in VERDICTS if not (again and verdict == "rejected")
        }
        if not sum(weights.values()):
            return "authentic"
        return self._rng.choices(tuple(weights), tuple(weights.values()))[0]
