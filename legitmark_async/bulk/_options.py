"""How a bulk run is to go."""

from pathlib import Path

from attrs import frozen


@frozen(kw_only=True)
class RunOptions:
    """How to run.

    Attributes:
        concurrency: Drafts under way at once.
        max_failures: Stop when more have failed; a number, or below 1 a share.
        ordered: Give the outcomes in the order of the input.
        journal: Where to write down what happens, or None.
        settle_only: Send nothing but what may have been sent before.
    """

    concurrency: int
    max_failures: float | None = None
    ordered: bool = False
    journal: Path | None = None
    settle_only: bool = False
