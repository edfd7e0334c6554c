"""How the tables of the catalog came to be, one step a release."""

from __future__ import annotations

__all__ = ["HEAD"]

# The newest revision, known without Alembic; a test compares it with the scripts.
HEAD = "0003"
