"""How a bulk run is to go."""

from attrs import frozen

from legitmark_async._call import Caller
from legitmark_async.bulk._books import Opener
from legitmark_async.bulk._plan import REQUESTS, Planner
from legitmark_async.errors import ConfigurationError
from legitmark_async.options import checked_count


@frozen(kw_only=True)
class RunOptions:
    """How to run.

    Raises:
        ConfigurationError: One of them is wrong.

    Attributes:
        concurrency: Drafts under way at once.
        max_failures: Stop when more have failed; a number, or below 1 a share.
        ordered: Give the outcomes in the order of the input.
        books: Opens those where it is written down what happens, or None: it is forgotten with the run.
        plan: Finds out how each goes on once it is created, or None if that is all.
        beside: Make the requests of the run that go to other hosts.
    """

    concurrency: int
    max_failures: float | None = None
    ordered: bool = False
    books: Opener | None = None
    plan: Planner | None = None
    beside: tuple[Caller, ...] = ()

    @property
    def requests(self) -> int:
        """Requests that each draft takes of the API's host, if all goes well."""
        return 1 if self.plan is None else REQUESTS

    def __attrs_post_init__(self) -> None:
        checked_count("concurrency", self.concurrency)
        if self.max_failures is not None and not self.max_failures >= 0:
            problem = f"max_failures must be 0 or more, not {self.max_failures!r}"
            raise ConfigurationError(problem, problems=["max_failures"])
