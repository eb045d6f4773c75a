"""Photos without a camera: small, gray, and good enough for the API."""

import struct
import zlib
from typing import Literal

_BLOCK = 8


def make_photo(width: int = 1200, height: int = 900, *, kind: Literal["jpeg", "png"] = "jpeg", size: int = 0) -> bytes:
    """Make a gray photo that any reader of images can read.

    Args:
        width: Pixels; the API wants 600 at least.
        height: Pixels; the API wants 600 at least.
        kind: Which format it has.
        size: Bytes that it has at least, filled up behind the picture; the API takes 5 MB at most.
    """
    photo = _make_jpeg(width, height) if kind == "jpeg" else _make_png(width, height)
    return photo.ljust(size, b"\0")


def _make_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _make_jpeg(width: int, height: int) -> bytes:
    """Write all blocks as no different from the one before, which two tables of one word each do in two bits."""
    tables = _segment(0xDB, b"\0" + b"\x01" * 64)
    tables += b"".join(_segment(0xC4, bytes([kind, 1]) + b"\0" * 15 + b"\0") for kind in (0x00, 0x10))
    frame = _segment(0xC0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    scan = _segment(0xDA, bytes([1, 1, 0, 0, 63, 0]))
    bits = 2 * -(-width // _BLOCK) * -(-height // _BLOCK)
    return b"\xff\xd8" + tables + frame + scan + b"\0" * -(-bits // 8) + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
