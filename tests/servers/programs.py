"""The programs of the servers that tests start: from a wheel of the environment, or from the system.

The wheel's program comes first: constraints.txt pins its version, so that tests run against the same server on every
machine. A server of the system may be years older (Redis 6 lacks CLUSTER ADDSLOTSRANGE); it is used where the wheel's
does not run, or where an environment variable names it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

__all__ = ["ServerNotFoundError", "find_program", "wheel_files"]


class ServerNotFoundError(RuntimeError):
    """No program of a server runs on this machine."""


def find_program(server: str, variable: str, candidates: Iterable[Path], *, package: str) -> Path:
    """Return the first program that runs.

    Parameters
    ----------
    server : str
        The server's name, for the message.
    variable : str
        The environment variable that names a program instead.
    candidates : iterable of Path
        Programs in the order of preference; missing ones are passed over.
    package : str
        The system's package, for the message.
    """
    chosen = os.environ.get(variable)
    failures = []
    for path in [Path(chosen)] if chosen else candidates:
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
        else:
            if done.returncode == 0:
                return path
            failures.append(f"{path}: {done.stderr.strip()[-300:]}")
    raise ServerNotFoundError(
        f"no {server} server runs here (tried: {'; '.join(failures) or 'none is installed'}). `make venv` installs one "
        f"from a wheel; without a wheel for this machine, install the system's (as root: apt-get install {package}), "
        f"or set {variable} to the program"
    )


def wheel_files(distribution: str) -> list[Path]:
    """Return the installed files of a wheel; none if it is not installed."""
    try:
        files = metadata.files(distribution)
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files or ()]
