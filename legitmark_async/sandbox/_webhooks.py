"""The events that the sandbox sends out, signed as Svix does it and sent again as documented (contract section 10)."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs
from aiohttp import ClientError, ClientSession, ClientTimeout

from legitmark_async.sandbox._envelopes import format_iso
from legitmark_async.sandbox._records import Record
from legitmark_async.sandbox._sides import sides_of

# Seconds before each try: at once, and then as the guide has it.
RETRIES = (0.0, 5.0, 300.0, 1800.0, 7200.0)
_TIMEOUT = 30.0
_SUCCESSES = range(200, 300)
_REASON = "Image is Blurry"


@attrs.define
class Delivery:
    """One event, and what became of it.

    Attributes:
        message_id: The same for all tries.
        event_type: Such as `state_change`.
        sr_uuid: Of the service request.
        attempts: Tries so far.
        status: HTTP status of the last one; None if there was no answer.
    """

    message_id: str
    event_type: str
    sr_uuid: str
    attempts: int = 0
    status: int | None = None

    @property
    def delivered(self) -> bool:
        """Whether it was taken."""
        return self.status in _SUCCESSES


class Postman:
    """Sends events to one URL while it is open; each one apart, so their order isn't kept."""

    def __init__(self, rng: random.Random, url: str | None, secret: str | None, retries: Sequence[float]) -> None:
        if url is not None:
            _require_loopback(url)
        self._rng = rng
        self._url = url
        self._retries = tuple(retries)
        self.secret = secret or f"whsec_{base64.b64encode(rng.randbytes(24)).decode()}"
        self._key = base64.b64decode(self.secret.removeprefix("whsec_"))
        self.deliveries: list[Delivery] = []
        self._session: ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Gets ready to send, in the running event loop."""
        if self._url is not None:
            self._session = ClientSession(timeout=ClientTimeout(total=_TIMEOUT))

    async def aclose(self) -> None:
        """Gives up what hasn't been taken yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def send(self, record: Record, now: Callable[[], float], *, old: bool) -> None:
        """Sends what is to be told of a service request that has come to a state."""
        if self._session is None:
            return
        for event in make_events(record, format_iso(now()), old=old):
            delivery = Delivery(f"msg_{self._rng.getrandbits(128):032x}", event["event_type"], record.uuid)
            self.deliveries.append(delivery)
            task = asyncio.create_task(self._deliver(self._session, delivery, json.dumps(event).encode()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, session: ClientSession, delivery: Delivery, body: bytes) -> None:
        for pause in self._retries:
            await asyncio.sleep(pause)
            delivery.attempts += 1
            delivery.status = await self._post(session, delivery.message_id, body)
            if delivery.delivered:
                return

    async def _post(self, session: ClientSession, message_id: str, body: bytes) -> int | None:
        timestamp = str(int(time.time()))
        signed = hmac.new(self._key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json",
            "svix-id": message_id,
            "svix-timestamp": timestamp,
            "svix-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
        try:
            async with session.post(str(self._url), data=body, headers=headers) as answer:
                return answer.status
        except (ClientError, TimeoutError, OSError):
            return None


def make_events(record: Record, timestamp: str, *, old: bool) -> list[dict[str, Any]]:
    """The events of a state: what has changed, and what comes with it."""
    state = {"primary": record.primary, "supplement": record.supplement}
    common = {"sr_uuid": record.uuid, "reference_id": record.draft.reference_id, "timestamp": timestamp}
    events: list[dict[str, Any]] = [{"event_type": "state_change", **common, "state": state}]
    if (record.primary, record.supplement) == ("QC", "REJECTED"):
        sides = [_reject(side.uuid, side.name, old=old) for side in sides_of(record.draft.category)[:1]]
        events.append({"event_type": "media_rejected", **common, **({"state": state} if old else {}), "sides": sides})
    if record.primary == "CANCELLED":
        reason = {
            "code": "NOT_SERVICEABLE" if old else "CANCELLED",
            "description" if old else "message": "The item can't be authenticated.",
        }
        events.append({"event_type": "invalidate_sr", **common, **({"state": state} if old else {})})
        events[-1]["invalidation_reason"] = reason
    return events


def _reject(uuid: str, name: str, *, old: bool) -> dict[str, Any]:
    if old:
        return {"side": name, "side_uuid": uuid, "reason": "BLURRY", "reason_description": _REASON}
    return {"side": name, "reason": _REASON, "message": "Please take it again."}


def _require_loopback(url: str) -> None:
    host = urlsplit(url).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        message = f"the sandbox sends webhooks to this machine alone, not to {host!r}"
        raise ValueError(message)
