"""What a photo is, by its content: an own reader of the headers of JPEG, PNG, HEIC and DNG. Pure.

It reads from any place of the photo by a function, a bounded number of bytes in all, whatever the photo says of itself.
"""

from legitmark_async._photo._check import LARGEST, LEAST, check, read_header
from legitmark_async._photo._kinds import PhotoHeader, PhotoKind
from legitmark_async._photo._reader import ReadAt

__all__ = ["LARGEST", "LEAST", "PhotoHeader", "PhotoKind", "ReadAt", "check", "read_header"]
