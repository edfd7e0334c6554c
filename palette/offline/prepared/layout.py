"""What is prepared of a history: its columns, as tasks receive them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.definitions import arrow_type
from palette.offline.point_in_time import key_columns
from palette.offline.times import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import GroupSchema

__all__ = ["EFFECTIVE", "HASH", "Layout"]

EFFECTIVE, HASH = "effective", "hash"


class Layout:
    """The columns of a history as tasks receive them.

    Parameters
    ----------
    schema : GroupSchema
        The group.
    columns : mapping of str to str
        The declared columns that the table has, with their types.
    by_created : bool
        Whether rows count from their created time on.
    folder : str
        Where the runs are written; workers reach it at this path.
    """

    def __init__(self, schema: GroupSchema, columns: Mapping[str, str], *, by_created: bool, folder: str) -> None:
        self._schema = schema
        self._features = [name for name in schema.features if name in columns]
        self._by_created = by_created
        self.timed = schema.timestamp is not None
        read = pa.schema([(name, arrow_type(columns[name])) for name in [*schema.identity(), *self._features]])
        fields = [(f"key{index}", _key_type(read.field(name).type)) for index, name in enumerate(schema.keys)]
        fields += [(label, pa.int64()) for label, name in self._times().items()]
        fields += [(f"value{index}", read.field(name).type) for index, name in enumerate(self._features)]
        self.shape = {
            "read": read,
            "schema": pa.schema([*fields, (HASH, pa.int64())]),
            "keys": list(schema.keys),
            "event": schema.timestamp,
            "created": schema.created,
            "features": self._features,
            "by_created": by_created,
            "folder": folder,
        }

    def _times(self) -> dict[str, str]:
        times = (("event", self._schema.timestamp), ("created", self._schema.created))
        return {label: name for label, name in times if name is not None}

    def select(self, table: DataFrame) -> DataFrame:
        """Return the rows that can ever be visible: the columns of a message, and the time from which they count."""
        schema = self._schema
        types = {name: table.schema[name].dataType for name in schema.identity()}
        keys = key_columns([exact_column(name) for name in schema.keys], [types[name] for name in schema.keys])
        times = {label: micros(exact_column(name), types[name]) for label, name in self._times().items()}
        effective = times.get("event", F.lit(0).cast("bigint"))
        if self._by_created:
            effective = F.greatest(times["event"], times["created"]) if self.timed else times["created"]
        usable = [exact_column(name).isNotNull() for name in schema.identity(with_created=self._by_created)]
        columns = [
            *(key.alias(f"key{index}") for index, key in enumerate(keys)),
            *(time.alias(label) for label, time in times.items()),
            *(exact_column(name).alias(f"value{index}") for index, name in enumerate(self._features)),
        ]
        usable_rows = table.filter(functools.reduce(lambda left, right: left & right, usable))
        return usable_rows.select(*columns, F.xxhash64(*keys).alias(HASH), effective.alias(EFFECTIVE))


def _key_type(dtype: pa.DataType) -> pa.DataType:
    return dtype if pa.types.is_string(dtype) or pa.types.is_boolean(dtype) else pa.int64()
