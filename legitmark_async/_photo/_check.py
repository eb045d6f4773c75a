"""Whether the API would take a photo (contract, sections 8, 13.13 and 13.15)."""

from legitmark_async._photo._dng import TIFF_SIGNATURES, dng_size
from legitmark_async._photo._heic import AVIF, BRANDS, CONTAINERS, brands_of, heic_size
from legitmark_async._photo._jpeg import JPEG_SIGNATURE, PNG_SIGNATURE, jpeg_size, png_size
from legitmark_async._photo._kinds import PhotoHeader, PhotoKind
from legitmark_async._photo._reader import ReadAt, Reader, UnreadableHeaderError
from legitmark_async.errors import PhotoError

LARGEST = 5 * 1024 * 1024
LEAST = 600
_MIB = 1024 * 1024
_HEAD = 64
# What people take for a photo, by how it begins.
_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP"),
    (b"\0\0\x01\0", "an icon"),
    (b"8BPS", "a Photoshop file"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"<?xml", "XML"),
    (b"<svg", "an SVG"),
    (b"<!doctype", "HTML"),
    (b"<html", "HTML"),
)
_SAVE = "save it as JPEG or PNG"


def check(read_at: ReadAt, size: int) -> PhotoHeader:
    """Return what a photo is, if the API would take it.

    Args:
        read_at: Gives bytes of it, from an offset on.
        size: All its bytes.

    Raises:
        PhotoError: It wouldn't; `.problems` tells every reason.
    """
    problems = [] if size <= LARGEST else [f"photo: has {size / _MIB:.1f} MB, and {LARGEST // _MIB} MB is the most"]
    header = None
    try:
        header = read_header(read_at)
    except PhotoError as error:
        problems += error.problems
    if header is not None and min(header.width, header.height) < LEAST:
        told = f"{header.width} x {header.height}"
        problems.append(f"photo: is {told} pixels, and {LEAST} x {LEAST} is the least")
    if header is None or problems:
        raise PhotoError("; ".join(problems), problems=problems)
    return header


def read_header(read_at: ReadAt) -> PhotoHeader:
    """Return what the header of a photo tells.

    Args:
        read_at: Gives bytes of it, from an offset on.

    Raises:
        PhotoError: It is none of the four kinds, or its header can't be read.
    """
    reader = Reader(read_at)
    kind = None
    try:
        kind = _kind(reader)
        width, height = _size(reader, kind)
    except UnreadableHeaderError as error:
        name = "" if kind is None else f"is a {kind} that can't be read: "
        raise _refusal(f"photo: {name}{error}") from None
    if not width or not height:
        raise _refusal(f"photo: is a {kind} without a size")
    return PhotoHeader(kind, width, height)


def _kind(reader: Reader) -> PhotoKind:
    head = reader.some(0, _HEAD)
    if head.startswith(JPEG_SIGNATURE):
        return PhotoKind.JPEG
    if head.startswith(PNG_SIGNATURE):
        return PhotoKind.PNG
    if head.startswith(TIFF_SIGNATURES):
        return PhotoKind.DNG
    brands = brands_of(reader)
    if BRANDS & set(brands) or (CONTAINERS & set(brands[:1]) and not AVIF & set(brands)):
        return PhotoKind.HEIC
    if not head:
        raise _refusal("photo: is empty")
    raise _refusal(f"photo: is {_other(head, brands)}, and none of JPEG, PNG, HEIC and DNG; {_SAVE}")


def _size(reader: Reader, kind: PhotoKind) -> tuple[int, int]:
    match kind:
        case PhotoKind.JPEG:
            return jpeg_size(reader)
        case PhotoKind.PNG:
            return png_size(reader)
        case PhotoKind.HEIC:
            return heic_size(reader)
        case PhotoKind.DNG:  # pragma: no branch  # there is no other
            size = dng_size(reader)
            if size is None:
                raise _refusal(f"photo: is a TIFF, and none of JPEG, PNG, HEIC and DNG; {_SAVE}")
            return size


def _other(head: bytes, brands: tuple[bytes, ...]) -> str:
    if AVIF & set(brands):
        return "an AVIF"
    if brands:
        return "a film"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP"
    begin = head.lstrip().lower()
    return next((name for mark, name in _OTHERS if head.startswith(mark) or begin.startswith(mark)), "no photo")


def _refusal(problem: str) -> PhotoError:
    return PhotoError(problem, problems=[problem])
