"""How a command runs: signals cancel it, and expected errors become one line and an exit status."""

import asyncio
import contextlib
import functools
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, ParamSpec

from legitmark_async import ConfigurationError, LegitmarkError, OutcomeUnknownError, RecordError, WorkflowError
from legitmark_async.cli._conventions import BY_SIGNAL, NOTHING_DONE, SOME_FAILED, WRONG_USAGE
from legitmark_async.cli._output import complain, say

P = ParamSpec("P")


def command(function: Callable[P, Awaitable[int]]) -> Callable[P, Coroutine[Any, Any, int]]:
    """Make a command of a function that returns the exit status.

    SIGINT and SIGTERM cancel it, once more each time. It may put words into the `CancelledError` that it raises then:
    they are the last that is said.
    """

    @functools.wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> int:
        with _cancelled_by_signals() as signals:
            try:
                return await function(*args, **kwargs)
            except asyncio.CancelledError as error:
                say(": ".join(filter(None, ["interrupted", str(error)])))
                return BY_SIGNAL + (signals or [signal.SIGINT])[0]
            except BrokenPipeError:
                raise  # is nothing to tell of
            except (LegitmarkError, OSError) as error:
                complain(error)
                return _status(error)
            except KeyError as error:
                # A name that isn't there, in the words of the library.
                complain(error.args[0])
                return WRONG_USAGE

    return run


def stop_at_once() -> None:
    """Let signals end the command wherever it is from here on: for work that awaits and leaves nothing."""
    with contextlib.suppress(NotImplementedError):  # on Windows, where they do so anyway
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)


def _status(error: Exception) -> int:
    if isinstance(error, (OutcomeUnknownError, WorkflowError, OSError)):
        return SOME_FAILED
    return WRONG_USAGE if isinstance(error, (ConfigurationError, RecordError)) else NOTHING_DONE


@contextlib.contextmanager
def _cancelled_by_signals() -> Iterator[list[int]]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        if task is not None:  # pragma: no branch  # for the type checker: a command is a task
            task.cancel()

    # Where a loop can't handle signals (Windows), asyncio itself cancels the task at the first Ctrl-C.
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
    try:
        yield caught
    finally:
        stop_at_once()
