"""For tests of code that uses the client: sample data, assertions, a sandbox in a thread, and virtual time.

pytest finds the fixtures by itself: `legitmark_sandbox`, `legitmark_client`, `legitmark_environment` and
`legitmark_clock`; and the marks `legitmark_sandbox(...)` and `legitmark_client(...)`, which take options for the two.
"""

from legitmark_async.testing._assertions import assert_created_once, assert_never_over_limit, assert_no_duplicates
from legitmark_async.testing._photos import make_photo
from legitmark_async.testing._samples import BAG, CROSSBODY, make_draft, make_drafts, make_event, make_item
from legitmark_async.testing._served import environment_of, serve_in_thread
from legitmark_async.testing._virtual_time import VirtualClock, virtual_time

__all__ = [
    "BAG",
    "CROSSBODY",
    "VirtualClock",
    "assert_created_once",
    "assert_never_over_limit",
    "assert_no_duplicates",
    "environment_of",
    "make_draft",
    "make_drafts",
    "make_event",
    "make_item",
    "make_photo",
    "serve_in_thread",
    "virtual_time",
]
