"""The service requests the sandbox holds, and the namespace in which find looks them up."""

import random
import uuid
from collections.abc import Sequence

import attrs

from legitmark_async.sandbox._validation import Draft

# The first micro_id given, as in the seed's example.
_FIRST_MICRO_ID = 998001


@attrs.frozen
class Photo:
    """A photo as it was stored.

    Attributes:
        size: Bytes.
        sha256: Of its bytes, in hex.
        content_type: As it was sent.
        version_id: Each upload to a side has another.
        uploaded_at: ISO 8601.
    """

    size: int
    sha256: str
    content_type: str
    version_id: str
    uploaded_at: str


@attrs.define
class Record:
    """One service request. Only the sandbox's own operations and its state clock change it.

    Attributes:
        uuid: Its id.
        micro_id: Its short id.
        draft: What it was created from.
        created_at: The text the API tells.
        created: The same as a monotonic nanosecond.
        primary: First word of its state.
        supplement: Second word of it.
        updated_at: When its state last changed.
        photos: Versions by side uuid, the newest last.
        submissions: How often it was submitted.
    """

    uuid: str
    micro_id: str
    draft: Draft
    created_at: str
    created: int
    primary: str = "DRAFT"
    supplement: str | None = None
    updated_at: str = ""
    photos: dict[str, list[Photo]] = attrs.field(factory=dict[str, list[Photo]])
    submissions: int = 0


class Records:
    """All records; duplicates of a reference id are admitted, as the API may (contract section 12)."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._next_micro_id = _FIRST_MICRO_ID
        self.clear()

    def clear(self) -> None:
        """Forgets every record; micro ids go on counting, so that none is given twice."""
        self._by_uuid: dict[str, Record] = {}
        self._by_micro_id: dict[str, Record] = {}
        self._by_reference: dict[str, list[Record]] = {}

    def __len__(self) -> int:
        return len(self._by_uuid)

    @property
    def unique(self) -> int:
        """How many distinct reference ids there are."""
        return len(self._by_reference)

    @property
    def references(self) -> dict[str, list[str]]:
        """The uuids made for each reference id, oldest first."""
        return {reference: [record.uuid for record in records] for reference, records in self._by_reference.items()}

    @property
    def all(self) -> Sequence[Record]:
        """Every record, oldest first."""
        return tuple(self._by_uuid.values())

    def add(self, draft: Draft, created_at: str, now: int) -> Record:
        """Makes a record."""
        identifier = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        record = Record(identifier, str(self._next_micro_id), draft, created_at, now, updated_at=created_at)
        self._next_micro_id += 1
        self._by_uuid[record.uuid] = record
        self._by_micro_id[record.micro_id] = record
        self._by_reference.setdefault(draft.reference_id, []).append(record)
        return record

    def get(self, identifier: str) -> Record | None:
        """The record of this uuid."""
        return self._by_uuid.get(identifier.lower())

    def known(self, uuid: str) -> Record:
        """The one with this uuid.

        Raises:
            KeyError: There is none.
        """
        record = self.get(uuid)
        if record is None:
            raise KeyError(uuid)
        return record

    def find(self, identifier: str, created_by: int) -> Record | None:
        """The newest record of this uuid, micro id or external id that was created at `created_by` or before.

        One namespace, tried in the documented order: a numeric reference id may hit another's micro id
        (contract section 12). The legacy id, which no new record has, can match nothing.
        """
        for records in self._matches(identifier):
            for record in reversed(records):
                if record.created <= created_by:
                    return record
        return None

    def _matches(self, identifier: str) -> list[Sequence[Record]]:
        ids = (self.get(identifier), self._by_micro_id.get(identifier))
        return [
            [record for record in ids if record is not None],
            self._by_reference.get(identifier, ()),
        ]
