"""Rows as Arrow columns: all at once for a snapshot, or batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.offline.times import spark_type
from palette.offline.unsupported_values import fault_column, split_faults, warn_left_out

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import GroupSchema

__all__ = ["arrow_batches", "arrow_columns", "arrow_rows"]

# The event time of static rows in palette.online.table.
STATIC = 1 << 62


def arrow_rows(rows: DataFrame, schema: GroupSchema) -> pa.Table:
    """Return the keys, ``__event`` and ``__created`` in microseconds, and the features of a group's rows.

    Features that the table does not have yet are null. Rows that Python cannot hold are left out, with a warning.
    """
    supported, number, fault = split_faults(rows.select(*arrow_columns(rows, schema)).toArrow())
    warn_left_out(schema.name, [(number, fault)])
    return supported


def arrow_batches(rows: DataFrame, schema: GroupSchema) -> Iterator[pa.RecordBatch]:
    """Yield the result of :func:`arrow_rows` batch by batch: at most one partition is in the driver at a time."""

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            yield pa.RecordBatch.from_pydict({"batch": pa.array([sink.getvalue().to_pybytes()], pa.binary())})

    selected, left_out = rows.select(*arrow_columns(rows, schema)), []
    # Rows would be pickled one by one; here a row is a batch.
    for row in selected.mapInArrow(pack, "batch binary").toLocalIterator():
        for batch in pa.ipc.open_stream(row.batch):
            supported, number, fault = split_faults(batch)
            left_out.append((number, fault))
            yield supported
    warn_left_out(schema.name, left_out)


def arrow_columns(rows: DataFrame, schema: GroupSchema) -> list[Column]:
    """Return the columns of :func:`arrow_rows`, and the unsupported value of a row in ``FAULT``."""
    event = F.lit(STATIC) if schema.timestamp is None else F.unix_micros(exact_column(schema.timestamp))
    created = F.lit(None).cast("bigint") if schema.created is None else F.unix_micros(exact_column(schema.created))
    present = set(rows.columns)
    features = [
        exact_column(name) if name in present else F.lit(None).cast(spark_type(dtype)).alias(name)
        for name, dtype in schema.features.items()
    ]
    keys = [exact_column(column) for column in schema.keys]
    return [*keys, event.alias("__event"), created.alias("__created"), *features, fault_column(rows, schema)]
