"""What the workers run: look-ups in memory-mapped histories.

The functions here are pickled by value, so that a worker needs pyarrow and numpy, but not this package; they refer to
nothing else of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["answer", "look_up", "open_steps"]

NO_TIME = -(1 << 63)
MISSING, EXPIRED, FOUND = 0, 1, 2


def answer(batches: Iterator[tuple[Any, ...]], lookups: list[dict[str, Any]]) -> Iterator[Any]:
    """Yield one struct array for each batch of (key columns..., time): the values of all look-ups, one after another.

    Each look-up is a dictionary: ``path`` (see :func:`open_steps`), ``keys`` (places of the key columns),
    ``columns``, ``ttl`` (microseconds or None), ``status`` (whether to tell what became of it).
    """
    opened = [(open_steps(lookup["path"]), lookup) for lookup in lookups]
    for *keys, time in batches:
        times = pc.fill_null(time, NO_TIME).to_numpy()
        arrays = []
        for steps, lookup in opened:
            arrays += look_up(steps, lookup, [keys[place] for place in lookup["keys"]], times)
        yield pa.StructArray.from_arrays(arrays, [f"c{place}" for place in range(len(arrays))])


def open_steps(path: str) -> dict[str, Any]:
    """Map a history: where it is on this machine, or where Spark put a file of that name."""
    if not os.path.isabs(path):
        from pyspark import SparkFiles

        path = SparkFiles.get(path)
    try:
        table = pa.ipc.open_file(pa.memory_map(path)).read_all()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the prepared history {path} was removed, perhaps by what cleans temporary files: call training_set or "
            "transform again, which prepares it anew; keep TMPDIR where nothing is cleaned as long as the process runs"
        ) from error
    lists = {name: table.column(name).chunk(0).values for name in table.column_names}
    plain = ("pairs", "starts", "effective", "event")
    return {name: array.to_numpy() if name.startswith(plain) else array for name, array in lists.items()}


def look_up(steps: dict[str, Any], lookup: dict[str, Any], keys: list[Any], times: Any) -> list[Any]:
    """Return the values of one look-up, and their status if it is asked for."""
    code = find_keys(steps, keys)
    known = code >= 0
    code = np.where(known, code, 0)
    starts, effective = steps["starts"], steps["effective"]
    if len(effective):
        first = starts[code]
        found = last_not_after(effective, first, starts[code + 1], times)
        present = known & (found >= first)
    else:
        found, present = np.zeros(len(code), np.int64), np.zeros(len(code), bool)
    fresh = present
    if lookup["ttl"] is not None:
        event = steps.get("event", effective)
        fresh = present.copy()
        fresh[present] = times[present] - event[found[present]] <= lookup["ttl"]
    places = pa.array(found, mask=~fresh)
    arrays = [_plain(steps[f"value:{name}"].take(places)) for name in lookup["columns"]]
    if lookup["status"]:
        arrays.append(pa.array(np.where(fresh, FOUND, np.where(present, EXPIRED, MISSING)).astype(np.int8)))
    return arrays


def _plain(values: Any) -> Any:
    """Return what was found in a large history in the types that Spark knows."""
    if pa.types.is_large_list(values.type):
        return values.cast(pa.list_(pa.string()))
    return values.cast(pa.string()) if pa.types.is_large_string(values.type) else values


def find_keys(steps: dict[str, Any], keys: list[Any]) -> Any:
    """Return the number of each key, -1 where it is null or unknown."""
    code: Any = None
    for place, key in enumerate(keys):
        distinct = steps[f"key{place}"]
        own = pc.fill_null(pc.index_in(key.cast(distinct.type), value_set=distinct), -1).to_numpy()
        if code is None:
            code = own.astype(np.int64)
            continue
        pairs = steps[f"pairs{place - 1}"]
        combined = np.where((code >= 0) & (own >= 0), code * len(distinct) + own, -1)
        at = np.minimum(np.searchsorted(pairs, combined), max(0, len(pairs) - 1))
        code = np.where(pairs[at] == combined, at, -1) if len(pairs) else np.full(len(code), -1)
    return code


def last_not_after(effective: Any, low: Any, high: Any, times: Any) -> Any:
    """Return the last place in each range [low, high) whose time is not after the given one; low - 1 if none.

    All ranges are halved together, so the number of rounds is the logarithm of the longest.
    """
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        right = open_ & (effective[np.minimum(middle, len(effective) - 1)] <= times)
        high = np.where(open_ & ~right, middle, high)
        low = np.where(right, middle + 1, low)
    return low - 1
