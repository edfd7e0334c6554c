"""A PostgreSQL for the tests: a process of its own, on a free loopback port, that keeps nothing."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis_server import free_port

__all__ = ["PostgresServer", "postgres_server"]

REMEDY = "these tests need PostgreSQL's programs: apt-get install postgresql (a system service is not needed)"


class PostgresServer:
    """One server; ``database()`` makes a database in it."""

    def __init__(self) -> None:
        found = programs()
        if found is None:
            pytest.fail(REMEDY, pytrace=False)
        self._programs = found
        self._user = unprivileged()
        self.home = Path(tempfile.mkdtemp(prefix="palette-postgres-"))
        self.port = free_port()
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> PostgresServer:
        """Make a cluster, start it, and wait until it answers."""
        if self._user is not None:
            shutil.chown(self.home, self._user)
        data = self.home / "data"
        command = [self._programs / "initdb", "-D", data, "-U", "palette", "-A", "trust", "-E", "UTF8", "--no-sync"]
        done = subprocess.run([*command, "--locale=C.UTF-8"], capture_output=True, **self._as())
        if done.returncode:
            pytest.fail(f"initdb: {done.stderr.decode()[-2000:]}", pytrace=False)
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.home}
        settings |= {"fsync": "off", "shared_buffers": "64MB"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.home / "log").open("ab") as log:
            command = [self._programs / "postgres", "-D", data, *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as())
        import psycopg

        until = time.monotonic() + 30
        while time.monotonic() < until and self._process.poll() is None:
            try:
                psycopg.connect(self._address("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return self
        pytest.fail(f"postgres does not start: {(self.home / 'log').read_text()[-2000:]}", pytrace=False)

    def database(self, template: str = "template1") -> str:
        """Make a database, an empty one or a copy of another to which nobody is connected; return its URL."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql+psycopg://palette@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database: hundreds of them are gigabytes."""
        import psycopg

        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def close(self) -> None:
        """Stop, and remove its directory."""
        if self._process is not None:
            # Fast: what is still connected is cut off.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _address(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=palette dbname={database} connect_timeout=5"

    def _as(self) -> dict:
        return {"user": self._user, "cwd": self.home} if self._user is not None else {"cwd": self.home}


def programs() -> Path | None:
    """Return the directory of initdb and postgres, if they are installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    found += [path] if (path := shutil.which("initdb")) else []
    return Path(os.path.realpath(found[-1])).parent if found else None


def unprivileged() -> str | None:
    """Return who runs the server if we are root, whom it refuses."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole run; each test has databases of its own."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()
