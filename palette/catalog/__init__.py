"""What is defined, and which table versions are kept."""

from __future__ import annotations

from palette.catalog.file import FileCatalog

__all__ = ["FileCatalog"]
