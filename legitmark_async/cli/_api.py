"""The options by which commands reach the API."""

import os
from typing import Annotated

from attrs import frozen
from cyclopts import Group, Parameter

from legitmark_async import ConfigurationError, Legitmark, Timeouts
from legitmark_async.options import DEFAULT_ASSET_URL, DEFAULT_BASE_URL, DEFAULT_CONCURRENCY

_GROUP = Group("API", help="The key is read from LEGITMARK_API_KEY, and never from the command line.")


@Parameter(name="*", group=_GROUP)
@frozen(kw_only=True)
class Api:
    """How to reach the API.

    Attributes:
        base_url: Where the API is, if not at https://api.legitmark.com.
    """

    base_url: Annotated[str | None, Parameter(env_var="LEGITMARK_BASE_URL")] = None

    @property
    def has_key(self) -> bool:
        """Whether there is a key to reach it with."""
        return bool(os.environ.get("LEGITMARK_API_KEY"))

    def client(self, *, concurrency: int = DEFAULT_CONCURRENCY, deadline: float | None = None) -> Legitmark:
        """Make a client, not open yet.

        Raises:
            ConfigurationError: The key is not set, or something is wrong.
        """
        key = os.environ.get("LEGITMARK_API_KEY")
        if not key:
            raise ConfigurationError("LEGITMARK_API_KEY is not set: put your API key into this environment variable")
        return Legitmark(
            key,
            base_url=self.base_url or DEFAULT_BASE_URL,
            asset_url=os.environ.get("LEGITMARK_ASSET_URL") or DEFAULT_ASSET_URL,
            timeouts=Timeouts(deadline=deadline),
            concurrency=concurrency,
        )


DEFAULT_API = Api()
