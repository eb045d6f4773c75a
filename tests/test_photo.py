"""What a photo is by its content, and whether the API would take it (contract, section 8; traps 13 and 15)."""

import io
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_headers import make_dng, make_heic, make_jpeg
from PIL import Image
from pillow_heif import register_heif_opener

from legitmark_async._photo import LARGEST, PhotoHeader, PhotoKind, ReadAt, check, read_header
from legitmark_async._photo._heic import _visible
from legitmark_async.errors import PhotoError
from legitmark_async.testing import make_photo

SAMPLES = {
    "jpeg": make_photo(800, 700),
    "jpeg with a thumbnail": make_jpeg(thumbnail=make_jpeg(160, 120)),
    "progressive jpeg": make_jpeg(frame=0xC2),
    "png": make_photo(800, 700, kind="png"),
    "heic": make_heic(),
    "heic, other order": make_heic(primary=1),
    "heic, wide": make_heic(wide=True),
    "heic, large box": make_heic(large=True),
    "heic by the container's brand": make_heic(brands=(b"mif1", b"heic")),
    "dng": make_dng(800, 700),
    "dng, big endian": make_dng(800, 700, order=">"),
    "dng without a thumbnail": make_dng(800, 700, in_sub=False),
}


def reader(data: bytes) -> ReadAt:
    """Read from bytes."""
    return lambda offset, length: data[offset : offset + length]


@pytest.mark.parametrize("name", SAMPLES)
def test_header(name: str) -> None:
    """Kind and size are those of the main picture, by the content alone (traps 13 and 15)."""
    header = check(reader(SAMPLES[name]), len(SAMPLES[name]))

    kind = next(kind for kind in PhotoKind if kind.lower() in name)
    assert header == PhotoHeader(kind, 800, 700)


@pytest.mark.parametrize(
    ("kind", "extension", "content_type"),
    [
        (PhotoKind.JPEG, "jpg", "image/jpeg"),
        (PhotoKind.PNG, "png", "image/png"),
        (PhotoKind.HEIC, "heic", "image/heic"),
        (PhotoKind.DNG, "dng", "image/x-adobe-dng"),
    ],
)
def test_kinds(kind: PhotoKind, extension: str, content_type: str) -> None:
    """Extension and type are those of the API's table."""
    assert (kind.extension, kind.content_type) == (extension, content_type)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "photo: is empty"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "is a WebP, and none of JPEG, PNG, HEIC and DNG; save it as JPEG or PNG"),
        (b"GIF89a" + b"\0" * 20, "is a GIF"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\n<!DOCTYPE html><html>", "is HTML"),
        (make_heic(brands=(b"avif", b"mif1")), "is an AVIF"),
        (make_heic(brands=(b"isom", b"mp42")), "is a film"),
        (make_dng(dng=False), "is a TIFF"),
        (b"hello", "is no photo"),
        (make_photo()[:20], "is a JPEG that can't be read: it ends within its header"),
        (b"\xff\xd8\xff\xda\0\0", "is a JPEG that can't be read: it has no frame"),
        (b"\xff\xd8\xff\xe0\0\2\0\0", "its segments can't be followed"),
        (make_photo(kind="png")[:18], "is a PNG that can't be read"),
        (make_photo(0, 5, kind="png"), "is a PNG without a size"),
        (make_heic()[:60], "is a HEIC that can't be read"),
        (make_heic()[:20] + b"\0\0\0\x08free" * 5000, "is a HEIC that can't be read: its header makes no sense"),
        (make_heic()[:20] + b"\0\0\0\x07free", "is a HEIC that can't be read: its boxes can't be followed"),
        (make_dng()[:30], "is a DNG that can't be read"),
        (make_photo(599, 600), "is 599 x 600 pixels, and 600 x 600 is the least"),
    ],
)
def test_refused(data: bytes, problem: str) -> None:
    """What the API wouldn't take is refused, with what it is and what to do."""
    with pytest.raises(PhotoError, match=problem) as caught:
        check(reader(data), len(data))

    assert all(each.startswith("photo: ") for each in caught.value.problems)


