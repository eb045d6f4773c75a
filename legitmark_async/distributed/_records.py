"""What the ledger keeps of one item, as a short text: most of them shall fit into the compact form of a hash of Redis.

A text has `|` between its parts. First comes the state, the chunk and the chunk's turn: `S2-17.1`; then the draft's
digest. Of one that was sent, or of which it is unknown, follows when it may have been created first, and `d` if it was
sent in an earlier turn; of one that is created its UUID and its micro id; and of one that went wrong, at the end, a
JSON object.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from legitmark_async.journal import Status, digest_of
from legitmark_async.models import ServiceRequestDraft

STATUS: Mapping[str, Status] = {
    "C": Status.CREATED,
    "F": Status.FAILED,
    "U": Status.UNKNOWN,
    # Marked as about to be sent, and no more is known.
    "S": Status.UNKNOWN,
}
# Bytes of a digest, enough to tell whether the draft of a reference has changed.
_DIGEST = 6


@frozen(kw_only=True)
class Record:
    """What is known of an item.

    Attributes:
        state: A letter, see `STATUS`.
        owner: The chunk and its turn.
        digest: Of its draft.
        not_before: Epoch seconds, by the server's clock, before which nothing of it was sent; of S and U.
        uuid: Of the service request; of C.
        micro_id: Of the service request, or empty; of C.
        told: What went wrong and where it came from; of F and U.
    """

    state: str
    owner: str
    digest: str
    not_before: float = 0.0
    uuid: str = ""
    micro_id: str = ""
    told: Mapping[str, Any] = field(factory=dict[str, Any])

    def encode(self) -> str:
        """Return it as the ledger keeps it."""
        parts = [f"{self.state}{self.owner}", self.digest]
        if self.state == "C":
            parts += [_shortened(self.uuid).replace("|", "?"), self.micro_id]
        if self.state in "SU":
            parts.append(f"{int(self.not_before)}")
        if self.state in "FU":
            parts.append(json.dumps(self.told, ensure_ascii=False, separators=(",", ":"), default=str))
        return "|".join(parts)

    @classmethod
    def decode(cls, text: str) -> "Record":
        """Return what `encode` has made a text of."""
        head, digest, rest = text.split("|", 2)
        state, owner = head[:1], head[1:]
        if state == "C":
            uuid, micro_id = rest.split("|", 1)
            return cls(state=state, owner=owner, digest=digest, uuid=_lengthened(uuid), micro_id=micro_id)
        if state == "F":
            return cls(state=state, owner=owner, digest=digest, told=json.loads(rest))
        not_before, _, told = rest.partition("|")
        return cls(
            state=state,
            owner=owner,
            digest=digest,
            not_before=float(not_before),
            told=json.loads(told) if state == "U" else {},
        )


def digest_text(draft: ServiceRequestDraft) -> str:
    """Return what a draft's fields come to, as a text."""
    digest = digest_of(draft).to_bytes(8, "little", signed=True)[:_DIGEST]
    return base64.urlsafe_b64encode(digest).decode()


def _shortened(uuid: str) -> str:
    plain = uuid.replace("-", "")
    return plain if _lengthened(plain) == uuid else uuid


def _lengthened(uuid: str) -> str:
    if len(uuid) != 32 or "-" in uuid:  # noqa: PLR2004  # the digits of a UUID
        return uuid
    return "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
