"""The last line of a test run: how many tests were skipped, why, and how to run them."""

from collections import Counter
from collections.abc import Iterable

SLOW = "slow: run them with `nox -s tests-all`"
NO_SERVERS = "no Redis or RabbitMQ: run them after `apt-get install redis-server rabbitmq-server`"


def skip_summary(reasons: Iterable[str]) -> str:
    """Return one line on the skipped tests.

    Args:
        reasons: Reason of each skipped test, which says how to run it.
    """
    counts = Counter(reasons)
    if not counts:
        return "0 tests skipped"
    parts = "; ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"{counts.total()} test{'s' if counts.total() > 1 else ''} skipped: {parts}"
