"""Servers of one's own, for a test: on free ports, empty, able to go away and come back; and workers that can die."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from attrs import define, field
from skip_summary import NO_SERVERS

# Seconds for a server to start, and to end.
_PATIENCE = 60.0
# Below the ports that the system gives to whoever connects: one of those might be taken while its server is gone.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a port that nobody listens at."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as listening:
            try:
                listening.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _program(name: str) -> str:
    """Return the path of a program, or skip the test; CI installs it."""
    program = shutil.which(name)
    if program is None:
        assert "CI" not in os.environ, f"{name} is missing: .ci/run installs it"
        pytest.skip(NO_SERVERS)
    return program


@define(eq=False)
class RedisServer:
    """A Redis.

    Attributes:
        folder: Where it keeps what it has.
        durable: Whether it does, and has it again when it is started anew.
    """

    folder: Path
    durable: bool = False
    port: int = field(factory=free_port, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ("--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        durability = ("--appendonly", "yes" if self.durable else "no")
        self._process = subprocess.Popen(  # noqa: S603  # a server of ours
            [_program("redis-server"), "--port", str(self.port), *options, *durability], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server doesn't answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it."""
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


@define(eq=False)
class RabbitServer:
    """A RabbitMQ that keeps what it has in a folder.

    Attributes:
        folder: Where; its path must be short.
    """

    folder: Path
    port: int = field(factory=free_port, init=False)
    _names: int = field(factory=free_port, init=False)  # port of its name server
    _name_server: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = Path(_program("rabbitmq-server")).resolve()
        if self._name_server is None:
            # Else the server starts one that outlives it.
            command = [_program("epmd"), "-port", str(self._names), "-address", "127.0.0.1"]
            self._name_server = subprocess.Popen(command)  # noqa: S603  # of the same package
        # Debian's wrapper wants to be the user that it has made.
        own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        self._process = subprocess.Popen(  # noqa: S603  # a server of ours
            [str(own if own.exists() else program)],
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "rabbitmq-server doesn't answer"
            assert self._process.poll() is None, "rabbitmq-server has ended"
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it, with all that it has started but its name server."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_PATIENCE)
            self._process = None

    def stop(self) -> None:
        """Kill it, and its name server."""
        self.kill()
        if self._name_server is not None:
            self._name_server.kill()
            self._name_server.wait(_PATIENCE)
            self._name_server = None

    def _environment(self) -> dict[str, str]:
        plugins = self.folder / "enabled_plugins"
        plugins.write_text("[].\n")
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _answers(self) -> bool:
        with socket.socket() as connection:
            connection.settimeout(5.0)
            try:
                connection.connect(("127.0.0.1", self.port))
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(8) != b""
            except OSError:
                return False


@define(eq=False)
class Workers:
    """`legitmark worker`, and its processes."""

    manager: "subprocess.Popen[bytes]"

    @property
    def pids(self) -> list[int]:
        """The processes that work; one that dies is started again, under another number."""
        told = Path(f"/proc/{self.manager.pid}/task/{self.manager.pid}/children").read_text()
        return [int(pid) for pid in told.split()]

    def kill(self, pid: int) -> None:
        """Kill one without a word, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def end(self) -> int:
        """Ask them to end, and return the exit status."""
        self.manager.terminate()
        return self.manager.wait(60)
