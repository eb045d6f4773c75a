"""How type checkers see the package from outside. It is checked by mypy and pyright, and never run.

Each line that is wrong says so to both, and both complain of a comment that hides nothing.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, assert_type

import legitmark_async
from legitmark_async import (
    Attempt,
    BulkRun,
    Created,
    Failed,
    Item,
    Legitmark,
    LegitmarkError,
    OutcomeUnknownError,
    PrimaryState,
    RateLimit,
    RateLimitError,
    Requirements,
    RetryPolicy,
    RunProgress,
    ServiceRequest,
    ServiceRequestDraft,
    ServiceRequestSummary,
    Skipped,
    Timeouts,
    Unknown,
    Upload,
)
from legitmark_async.limits import SqliteLimits
from legitmark_async.sandbox import Ledger, Limits, Sandbox
from legitmark_async.testing import VirtualClock, make_draft, make_drafts, make_photo, virtual_time
from legitmark_async.webhooks import InvalidateServiceRequest, MediaRejected, StateChange, UnknownEvent, parse, verify


async def one() -> None:
    """Create one, and look at it."""
    async with Legitmark("leo_key", timeouts=Timeouts(deadline=10), limits=SqliteLimits("limits.db")) as legitmark:
        assert_type(legitmark, Legitmark)
        sr = await legitmark.sr.create(ServiceRequestDraft("ITEM-1", Item("category", "type")))
        assert_type(sr, ServiceRequest)
        assert_type(sr.uuid, str)
        assert_type(sr.micro_id, str | None)
        assert_type(sr.state.primary, PrimaryState | str | None)
        assert_type(sr.created_at, datetime | None)
        assert_type(sr.raw, Mapping[str, Any])
        assert_type(sr.is_authentic, bool)
        assert_type(await legitmark.sr.find("ITEM-1"), ServiceRequestSummary)
        assert_type(await legitmark.sr.requirements(sr.uuid), Requirements)
        assert_type(await legitmark.images.upload(sr.uuid, "side", make_photo()), Upload)
        assert_type(await legitmark.request("GET", "/api/v2/reasons"), Any)
        assert_type(legitmark.rate_limits, tuple[RateLimit, ...])
        assert_type(legitmark.with_options(deadline=None), Legitmark)
        legitmark.with_options(concurrency=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def many(drafts: AsyncIterator[ServiceRequestDraft]) -> int:
    """Tell what becomes of many."""
    done = 0
    async with Legitmark.from_env() as legitmark, legitmark.sr.create_many(drafts, journal="run.db") as run:
        assert_type(run, BulkRun)
        async for outcome in run:
            match outcome:
                case Created(draft, service_request):
                    assert_type(draft, ServiceRequestDraft)
                    assert_type(service_request, ServiceRequest)
                    done += 1
                case Failed(draft, error):
                    assert_type(error.attempts, tuple[Attempt, ...])
                case Unknown(draft, error):
                    assert_type(error, OutcomeUnknownError)
                case Skipped(_, reason):
                    assert_type(reason, str)
        assert_type(run.progress, RunProgress)
        assert_type(run.progress.waits, Mapping[str, int])
    return done


def errors(error: LegitmarkError) -> float | None:
    """Tell kinds of errors apart."""
    match error:
        case RateLimitError(retry_after=seconds):
            return seconds
        case OutcomeUnknownError():
            assert_type(error.reference_id, str)
        case _:
            pass
    assert_type(error.request_id, str | None)
    return None


def webhook(body: bytes, headers: Mapping[str, str]) -> None:
    """Read an event."""
    assert_type(verify(body, headers, "whsec_"), str)
    event = parse(body)
    assert_type(event, StateChange | MediaRejected | InvalidateServiceRequest | UnknownEvent)


async def tests() -> None:
    """Test with the kit."""
    with virtual_time() as clock:
        assert_type(clock, VirtualClock)
        async with Sandbox(limits=Limits(partner=1)) as sandbox:
            sandbox.will_answer(429, retry_after=60)
            sandbox.will_fail("drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            assert_type(sandbox.ledger, Ledger)
    assert_type(make_draft(), ServiceRequestDraft)
    assert_type(make_drafts(3), list[ServiceRequestDraft])


def wrong() -> None:
    """What is wrong is told before it is run."""
    Item("category")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RetryPolicy(attempts="8")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Legitmark("leo_key", on_ambiguous="retry")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(legitmark_async.Legitimark)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    draft = make_draft()
    draft.reference_id = "ITEM-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
