"""Headers of photos in shapes that the testing kit has none of: no picture is behind them."""

import struct


def make_jpeg(width: int = 800, height: int = 700, *, thumbnail: bytes = b"", frame: int = 0xC0) -> bytes:
    """A JPEG with a thumbnail in a segment before its frame, or with a frame of another kind."""
    segment = b"Exif\0\0" + thumbnail
    app = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    sof = b"\xff" + bytes([frame]) + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
    return b"\xff\xd8" + app + b"\xff\xff" + sof + b"\xff\xd9"


def make_heic(  # one for each thing that differs
    width: int = 800,
    height: int = 700,
    *,
    brands: tuple[bytes, ...] = (b"heic", b"mif1"),
    primary: int = 2,
    wide: bool = False,
    large: bool = False,
) -> bytes:
    """A HEIC of two items, of which the primary one has this size and the other is a thumbnail."""
    ftyp = _box(b"ftyp", brands[0] + b"\0\0\0\0" + b"".join(brands[1:]))
    other = 3 - primary
    sizes = {primary: (width, height), other: (160, 120)}
    ipco = _box(b"ipco", b"".join(_box(b"ispe", struct.pack(">III", 0, *sizes[item])) for item in (1, 2)))
    layout = ">HBH" if wide else ">HBB"
    essential = 0x8000 if wide else 0x80
    entries = b"".join(struct.pack(layout, item, 1, essential | item) for item in (1, 2))
    ipma = _box(b"ipma", struct.pack(">II", int(wide), 2) + entries)
    pitm = _box(b"pitm", struct.pack(">IH", 0, primary))
    meta = b"\0\0\0\0" + _box(b"hdlr", b"\0" * 24) + pitm + _box(b"iprp", ipco + ipma)
    return ftyp + _box(b"free", b"\0" * 9) + _box(b"meta", meta, large=large) + _box(b"mdat", b"\0" * 20)


def make_dng(
    width: int = 4000, height: int = 3000, *, order: str = "<", in_sub: bool = True, dng: bool = True
) -> bytes:
    """A DNG with a thumbnail as its first image and the main one below it, or just the main one."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    version = [(50706, 1, 4, b"\1\4\0\0")] if dng else []
    if not in_sub:
        return head + _ifd(order, [_long(order, 254, 0), _long(order, 256, width), _long(order, 257, height), *version])
    main = _ifd(order, [_long(order, 254, 0), _long(order, 256, width), _long(order, 257, height)])
    first = [_long(order, 254, 1), _long(order, 256, 160), _long(order, 257, 120)]
    place = 8 + 2 + 12 * (len(first) + 1 + len(version)) + 4
    return head + _ifd(order, [*first, _long(order, 330, place), *version]) + main


def _box(kind: bytes, content: bytes, *, large: bool = False) -> bytes:
    if large:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _long(order: str, tag: int, value: int) -> tuple[int, int, int, bytes]:
    return tag, 4, 1, struct.pack(f"{order}I", value)


def _ifd(order: str, entries: list[tuple[int, int, int, bytes]]) -> bytes:
    body = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    return struct.pack(f"{order}H", len(entries)) + body + struct.pack(f"{order}I", 0)
