"""Looks for what a create may have made, before anybody makes it again."""

from itertools import accumulate
from typing import TypeVar

from attrs import define

from legitmark_async import _endpoints
from legitmark_async._call._sender import Sender
from legitmark_async._call._state import LOOKING, CallState, Doubt
from legitmark_async._claim import Claim, Likeness, compare
from legitmark_async._pacer import TooLateError
from legitmark_async._wire import Request
from legitmark_async.errors import LegitmarkError, OutcomeUnknownError
from legitmark_async.models import ServiceRequest
from legitmark_async.options import Sleep

_FOREIGN = "its reference answers with another service request, which would hide it"
_OPEN = {
    Likeness.FOREIGN: _FOREIGN,
    Likeness.UNCLEAR: "one was found, and its answer doesn't tell whether it is this one",
}
_NOT_FINDABLE = "such a reference can't be looked up"
_LATER = "the next look for it"

# A timer may fire a tick of the clock early (s). Without this, virtual time would stand still between two looks.
_TICK = 1e-6

T = TypeVar("T")


@define(eq=False)
class Confirmer:
    """Finds out whether a create that may have been carried out was.

    Reads of the API may be stale, so one miss proves nothing: it takes one that was asked for after all pauses.

    Attributes:
        sender: Makes the look-ups.
        sleep: As `asyncio.sleep`.
        pauses: Seconds between the looks; their sum is the staleness that is allowed for.
    """

    sender: Sender
    sleep: Sleep
    pauses: tuple[float, ...]

    async def settle(self, claim: Claim, doubt: Doubt, state: CallState, deadline: float) -> ServiceRequest | None:
        """Look for the service request, again and again until it is sure enough that there is none.

        Returns:
            The service request, or None if there is none.

        Raises:
            OutcomeUnknownError: What is found leaves it open, and asking again won't help.
            LegitmarkError: A look failed.
            TooLateError: The next look would come after the deadline.
        """
        if not claim.findable:
            raise _open_question(claim, state, _NOT_FINDABLE)
        while True:
            # What counts is when it was asked: a turn may have come late.
            found, asked_at = await self._look(claim, doubt, state, deadline)
            if found is not None:
                return found
            pause = self._pause(asked_at - doubt.at)
            if pause is None:
                state.settle()
                return None
            await self._rest(doubt.at + pause, claim, state, deadline)

    def _pause(self, age: float) -> float | None:
        """Return the age of a doubt at which to look again, or None if there was a look after all pauses."""
        return next((due for due in accumulate(self.pauses) if age < due - _TICK), None)

    async def _rest(self, until: float, claim: Claim, state: CallState, deadline: float) -> None:
        now = self.sender.clock()
        if state.withdrawn:
            raise _open_question(claim, state, None)
        if until > deadline:
            raise TooLateError(until - now, _LATER)
        state.enter(LOOKING, now)
        state.reason = LOOKING
        await self.sleep(max(until - now, 0.0))

    async def _look(
        self, claim: Claim, doubt: Doubt, state: CallState, deadline: float
    ) -> tuple[ServiceRequest | None, float]:
        sighting, asked_at = await self._ask(_endpoints.sight_service_request(claim.reference_id), state, deadline)
        if sighting is None:
            return None, asked_at
        # 1. Of another reference, by whatever id that is found: it would hide ours.
        if sighting.external_id not in {None, claim.reference_id}:
            raise _open_question(claim, state, _FOREIGN)
        found, _ = await self._ask(_endpoints.claimed_service_request(sighting.uuid), state, deadline)
        # 2. Not ours to see: as good as none.
        if found is None:
            return None, asked_at
        likeness = compare(claim, found, self._not_before(doubt, state))
        # 3. Whatever it is, asking again would not tell more.
        if likeness in _OPEN:
            raise _open_question(claim, state, _OPEN[likeness])
        return found if likeness is Likeness.OURS else None, asked_at

    async def _ask(self, request: Request[T], state: CallState, deadline: float) -> tuple[T, float]:
        try:
            result = await self.sender.send(request, state, deadline)
        except LegitmarkError as error:
            state.looked = str(error)
            raise
        asked_at = state.since
        state.end(self.sender.clock())
        state.reason = None
        return result, asked_at

    def _not_before(self, doubt: Doubt, state: CallState) -> float:
        if state.not_before is not None:
            return state.not_before
        return self.sender.server_time(doubt.at if state.first_sent is None else state.first_sent)


def _open_question(claim: Claim, state: CallState, looked: str | None) -> OutcomeUnknownError:
    state.looked = looked
    return OutcomeUnknownError(claim.reference_id)
