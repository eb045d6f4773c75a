"""Reads parts of a photo, and not too many of them."""

import struct
from collections.abc import Callable
from typing import Any

from attrs import define, field

ReadAt = Callable[[int, int], bytes]

# What a photo may cost: more of it than any real header needs.
_READS, _BYTES = 2000, 4 * 1024 * 1024


class UnreadableHeaderError(ValueError):
    """A header that ends too early, or makes no sense; the text says which."""


@define(eq=False)
class Reader:
    """Reads from any place, as long as there is something, and not for ever.

    Attributes:
        read_at: Gives bytes from an offset on, fewer at the end.
    """

    _read_at: ReadAt
    _reads: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def some(self, offset: int, length: int) -> bytes:
        """Return so many bytes, or as many as there are.

        Raises:
            UnreadableHeaderError: The header has led to too many places.
        """
        self._reads += 1
        self._bytes += length
        if self._reads > _READS or self._bytes > _BYTES:
            raise UnreadableHeaderError("its header makes no sense")
        return self._read_at(offset, length)

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        """Return numbers, laid out as `struct` has it.

        Raises:
            UnreadableHeaderError: It ends before.
        """
        length = struct.calcsize(layout)
        data = self.some(offset, length)
        if len(data) < length:
            raise UnreadableHeaderError("it ends within its header")
        return struct.unpack(layout, data)
