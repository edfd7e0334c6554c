"""State file in which the workers of a service share the path of each model's bundle."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

__all__ = ["read_state", "write_state"]


def read_state(file: str | None) -> dict[str, str]:
    """Return the path of each model's bundle; empty without a file."""
    if file is None:
        return {}
    try:
        return dict(json.loads(Path(file).read_text("utf-8")))
    except FileNotFoundError:
        return {}


def write_state(file: str, name: str, path: str) -> None:
    """Update the path of a model's bundle atomically, one worker at a time."""
    with open(f"{file}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new = Path(f"{file}.new")
        new.write_text(json.dumps({**read_state(file), name: path}), "utf-8")
        new.rename(file)
