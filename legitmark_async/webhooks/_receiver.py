"""What happens to a webhook that comes in, whatever server it comes to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from attrs import define, field

from legitmark_async.errors import SignatureError, UnreadableEventError
from legitmark_async.webhooks._deduplicators import Claimed, Deduplicator, MemoryDeduplicator
from legitmark_async.webhooks._events import Event
from legitmark_async.webhooks._parse import dedup_key, parse
from legitmark_async.webhooks._signature import TOLERANCE, decode_secrets, verify

OnEvent = Callable[[Event], Awaitable[object]]

# Larger than any event; a server reads no further.
LARGEST_BODY = 1024 * 1024
# The sender waits 30 s, and takes anything later for a failure (contract, section 10).
_TIMEOUT = 25.0
_OK, _UNREADABLE, _UNSIGNED, _TOO_LARGE, _FAILED, _LATER = 200, 400, 401, 413, 500, 503

_log = logging.getLogger("legitmark_async.webhooks")


@define(eq=False)
class Receiver:
    """Takes webhooks in: checks them, and hands each event on once.

    Attributes:
        on_event: Is awaited with each event that is new. If it raises or takes too long, the sender is told to send
            the event again.
        secret: What they are signed with, or several; None lets anybody send them, and is for trying out.
        deduplicator: Remembers them.
        timeout: Seconds for `on_event`; it is cancelled after them, because the sender would take it for failed and
            send the event again beside it. Let it put longer work into a queue.
        tolerance: Seconds by which the time of a signature may be off.

    Raises:
        ConfigurationError: The secret is none.
    """

    on_event: OnEvent
    secret: str | Sequence[str] | None = field(default=None, repr=False)
    deduplicator: Deduplicator = field(factory=MemoryDeduplicator)
    timeout: float = _TIMEOUT
    tolerance: float = TOLERANCE

    def __attrs_post_init__(self) -> None:
        if self.secret is None:
            _log.warning("webhooks are taken from anybody: no secret is set")
        else:
            decode_secrets(self.secret)

    async def receive(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Take one in, and return the status to answer.

        200 if its event was handled, now or before; 400 if it is no event, 401 if it isn't signed, 413 if it is too
        large; 500 if `on_event` failed and 503 if it took too long or is still at it: then it will be sent again.
        """
        if len(body) > LARGEST_BODY:
            return _TOO_LARGE
        try:
            message_id = self._verify(body, headers)
            event = parse(body)
        except SignatureError as error:
            _log.warning("refused: %s", error)
            return _UNSIGNED
        except UnreadableEventError as error:
            _log.warning("refused: %s", error)
            return _UNREADABLE
        key = dedup_key(event, message_id)
        claimed = await self.deduplicator.claim(key)
        if claimed is not Claimed.NEW:
            return _OK if claimed is Claimed.DONE else _LATER
        return await self._handle(event, key)

    async def _handle(self, event: Event, key: str) -> int:
        status = _FAILED
        try:
            async with asyncio.timeout(self.timeout):
                await self.on_event(event)
            status = _OK
        except TimeoutError:
            _log.warning("%s of %s was not handled within %g s", event.event_type, event.sr_uuid, self.timeout)
            status = _LATER
        except Exception:  # noqa: BLE001  # it is the user's, and the sender will send again
            _log.exception("%s of %s was not handled", event.event_type, event.sr_uuid)
        finally:
            # Also if the server gives up the request: what isn't done may be claimed again.
            await asyncio.shield(self.deduplicator.done(key) if status == _OK else self.deduplicator.release(key))
        return status

    def _verify(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        if self.secret is not None:
            return verify(body, headers, self.secret, tolerance=self.tolerance)
        told = {name.lower(): value for name, value in headers.items()}
        return told.get("svix-id") or told.get("webhook-id")
