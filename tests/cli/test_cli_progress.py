"""The words for how far a run is."""

import pytest

from legitmark_async import RunProgress
from legitmark_async.cli._progress import describe


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        pytest.param(RunProgress(created=3, total=9, refused=2), "3/9 created  0/s  2 refused", id="nothing"),
        pytest.param(
            RunProgress(opens_in=1.25, reason="partner limit of 5", waits={"partner limit of 5": 3}),
            "partner limit of 5: opens in 1.2 s",
            id="limit",
        ),
        pytest.param(
            RunProgress(waits={"requests in flight": 4, "lookup": 1, "backoff": 2}),
            "2 wait for another try, 1 wait for a look-up",
            id="trouble",
        ),
    ],
)
def test_waits(progress: RunProgress, words: str) -> None:
    """The last words tell what is waited for: a limit, or else what trouble there is."""
    assert describe(progress).endswith(words)
