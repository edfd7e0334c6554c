"""Migrations of the catalog's tables, one per release."""

from __future__ import annotations

__all__ = ["HEAD"]

# The newest revision, available without Alembic; a test compares it with the scripts.
HEAD = "0004"
