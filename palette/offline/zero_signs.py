"""Signs of zeros, the last part of the tie rule: of rows that are equal in Spark's order, 0.0 wins over -0.0.

Spark compares the two as equal, so that any of several rows that differ in nothing else could win. Columns of numbers
decide first, in their order, then those of lists.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["ZEROS", "zero_signs"]

ZEROS = "__palette_zeros"
# Signs of this many columns are packed into one bigint.
BITS = 62


def zero_signs(types: Mapping[str, str]) -> list[Column]:
    """Return columns to compare after those of the values; none without columns of floating-point numbers.

    Parameters
    ----------
    types : mapping of str to str
        The features in declared order, with their types.
    """
    numbers = [name for name, dtype in types.items() if dtype in ("float", "double")]
    lists = {name: dtype for name, dtype in types.items() if dtype in ("array<float>", "array<double>")}
    signs = []
    for start in range(0, len(numbers), BITS):
        names = numbers[start : start + BITS]
        bits = [
            F.when(_is_positive_zero(exact_column(name)), F.lit(1 << (BITS - position)).cast("bigint")).otherwise(
                F.lit(0)
            )
            for position, name in enumerate(names, 1)
        ]
        signs.append(functools.reduce(operator.add, bits))
    for name, dtype in lists.items():
        zero = F.lit(0.0).cast(dtype.removeprefix("array<").removesuffix(">"))
        # Without a zero there is nothing to decide: the elements are not compared.
        signs.append(F.when(F.array_position(name, zero) > 0, F.transform(name, _is_positive_zero)))
    return [sign.alias(f"{ZEROS}{index}") for index, sign in enumerate(signs)]


def _is_positive_zero(value: Column) -> Column:
    # Spark compares, adds and hashes the two alike; their powers are infinities of opposite signs.
    return (value == 0) & (F.pow(value, F.lit(-1.0)) > 0)
