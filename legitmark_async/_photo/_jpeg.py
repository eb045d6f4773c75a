"""Sizes of JPEG and PNG."""

from legitmark_async._photo._reader import Reader, UnreadableHeaderError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
_START, _FILL = 2, 0xFF
# Frames of all kinds but the three codes between them that mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END = 0xDA, 0xD9
_LARGEST_PNG = 2**31 - 1


def jpeg_size(reader: Reader) -> tuple[int, int]:
    """Return width and height of the frame; a thumbnail stands within a segment, and segments are passed over."""
    offset = _START
    while True:
        mark, code = reader.unpack(">BB", offset)
        if mark != _FILL:
            raise UnreadableHeaderError("its segments can't be followed")
        if code in _FRAMES:
            _, _, height, width = reader.unpack(">HBHH", offset + 2)
            return width, height
        if code in {_SCAN, _END}:
            raise UnreadableHeaderError("it has no frame")
        offset += _length(reader, offset, code)


def _length(reader: Reader, offset: int, code: int) -> int:
    if code == _FILL:
        return 1
    if code in _ALONE:
        return 2
    (length,) = reader.unpack(">H", offset + 2)
    return 2 + max(int(length), 2)


def png_size(reader: Reader) -> tuple[int, int]:
    """Return width and height from the first chunk."""
    _, name, width, height = reader.unpack(">I4sII", len(PNG_SIGNATURE))
    if name != b"IHDR" or max(width, height) > _LARGEST_PNG:
        raise UnreadableHeaderError("it doesn't begin with its header")
    return width, height
