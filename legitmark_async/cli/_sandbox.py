"""`legitmark sandbox`: serves a look-alike of the API."""

import asyncio
import contextlib
import os
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter, validators

from legitmark_async import ConfigurationError
from legitmark_async.cli._conventions import ALL_DONE
from legitmark_async.cli._output import say, write_json
from legitmark_async.cli._run import command
from legitmark_async.sandbox import HeaderMode, Limits, ResetFormat, Sandbox, WindowKind

_LAST_PORT = 65535
_NOT_NEGATIVE = validators.Number(gte=0)


@Parameter(name="*", group=Group("Rate limits", sort_key=1))
@frozen(kw_only=True)
class LimitOptions:
    """What is limited, and what is told of it.

    Attributes:
        limit_partner: Requests a window over all users; 0: no such limit.
        limit_user: Requests a window of the one user; 0: no such limit.
        window: Seconds of a window.
        window_kind: Fixed windows, a sliding log, a token bucket, or a sliding counter.
        headers: When the rate limit headers are sent; retry-after: on a 429, that header alone.
        reset_format: How the headers tell when a window ends; delta: the seconds left.
    """

    limit_partner: int = 1000
    limit_user: int = 0
    window: float = 60.0
    window_kind: WindowKind = "fixed"
    headers: HeaderMode = "on-429"
    reset_format: ResetFormat = "iso"

    def build(self) -> Limits:
        """Return them as the sandbox has them.

        Raises:
            ValueError: One is out of its range.
        """
        return Limits(
            partner=self.limit_partner,
            user=self.limit_user,
            window=self.window,
            kind=self.window_kind,
            headers=self.headers,
            reset_format=self.reset_format,
        )


@Parameter(name="*")
@frozen(kw_only=True)
class ServerOptions:
    """Where and how it serves.

    Attributes:
        port: Port on 127.0.0.1; 0: any that is free.
        latency: Seconds that an answer takes, give or take a fifth.
        fault: A fault and its rate from 0 to 1, such as drop-after=0.05; repeat it for more. There are refuse,
            drop-before, drop-after, slow-after, error-after, truncate, garbage and stall-before.
        seed: Of ids, faults and jitter: the same seed, the same run.
    """

    port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=_LAST_PORT))] = 8080
    latency: Annotated[float, Parameter(validator=_NOT_NEGATIVE)] = 0.02
    fault: Annotated[tuple[str, ...], Parameter(name="--fault")] = ()
    seed: int = 0


@Parameter(name="*", group=Group("After submitting", sort_key=2))
@frozen(kw_only=True)
class VerdictOptions:
    """What becomes of service requests that are submitted.

    Attributes:
        state_pace: Seconds between two states; without it they stay as they are, or are moved at /_sandbox/move.
        verdict: A verdict and its weight, such as counterfeit=1; repeat it for more. There are authentic, counterfeit,
            cancelled and rejected (the photos, once). Without it all are authentic.
        webhook_url: Where events are sent to, on this machine. The first line tells the secret they are signed with.
    """

    state_pace: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None
    verdict: Annotated[tuple[str, ...], Parameter(name="--verdict")] = ()
    webhook_url: str | None = None


_DEFAULT_LIMITS = LimitOptions()
_DEFAULT_VERDICTS = VerdictOptions()
_DEFAULT_SERVER = ServerOptions()


@command
async def sandbox(
    *,
    server: ServerOptions = _DEFAULT_SERVER,
    limits: LimitOptions = _DEFAULT_LIMITS,
    verdicts: VerdictOptions = _DEFAULT_VERDICTS,
) -> int:
    """Serve a look-alike of the API until a signal comes."""
    async with contextlib.AsyncExitStack() as stack:
        served = _build(server, limits, verdicts)
        try:
            await stack.enter_async_context(served)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise ConfigurationError(f"can't listen on port {server.port}: {why}; --port 0 takes a free one") from None
        told = {"url": served.url, "api_key": served.api_key, "asset_url": served.asset_url}
        write_json(told | ({} if verdicts.webhook_url is None else {"webhook_secret": served.webhook_secret}))
        say("serving a look-alike of the Legitmark API; Ctrl-C stops it")
        await _until_stopped()
    counts = served.ledger
    refused = f"{counts.refused} of {counts.requests} refused"
    say(f"stopped: {counts.created} created, {counts.duplicates} duplicates, {refused}")
    return ALL_DONE


async def _until_stopped() -> None:
    # Being stopped is the only way to end, so here it is no interruption.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def _build(server: ServerOptions, limits: LimitOptions, verdicts: VerdictOptions) -> Sandbox:
    faults = dict(_parse_rate("--fault", "drop-after=0.05", text) for text in server.fault)
    weights = dict(_parse_rate("--verdict", "counterfeit=1", text) for text in verdicts.verdict)
    try:
        return Sandbox(
            limits=limits.build(),
            faults=faults,
            latency=server.latency,
            seed=server.seed,
            port=server.port,
            state_pace=verdicts.state_pace,
            verdicts=weights or None,
            webhook_url=verdicts.webhook_url,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _parse_rate(option: str, example: str, text: str) -> tuple[str, float]:
    kind, _, rate = text.partition("=")
    try:
        return kind, float(rate)
    except ValueError:
        raise ConfigurationError(f"{option} takes KIND=RATE, such as {example}, not {text!r}") from None
