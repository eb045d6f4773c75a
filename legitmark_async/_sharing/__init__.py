"""One limit for many processes: what one learns, all obey, and each gets its part.

From the bottom up, all pure but the last:

- `Permit`, `Report` and what has ended: what goes between a process and the others;
- `Group`, all processes of a key, and the limits as the pacer knows them; `Plan`, who gets which permits;
- `Share`, one process's part, in the place of limits of its own; `Switch`, which of both holds;
- `Codec`, a group as text; `LimitStore`, what keeps it;
- `Sharer`, the asyncio shell around them: some times a second it loads the group, lets it meet the share, and saves it.
"""

from legitmark_async._sharing._codec import LAYOUT, Codec
from legitmark_async._sharing._group import Group
from legitmark_async._sharing._sharer import Sharer
from legitmark_async._sharing._store import LimitStore, Stored, checked_store
from legitmark_async._sharing._switch import Switch

__all__ = ["LAYOUT", "Codec", "Group", "LimitStore", "Sharer", "Stored", "Switch", "checked_store"]
