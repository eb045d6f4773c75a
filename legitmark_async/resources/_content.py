"""Where the bytes of a photo come from: a path, bytes, or an open file."""

import io
import os
from pathlib import Path
from typing import BinaryIO

from attrs import field, frozen

from legitmark_async._photo import LARGEST, PhotoHeader, ReadAt, check
from legitmark_async.errors import PhotoError

Photo = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


@frozen
class FileContent:
    """A photo on a disk, opened anew for each try.

    Attributes:
        path: Where it is.
        size: Its bytes, when it was looked at.
    """

    path: Path
    size: int

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            PhotoError: It can't be read, or isn't as large any more.
        """
        file = _open(self.path)
        size = os.fstat(file.fileno()).st_size
        if size == self.size:
            return file
        file.close()
        raise _unusable(self.path, f"has changed from {self.size} to {size} bytes while it was uploaded")


@frozen
class BytesContent:
    """A photo in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """Return it as a file."""
        return io.BytesIO(self.data)


def look_at(photo: Photo) -> tuple[FileContent | BytesContent, PhotoHeader]:
    """Find out what a photo is; reads from a disk.

    An open file is read from where it stands, and no further than a photo may be long.

    Raises:
        PhotoError: It can't be read, or the API wouldn't take it.
    """
    content = _content(photo)
    with content.open() as file:
        return content, check(_reader(file), content.size)


def _content(photo: Photo) -> FileContent | BytesContent:
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return BytesContent(bytes(photo))
    if isinstance(photo, (str, os.PathLike)):
        path = Path(photo)
        with _open(path) as file:
            return FileContent(path, os.fstat(file.fileno()).st_size)
    data = photo.read(LARGEST + 1) if hasattr(photo, "read") else photo
    if isinstance(data, bytes):
        return BytesContent(data)
    problem = f"photo: is a path, bytes or a file that is open for reading bytes, not {type(photo).__name__}"
    raise PhotoError(problem, problems=[problem])


def _reader(file: BinaryIO) -> ReadAt:
    def read_at(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return read_at


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unusable(path, f"can't be read: {os.strerror(error.errno or 0)}") from None
    except ValueError as error:
        raise _unusable(path, f"can't be read: {error}") from None


def _unusable(path: Path, problem: str) -> PhotoError:
    text = f"photo: {str(path)!r} {problem}"
    return PhotoError(text, problems=[text])
