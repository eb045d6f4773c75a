"""Submits a job: splits its drafts into chunks, and gives them to a broker."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, field
from taskiq import AsyncBroker, SendTaskError
from taskiq.kicker import AsyncKicker

from legitmark_async.bulk import Drafts, each_draft
from legitmark_async.distributed import _scripts
from legitmark_async.distributed._job import Job, check_layout
from legitmark_async.distributed._ledger import PATIENCE, Ledger, milliseconds, within
from legitmark_async.distributed._messages import VERSION, encode_chunk
from legitmark_async.distributed._safety import warn_of_losses
from legitmark_async.distributed._tasks import TASK
from legitmark_async.errors import ConfigurationError, LedgerError
from legitmark_async.models import ServiceRequestDraft
from legitmark_async.options import checked_count

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Items of a bucket: so few that Redis keeps its hash in the compact form, which takes 128.
_BUCKET = 64
# Buckets where nobody knows how many items there are: enough for half a million.
_BUCKETS = 8192
# Chunks on their way to the broker at once.
_PIPELINE = 8
# Seconds for which the submission is held by a process that gives no sign of life.
_HOLD = 30.0
# Seconds between two tries to reach the broker.
_PAUSE = 0.5


async def submit_job(  # noqa: PLR0913  # one keyword for each thing there is to choose
    broker: AsyncBroker,
    drafts: Drafts,
    ledger: Ledger,
    *,
    job_id: str | None = None,
    chunk_size: int = 100,
    total: int | None = None,
    replace: bool = False,
    patience: float = PATIENCE,
    labels: Mapping[str, str] | None = None,
) -> Job:
    """Give drafts to workers on many machines, which create a service request from each.

    ```python
    job = await submit_job(broker, read_csv("items.csv"), ledger)
    print(job.id)
    ```

    The drafts are read and enqueued chunk by chunk, so there may be any number of them. If it is interrupted, or some
    chunks have died or items have failed, submit the same drafts again under the same `job_id`: what was created is
    skipped, what may have been sent is looked for first, what failed and what is new is sent.

    Args:
        broker: Of taskiq; it must be open (`await broker.startup()`), and its workers attached (see `attach`).
        drafts: Any iterable or async iterable.
        ledger: Where it is noted what becomes of the items: that of the workers.
        job_id: Letters, digits, `.`, `_` and `-`, at most 100. None: a new one is made up.
        chunk_size: Drafts in one message.
        total: How many drafts there are, if it is known: the ledger takes less memory then.
        replace: Whether these drafts stand for all that is still queued under this id: if the broker has lost messages.
            Messages that it has not lost are then passed over.
        patience: Seconds for which Redis and the broker are waited for, each time, if they can't be reached: 30
            if nothing is given.
        labels: Further labels of the messages, such as `{"queue_name": "legitmark"}` for a broker of several queues.

    Returns:
        The job. Its `id` is all that another process needs to look after it.

    Raises:
        ConfigurationError: An option is wrong.
        LedgerError: Redis or the broker can't be reached; or another process is submitting this job.
    """
    if job_id is not None and not _ID.fullmatch(job_id):
        raise ConfigurationError(
            f"a job's id holds letters, digits, '.', '_' and '-', 1 to 100 of them, not {job_id!r}", problems=["job_id"]
        )
    job_id = job_id or f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    size = checked_count("chunk_size", chunk_size)
    await warn_of_losses(ledger, within(patience))
    submission = _Submission(broker, ledger, job_id, patience, {"ack_type": "when_saved", **(labels or {})})
    await submission.begin(total, replace=replace)
    try:
        await submission.send(_chunks(drafts, size))
        await submission.seal()
    finally:
        await submission.leave()
    return Job(job_id, ledger)


async def _chunks(drafts: Drafts, size: int) -> AsyncGenerator[list[ServiceRequestDraft]]:
    chunk: list[ServiceRequestDraft] = []
    async for draft in each_draft(drafts):
        if not isinstance(draft, ServiceRequestDraft):
            raise ConfigurationError(f"submit_job takes ServiceRequestDraft objects, not {type(draft).__name__}")
        chunk.append(draft)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@define(eq=False)
class _Submission:
    """One submission of a job's drafts."""

    broker: AsyncBroker
    ledger: Ledger
    job: str
    patience: float
    labels: Mapping[str, Any]
    number: int = field(default=0, init=False)
    _token: str = field(factory=lambda: secrets.token_hex(8), init=False)

    async def begin(self, total: int | None, *, replace: bool) -> None:
        name = self.ledger.keys(self.job).common[0]
        version = await self.ledger.ask(lambda redis: redis.hget(name, "version"), within(self.patience))
        if version is not None:
            check_layout(self.job, version)
        buckets = _BUCKETS if total is None else max(total // _BUCKET, 1)
        leases = self.ledger.keys(self.job).lease("")
        number, more = await self._run(
            _scripts.SUBMIT, time.time(), milliseconds(_HOLD), buckets, _scripts.LAYOUT, int(replace), leases
        )
        if not number:
            raise LedgerError(
                f"job {self.job}",
                f"another process is submitting it; if that was stopped, try again in {more / 1000:.0f} s",
            )
        self.number = number

    async def send(self, chunks: AsyncGenerator[list[ServiceRequestDraft]]) -> None:
        fault: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._send_all(chunks, group)
                except Exception as error:  # noqa: BLE001  # the input is the user's; what was read of it is sent
                    fault = error
        except ExceptionGroup as several:
            # They all have one cause.
            raise several.exceptions[0] from None
        finally:
            await chunks.aclose()
        if fault is not None:
            raise fault

    async def _send_all(self, chunks: AsyncGenerator[list[ServiceRequestDraft]], group: asyncio.TaskGroup) -> None:
        slots, count = asyncio.Semaphore(_PIPELINE), 0
        async for chunk in chunks:
            await slots.acquire()
            count += 1
            sending = group.create_task(self._send(f"{self.number}-{count}", chunk))
            sending.add_done_callback(lambda _: slots.release())

    async def seal(self) -> None:
        if not await self._run(_scripts.SEAL):
            raise self._taken()

    async def leave(self) -> None:
        """Let others submit the job, if this one does no more."""
        with suppress(LedgerError):  # they may after a while anyway
            await self._run(_scripts.LEAVE)

    async def _send(self, chunk: str, drafts: list[ServiceRequestDraft]) -> None:
        # First the ledger: a worker may have the message before its sender knows that it was sent.
        if not await self._run(_scripts.ADD, milliseconds(_HOLD), chunk, len(drafts)):
            raise self._taken()
        kicker: AsyncKicker[Any, Any] = AsyncKicker(TASK, self.broker, dict(self.labels))
        text, going_on = encode_chunk(drafts), within(self.patience)
        while True:
            try:
                await kicker.kiq(self.job, chunk, VERSION, text)
            except SendTaskError as error:
                # It may have arrived: the ledger lets no chunk be done twice.
                if not going_on():
                    cause = error.__cause__ or error
                    problem = f"the broker can't be reached: {type(cause).__name__}: {cause}"
                    raise LedgerError(f"job {self.job}", problem) from error
            else:
                return
            await asyncio.sleep(_PAUSE)

    def _taken(self) -> LedgerError:
        return LedgerError(f"job {self.job}", "another process has begun to submit it, so this one stops")

    async def _run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401  # as the script has it
        keys = self.ledger.keys(self.job)
        return await self.ledger.run(
            script, [*keys.common, keys.submitter], [self._token, *arguments], within(self.patience)
        )
