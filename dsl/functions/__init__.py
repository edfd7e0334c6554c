"""The functions of the language, one module for each family. Importing this package registers them all."""

from __future__ import annotations

from dsl.functions import (
    categories,
    comparison,
    cyclic,
    durations,
    geo,
    hashing,
    logic,
    maths,
    nulls,
    numeric,
    operators,
    scaling,
    statistics,
    text,
    time,
    vectors,
)

__all__ = ["categories", "comparison", "cyclic", "durations", "geo", "hashing", "logic", "maths", "nulls", "numeric",
    "operators", "scaling", "statistics", "text", "time", "vectors"]  # fmt: skip
