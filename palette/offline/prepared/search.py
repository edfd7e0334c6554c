"""Look-ups in prepared histories, as the workers run them.

A history has parts, by hash of the key; of a part there are one or more runs, of which each has the rows of some
commits: the greatest of the rows that they find wins. The functions here are pickled by value, so that a worker needs
pyarrow and numpy, but not this package; they refer to nothing else in it but what is pickled with them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from palette.offline.objects import is_object
from palette.offline.prepared.run_files import CREATED, EVENT, Run, open_run
from palette.offline.prepared.ties import is_list_of_floats, rank_values, rank_zeros

__all__ = ["EXPIRED", "MISSING", "PRESENT", "find_rows", "look_up_batches", "newest_of", "part_numbers"]

NO_TIME = -(1 << 63)
MISSING, EXPIRED, PRESENT = 0, 1, 2
# Searched in the order of the queries, a short array is as quick as in order.
LONG = 1 << 15
# Rows that are looked up at once in a history of many parts.
TOGETHER = 1 << 18


def look_up_batches(batches: Iterator[tuple[Any, ...]], lookups: list[dict[str, Any]]) -> Iterator[Any]:
    """Yield struct arrays for batches of (columns...): the values of all look-ups, one after another.

    Each look-up is a dictionary:

    ``keys``, ``time``, ``hash``
        Indices of the columns with the keys, the time in microseconds, and the hash of the keys (or None, of a history
        with one part).
    ``runs``
        The paths of each part's runs, by the number of the part; a part without rows is not there.
    ``beside``
        The paths of files with further columns of the only run.
    ``parts``, ``cuts``
        The number of parts, a power of two, and the splits of hot keys, see :func:`part_numbers`.
    ``columns``, ``types``
        Names and Arrow types of the values.
    ``times``
        Names of the columns of event and created time, if they are among the names: ``{"at": "event"}``.
    ``order``
        All features in the order in which they break ties.
    ``ttl``, ``status``
        Microseconds or None; whether to add a column with the status.
    """
    opened = [(_opener(lookup["runs"], lookup["beside"]), lookup) for lookup in lookups]
    for columns in _joined(batches) if any(lookup["hash"] is not None for lookup in lookups) else batches:
        arrays = []
        for runs_of, lookup in opened:
            keys = [columns[index] for index in lookup["keys"]]
            times = pc.fill_null(columns[lookup["time"]], NO_TIME).to_numpy()
            hashes = None if lookup["hash"] is None else columns[lookup["hash"]].to_numpy()
            arrays += _look_up(runs_of, lookup, keys, times, hashes)
        yield pa.StructArray.from_arrays(arrays, [f"c{index}" for index in range(len(arrays))])


def _joined(batches: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of several batches at once: rows of a batch that is spread over many parts are few in each."""
    waiting: list[tuple[Any, ...]] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(columns[0]) for columns in waiting) >= TOGETHER:
            yield tuple(map(pa.concat_arrays, zip(*waiting, strict=True)))
            waiting = []
    if waiting:
        yield tuple(map(pa.concat_arrays, zip(*waiting, strict=True)))


def _opener(paths: dict[int, list[str]], beside: Sequence[str]) -> Callable[[int], list[Run]]:
    """Return a function that opens the runs of a part once."""
    return functools.cache(lambda part: [_open([path, *beside]) for path in paths.get(part, ())])


def _open(paths: Sequence[str]) -> Run:
    """Open a run: at its paths on this machine or in an object store, or where Spark put files of these names."""
    if not (is_object(paths[0]) or os.path.isabs(paths[0])):
        from pyspark import SparkFiles

        paths = [SparkFiles.get(path) for path in paths]
    try:
        return open_run(*paths)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the prepared history {paths[0]} was removed, perhaps by a cleaner of temporary files, or by vacuum or "
            "erase: call training_set or transform again, which prepares it again; set TMPDIR to a directory that is "
            "not cleaned while this runs"
        ) from error


def part_numbers(hashes: Any, times: Any, parts: int, cuts: dict[int, tuple[int, list[int]]]) -> Any:
    """Return the number of the part that each pair of a hash and a time belongs to.

    Parameters
    ----------
    hashes : array of int
        Spark's hash of the keys.
    times : array of int64
        Microseconds.
    parts : int
        A power of two. Parts from this number on are slices of time of hot hashes.
    cuts : dict
        Hot hash to the number of its first slice, and the ascending first times of the others.
    """
    shift = np.uint64(65 - parts.bit_length())
    numbers = (hashes.view(np.uint64) >> shift).astype(np.int64) if parts > 1 else np.zeros(len(hashes), np.int64)
    hot_ones = [hot for hot in np.unique(hashes).tolist() if hot in cuts] if cuts else []
    for hot in hot_ones:
        first, at = cuts[hot]
        own = np.flatnonzero(hashes == hot)
        if len(own):
            numbers[own] = first + np.searchsorted(np.array(at, np.int64), times[own], "right")
    return numbers


