"""What is asked of a sandbox after a test. They raise AssertionError with what was found."""

from collections import Counter
from collections.abc import Iterable

from legitmark_async.models import ServiceRequestDraft
from legitmark_async.sandbox import Sandbox

_SHOWN = 5


def assert_no_duplicates(sandbox: Sandbox) -> None:
    """Assert that no reference id was created twice.

    Raises:
        AssertionError: Some were; the message names them.
    """
    twice = {reference: len(uuids) for reference, uuids in sandbox.references.items() if len(uuids) > 1}
    _require(not twice, f"created more than once: {_shown(f'{name} {count} times' for name, count in twice.items())}")


def assert_created_once(sandbox: Sandbox, drafts: Iterable[ServiceRequestDraft | str]) -> None:
    """Assert that each of the drafts was created once, and nothing else was.

    Args:
        sandbox: Where.
        drafts: The drafts, or their reference ids.

    Raises:
        AssertionError: One was not, or was more than once, or there is another one.
    """
    wanted = Counter(one if isinstance(one, str) else one.reference_id for one in drafts)
    there = Counter({reference: len(uuids) for reference, uuids in sandbox.references.items()})
    problems = [
        f"{what}: {_shown(some)}"
        for what, some in (("not created", wanted - there), ("created, but too often or unasked", there - wanted))
        if some
    ]
    _require(not problems, "; ".join(problems))


def assert_never_over_limit(sandbox: Sandbox, *, refusals: int = 0) -> None:
    """Assert that no request was more than the limits allow.

    Args:
        sandbox: Where.
        refusals: So many may have been refused. A client that isn't told of a limit finds it by being refused once, and
            so are those in flight with that one.

    Raises:
        AssertionError: More were.
    """
    ledger = sandbox.ledger
    _require(
        ledger.refused <= refusals,
        f"{ledger.refused} of {ledger.requests} requests were over the limit, and refused; {refusals} are allowed for",
    )
    _require(not ledger.over_limit, f"the sandbox admitted {ledger.over_limit} requests more than its limits allow")


def _require(condition: bool, message: str) -> None:  # noqa: FBT001  # as of an assert statement, which -O takes away
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)


def _shown(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more
