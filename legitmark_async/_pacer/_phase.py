"""When the windows of a limit begin: from the resets that are told, as exactly as they allow. Pure."""

from attrs import define, field

# Windows last so long more often than not (s); what was measured is held to mean one of them if it can.
_USUAL = (0.5, 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 90, 120, 300, 600, 900, 1200, 1800, 3600)
# No window is shorter (s), whatever is told.
_SHORTEST = 0.001
# What the network adds to an instant that is told, more or less (s).
_NOISE = 0.01
# Between two bounds it is looked for in the middle, until they are as close as this; if it outlasts both, later.
_CLOSE, _LONGER = 0.05, 1.1
# A reset that is off by more, as a share of the period, is that of other windows.
_ANOTHER = 0.15


def likely_period(shortest: float, longest: float, noise: float = _NOISE) -> float:
    """Return the length of a window that was measured to lie between two bounds: a usual one, or the shortest."""
    return next((float(usual) for usual in _USUAL if shortest - noise <= usual <= longest + noise), shortest)


def longest_likely(shortest: float, longest: float) -> float:
    """Return the length of a window that lies between two bounds, if it was looked for as soon as it could end."""
    return next((float(usual) for usual in reversed(_USUAL) if shortest <= usual <= longest + _NOISE), longest)


def _plausible(period: float) -> float:
    return max(period, _SHORTEST)


@define(eq=False)
class Bounds:
    """Between which lengths a period must lie, if nobody tells the reset to the instant.

    Attributes:
        shortest: What it is at least (s).
        longest: What it is at most (s).
    """

    shortest: float
    longest: float
    _refused: bool = False

    @property
    def settled(self) -> bool:
        """Whether a window is known to begin when we think it does, and not long before."""
        return self._refused and self.longest - self.shortest <= 2 * _CLOSE * self.longest

    def pass_(self, elapsed: float) -> float:
        """Note that a window began no later than so long after the last, and return when to look for the next."""
        self.longest = min(self.longest, elapsed)
        return self._middle()

    def refuse_place(self, age: float) -> float | None:
        """Note that the use a limit ago was still counted at such an age.

        Returns:
            At which age to look again; None if no window is of such a length, so that it means something else.
        """
        if not self.shortest < age < self.longest:
            return None
        self.shortest = age
        return self._middle()

    def _middle(self) -> float:
        wide = self.longest - self.shortest > _CLOSE * self.longest
        return (self.longest + self.shortest) / 2 if wide else self.longest

    def refuse(self, elapsed: float) -> float:
        """Note that none had begun so long after the last, and return when to look again."""
        self._refused = True
        self.shortest = max(self.shortest, elapsed)
        if self.shortest > (1 - _CLOSE) * self.longest:
            self.longest *= _LONGER
        return self.longest


@define(eq=False)
class Phase:
    """The beginning of the current window, and how long one lasts.

    Attributes:
        start: When the current window began.
        period: Seconds of a window.
    """

    start: float
    period: float = field(converter=_plausible)
    _told: float | None = None

    @property
    def end(self) -> float:
        """When the next window begins."""
        return self.start + self.period

    def learn(self, resets_at: float) -> None:
        """Take the end of the current window, as told; two that are told give the period."""
        if self._told is None:
            self._told = resets_at
        windows = round((resets_at - self._told) / self.period)
        if abs(resets_at - self._told - windows * self.period) > _ANOTHER * self.period:
            # The windows begin at other instants than they did.
            self._told = resets_at
        elif windows >= 1:
            # Over the longest time there is, so that what the network adds counts least.
            period = (resets_at - self._told) / windows
            self.period = likely_period(period, period, _NOISE / windows)
        self.start = resets_at - self.period

    def shift(self, resets_at: float, period: float) -> None:
        """Take another end of the current window than was thought, and another length."""
        self._told = resets_at
        self.period = period
        self.start = resets_at - period

    def advance(self, now: float) -> int:
        """Go on to the window that `now` lies in, and return how many windows that is."""
        windows = max(int((now - self.start) // self.period), 0)
        self.start += windows * self.period
        return windows