def _look_up(
    runs_of: Callable[[int], list[Run]], lookup: dict[str, Any], keys: list[Any], times: Any, hashes: Any
) -> list[Any]:
    """Return the values of one look-up, and their status if that is requested."""
    if hashes is None:
        return _values(runs_of(0), lookup, keys, times, None)
    # In the order of their hashes rows are in that of the parts, and searched in the order in which keys lie there.
    order = np.argsort(hashes.view(np.uint64))
    hashes, times = hashes[order], times[order]
    numbers = part_numbers(hashes, times, lookup["parts"], lookup["cuts"])
    if (numbers[1:] < numbers[:-1]).any():
        again = np.argsort(numbers, kind="stable")
        order, hashes, times, numbers = order[again], hashes[again], times[again], numbers[again]
    rows = pa.array(order)
    keys = [key.take(rows) for key in keys]
    ends = [*(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1), len(order)]
    pieces = []
    for start, end in zip([0, *ends], ends, strict=False):
        runs = runs_of(int(numbers[start])) if end else []
        own = slice(start, end)
        pieces.append(_values(runs, lookup, [key[own] for key in keys], times[own], hashes[own]))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    indices = pa.array(back)
    return [pa.concat_arrays(column).take(indices) for column in zip(*pieces, strict=True)]


def _values(runs: Sequence[Run], lookup: dict[str, Any], keys: list[Any], times: Any, hashes: Any) -> list[Any]:
    """Return the values of one part, and their status if that is requested."""
    which, rows = find_rows(runs, keys, times, lookup["order"], hashes)
    present = which >= 0
    fresh = present
    if lookup["ttl"] is not None:
        fresh = present.copy()
        for index, run in enumerate(runs):
            own = np.flatnonzero(which == index)
            fresh[own] = times[own] - run.event(rows[own]) <= lookup["ttl"]
    arrays = [
        _take(runs, name, dtype, which, rows, fresh, lookup["times"].get(name))
        for name, dtype in zip(lookup["columns"], lookup["types"], strict=True)
    ]
    if lookup["status"]:
        arrays.append(pa.array(np.where(fresh, PRESENT, np.where(present, EXPIRED, MISSING)).astype(np.int8)))
    return arrays


def _take(runs: Sequence[Run], name: str, dtype: Any, which: Any, rows: Any, fresh: Any, time: str | None) -> Any:
    """Return a feature's values of the rows that were found, null elsewhere.

    ``time`` is ``"event"`` or ``"created"`` where the name is that of the column of this time.
    """
    if not runs:
        return pa.nulls(len(which), dtype)
    if len(runs) == 1:
        return _values_in(runs[0], name, dtype, pa.array(rows, mask=~fresh), time)
    chosen = np.where(fresh, which, -1)
    order = np.argsort(chosen, kind="stable")
    counts = np.bincount(chosen + 1, minlength=len(runs) + 1)
    pieces, at = [pa.nulls(counts[0], dtype)], counts[0]
    for run, count in zip(runs, counts[1:], strict=True):
        pieces.append(_values_in(run, name, dtype, pa.array(rows[order[at : at + count]]), time))
        at += count
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(pieces).take(pa.array(back))


def _values_in(run: Run, name: str, dtype: Any, rows: pa.Array, time: str | None) -> Any:
    """Return a feature's values in some rows of a run, null where the row is."""
    values = run.values(name)
    if values is None and time == EVENT:
        known = pc.fill_null(rows, 0).to_numpy() if len(run) else np.zeros(len(rows), np.int64)
        events = run.event(known) if len(run) else known
        return pa.array(events, mask=~rows.is_valid().to_numpy(zero_copy_only=False)).cast(dtype)
    if values is None and time == CREATED:
        values = run.created()
    if values is None:
        return pa.nulls(len(rows), dtype)
    return _plain(values.take(rows), dtype)


def _plain(values: Any, dtype: Any) -> Any:
    """Return values in the type that Spark expects: those of a large history have longer offsets."""
    return values if values.type == dtype else values.cast(dtype)


def find_rows(
    runs: Sequence[Run], keys: list[Any], times: Any, order: Sequence[str], hashes: Any = None
) -> tuple[Any, Any]:
    """Return the run and the row in it that is known for each key at each time; -1 where there is none."""
    which, rows = np.full(len(times), -1), np.zeros(len(times), np.int64)
    for index, run in enumerate(runs):
        mine, matches = _search(run, keys, times, hashes)
        better = matches & (which < 0)
        both = np.flatnonzero(matches & (which >= 0))
        for other in range(index):
            pair = both[which[both] == other]
            if len(pair):
                better[pair] = newest_of(run, mine[pair], runs[other], rows[pair], order)
        which[better], rows[better] = index, mine[better]
    return which, rows


