"""The faults on demand: which there are, how often each strikes, and the draw. Pure."""

import random
from collections.abc import Mapping
from typing import Literal, cast, get_args

FaultKind = Literal[
    "refuse",
    "drop-before",
    "drop-after",
    "slow-after",
    "error-after",
    "truncate",
    "garbage",
    "stall-before",
]

FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
"""Every kind of fault, as `faults` and `POST /_sandbox/faults` name them."""


class Faults:
    """Rates per kind, checked.

    Raises:
        ValueError: A kind is unknown or a rate isn't a number from 0 to 1; the message names it.
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        for kind, rate in rates.items():
            _check(kind, rate)
        self.rates: dict[FaultKind, float] = {cast("FaultKind", kind): rate for kind, rate in rates.items() if rate}
        # Rates that add up to more than 1 keep their proportions: a request has one fault at most.
        self._span = max(1.0, sum(self.rates.values()))

    def draw(self, rng: random.Random) -> FaultKind | None:
        """The fault that strikes this request, if any."""
        if not self.rates:
            return None
        point = rng.random() * self._span
        for kind, rate in self.rates.items():
            if point < rate:
                return kind
            point -= rate
        return None


def _check(kind: str, rate: object) -> None:
    if kind not in FAULT_KINDS:
        message = f"unknown fault {kind!r}; there are {', '.join(FAULT_KINDS)}"
        raise ValueError(message)
    number = rate if isinstance(rate, int | float) and not isinstance(rate, bool) else -1
    if not 0 <= number <= 1:
        message = f"the rate of fault {kind!r} must be a number from 0 to 1, not {rate!r}"
        raise ValueError(message)
