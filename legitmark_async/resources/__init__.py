"""The API by resource: one method an endpoint."""

from legitmark_async.resources._content import Photo, look_at
from legitmark_async.resources._pages import Pages
from legitmark_async.resources._shelf import Shelf
from legitmark_async.resources._submit import Submission, is_submitted
from legitmark_async.resources._uploads import NotUploaded, Uploaded, UploadOutcome, UploadProgress, UploadRun
from legitmark_async.resources.images import Images, require_asset_host
from legitmark_async.resources.sr import ServiceRequests
from legitmark_async.resources.taxonomy import Taxonomy

__all__ = [
    "Images",
    "NotUploaded",
    "Pages",
    "Photo",
    "ServiceRequests",
    "Shelf",
    "Submission",
    "Taxonomy",
    "UploadOutcome",
    "UploadProgress",
    "UploadRun",
    "Uploaded",
    "is_submitted",
    "look_at",
    "require_asset_host",
]
