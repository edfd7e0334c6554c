"""Histories as sorted arrays: a step function of time for each key, for binary search.

Key and time of a row are packed into one number, so that one search finds both. The functions here are pickled by
value and refer to nothing else in this package but :mod:`palette.offline.prepared.ties`: Spark's workers sort the
partitions of a large history with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palette.offline.prepared.ties import has_both_zeros, is_list_of_floats, rank_values, rank_zeros

__all__ = ["ALWAYS", "HistoryArrays", "PackedTimes", "build_arrays", "pack"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

# The effective time of rows that are always valid, even at a null time.
ALWAYS = -(1 << 63)
# Bits of a packed number that are not its sign.
BITS = 63


@dataclass(frozen=True)
class PackedTimes:
    """Numbers of keys and times, each pair packed into one number that sorts as they do.

    Parameters
    ----------
    values : array
        The number of the key, followed by ``bits`` bits of the time: microseconds since ``low``, or the index of the
        time in ``times``.
    bits : int
        Bits of a time.
    low : int
        The earliest time.
    times : array, optional
        The distinct times, ascending: where both numbers together would not fit, and of rows that are always valid.
    """

    values: Ints
    bits: int
    low: int
    times: Ints | None

    @property
    def codes(self) -> Ints:
        """The number of each pair's key."""
        return self.values >> self.bits

    @property
    def effective(self) -> Ints:
        """Each pair's time."""
        offsets = self.values & ((1 << self.bits) - 1)
        return offsets + self.low if self.times is None else self.times[offsets]

    def take(self, indices: Ints | Mask) -> PackedTimes:
        """Return some of the pairs."""
        return PackedTimes(self.values[indices], self.bits, self.low, self.times)


@dataclass(frozen=True)
class HistoryArrays:
    """The arrays of one history.

    Parameters
    ----------
    keys : list of pa.Array
        Distinct values of each key column; with hashes those of each key.
    pairs : list of array
        For each further column of a composite key the sorted codes of the combinations that occur; none with hashes.
    hashes : array, optional
        Hashes of the keys, ascending as numbers without a sign, where they are given and no two keys share one.
    packed : PackedTimes
        Key, and time from which each row is the known one, ascending.
    rows : array
        The row's index in the history as it was read.
    """

    keys: list[pa.Array]
    pairs: list[Ints]
    hashes: Hashes | None
    packed: PackedTimes
    rows: Ints


def build_arrays(
    keys: Sequence[pa.Array],
    event: Ints | None,
    created: pa.Array | None,
    values: Callable[[], Iterable[pa.Array]],
    *,
    by_created: bool,
    hashes: Ints | None = None,
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
    hashes : array, optional
        Hashes of the keys, 64 bits: they are numbered by them, and searched by them.
    """
    numbered = None if hashes is None else _number(keys, hashes)
    codes, dictionaries, pairs, distinct = (*_encode(keys), None) if numbered is None else numbered
    times = np.full(len(codes), ALWAYS) if event is None else event
    order, packed = _sort_with_ties(codes, times, created, values)
    if by_created:
        assert created is not None
        effective = np.maximum(times, created.to_numpy())
        # In tie order a row's index is its rank, and ranks of later keys are greater: one running maximum serves all.
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        order = np.lexsort((rank, effective, codes))
        order = order[np.maximum.accumulate(rank[order]) == rank[order]]
        packed = pack(codes[order], effective[order])
    # Of rows of one key and time the last wins.
    last = np.ones(len(order), bool)
    np.not_equal(packed.values[1:], packed.values[:-1], out=last[:-1])
    if not last.all():
        packed, order = packed.take(last), order[last]
    return HistoryArrays(dictionaries, pairs, distinct, packed, order)


def pack(codes: Ints, times: Ints) -> PackedTimes:
    """Pack numbers of keys, which are not negative, and times.

    Examples
    --------
    >>> packed = pack(np.array([0, 1]), np.array([7, 9]))
    >>> packed.values.tolist(), packed.bits, packed.low
    ([0, 6], 2, 7)
    """
    low, high = (int(times.min()), int(times.max())) if len(times) else (0, 0)
    bits = (high - low).bit_length()
    if low > ALWAYS and bits + int(codes.max(initial=0)).bit_length() <= BITS:
        return PackedTimes((codes << bits) | (times - low), bits, low, None)
    distinct, offsets = np.unique(times, return_inverse=True)
    bits = len(distinct).bit_length()
    return PackedTimes((codes << bits) | offsets, bits, low, distinct)


def _number(
    keys: Sequence[pa.Array], hashes: Ints
) -> tuple[Ints, list[pa.Array], list[Ints], npt.NDArray[np.uint64]] | None:
    """Number the keys in the order of their hashes; None if two keys share a hash."""
    # Keys have many rows: a table of them is quicker than a sort of all rows.
    encoded = pa.array(hashes).dictionary_encode()
    unsorted = encoded.dictionary.to_numpy().view(np.uint64)
    order = np.argsort(unsorted)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    distinct, codes = unsorted[order], number[encoded.indices.to_numpy()]
    example = np.empty(len(distinct), np.int64)
    example[codes] = np.arange(len(codes))
    own, numbers = pa.array(example), pa.array(codes)
    values = [key.take(own) for key in keys]
    if not all(pc.all(pc.equal(value.take(numbers), key)).as_py() for value, key in zip(values, keys, strict=True)):
        return None
    return codes, values, [], distinct


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
) -> tuple[Ints, PackedTimes]:
    """Sort by (key, event time, created, values): return the order, and keys and times in it."""
    packed = pack(codes, times)
    order = np.argsort(packed.values)
    packed = packed.take(order)
    first = np.ones(len(order), bool)
    np.not_equal(packed.values[1:], packed.values[:-1], out=first[1:])

    def tie_breakers() -> Iterator[pa.Array]:
        if created is not None:
            yield created
        yield from values()

    def zeros() -> Iterator[pa.Array]:
        # Rows that differ only in the signs of zeros, see palette.offline.zero_signs: a second pass, if there are any.
        for kind in (pa.types.is_floating, is_list_of_floats) if any(mixed) else ():
            yield from (column for column, signed in zip(values(), mixed, strict=True) if signed and kind(column.type))

    # Column by column, and only where rows are still tied: usually few, so the values are seldom read.
    mixed: list[bool] = []
    for columns, rank in ((tie_breakers(), rank_values), (zeros(), rank_zeros)):
        while not first.all() and (column := next(columns, None)) is not None:
            tied = ~first
            tied[:-1] |= tied[1:]
            indices = np.flatnonzero(tied)
            run = np.cumsum(first)[indices]
            rows = order[indices]
            values_of_tied = column.take(pa.array(rows))
            if rank is rank_values and column is not created:
                mixed.append(has_both_zeros(values_of_tied))
            ranks = rank(values_of_tied)
            within = np.lexsort((ranks, run))
            order[indices] = rows[within]
            first[indices[1:]] |= np.diff(ranks[within]) != 0
    return order, packed
