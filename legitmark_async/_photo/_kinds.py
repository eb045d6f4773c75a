"""The kinds of photos that the API takes."""

from enum import StrEnum

from attrs import frozen


class PhotoKind(StrEnum):
    """A kind of photo (contract, section 8)."""

    JPEG = "JPEG"
    PNG = "PNG"
    HEIC = "HEIC"
    DNG = "DNG"

    @property
    def extension(self) -> str:
        """What an upload is asked for with."""
        return "jpg" if self is PhotoKind.JPEG else self.value.lower()

    @property
    def content_type(self) -> str:
        """What it is sent as."""
        return "image/x-adobe-dng" if self is PhotoKind.DNG else f"image/{self.value.lower()}"


@frozen
class PhotoHeader:
    """What the header of a photo tells.

    Attributes:
        kind: By the content.
        width: Pixels, as they are stored: a camera that was turned doesn't count.
        height: Pixels, likewise.
    """

    kind: PhotoKind
    width: int
    height: int
