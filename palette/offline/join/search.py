"""Look-ups in prepared histories as one column of the basis: a struct of the values of several look-ups.

Workers map the files and look rows up by binary search (:mod:`palette.offline.prepared.search`), in one Arrow function
for all look-ups, which receives nothing but keys, time and hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.definitions import arrow_type
from palette.offline.join.request import OutputColumn, status_column
from palette.offline.prepared import run_files, search
from palette.offline.times import data_type

if TYPE_CHECKING:
    from pyspark.sql import Column

    from palette.offline.join.lookup import Lookup
    from palette.offline.join.request import JoinRequest
    from palette.offline.prepared.history import PreparedHistory

__all__ = ["PreparedLookup", "hash_column", "outputs", "search_column"]


@dataclass(frozen=True)
class PreparedLookup:
    """A look-up, and the history that it searches."""

    lookup: Lookup
    history: PreparedHistory


def search_column(
    request: JoinRequest, prepared: Sequence[PreparedLookup], keys: Sequence[Column], time: Column
) -> Column:
    """Return a struct of the values of all look-ups.

    Parameters
    ----------
    keys, time
        All key columns of the request and the time, as they are named where this column is added.
    """
    hashed = list(dict.fromkeys(each.lookup.join_keys for each in prepared if each.history.hashed))
    hashes = [hash_column(request, join_keys, keys) for join_keys in hashed]
    lookups = [_specification(request, each, len(keys), hashed) for each in prepared]

    def look_up(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        return search.look_up_batches(batches, lookups)

    types = [dtype for each in prepared for dtype in _types(each.lookup, status=request.status)]
    fields = [T.StructField(f"c{index}", data_type(dtype)) for index, dtype in enumerate(types)]
    return F.arrow_udf(look_up, T.StructType(fields))(*keys, time, *hashes)


def hash_column(request: JoinRequest, join_keys: Sequence[str], keys: Sequence[Column]) -> Column:
    """Return the hash of some of the key columns, by which rows are spread over parts."""
    names = list(request.keys)
    return F.xxhash64(*[keys[names.index(name)] for name in join_keys])


def outputs(request: JoinRequest, lookups: Sequence[Lookup], struct: Column) -> Mapping[str, OutputColumn]:
    """Return each output column as a field of the struct that :func:`search_column` returns for these look-ups."""
    columns = {}
    index = 0
    for lookup in lookups:
        for offset, column in enumerate(lookup.columns):
            value = struct.getField(f"c{index + offset}")
            status = None
            if request.status:
                state = struct.getField(f"c{index + len(lookup.columns)}")
                status = status_column(state == search.MISSING, state == search.EXPIRED, value)
            columns[column] = OutputColumn(value, status)
        index += len(_types(lookup, status=request.status))
    return columns


def _specification(
    request: JoinRequest, each: PreparedLookup, time: int, hashed: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    """Return a look-up as :func:`palette.offline.prepared.search.look_up_batches` takes it."""
    lookup, history = each.lookup, each.history
    names = list(lookup.columns.values())
    return {
        "keys": request.key_indices(lookup),
        "time": time,
        "hash": time + 1 + hashed.index(lookup.join_keys) if history.hashed else None,
        "runs": dict(history.runs),
        "beside": list(history.beside),
        "parts": history.parts,
        "cuts": dict(history.cuts),
        "columns": names,
        "types": [arrow_type(lookup.group.feature(name).dtype) for name in names],
        "times": {str(lookup.schema.timestamp): run_files.EVENT, str(lookup.schema.created): run_files.CREATED},
        "order": list(lookup.schema.features),
        "ttl": lookup.schema.ttl_micros,
        "status": request.status,
    }


def _types(lookup: Lookup, *, status: bool) -> list[str]:
    types = [lookup.group.feature(feature).dtype for feature in lookup.columns.values()]
    return [*types, "tinyint"] if status else types