def _search(run: Run, keys: list[Any], times: Any, hashes: Any) -> tuple[Any, Any]:
    """Return the row that a run knows for each key at each time, and whether there is one."""
    code = _find_keys(run, keys) if hashes is None or run.hashes is None else _find_hashes(run, keys, hashes)
    packed = run.packed
    if not len(packed.values):
        return np.zeros(len(code), np.int64), np.zeros(len(code), bool)
    if packed.times is None:
        highest = min(packed.low + (1 << packed.bits) - 1, (1 << 63) - 1)
        offset = np.clip(times, packed.low - 1, highest) - packed.low
    else:
        offset = np.searchsorted(packed.times, times, "right") - 1
    queries = (np.maximum(code, 0) << packed.bits) + offset
    # In ascending order the searches walk through memory, instead of jumping about in it: by hash they do already.
    if hashes is None and len(packed.values) > LONG:
        order = np.argsort(queries)
        at = np.empty(len(order), np.int64)
        at[order] = np.searchsorted(packed.values, queries[order], "right") - 1
    else:
        at = np.searchsorted(packed.values, queries, "right") - 1
    present = (code >= 0) & (at >= 0) & ((packed.values[at] >> packed.bits) == code)
    return np.where(present, at, 0), present


def _find_hashes(run: Run, keys: list[Any], hashes: Any) -> Any:
    """Return the number of each key, found by its hash; -1 where it is null or unknown."""
    if not len(run.hashes):
        return np.full(len(hashes), -1)
    at = np.searchsorted(run.hashes, hashes.view(np.uint64))
    at[at == len(run.hashes)] = 0
    same, rows = run.hashes[at] == hashes.view(np.uint64), pa.array(at)
    for own, key in zip(run.keys, keys, strict=True):
        # Of two keys with one hash one is unknown here.
        equal = pc.equal(own.take(rows), key.cast(own.type))
        same &= pc.fill_null(equal, False).to_numpy(zero_copy_only=False)
    return np.where(same, at, -1)


def _find_keys(run: Run, keys: list[Any]) -> Any:
    """Return the number of each key, -1 where it is null or unknown."""
    code: Any = None
    for index, key in enumerate(keys):
        distinct = run.keys[index]
        own = pc.fill_null(pc.index_in(key.cast(distinct.type), value_set=distinct), -1).to_numpy()
        if code is None:
            code = own.astype(np.int64)
            continue
        pairs = run.pairs[index - 1]
        combined = np.where((code >= 0) & (own >= 0), code * len(distinct) + own, -1)
        at = np.minimum(np.searchsorted(pairs, combined), max(0, len(pairs) - 1))
        code = np.where(pairs[at] == combined, at, -1) if len(pairs) else np.full(len(code), -1)
    return code


def newest_of(run: Run, rows: Any, other: Run, others: Any, order: Sequence[str]) -> Any:
    """Return whether each row of a run wins against the row of another: by event time, created, and the values."""
    wins = np.zeros(len(rows), bool)
    mine, theirs = run.event(rows), other.event(others)
    wins[mine > theirs] = True
    tied = np.flatnonzero(mine == theirs)
    # The signs of zeros count where all else is equal, those of numbers first, see palette.offline.zero_signs.
    passes = ((rank_values, (None, *order), None), (rank_zeros, order, pa.types.is_floating))
    for rank, names, kind in (*passes, (rank_zeros, order, is_list_of_floats)):
        for name in names:
            if not len(tied):
                return wins
            pair = _pair(run, rows[tied], other, others[tied], name)
            if pair is None or not (kind is None or kind(pair.type)):
                continue
            ranks = rank(pair)
            ours, its = ranks[: len(tied)], ranks[len(tied) :]
            wins[tied[ours > its]] = True
            tied = tied[ours == its]
    return wins


def _pair(run: Run, rows: Any, other: Run, others: Any, name: str | None) -> Any:
    """Return the values of rows of two runs, one after the other; of the created times where there is no name."""
    mine, theirs = (run.created(), other.created()) if name is None else (run.values(name), other.values(name))
    if mine is None and theirs is None:
        return None
    dtype = next(values.type for values in (mine, theirs) if values is not None)
    columns = [
        pa.nulls(len(at), dtype) if values is None else _plain(values.take(pa.array(at)), dtype)
        for values, at in ((mine, rows), (theirs, others))
    ]
    return pa.concat_arrays(columns)
