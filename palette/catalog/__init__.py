"""What is defined, and which table versions are kept."""

from __future__ import annotations

from palette.catalog.file import FileCatalog
from palette.catalog.resolve import Resolved, named_columns, resolve

__all__ = ["FileCatalog", "Resolved", "named_columns", "resolve"]
