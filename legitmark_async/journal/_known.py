"""The items that a journal knows, in memory: 26 bytes each, so that a million are no burden."""

from array import array
from collections.abc import Sequence
from hashlib import blake2b

from legitmark_async.journal._schema import State
from legitmark_async.models import ServiceRequestDraft

_LEAST = 1 << 12
_MASK = (1 << 64) - 1


def digest_of(draft: ServiceRequestDraft) -> int:
    """Return what a draft's fields come to, reference included: 64 bits, the same in each process."""
    item = draft.item
    text = f"{draft.reference_id}\x1f{item.category}\x1f{item.type}\x1f{draft.service}\x1f{item.brand}\x1f{item.model}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


class Known:
    """References to the numbers (`seq`, from 1) of their items, and what is known of each.

    A hash table with open addressing over plain arrays: a dict of a million texts takes four times the memory. The
    references themselves stay in the file, so a hit is sure only with the digest, or once the file was asked.

    Attributes:
        states: By number, the item's `State`.
        digests: By number, the draft's digest.
        taken: By number, whether the draft was in the input of this run.
    """

    def __init__(self) -> None:
        self.states: bytearray = bytearray(1)
        self.digests: array[int] = array("q", [0])
        self.taken: bytearray = bytearray(1)
        self._hashes = array("Q", [0])  # 0 for an item that nobody looks for
        self._slots = array("I", bytes(4 * _LEAST))
        self._placed = 1

    def __len__(self) -> int:
        return len(self.states) - 1

    def load(self, rows: Sequence[tuple[int, str, int | None, int]]) -> None:
        """Add the next items of the file: number, reference, digest and state, in the order of the numbers."""
        numbers, references, digests, states = zip(*rows, strict=True)
        if numbers[-1] - len(self) == len(numbers) and None not in digests:
            # All there, and all to be looked for: no need to go through them one by one.
            self.states.extend(states)
            self.digests.extend(digests)
            self.taken.extend(bytes(len(numbers)))
            self._hashes.extend([(hash(reference) & _MASK) or 1 for reference in references])
        else:
            self._load_with_gaps(rows)
        self._place()

    def _load_with_gaps(self, rows: Sequence[tuple[int, str, int | None, int]]) -> None:
        for number, reference, digest, state in rows:
            while len(self.states) < number:
                self.leave_out()
            if digest is None:
                self.leave_out()
            else:
                self._append(reference, digest, state)

    def add(self, reference: str, digest: int, state: State) -> int:
        """Add an item, and return its number. Whether it is there already is the caller's to know."""
        self._append(reference, digest, state)
        self._place()
        return len(self)

    def leave_out(self) -> int:
        """Take a number for an item that nobody will look for, and return it."""
        self.states.append(State.FAILED)
        self.digests.append(0)
        self.taken.append(1)
        self._hashes.append(0)
        return len(self)

    def find(self, reference: str) -> list[int]:
        """Return the numbers of the items whose reference it may be: nearly always none or one."""
        hashed = (hash(reference) & _MASK) or 1
        slots, mask = self._slots, len(self._slots) - 1
        found: list[int] = []
        place = hashed & mask
        while number := slots[place]:
            if self._hashes[number] == hashed:
                found.append(number)
            place = (place + 1) & mask
        return found

    def same(self, reference: str, digest: int) -> int:
        """Return the number of the item that has this reference and this digest, or 0."""
        hashed = (hash(reference) & _MASK) or 1
        slots, mask = self._slots, len(self._slots) - 1
        place = hashed & mask
        while number := slots[place]:
            if self._hashes[number] == hashed and self.digests[number] == digest:
                return number
            place = (place + 1) & mask
        return 0

    def _append(self, reference: str, digest: int, state: int) -> None:
        self.states.append(state)
        self.digests.append(digest)
        self.taken.append(0)
        self._hashes.append((hash(reference) & _MASK) or 1)

    def _place(self) -> None:
        """Put what was appended into the table, and make that larger if half of it is full."""
        if 2 * len(self.states) > len(self._slots):
            size = len(self._slots)
            while size < 2 * len(self.states):
                size *= 2
            self._slots, self._placed = array("I", bytes(4 * size)), 1
        slots, hashes, mask = self._slots, self._hashes, len(self._slots) - 1
        for number in range(self._placed, len(self.states)):
            hashed = hashes[number]
            if hashed:
                place = hashed & mask
                while slots[place]:
                    place = (place + 1) & mask
                slots[place] = number
        self._placed = len(self.states)
