"""Which bundle of each model was loaded last: what the workers of one service tell each other."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

__all__ = ["read_state", "write_state"]


def read_state(file: str | None) -> dict[str, str]:
    """Return the path of each model's bundle; nothing if there is no file."""
    if file is None:
        return {}
    try:
        return dict(json.loads(Path(file).read_text("utf-8")))
    except FileNotFoundError:
        return {}


def write_state(file: str, name: str, path: str) -> None:
    """Write the path of a model's bundle beside those of the others, one worker at a time; readers see whole files."""
    with open(f"{file}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = Path(f"{file}.new")
        fresh.write_text(json.dumps({**read_state(file), name: path}), "utf-8")
        fresh.rename(file)
