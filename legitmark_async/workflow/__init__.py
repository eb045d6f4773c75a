"""The way of an item: created, photographed, submitted and, by choice, judged."""

from legitmark_async.workflow._folders import FindPhotos, photos_in, read_photos
from legitmark_async.workflow._steps import find_photos
from legitmark_async.workflow._workflow import Workflow

__all__ = ["FindPhotos", "Workflow", "find_photos", "photos_in", "read_photos"]
