"""Spark Connect listens on one port: scripts that start a server take turns, whichever process runs their tests."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["run_on_connect"]


def run_on_connect(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command that starts a Spark Connect server, while no other test does."""
    with (Path(tempfile.gettempdir()) / "palette-tests-connect.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)
