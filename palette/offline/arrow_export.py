"""The newest rows as Arrow columns: all at once for a snapshot, or batch by batch."""

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

    from palette.definitions import Entity, FeatureGroup

__all__ = ["arrow_batches", "arrow_rows", "columns_of"]

# What palette.online.table takes for the event time of a static row.
STATIC = 1 << 62


def arrow_rows(rows: DataFrame, entity: Entity, group: FeatureGroup) -> pa.Table:
    """Return the keys, ``__event`` and ``__created`` in microseconds, and the features of a group's rows.

    Features that the table does not have yet are null. Rows that Python cannot hold are left out, with a warning.
    """
    held, number, fault = split_faults(rows.select(*columns_of(rows, entity, group)).toArrow())
    warn_left_out(group.full_name, [(number, fault)])
    return held


def arrow_batches(rows: DataFrame, entity: Entity, group: FeatureGroup) -> Iterator[pa.RecordBatch]:
    """Yield what :func:`arrow_rows` returns batch by batch: no more than a partition is in the driver at a time."""

    def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            yield pa.RecordBatch.from_pydict({"batch": pa.array([sink.getvalue().to_pybytes()], pa.binary())})

    wanted, left_out = rows.select(*columns_of(rows, entity, group)), []
    # Rows would be pickled one by one; a row that holds a batch is not.
    for row in wanted.mapInArrow(packed, "batch binary").toLocalIterator():
        for batch in pa.ipc.open_stream(row.batch):
            held, number, fault = split_faults(batch)
            left_out.append((number, fault))
            yield held
    warn_left_out(group.full_name, left_out)


def columns_of(rows: DataFrame, entity: Entity, group: FeatureGroup) -> list[Column]:
    """Return the columns that :func:`arrow_rows` has, and what keeps a row from being held, in ``FAULT``."""
    event = F.lit(STATIC) if group.timestamp is None else F.unix_micros(exact_column(group.timestamp))
    created = F.lit(None).cast("bigint") if group.created is None else F.unix_micros(exact_column(group.created))
    present = set(rows.columns)
    features = [
        exact_column(feature.name)
        if feature.name in present
        else F.lit(None).cast(spark_type(feature.dtype)).alias(feature.name)
        for feature in group.features
    ]
    keys = [exact_column(column) for column in entity.keys]
    return [*keys, event.alias("__event"), created.alias("__created"), *features, fault_column(rows, entity, group)]
