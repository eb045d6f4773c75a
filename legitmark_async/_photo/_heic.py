"""The size of a HEIC: of its primary item, which may be a grid of many."""

import struct
from collections.abc import Iterator

from attrs import frozen

from legitmark_async._photo._reader import Reader, UnreadableHeaderError

BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
AVIF = frozenset({b"avif", b"avis"})
# Brands of the container alone, that say nothing of what is in it.
CONTAINERS = frozenset({b"mif1", b"msf1", b"mif2"})
_HEADER, _LARGE_HEADER, _FULL = 8, 16, 4
_BRANDS_READ, _META_READ = 256, 1 << 20
_LARGE = 1


@frozen
class _Box:
    """A box: its kind, and where its content begins and ends."""

    kind: bytes
    start: int
    end: int


def brands_of(reader: Reader) -> tuple[bytes, ...]:
    """Return the brands of the file type box, the major one first; none if there is no such box."""
    head = reader.some(0, _BRANDS_READ)
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big") or len(head), len(head))
    # The second of them is a version.
    words = [head[at : at + 4] for at in range(_HEADER, end - 3, 4)]
    return tuple(words[:1] + words[2:])


def heic_size(reader: Reader) -> tuple[int, int]:
    """Return width and height of the primary item."""
    meta = next((box for box in _boxes_of_file(reader) if box.kind == b"meta"), None)
    if meta is None:
        raise UnreadableHeaderError("it has no description of its images")
    data = reader.some(meta.start + _FULL, min(meta.end - meta.start, _META_READ))
    try:
        return _primary_size(data)
    except (struct.error, IndexError, KeyError):
        raise UnreadableHeaderError("its description of its images makes no sense") from None


def _boxes_of_file(reader: Reader) -> Iterator[_Box]:
    offset = 0
    # The reader ends it, if the boxes don't.
    while True:
        size, kind = reader.unpack(">I4s", offset)
        start = offset + _HEADER
        if size == _LARGE:
            (size,) = reader.unpack(">Q", start)
            start = offset + _LARGE_HEADER
        if not size:
            # It goes on to the end of the file.
            yield _Box(kind, start, start + _META_READ)
            return
        if offset + size < start:
            raise UnreadableHeaderError("its boxes can't be followed")
        yield _Box(kind, start, offset + size)
        offset += size


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + _HEADER <= len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        start = _HEADER
        if size == _LARGE:
            (size,) = struct.unpack_from(">Q", data, offset + _HEADER)
            start = _LARGE_HEADER
        size = size or len(data) - offset
        if size < start:
            return
        yield kind, data[offset + start : offset + size]
        offset += size


def _primary_size(meta: bytes) -> tuple[int, int]:
    boxes = dict(_boxes(meta))
    primary = _primary_item(boxes[b"pitm"])
    parts = list(_boxes(boxes[b"iprp"]))
    properties = [box for kind, content in parts if kind == b"ipco" for box in _boxes(content)]
    own: dict[bytes, bytes] = {}
    for kind, content in parts:
        for number in _associated(content, primary) if kind == b"ipma" else ():
            name, told = properties[number - 1] if 0 < number <= len(properties) else (b"", b"")
            own.setdefault(name, told)
    if b"ispe" not in own:
        raise UnreadableHeaderError("it tells no size of its main image")
    return _visible(struct.unpack_from(">II", own[b"ispe"], _FULL), own.get(b"clap"))


def _visible(size: tuple[int, ...], aperture: bytes | None) -> tuple[int, int]:
    """What is left of a picture whose edges are cut off: it is coded in blocks, which stand over."""
    width, height = size
    if aperture is None:
        return width, height
    across, each, down, of = struct.unpack_from(">IIII", aperture)
    if not each or not of:
        return width, height
    return min(width, across // each), min(height, down // of)


def _primary_item(pitm: bytes) -> int:
    return int(struct.unpack_from(">I" if pitm[0] else ">H", pitm, _FULL)[0])


def _associated(ipma: bytes, item: int) -> Iterator[int]:
    """Yield the numbers, from 1, of the properties of an item."""
    long_ids, wide = ipma[0] > 0, ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, _FULL)
    offset = _FULL + 4
    for _ in range(count):
        (identifier,) = struct.unpack_from(">I" if long_ids else ">H", ipma, offset)
        offset += 4 if long_ids else 2
        associations = ipma[offset]
        offset += 1
        for _ in range(associations):
            (number,) = struct.unpack_from(">H" if wide else ">B", ipma, offset)
            offset += 2 if wide else 1
            if identifier == item:
                # The first bit says whether it is essential.
                yield number & (0x7FFF if wide else 0x7F)
