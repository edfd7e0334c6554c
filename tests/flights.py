"""The first days of the flights as a stream: what was written when, and what was asked when.

The histories are those of the flight example, made worse: reports come hours late, are corrected, or arrive twice at
once with different values; one group more has features of all sorts of types.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from examples import flight_eta
from palette import Feature, FeatureGroup, FeatureStore
from palette.times import to_datetime, to_micros

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["LOG", "STATIC", "Stream", "plain", "stream"]

LOG = FeatureGroup(
    "log",
    entity="plane",
    timestamp="happened",
    created="reported",
    ttl="1d",
    features=[
        Feature("speed", "float"),
        Feature("on_time", "boolean"),
        Feature("number", "bigint"),
        Feature("bound_for", "string"),
        Feature("day", "date"),
        Feature("due", "timestamp"),
        Feature("delays", "array<double>"),
    ],
)
STATIC = ("plane:facts", "airport:place")
RELISTED = dt.datetime(2013, 1, 2, 17)


@dataclass
class Stream:
    """A store that knows the groups, the rows to write, and the flights that ask.

    Parameters
    ----------
    store : FeatureStore
        Empty.
    rows : dict of str to pa.Table
        Full name of a group to its rows, ordered by the time of their writing.
    asked : pa.Table
        The basis.
    """

    store: FeatureStore
    rows: dict[str, pa.Table]
    asked: pa.Table

    def batch(self, group: str, begin: dt.datetime, end: dt.datetime) -> pa.Table:
        """Return the rows of a group that were written in a span of time."""
        return between(self.rows[group], self.created(group), begin, end)

    def created(self, group: str) -> str:
        """Return the created column of a group."""
        return str(self.store.group(group).created)


def between(rows: pa.Table, column: str, begin: dt.datetime, end: dt.datetime) -> pa.Table:
    """Return the rows whose time lies in [begin, end)."""
    times = rows.column(column).cast(pa.int64())
    return rows.filter(pc.and_(pc.greater_equal(times, to_micros(begin)), pc.less(times, to_micros(end))))


def stream(spark: SparkSession, path: Path, begin: dt.datetime, days: int) -> Stream:
    """Return the flights of some days as a stream."""
    store = FeatureStore(path)
    flight_eta.declare(store)
    store.apply(LOG)
    airports = flight_eta.read_airports(spark).cache()
    end = F.lit(str(begin + dt.timedelta(days=days)))
    flights = flight_eta.read_flights(spark, airports).filter(F.col("scheduled") < end).coalesce(2).cache()
    histories = flight_eta.histories(spark, flights, airports) | {LOG.full_name: log(flights)}
    identity = F.concat_ws(" ", "carrier", "flight", "origin", "scheduled").alias("id")
    try:
        asked = flights.select(identity, *flight_eta.BASIS).orderBy("asked_at", "id").toArrow()
        rows = {name: disturbed(store.group(name), history, end).toArrow() for name, history in histories.items()}
    finally:
        flights.unpersist()
        airports.unpersist()
    return Stream(store, rows, asked)


def log(flights: DataFrame) -> DataFrame:
    """Return a row for each departure, with values of many types, some missing."""
    speed = 60 * F.col("distance") / F.col("air_time")
    # Where nothing was measured there is sometimes null and sometimes NaN.
    unknown = F.when(F.col("flight") % 2 == 0, F.lit(float("nan")))
    return flights.filter("departed is not null and tailnum is not null").select(
        "tailnum",
        F.col("departed").alias("happened"),
        F.col("departed").alias("reported"),
        F.coalesce(speed, unknown).cast("float").alias("speed"),
        (F.col("dep_delay") <= 0).alias("on_time"),
        F.col("flight").cast("bigint").alias("number"),
        F.nullif("dest", F.lit("BOS")).alias("bound_for"),
        F.to_date("departed").alias("day"),
        F.col("scheduled").alias("due"),
        F.array("dep_delay", "arr_delay").alias("delays"),
    )


def disturbed(group: FeatureGroup, rows: DataFrame, end: Column) -> DataFrame:
    """Return the rows with late, corrected and tied ones among them, ordered by the time of their writing.

    Which rows it meets depends on a hash of their key and time, so it is the same in each run.
    """
    first = group.features[0].name
    event, created = group.timestamp, str(group.created)
    keys = [name for name in rows.columns if name not in group.readable]
    lot = F.pmod(F.xxhash64(*keys, *([event] if event else [])), F.lit(100))
    rows = rows.filter(F.col(event or created) < end).withColumn("lot", lot)
    if event:
        # A tenth is reported up to five hours late, so that newer events are known before them.
        late = F.when(F.col("lot") < 10, (F.col("lot") + 1) * 1800).otherwise(0)
        rows = rows.withColumn(created, flight_eta.later(F.col(created), late))
    which = F.when(F.col("lot").between(10, 15), F.array(F.lit("first"), F.lit("corrected")))
    which = which.when(F.col("lot").between(16, 18), F.array(F.lit("first"), F.lit("corrected"), F.lit("tied")))
    which = which.when(F.col("lot").between(19, 24), F.array(F.lit("first"), F.lit("tied")))
    rows = rows.withColumn("copy", F.explode(which.otherwise(F.array(F.lit("first")))))
    again = flight_eta.later(F.col(created), F.lit(2700)) if event else F.lit(str(RELISTED)).cast("timestamp")
    other = F.when(F.col("lot") % 3 == 0, F.col(first) + 1).when(F.col("lot") % 3 == 1, F.lit(float("nan")))
    values = {
        created: F.when(F.col("copy") == "corrected", again).otherwise(F.col(created)),
        first: F.when(F.col("copy") == "first", F.col(first)).otherwise(other.cast(group.features[0].dtype)),
    }
    rows = rows.withColumns(values).drop("lot", "copy")
    return rows.orderBy(created, F.xxhash64(*rows.columns))


def plain(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows of plain Python values; moments as naive UTC."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            columns[name] = [
                None if value is None else to_datetime(value) for value in column.cast(pa.int64()).to_pylist()
            ]
        else:
            columns[name] = column.to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
