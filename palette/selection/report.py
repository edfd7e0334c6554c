"""Reports in files, written atomically."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from palette.errors import ArgumentError, DataError
from palette.paths import COPY_THERE, local_path
from palette.selection.html import page
from palette.selection.plain_text import markdown

if TYPE_CHECKING:
    from palette.selection.records import SelectionRecord

__all__ = ["check_report", "write_report"]


def _json(selection: SelectionRecord) -> str:
    return json.dumps(selection.to_json(), ensure_ascii=False, indent=2) + "\n"


FORMATS: dict[str, Callable[[SelectionRecord], str]] = {".html": page, ".md": markdown, ".json": _json}


def check_report(path: str | Path) -> Path:
    """Return the path of a report, if it can be written.

    Raises
    ------
    ArgumentError
        If it does not end in ``.html``, ``.md`` or ``.json``.
    DataError
        If there is no such directory.
    """
    path = local_path(path, "a report", COPY_THERE)
    if path.suffix.lower() not in FORMATS:
        raise ArgumentError(f"report {str(path)!r}: expected a file that ends in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise DataError(f"report {str(path)!r}: there is no directory {str(path.parent)!r}")
    return path


def write_report(selection: SelectionRecord, path: str | Path) -> None:
    """Write a report in the format of the path's suffix."""
    path = check_report(path)
    text = FORMATS[path.suffix.lower()](selection)
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp creates it private.
        os.chmod(fresh, 0o644)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
