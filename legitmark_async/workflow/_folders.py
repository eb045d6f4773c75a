"""Photos in folders: one folder for each item, one file for each side."""

import functools
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from legitmark_async.errors import ConfigurationError, PhotoError
from legitmark_async.models import ServiceRequestDraft
from legitmark_async.resources import Photo

FindPhotos = Callable[[ServiceRequestDraft], Mapping[str, Photo]]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".heic", ".heif", ".dng"}
# What systems put into folders by themselves, beside hidden files.
_CLUTTER = {"thumbs.db", "desktop.ini"}
# Characters that some system lets no name of a folder hold.
_FORBIDDEN = re.compile(r'[\x00-\x1f"%*/:<>?\\|]')


def photos_in(folder: str | os.PathLike[str]) -> FindPhotos:
    """Find the photos of each draft in a folder: `folder/reference_id/side.jpg`.

    A file is called by the name of its side, in English, or the side's UUID. Case, accents, spaces and punctuation
    don't count, and neither does the suffix. Hidden files are left out. Where no folder can be called like the
    `reference_id`, its characters such as `/` are percent-encoded: `A/1` has its photos in `A%2F1`.

    ```python
    run = legitmark.workflow.submit_many(drafts, photos_in("photos"))
    ```

    Args:
        folder: Where the folders of the drafts are.

    Returns:
        What `submit_many` takes. It raises a `PhotoError` for a draft if there is no such folder, or it is empty, or
        two files in it are called alike.

    Raises:
        ConfigurationError: The folder isn't there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigurationError(f"photos: {str(root)!r} is no folder", problems=["photos"])
    return functools.partial(_photos_of, root)


def read_photos(folder: str | os.PathLike[str]) -> dict[str, Photo]:
    """Find the photos of one item in a folder: `folder/side.jpg`; see `photos_in` for how files are called.

    ```python
    sr = await legitmark.workflow.authenticate(draft, read_photos("photos/ITEM-1"))
    ```

    Returns:
        Paths by the names of the files.

    Raises:
        PhotoError: There is no such folder, or it is empty, or two files in it are called alike.
    """
    folder = Path(folder)
    try:
        files = sorted(path for path in folder.iterdir() if not _is_clutter(path.name))
    except OSError as error:
        raise _unreadable(error) from None
    photos: dict[str, Photo] = {}
    for path in files:
        name = path.stem if path.suffix.lower() in _SUFFIXES else path.name
        if name in photos:
            raise _error(f"{str(photos[name])!r} and {str(path)!r} are of the same side", "two of one side")
        photos[name] = path
    if not photos:
        raise _error(f"{str(folder)!r} has no photos in it", "its folder has none in it")
    return photos


def _photos_of(root: Path, draft: ServiceRequestDraft) -> dict[str, Photo]:
    try:
        folder = _find(root, draft.reference_id)
    except OSError as error:
        raise _unreadable(error) from None
    return read_photos(folder)


def _find(root: Path, reference_id: str) -> Path:
    plain = root / reference_id
    # No reference may lead out of the folder.
    if plain.parent == root and plain.name == reference_id != ".." and plain.is_dir():
        return plain
    encoded = _FORBIDDEN.sub(lambda found: f"%{ord(found[0]):02X}", reference_id)
    return root / (encoded if encoded.strip(".") else encoded.replace(".", "%2E"))


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _CLUTTER


def _unreadable(error: OSError) -> PhotoError:
    problem = f"can't be read: {os.strerror(error.errno or 0)}"
    return _error(f"{error.filename!r} {problem}", f"its folder {problem}")


def _error(text: str, problem: str) -> PhotoError:
    # Without its own path, the problem is the same for all items that have it.
    return PhotoError(f"photos: {text}", problems=[f"photos: {problem}"])
