"""The size of a DNG: of its main image, and not of the thumbnail that comes first."""

from collections.abc import Iterator
from typing import Any

from legitmark_async._photo._reader import Reader, UnreadableHeaderError

TIFF_SIGNATURES = (b"II*\0", b"MM\0*")
_SUB_IFDS, _VERSION = 330, 50706
_KIND, _WIDTH, _HEIGHT = 254, 256, 257
# How the values of the types that matter are laid out: BYTE, SHORT, LONG, IFD.
_LAYOUTS = {1: "B", 3: "H", 4: "I", 13: "I"}
_ENTRY, _ENTRIES, _IFDS, _VALUES = 12, 1000, 100, 64
_INLINE = 4

_Tags = dict[int, tuple[int, ...]]


def dng_size(reader: Reader) -> tuple[int, int] | None:
    """Return width and height, or None if it is a TIFF and no DNG."""
    order = "<" if reader.some(0, 2) == b"II" else ">"
    images = list(_images(reader, order))
    if not images or _VERSION not in images[0]:
        return None
    main = [tags for tags in images if tags.get(_KIND, (0,))[0] == 0]
    sizes = [(tags[_WIDTH][0], tags[_HEIGHT][0]) for tags in main if tags.get(_WIDTH) and tags.get(_HEIGHT)]
    if not sizes:
        raise UnreadableHeaderError("it tells no size of its main image")
    return max(sizes, key=lambda size: size[0] * size[1])


def _images(reader: Reader, order: str) -> Iterator[_Tags]:
    """Yield the tags of each image, the first one first; one that was met before is passed over."""
    (first,) = reader.unpack(f"{order}I", 4)
    ahead, seen = [first], set[int]()
    while ahead and len(seen) < _IFDS:
        offset = ahead.pop(0)
        if offset in seen or not offset:
            continue
        seen.add(offset)
        tags, following = _tags(reader, order, offset)
        ahead += [*tags.get(_SUB_IFDS, ()), following]
        yield tags


def _tags(reader: Reader, order: str, offset: int) -> tuple[_Tags, int]:
    (count,) = reader.unpack(f"{order}H", offset)
    if count > _ENTRIES:
        raise UnreadableHeaderError("its header makes no sense")
    tags: _Tags = {}
    for number in range(count):
        place = offset + 2 + number * _ENTRY
        tag, kind, length = reader.unpack(f"{order}HHI", place)
        if tag in {_SUB_IFDS, _VERSION, _KIND, _WIDTH, _HEIGHT} and kind in _LAYOUTS and 0 < length <= _VALUES:
            tags[tag] = _values(reader, order, f"{length}{_LAYOUTS[kind]}", place + 8)
    (following,) = reader.unpack(f"{order}I", offset + 2 + count * _ENTRY)
    return tags, following


def _values(reader: Reader, order: str, layout: str, place: int) -> tuple[Any, ...]:
    count, width = int(layout[:-1]), {"B": 1, "H": 2, "I": 4}[layout[-1]]
    if count * width > _INLINE:
        (place,) = reader.unpack(f"{order}I", place)
    return reader.unpack(order + layout, place)
