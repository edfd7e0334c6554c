"""Spark columns by their exact names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["exact_column"]


def exact_column(name: str) -> Column:
    """Return the column of exactly this name, dots and colons included."""
    return F.col("`" + name.replace("`", "``") + "`")
