"""`legitmark job`: gives rows to workers on many machines, and looks after them."""

from typing import Annotated, Any

from attrs import asdict, frozen
from cyclopts import Group, Parameter, validators

from legitmark_async import ConfigurationError
from legitmark_async.cli._api import DEFAULT_API, Api
from legitmark_async.cli._conventions import ALL_DONE, SOME_FAILED
from legitmark_async.cli._export import DEFAULT_EXPORT, ExportOptions, write_entries
from legitmark_async.cli._input import Format, Input
from legitmark_async.cli._lines import require_free
from legitmark_async.cli._many import FILE
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._run import command
from legitmark_async.cli._status import format_instant

AmqpUrl = Annotated[str | None, Parameter(name="--amqp", env_var="LEGITMARK_AMQP_URL", help="RabbitMQ, as amqp[s]://.")]
RedisUrl = Annotated[
    str | None, Parameter(name="--redis", env_var="LEGITMARK_REDIS_URL", help="Redis, as redis[s]://.")
]
JobId = Annotated[str, Parameter(help="Id of the job, as submit has told it.")]


@Parameter(name="*", group=Group("Submission", sort_key=1))
@frozen(kw_only=True)
class SubmitOptions:
    """How to submit.

    Attributes:
        format: Of FILE; by default told by its suffix, or else by whether it begins with '{'.
        id: Id of the job. With that of one that is there already, what was created is skipped, and what failed is sent
            again. By default one is made up.
        chunk_size: Rows in one message.
        replace: With --id: these rows stand for all that is still queued, as if RabbitMQ had lost it.
    """

    format: Format | None = None
    id: str | None = None
    chunk_size: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 100
    replace: bool = False


_SUBMIT = SubmitOptions()


@command
async def submit(
    file: Annotated[str, FILE],
    /,
    *,
    amqp: AmqpUrl = None,
    redis: RedisUrl = None,
    options: SubmitOptions = _SUBMIT,
    api: Api = DEFAULT_API,
) -> int:
    """Give the rows of a file to workers."""
    source, ledger = Input(file, options.format), _ledger(redis)
    drafts, total = source.drafts(), source.count()
    broker = distributed().rabbitmq_broker(_needed("LEGITMARK_AMQP_URL", "--amqp", amqp))
    try:
        await broker.startup()
    except OSError as error:
        raise ConfigurationError(f"RabbitMQ can't be reached: {error}") from None
    try:
        arguments: dict[str, Any] = {
            "job_id": options.id,
            "chunk_size": options.chunk_size,
            "total": total,
            "replace": options.replace,
        }
        if api.has_key:
            # Names are looked up here, once; without a key they are told as failed.
            async with api.client() as legitmark:
                job = await distributed().submit_job(
                    broker, legitmark.taxonomy.resolve_drafts(drafts), ledger, **arguments
                )
        else:
            job = await distributed().submit_job(broker, drafts, ledger, **arguments)
        progress = await job.progress()
    finally:
        await broker.shutdown()
        await ledger.aclose()
    write_json({"job": job.id, "items": progress.items, "chunks": progress.chunks})
    say(f"submitted; see how far it is: legitmark job status {job.id}")
    return ALL_DONE


@command
async def status(job_id: JobId, /, *, redis: RedisUrl = None, wait: bool = False) -> int:
    """Tell how far a job is, or wait until it is finished.

    Args:
        job_id: Id of the job.
        redis: Where the ledger is.
        wait: Wait until nothing is left to do; the exit status is 1 then if some were not created.
    """
    ledger = _ledger(redis)
    job = distributed().Job(job_id, ledger)
    try:
        progress = await (job.wait() if wait else job.progress())
        letters = await job.dead_letters()
    finally:
        await ledger.aclose()
    told = asdict(progress) | {"submitted_at": format_instant(progress.submitted_at), "finished": progress.finished}
    told["dead_letters"] = [{"chunk": letter.chunk, "cause": letter.cause} for letter in letters]
    write_json(told)
    bad = progress.failed + progress.unknown + progress.dead
    say(f"{progress.created} of {progress.items} created, {bad} not, {progress.left} left")
    return SOME_FAILED if wait and bad else ALL_DONE


@command
async def export(job_id: JobId, /, *, redis: RedisUrl = None, output: ExportOptions = DEFAULT_EXPORT) -> int:
    """Write a line for each item of a job that was begun."""
    ledger = _ledger(redis)
    try:
        job = distributed().Job(job_id, ledger)
        await job.progress()  # if there is none, that is told before the file is touched
        if output.out is not None:
            require_free(output.out, "", force=output.force)
        await write_entries(job.results, output)
    finally:
        await ledger.aclose()
    return ALL_DONE


@command
async def cancel(job_id: JobId, /, *, redis: RedisUrl = None) -> int:
    """Let nothing more of a job be sent."""
    ledger = _ledger(redis)
    try:
        await distributed().Job(job_id, ledger).cancel()
    finally:
        await ledger.aclose()
    say(f"cancelled; what was created stays: legitmark job export {job_id}")
    return ALL_DONE


def distributed() -> Any:  # noqa: ANN401  # of an extra
    """Return the library's package for many machines.

    Raises:
        ConfigurationError: What it needs isn't installed.
    """
    try:
        from legitmark_async import distributed as package  # noqa: PLC0415  # it takes a while to import
    except ImportError as error:
        raise ConfigurationError(str(error)) from None
    return package


def _ledger(url: str | None) -> Any:  # noqa: ANN401  # of an extra
    return distributed().Ledger(_needed("LEGITMARK_REDIS_URL", "--redis", url))


def _needed(variable: str, option: str, value: str | None) -> str:
    if not value:
        raise ConfigurationError(f"set {variable}, or tell {option}")
    return value
