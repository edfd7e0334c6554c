"""Histories as sorted arrays: a step function of time for each key, for binary search.

The file holds one row of lists, so that arrays of different lengths lie in one memory-mapped Arrow file: the distinct
values of each key column, the index at which each key's rows start, their effective times, and the values.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ALWAYS", "HistoryArrays", "build_arrays", "write_arrays"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# The effective time of rows that are always valid, even at a null time.
ALWAYS = -(1 << 63)


@dataclass(frozen=True)
class HistoryArrays:
    """The arrays of one history.

    Parameters
    ----------
    keys : list of pa.Array
        Distinct values of each key column.
    pairs : list of array
        For each further column of a composite key the sorted codes of the combinations that occur.
    starts : array
        Index of the first row of each key, and the number of rows at the end.
    effective : array
        Time from which each row is the known one, ascending within a key.
    rows : array
        The row's index in the history as it was read.
    """

    keys: list[pa.Array]
    pairs: list[Ints]
    starts: Ints
    effective: Ints
    rows: Ints


def build_arrays(
    keys: Sequence[pa.Array],
    event: Ints | None,
    created: pa.Array | None,
    values: Callable[[], Iterable[pa.Array]],
    *,
    by_created: bool,
) -> HistoryArrays:
    """Sort a history and leave out the rows that never win.

    Parameters
    ----------
    keys : sequence of pa.Array
        Key columns, without nulls.
    event : array, optional
        Event times in microseconds; None for a static group.
    created : pa.Array, optional
        Created times as int64; null where unknown.
    values : function
        Returns all features in declared order; called only if created times do not resolve all ties.
    by_created : bool
        Whether rows count only from their created time on. Rows without one must not be passed.
    """
    codes, dictionaries, pairs = _encode(keys)
    times = np.full(len(codes), ALWAYS) if event is None else event
    order, codes_in_order, times_in_order, first = _sort_with_ties(codes, times, created, values)
    if by_created:
        assert created is not None
        effective = np.maximum(times, created.to_numpy())
        # In tie order a row's index is its rank, and ranks of later keys are greater: one running maximum serves all.
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        order = np.lexsort((rank, effective, codes))
        order = order[np.maximum.accumulate(rank[order]) == rank[order]]
        codes_in_order, times_in_order = codes[order], effective[order]
        first = _run_starts(codes_in_order) | _run_starts(times_in_order)
    if not first.all():
        # Of rows of one key and time the last wins.
        last = np.append(first[1:], True)
        codes_in_order, times_in_order, order = codes_in_order[last], times_in_order[last], order[last]
    count = len(pairs[-1]) if pairs else len(dictionaries[0])
    starts = np.searchsorted(codes_in_order, np.arange(count + 1))
    return HistoryArrays(dictionaries, pairs, starts, times_in_order, order)


def _encode(keys: Sequence[pa.Array]) -> tuple[Ints, list[pa.Array], list[Ints]]:
    """Number the keys; a composite one column by column, so that no product of sizes overflows."""
    encoded = [key.dictionary_encode() for key in keys]
    codes = encoded[0].indices.to_numpy().astype(np.int64)
    pairs = []
    for column in encoded[1:]:
        combined = codes * max(1, len(column.dictionary)) + column.indices.to_numpy()
        distinct, codes = np.unique(combined, return_inverse=True)
        pairs.append(distinct)
    return codes, [column.dictionary for column in encoded], pairs


def _sort_with_ties(
    codes: Ints, times: Ints, created: pa.Array | None, values: Callable[[], Iterable[pa.Array]]
) -> tuple[Ints, Ints, Ints, Mask]:
    """Sort by (key, event time, created, values): return the order, keys and times in it, and a mask of run starts."""
    order, codes, times, new = _sort(codes, times)
    first = new.copy()

    def tie_breakers() -> Iterator[pa.Array]:
        if created is not None:
            yield created
        yield from values()

    def zeros() -> Iterator[pa.Array]:
        # Rows that differ only in the signs of zeros, see palette.offline.zero_signs: a second pass, if there are any.
        for kind in (pa.types.is_floating, _is_list_of_floats) if any(mixed) else ():
            yield from (column for column, signed in zip(values(), mixed, strict=True) if signed and kind(column.type))

    # Column by column, and only where rows are still tied: usually few, so the values are seldom read.
    mixed: list[bool] = []
    for columns, rank in ((tie_breakers(), _rank), (zeros(), _rank_zeros)):
        while not first.all() and (column := next(columns, None)) is not None:
            tied = ~first
            tied[:-1] |= tied[1:]
            indices = np.flatnonzero(tied)
            run = np.cumsum(first)[indices]
            rows = order[indices]
            values_of_tied = column.take(pa.array(rows))
            if rank is _rank and column is not created:
                mixed.append(_has_both_zeros(values_of_tied))
            ranks = rank(values_of_tied)
            within = np.lexsort((ranks, run))
            order[indices] = rows[within]
            first[indices[1:]] |= np.diff(ranks[within]) != 0
    return order, codes, times, new


def _sort(codes: Ints, times: Ints) -> tuple[Ints, Ints, Ints, Mask]:
    """Sort by key and time: return the order, keys and times in it, and a mask of run starts."""
    low, high = (int(times.min()), int(times.max())) if len(times) else (0, 0)
    bits = (high - low).bit_length()
    if bits + int(codes.max(initial=0)).bit_length() < 63:
        # Both packed into one number: several times faster than sorting by two.
        packed = (codes << bits) | (times - low)
        order = np.argsort(packed)
        packed = packed[order]
        return order, packed >> bits, (packed & ((1 << bits) - 1)) + low, _run_starts(packed)
    order = np.lexsort((times, codes))
    codes, times = codes[order], times[order]
    return order, codes, times, _run_starts(codes) | _run_starts(times)


def _run_starts(values: Ints) -> Mask:
    """Return a mask of the first value of each run of equal values."""
    first = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first


def _rank(column: pa.Array) -> Ints:
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


def _is_list_of_floats(dtype: pa.DataType) -> bool:
    is_list = pa.types.is_list(dtype) or pa.types.is_large_list(dtype)
    return is_list and pa.types.is_floating(dtype.value_type)


def _has_both_zeros(column: pa.Array) -> bool:
    if _is_list_of_floats(column.type):
        column = pc.list_flatten(column)
    if not pa.types.is_floating(column.type):
        return False
    numbers = column.drop_null().to_numpy(zero_copy_only=False)
    negative = np.signbit(numbers[numbers == 0])
    return bool(negative.any() and not negative.all())


def _rank_zeros(column: pa.Array) -> Ints:
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


def write_arrays(arrays: HistoryArrays, event: Ints | None, columns: Mapping[str, pa.Array], folder: str) -> str:
    """Write a history to a file named by the hash of its content, and return the path.

    Parameters
    ----------
    event : array, optional
        Event times, where the age of a row depends on them.
    columns : mapping of str to pa.Array
        The requested values, in the order in which the history was read.
    """
    rows = pa.array(arrays.rows)
    lists: dict[str, pa.Array] = {f"key{index}": key for index, key in enumerate(arrays.keys)}
    lists |= {f"pairs{index}": pa.array(pairs) for index, pairs in enumerate(arrays.pairs)}
    lists |= {"starts": pa.array(arrays.starts), "effective": pa.array(arrays.effective)}
    if event is not None:
        lists["event"] = pa.array(event[arrays.rows])
    lists |= {f"value:{name}": column.take(rows) for name, column in columns.items()}
    table = pa.table({name: _one_row(values) for name, values in lists.items()})
    handle, path = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with open(path, "rb") as written:
        name = hashlib.file_digest(written, "sha256").hexdigest()
    final = os.path.join(folder, f"{name}.arrow")
    if os.path.exists(final):
        os.remove(path)
    else:
        os.replace(path, final)
    return final


def _one_row(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
