"""Import of ``catalog.json``, the catalog of releases before the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from palette.catalog.definitions.write import write_all
from palette.catalog.tables import pins
from palette.definitions.yaml.documents import from_plain
from palette.errors import DefinitionError

__all__ = ["import_json", "set_aside"]

FORMAT = 1


def import_json(connection: Connection, path: Path) -> None:
    """Write the definitions and pins of the file into an empty catalog.

    Raises
    ------
    DefinitionError
        If the file is damaged or has an unknown format; the file is unchanged.
    """
    document = _document(path)
    try:
        definitions = [
            from_plain(plain, section) for section in ("entities", "feature_groups") for plain in document[section]
        ]
        rows = [
            {"name": name, "group_name": group, "version": int(version)}
            for name, versions in document["pins"].items()
            for group, version in versions.items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DefinitionError(f"{str(path)!r} is damaged: {error!r}") from error
    write_all(connection, definitions, who=f"taken over from {path.name}")
    if rows:
        connection.execute(pins.insert(), rows)


def set_aside(path: Path) -> None:
    """Rename the file, so that it is not mistaken for the catalog."""
    path.replace(path.with_name(path.name + ".taken-over"))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"{str(path)!r} is not a catalog: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        version = document.get("format") if isinstance(document, dict) else None
        raise DefinitionError(f"{str(path)!r} has format {version}; this release imports format {FORMAT}")
    return document
