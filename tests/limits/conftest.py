"""What the tests of shared limits have in common."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_servers import RedisServer


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a Redis."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()
