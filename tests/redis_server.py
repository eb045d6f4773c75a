"""A Redis of one's own, for a test: on a free port, with nothing in it, and able to go away and come back."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from attrs import define, field

# Seconds for the server to start, and to end.
_PATIENCE = 20.0


@define(eq=False)
class RedisServer:
    """A server that keeps what it has in a folder."""

    folder: Path
    port: int = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = listening.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            assert "CI" not in os.environ, "redis-server is missing: .ci/run installs it"
            pytest.skip("redis-server is not installed: apt-get install redis-server")
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder))
        self._process = subprocess.Popen(  # noqa: S603  # a server of ours
            [program, "--port", str(self.port), *options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server doesn't answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it: what it had is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(1.0)
            if connection.connect_ex(("127.0.0.1", self.port)):
                return False
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
