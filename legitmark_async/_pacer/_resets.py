"""How the reset moves that answers tell: by that the kinds of limits differ. Pure."""

from enum import Enum, auto

from attrs import define, field

from legitmark_async._pacer._turn import Reading

# Two resets are the same if they differ by less (s): told exactly, or in whole seconds.
_SAME, _SAME_SECOND = 0.005, 1.0
# Earlier than a reset by less than this share of a window is no earlier.
_EARLY = 0.03
# It has to move so often before it was reached.
_CREEPS = 2


class Move(Enum):
    """What the reset did since the last answer.

    - `STAYS`: the window is the same one.
    - `CREEPS`: it moves on before it was reached: a bucket, that tells when it will be full.
    - `SLIDES`: it was reached and moves on by less than a window: a sliding log, that tells when a place is free.
    - `TURNS`: it was reached and moves on by a window.
    """

    STAYS = auto()
    CREEPS = auto()
    SLIDES = auto()
    TURNS = auto()


@define(eq=False)
class Resets:
    """Follows the reset of one limit from answer to answer."""

    _mark: float | None = field(default=None, init=False)
    _resets_at: float = field(default=0.0, init=False)
    _creeps: int = field(default=0, init=False)
    by: float = field(default=0.0, init=False)

    @property
    def told(self) -> bool:
        """Whether answers tell of the limit at all."""
        return self._mark is not None

    def follow(self, reading: Reading, period: float) -> Move:
        """Take what an answer tells, and return how the reset has moved; `by` is how far."""
        known, resets_at = self._mark, self._resets_at
        self.by = 0.0 if known is None else reading.mark - known
        if known is not None and abs(self.by) <= (_SAME if reading.exact else _SAME_SECOND):
            # The mark stays as well: small steps add up. Of the very same one the last answer knows best when it is.
            if self.by == 0:
                self._resets_at = reading.resets_at
            return Move.STAYS
        self._mark, self._resets_at = reading.mark, reading.resets_at
        if known is None:
            return Move.STAYS
        if reading.now < resets_at - _EARLY * period:
            self._creeps += self.by > 0
            return Move.CREEPS if self._creeps >= _CREEPS else Move.STAYS
        return Move.SLIDES if self.by < period / 2 else Move.TURNS
