"""Catalog of definitions, features, models, feeds and pins, in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palette.catalog.definitions.resolve import Resolved, named_columns, resolve
from palette.errors import CatalogError
from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog
    from palette.catalog.definitions.changes import Change, Changes
    from palette.catalog.features.search import Filters, SearchResult
    from palette.catalog.models.versions import ModelRecord

__all__ = [
    "Change",
    "Changes",
    "Filters",
    "ModelRecord",
    "Resolved",
    "SearchResult",
    "SqlCatalog",
    "named_columns",
    "resolve",
]

_HOMES = {
    "Change": "palette.catalog.definitions.changes",
    "Changes": "palette.catalog.definitions.changes",
    "Filters": "palette.catalog.features.search",
    "SearchResult": "palette.catalog.features.search",
    "ModelRecord": "palette.catalog.models.versions",
    "SqlCatalog": "palette.catalog.catalog",
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
