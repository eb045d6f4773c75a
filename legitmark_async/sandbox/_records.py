"""The service requests the sandbox holds, and the namespace in which find looks them up."""

import random
import uuid
from collections.abc import Sequence

import attrs

from legitmark_async.sandbox._validation import Draft

# The first micro_id given, as in the seed's example.
_FIRST_MICRO_ID = 998001


@attrs.frozen
class Record:
    """One service request; `created_at` is the text the API tells, `created` the monotonic nanosecond."""

    uuid: str
    micro_id: str
    draft: Draft
    created_at: str
    created: int


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

    def add(self, draft: Draft, created_at: str, now: int) -> Record:
        """Makes a record."""
        identifier = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        record = Record(identifier, str(self._next_micro_id), draft, created_at, now)
        self._next_micro_id += 1
        self._by_uuid[record.uuid] = record
        self._by_micro_id[record.micro_id] = record
        self._by_reference.setdefault(draft.reference_id, []).append(record)
        return record

    def get(self, identifier: str) -> Record | None:
        """The record of this uuid."""
        return self._by_uuid.get(identifier.lower())

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
