"""The API by resource: one method an endpoint."""

from legitmark_async.resources.sr import ServiceRequests

__all__ = ["ServiceRequests"]
