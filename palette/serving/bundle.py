"""Bundles: a plan as a directory of JSON, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dsl.errors import DslError
from palette.directories import replaced_directory
from palette.errors import DataError, PaletteError
from palette.serving.steps import Plan

__all__ = ["read_bundle", "write_bundle"]

FORMAT = 1
MANIFEST, PLAN = "bundle.json", "plan.json"


def write_bundle(plan: Plan, path: str | Path) -> None:
    """Write a plan to a directory; an older bundle there is replaced.

    Raises
    ------
    DataError
        If something that is no bundle stands at ``path``.
    """
    text = json.dumps(plan.to_json(), indent=1, allow_nan=False)
    with replaced_directory(path, MANIFEST) as fresh:
        (fresh / PLAN).write_text(text, "utf-8")
        manifest = {"format": FORMAT, "files": {PLAN: _checksum(text.encode())}}
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")


def read_bundle(path: str | Path) -> Plan:
    """Read the plan of a bundle.

    Raises
    ------
    DataError
        If there is no bundle, it is damaged, or a newer release wrote it.
    """
    path = Path(path)
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise DataError(f"{str(path)!r} has format {manifest['format']}; this release reads {FORMAT}")
        content = (path / PLAN).read_bytes()
        if _checksum(content) != manifest["files"][PLAN]:
            raise DataError(f"{str(path)!r} is damaged: {PLAN} is not what was written; save the bundle again")
        return Plan.from_json(json.loads(content))
    except (PaletteError, DslError):
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"no whole bundle at {str(path)!r}: {error!r}") from error


def _checksum(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
