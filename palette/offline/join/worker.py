"""Look-ups in memory-mapped histories, as the workers run them.

The functions here are pickled by value, so that a worker needs pyarrow and numpy, but not this package; they refer to
nothing else in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["look_up", "look_up_batches", "open_arrays"]

NO_TIME = -(1 << 63)
MISSING, EXPIRED, PRESENT = 0, 1, 2


def look_up_batches(batches: Iterator[tuple[Any, ...]], lookups: list[dict[str, Any]]) -> Iterator[Any]:
    """Yield one struct array for each batch of (key columns..., time): the values of all look-ups, one after another.

    Each look-up is a dictionary: ``path`` (see :func:`open_arrays`), ``keys`` (indices of the key columns),
    ``columns``, ``ttl`` (microseconds or None), ``status`` (whether to add a column with the status).
    """
    opened = [(open_arrays(lookup["path"]), lookup) for lookup in lookups]
    for *keys, time in batches:
        times = pc.fill_null(time, NO_TIME).to_numpy()
        arrays = []
        for history, lookup in opened:
            arrays += look_up(history, lookup, [keys[index] for index in lookup["keys"]], times)
        yield pa.StructArray.from_arrays(arrays, [f"c{index}" for index in range(len(arrays))])


def open_arrays(path: str) -> dict[str, Any]:
    """Map the file of a history: at its path on this machine, or where Spark put a file of that name."""
    if not os.path.isabs(path):
        from pyspark import SparkFiles

        path = SparkFiles.get(path)
    try:
        table = pa.ipc.open_file(pa.memory_map(path)).read_all()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the prepared history {path} was removed, perhaps by a cleaner of temporary files: call training_set or "
            "transform again, which prepares it again; set TMPDIR to a directory that is not cleaned while this runs"
        ) from error
    lists = {name: table.column(name).chunk(0).values for name in table.column_names}
    plain = ("pairs", "starts", "effective", "event")
    return {name: array.to_numpy() if name.startswith(plain) else array for name, array in lists.items()}


def look_up(history: dict[str, Any], lookup: dict[str, Any], keys: list[Any], times: Any) -> list[Any]:
    """Return the values of one look-up, and their status if that is requested."""
    code = find_keys(history, keys)
    known = code >= 0
    code = np.where(known, code, 0)
    starts, effective = history["starts"], history["effective"]
    if len(effective):
        first = starts[code]
        rows = last_not_after(effective, first, starts[code + 1], times)
        present = known & (rows >= first)
    else:
        rows, present = np.zeros(len(code), np.int64), np.zeros(len(code), bool)
    fresh = present
    if lookup["ttl"] is not None:
        event = history.get("event", effective)
        fresh = present.copy()
        fresh[present] = times[present] - event[rows[present]] <= lookup["ttl"]
    indices = pa.array(rows, mask=~fresh)
    arrays = [_plain(history[f"value:{name}"].take(indices)) for name in lookup["columns"]]
    if lookup["status"]:
        arrays.append(pa.array(np.where(fresh, PRESENT, np.where(present, EXPIRED, MISSING)).astype(np.int8)))
    return arrays


def _plain(values: Any) -> Any:
    """Return values of a large history in the types that Spark expects."""
    if pa.types.is_large_list(values.type):
        return values.cast(pa.list_(pa.string()))
    return values.cast(pa.string()) if pa.types.is_large_string(values.type) else values


def find_keys(history: dict[str, Any], keys: list[Any]) -> Any:
    """Return the number of each key, -1 where it is null or unknown."""
    code: Any = None
    for index, key in enumerate(keys):
        distinct = history[f"key{index}"]
        own = pc.fill_null(pc.index_in(key.cast(distinct.type), value_set=distinct), -1).to_numpy()
        if code is None:
            code = own.astype(np.int64)
            continue
        pairs = history[f"pairs{index - 1}"]
        combined = np.where((code >= 0) & (own >= 0), code * len(distinct) + own, -1)
        at = np.minimum(np.searchsorted(pairs, combined), max(0, len(pairs) - 1))
        code = np.where(pairs[at] == combined, at, -1) if len(pairs) else np.full(len(code), -1)
    return code


def last_not_after(effective: Any, low: Any, high: Any, times: Any) -> Any:
    """Return the last index in each range [low, high) whose time is not after the given one; low - 1 if there is none.

    All ranges are halved together, so the number of rounds is the logarithm of the longest.
    """
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        right = open_ & (effective[np.minimum(middle, len(effective) - 1)] <= times)
        high = np.where(open_ & ~right, middle, high)
        low = np.where(right, middle + 1, low)
    return low - 1
