"""How much of a window we allow ourselves, and how much of that is kept for whom. Pure."""

import math

from attrs import define, field

# After so many windows without a refusal, at most, one request asks whether there is more.
_LONGEST_QUIET = 8
# A share grows by so much of the limit after a quiet window, and by more after the next ones, to all of it.
_STEPS = (0.05, 0.4, 1.0)
# Kept for interactive calls beside what they are expected to need: so many, and so many times the root of that.
_SPARE, _DEVIATIONS = 2, 3.0
# What they needed is forgotten by so much a window.
_FORGET = 0.8


@define(eq=False)
class Budget:
    """The requests that we allow ourselves in a window: the limit, or a share of it if strangers use the key too.

    Attributes:
        limit: Requests that a window allows.
        size: Requests that we allow ourselves.
        probing: Whether one request is to ask for more in this window.
        shortfalls: How many windows have granted less than the limit.
    """

    limit: int
    size: int = field(init=False)
    probing: bool = field(default=False, init=False)
    shortfalls: int = field(default=0, init=False)
    _short: bool = field(default=False, init=False)
    _quiet: int = field(default=0, init=False)
    _quiet_after: int = field(default=1, init=False)
    _step: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.size = self.limit

    def relimit(self, limit: int) -> None:
        """Take another limit: all of it, until a window grants less."""
        self.limit = self.size = limit
        self.shortfalls = self._step = 0

    def part(self, parts: int) -> None:
        """Take one of so many equal parts; what the others leave is found by and by."""
        if parts > 1:
            self.size, self.shortfalls, self.probing, self._step = max(self.size // parts, 1), 2, False, 0

    def fall_short(self) -> None:
        """Note that this window granted less than the budget."""
        self._short, self.probing = True, False

    def refuse_probe(self) -> None:
        """Note that there is no more than the budget."""
        self._quiet_after = min(2 * self._quiet_after, _LONGEST_QUIET)
        self.probing = False

    def pass_probe(self) -> None:
        """Note that there is more than the budget: the limit was raised, or strangers have gone."""
        self._quiet_after, self.probing = 1, False
        self.relimit(2 * self.size if self.size >= self.limit else self.limit)

    def close(self, granted: int, *, told: bool) -> None:
        """Draw the sum of a window, and choose the budget of the next.

        Args:
            granted: What it granted.
            told: Whether answers tell of the limit, so that nobody needs to ask.
        """
        if self._short:
            self.shortfalls += 1
            self._quiet = self._step = 0
            # The first time may be by chance; then it is our share that is known, and no longer the limit's.
            if self.shortfalls > 1:
                self.size = max(granted, 1)
        else:
            self._quiet += 1
            if self.size >= self.limit:
                self.shortfalls = 0
            if self._quiet >= self._quiet_after:
                self._quiet = 0
                self._grow(told=told)
        self._short = False

    def _grow(self, *, told: bool) -> None:
        if self.size < self.limit:
            self.size = min(self.size + max(1, round(_STEPS[self._step] * self.limit)), self.limit)
            self._step += 1
        else:
            self.probing = not told


@define(eq=False)
class Reserve:
    """What bulk calls leave to interactive ones: what these used in the last windows and some more, if any."""

    _used: int = field(default=0, init=False)
    _used_before: float = field(default=0.0, init=False)

    def use(self) -> None:
        """Note that an interactive request leaves."""
        self._used += 1

    def close(self) -> None:
        """Begin another window."""
        self._used_before, self._used = max(self._used, _FORGET * self._used_before), 0

    def size(self, share_left: float) -> int:
        """Return how many to leave alone, while such a share of the window is left."""
        used = max(self._used, self._used_before)
        if used < 1:
            return 0
        expected = used * max(share_left, 0.0)
        return math.ceil(expected + _DEVIATIONS * math.sqrt(expected)) + _SPARE
