"""What is defined, who uses it, and which table versions are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palette.catalog.resolve import Resolved, named_columns, resolve
from palette.errors import CatalogError
from palette.lazy import lazy

if TYPE_CHECKING:
    from palette.catalog.planned import Change, Changes
    from palette.catalog.records import ModelRecord
    from palette.catalog.search import Filters, Found
    from palette.catalog.sql import SqlCatalog

__all__ = ["Change", "Changes", "Filters", "Found", "ModelRecord", "Resolved", "SqlCatalog", "named_columns", "resolve"]

_HOMES = {
    "Change": "palette.catalog.planned",
    "Changes": "palette.catalog.planned",
    "Filters": "palette.catalog.search",
    "Found": "palette.catalog.search",
    "ModelRecord": "palette.catalog.records",
    "SqlCatalog": "palette.catalog.sql",
}

_attribute, __dir__ = lazy(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    # Lazy: names can be resolved without a database, and without the packages for it.
    try:
        return _attribute(name)
    except ModuleNotFoundError as error:
        if error.name not in ("alembic", "sqlalchemy"):
            raise
        raise CatalogError(f"a catalog needs {error.name}: pip install 'palette-features[catalog]'") from error
