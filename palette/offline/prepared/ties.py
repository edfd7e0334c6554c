"""The order of values by which ties are broken: Spark's, computed by NumPy for the rows that are tied.

The functions here are pickled by value and refer to nothing else in this package, so that workers run them without it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["has_both_zeros", "is_list_of_floats", "rank_values", "rank_zeros"]

Ints = npt.NDArray[np.int64]


def rank_values(column: pa.Array) -> Ints:
    """Return ranks in Spark's order of the values: nulls first, NaN last, strings by bytes."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    present = column.drop_null()
    if pa.types.is_floating(column.type):
        _, ranks = np.unique(present.to_numpy(zero_copy_only=False), return_inverse=True)
    elif pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        if pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type):
            # As bytes, which need not be UTF-8.
            present = present.cast(pa.large_list(pa.large_binary()))
        lists = [tuple(map(_sort_key, value)) for value in present.to_pylist()]
        rank_of = {value: rank for rank, value in enumerate(sorted(set(lists)))}
        ranks = np.array([rank_of[value] for value in lists], np.int64)
    else:
        encoded = present.dictionary_encode()
        rank = np.empty(len(encoded.dictionary), np.int64)
        rank[pc.array_sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank))
        ranks = rank[encoded.indices.to_numpy()]
    out = np.zeros(len(column), np.int64)
    out[valid] = ranks + 1
    return out


def is_list_of_floats(dtype: pa.DataType) -> bool:
    """Return whether values are lists of floating numbers."""
    is_list = pa.types.is_list(dtype) or pa.types.is_large_list(dtype)
    return is_list and pa.types.is_floating(dtype.value_type)


def has_both_zeros(column: pa.Array) -> bool:
    """Return whether a column has both 0.0 and -0.0."""
    if is_list_of_floats(column.type):
        column = pc.list_flatten(column)
    if not pa.types.is_floating(column.type):
        return False
    numbers = column.drop_null().to_numpy(zero_copy_only=False)
    negative = np.signbit(numbers[numbers == 0])
    return bool(negative.any() and not negative.all())


def rank_zeros(column: pa.Array) -> Ints:
    """Return ranks of values that are equal otherwise: 0.0 is greater than -0.0."""
    if pa.types.is_floating(column.type):
        numbers = column.fill_null(math.nan).to_numpy(zero_copy_only=False)
        return ((numbers == 0) & ~np.signbit(numbers)).astype(np.int64)
    signs = [tuple(x == 0 and math.copysign(1, x) > 0 for x in value or ()) for value in column.to_pylist()]
    rank_of = {value: rank for rank, value in enumerate(sorted(set(signs)))}
    return np.array([rank_of[value] for value in signs], np.int64)


def _sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, float) and math.isnan(value):
        return (2, 0)
    return (1, value)
