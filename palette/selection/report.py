"""Reports in files: there whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from palette.errors import DataError, DefinitionError
from palette.paths import COPY_THERE, local_path
from palette.selection.html import page
from palette.selection.plain_text import markdown

if TYPE_CHECKING:
    from palette.selection.result import Selection

__all__ = ["check_report", "write_report"]


def _json(selection: Selection) -> str:
    return json.dumps(selection.to_json(), ensure_ascii=False, indent=2) + "\n"


FORMS: dict[str, Callable[[Selection], str]] = {".html": page, ".md": markdown, ".json": _json}


def check_report(path: str | Path) -> Path:
    """Return the path of a report that can be written.

    Raises
    ------
    DefinitionError
        If it does not end in ``.html``, ``.md`` or ``.json``.
    DataError
        If there is no such directory.
    """
    path = local_path(path, "a report", COPY_THERE)
    if path.suffix.lower() not in FORMS:
        raise DefinitionError(f"report {str(path)!r}: expected a file that ends in {', '.join(FORMS)}")
    if not path.parent.is_dir():
        raise DataError(f"report {str(path)!r}: there is no directory {str(path.parent)!r}")
    return path


def write_report(selection: Selection, path: str | Path) -> None:
    """Write a report in the form that the path ends with."""
    path = check_report(path)
    text = FORMS[path.suffix.lower()](selection)
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp makes it private.
        os.chmod(fresh, 0o644)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
