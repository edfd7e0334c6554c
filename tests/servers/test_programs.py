"""Which program a server of the tests is started from."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.servers.postgres import WHEEL, copy_wheel
from tests.servers.programs import ServerNotFoundError, find_program, wheel_files


@pytest.fixture
def make(tmp_path):
    def program(name, status=0):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho 'GLIBC not found' >&2\nexit {status}\n")
        path.chmod(0o755)
        return path

    return program


def find(candidates):
    return find_program("Redis", "PALETTE_TEST_PROGRAM", candidates, package="redis-server")


def test_program_that_does_not_run_is_passed_over(make, tmp_path):
    assert find([tmp_path / "absent", make("broken", 1), make("first"), make("second")]) == tmp_path / "first"


def test_environment_variable_chooses(make, monkeypatch):
    monkeypatch.setenv("PALETTE_TEST_PROGRAM", str(make("chosen")))
    assert find([make("first")]) == make("chosen")
    monkeypatch.setenv("PALETTE_TEST_PROGRAM", str(make("broken", 1)))
    with pytest.raises(ServerNotFoundError, match="broken: GLIBC not found"):
        find([make("first")])


def test_error_names_the_remedies(make):
    with pytest.raises(ServerNotFoundError) as raised:
        find([make("broken", 1)])
    message = str(raised.value)
    assert message.startswith("no Redis server runs here")
    for remedy in ("make venv", "apt-get install redis-server", "PALETTE_TEST_PROGRAM"):
        assert remedy in message


def test_copied_programs_run(tmp_path):
    """Root's environment may be closed to the user who runs PostgreSQL."""
    (original,) = (path.resolve() for path in wheel_files(WHEEL) if path.name == "postgres")
    copied = copy_wheel(original.parent, tmp_path / "programs", os.geteuid())
    for name in ("postgres", "initdb"):
        done = subprocess.run([copied / name, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"{name} (PostgreSQL) 18")


def test_only_programs_of_the_wheel_are_copied(tmp_path):
    with pytest.raises(ServerNotFoundError, match="choose another"):
        copy_wheel(tmp_path, tmp_path / "programs", os.geteuid())
