"""Waiting for a service request to get somewhere, by asking now and then."""

from collections.abc import Callable

from attrs import define

from legitmark_async import _endpoints
from legitmark_async._call import Caller
from legitmark_async.errors import ConfigurationError, DeadlineExceededError, LegitmarkError
from legitmark_async.models import ServiceRequest

# The pause grows by this, up to so many times the first, as long as nothing changes.
_GROWTH, _LARGEST = 1.5, 10.0


@define(eq=False)
class Watch:
    """Polls one service request; more and more seldom, until its state changes.

    Attributes:
        caller: Makes the calls.
        uuid: Of the service request.
        timeout: Seconds, or None for no end.
        poll: Seconds between the first two looks.
    """

    caller: Caller
    uuid: str
    timeout: float | None
    poll: float

    async def run(self, condition: Callable[[ServiceRequest], object]) -> ServiceRequest:
        """Return the service request as soon as the condition is true of it."""
        began, pause, before = self.caller.clock(), self.poll, None
        ends_at = None if self.timeout is None else began + self.timeout
        while True:
            sr = await self._read(ends_at, before)
            if condition(sr):
                return sr
            # Somebody works on it: what comes next may come soon.
            pause = (
                self.poll if before is None or sr.state != before.state else min(pause * _GROWTH, _LARGEST * self.poll)
            )
            before = sr
            # Many that were submitted together don't ask together.
            rest = pause * (1 - self.caller.retrier.random() / 4)
            if ends_at is not None and self.caller.clock() + rest > ends_at:
                rest = ends_at - self.caller.clock()
                if rest <= 0:
                    raise self._late(sr)
            await self.caller.retrier.sleep(rest)

    async def _read(self, ends_at: float | None, before: ServiceRequest | None) -> ServiceRequest:
        try:
            return await self.caller.until(ends_at).call(_endpoints.get_service_request(self.uuid))
        except DeadlineExceededError as error:
            if before is None:
                raise
            raise self._late(before) from error

    def _late(self, sr: ServiceRequest) -> LegitmarkError:
        request = _endpoints.get_service_request(self.uuid)
        timeout = self.timeout or 0.0
        error = DeadlineExceededError(
            request.method,
            request.path,
            deadline=timeout,
            spent={f"waiting, the last state being {_name(sr)}": timeout},
        )
        error.maybe_processed = False
        return error


def checked_seconds(name: str, value: float | None) -> None:
    """Check a duration.

    Raises:
        ConfigurationError: It is no number above 0.
    """
    if value is not None and not value > 0:
        raise ConfigurationError(f"{name} must be a number of seconds above 0, not {value!r}", problems=[name])


def _name(sr: ServiceRequest) -> str:
    state = sr.state
    return f"{state.primary}/{state.supplement}" if state.supplement else str(state.primary)
