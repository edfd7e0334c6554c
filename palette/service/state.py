"""Which bundle of each model was loaded last: what the workers of one service tell each other."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
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


def write_state(file: str, paths: Mapping[str, str]) -> None:
    """Write them, whole."""
    fresh = Path(f"{file}.{os.getpid()}")
    fresh.write_text(json.dumps(dict(paths)), "utf-8")
    fresh.rename(file)
