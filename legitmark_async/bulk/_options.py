"""How a bulk run is to go."""

from os import PathLike
from pathlib import Path

from attrs import field, frozen

from legitmark_async.bulk._plan import REQUESTS, Planner
from legitmark_async.errors import ConfigurationError
from legitmark_async.options import checked_count


def _path_of(journal: str | PathLike[str] | None) -> Path | None:
    return None if journal is None else Path(journal)


@frozen(kw_only=True)
class RunOptions:
    """How to run.

    Raises:
        ConfigurationError: One of them is wrong.

    Attributes:
        concurrency: Drafts under way at once.
        max_failures: Stop when more have failed; a number, or below 1 a share.
        ordered: Give the outcomes in the order of the input.
        journal: Where to write down what happens, or None.
        settle_only: Send nothing but what may have been sent before.
        plan: Finds out how each goes on once it is created, or None if that is all.
    """

    concurrency: int
    max_failures: float | None = None
    ordered: bool = False
    journal: Path | None = field(default=None, converter=_path_of)
    settle_only: bool = False
    plan: Planner | None = None

    @property
    def requests(self) -> int:
        """Requests that each draft takes of the API's host, if all goes well."""
        return 1 if self.plan is None else REQUESTS

    def __attrs_post_init__(self) -> None:
        checked_count("concurrency", self.concurrency)
        if self.max_failures is not None and not self.max_failures >= 0:
            problem = f"max_failures must be 0 or more, not {self.max_failures!r}"
            raise ConfigurationError(problem, problems=["max_failures"])
        if self.settle_only and self.journal is None:
            raise ConfigurationError("settle_only needs the journal of the run that left something open")