@pytest.mark.parametrize(
    ("aperture", "size"),
    [
        (None, (1024, 768)),
        ((1000, 1, 750, 1), (1000, 750)),
        ((2001, 2, 9000, 1), (1000, 768)),
        ((1000, 0, 750, 1), (1024, 768)),
        ((1000, 1, 750, 0), (1024, 768)),
    ],
    ids=["none", "smaller", "rounded", "no width", "no height"],
)
def test_cropped(aperture: tuple[int, ...] | None, size: tuple[int, int]) -> None:
    """A HEIC's picture is what its aperture leaves of it, unless that makes no sense."""
    told = None if aperture is None else struct.pack(">8I", *aperture, 0, 1, 0, 1)

    assert _visible((1024, 768), told) == size


def test_edges() -> None:
    """Just 600 x 600 pixels and 5 MB are taken; a byte more and a pixel less are two problems."""
    good, bad = make_photo(600, 600), make_photo(600, 599)

    assert check(reader(good), LARGEST).width == 600
    with pytest.raises(PhotoError) as caught:
        check(reader(bad), LARGEST + 1)
    assert [problem.partition(",")[0] for problem in caught.value.problems] == [
        "photo: has 5.0 MB",
        "photo: is 600 x 599 pixels",
    ]


def test_pillow_agrees() -> None:
    """On 300 files that Pillow has written, its word and ours are the same."""
    rng = random.Random(5)
    modes = {
        "JPEG": ("L", "RGB", "CMYK"),
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "HEIF": ("L", "RGB", "RGBA"),
    }
    register_heif_opener()
    disagreements = []
    for number in range(300):
        format_ = rng.choice(("JPEG", "PNG", "HEIF"))
        size = (rng.randint(1, 900), rng.randint(1, 900))
        options = {"progressive": rng.random() < 0.5, "exif": exif(rng)} if format_ == "JPEG" else {}
        file = io.BytesIO()
        Image.new(rng.choice(modes[format_]), size).save(file, format_, **options)
        data = file.getvalue()
        with Image.open(io.BytesIO(data)) as image:
            theirs = (image.format, *image.size)
        ours = read_header(reader(data))
        if (ours.kind.value.replace("HEIC", "HEIF"), ours.width, ours.height) != theirs:
            disagreements.append((number, ours, theirs))

    assert disagreements == []


def exif(rng: random.Random) -> bytes:
    """Make EXIF of any length, that looks like a frame of another size."""
    return b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + b"\xff\xc0\0\x11\x08\0\1\0\1" * rng.randint(0, 900)


class Counted:
    """Reads from bytes, and counts what it costs."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads, self.size = data, 0, 0

    def __call__(self, offset: int, length: int) -> bytes:
        """Read."""
        assert offset >= 0
        found = self.data[offset : offset + length]
        self.reads += 1
        self.size += len(found)
        return found


def survive(data: bytes) -> None:
    """Read a header, whatever it is."""
    counted = Counted(data)
    try:
        header = read_header(counted)
    except PhotoError:
        pass
    else:
        assert header.width > 0
        assert header.height > 0
    assert counted.reads <= 2000


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """No bytes raise anything but a PhotoError."""
    survive(data)


def mutate(rng: random.Random) -> bytes:
    """Spoil one of the samples: bytes, numbers, its length, or all after a place."""
    data = bytearray(rng.choice(list(SAMPLES.values())))
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                data[place : place + 4] = struct.pack(">I", rng.choice((0, 1, 7, 8, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)))
            case 2:
                del data[place : place + rng.randint(1, 9)]
            case _:
                data[place:place] = rng.randbytes(rng.randint(1, 9))
        if not data:
            return b""
    return bytes(data)


def test_spoiled_samples() -> None:
    """Of 20,000 spoiled photos none raises anything but a PhotoError, and none is read without end."""
    rng = random.Random(20)
    for _ in range(20_000):
        survive(mutate(rng))


def test_loops_end() -> None:
    """A header that leads in circles costs a bounded number of reads."""
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 330, 4, 1, 8) + struct.pack("<I", 8)
    endless = b"\xff\xd8" + b"\xff" * 100_000
    boxes = make_heic()[:24] + struct.pack(">I4s", 8, b"free") * 50_000

    for data in (loop, endless, boxes):
        survive(data)
        with pytest.raises(PhotoError):
            read_header(reader(data))
