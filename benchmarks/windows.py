"""A night's run of windowed aggregates: what it costs with long windows, beside short ones, over the same events.

``python -m benchmarks.windows [--quick]``. History is filled first; then the days of a week are materialized one by
one, the groups taking turns.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

import palette
from benchmarks.table import Result, print_table
from palette import Aggregate, BatchSource, Entity, FeatureGroup, FeatureStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESTAURANT = Entity("restaurant", keys={"uuid": "string"})
START, HOUR, DAY = dt.datetime(2026, 1, 1), dt.timedelta(hours=1), dt.timedelta(days=1)
FUNCTIONS = ("sum", "mean", "max", "distinct")
SHORT, *LONG = ("7d", "28d", "84d")
# A run that read each window whole would take 4 and 12 times as long.
MOST = 1.25


def run(spark: SparkSession, *, quick: bool) -> list[Result]:
    """Fill the history of a group for each length of window, and materialize the days after it in turns."""
    keys, days, nights = (50, 10, 2) if quick else (2000, 90, 7)
    with tempfile.TemporaryDirectory() as home:
        _events(spark, home, keys, days + nights)
        store = FeatureStore(f"{home}/store")
        groups = {window: _group(home, window) for window in (SHORT, *LONG)}
        store.apply(RESTAURANT, *groups.values())
        for group in groups.values():
            store.materialize(group, to=START + days * DAY, online=False)
        taken: dict[str, list[float]] = {window: [] for window in groups}
        for night in range(1, nights + 1):
            for window, group in groups.items():
                began = time.perf_counter()
                told = store.materialize(group, to=START + (days + night) * DAY, online=False)
                taken[window].append(time.perf_counter() - began)
                assert told.rows_written == 24 * keys, told
    found = []
    for window in LONG:
        # In the first night queries are compiled.
        ratios = [long / short for long, short in zip(taken[window], taken[SHORT], strict=True)][1:]
        note = (
            f"{keys:,} keys, hourly ends, {len(FUNCTIONS)} functions, {keys * 24:,} events a night, after {days} days"
        )
        what, against = f"a night's run with windows of {window}", f"the same with windows of {SHORT}"
        target = None if quick else MOST
        found.append(Result(what, against, statistics.median(ratios), target, slower=True, note=note))
    return found


def _events(spark: SparkSession, home: str, keys: int, days: int) -> None:
    """Write an order of each restaurant for each hour."""
    first = int(START.replace(tzinfo=dt.UTC).timestamp()) + 1800
    rows = spark.range(keys * days * 24).select(
        F.format_string("r%05d", F.col("id") % keys).alias("uuid"),
        F.timestamp_seconds(F.lit(first) + F.expr(f"id DIV {keys}") * 3600).alias("at"),
        F.round(F.abs(F.sin("id")) * 40, 2).alias("value"),
    )
    rows.withColumn("day", F.to_date("at")).repartition("day").write.partitionBy("day").parquet(f"{home}/orders")


def _group(home: str, window: str) -> FeatureGroup:
    windows = [Aggregate("value", function, windows=[window]) for function in FUNCTIONS]
    sql = f"SELECT * FROM parquet.`{home}/orders`"
    # Without a lookback a night computes its own windows only, so that their number is known.
    source = BatchSource(sql=sql, every="1h", time="at", aggregates=windows, lookback="0s")
    return FeatureGroup(f"orders_{window}", RESTAURANT, source.features(), timestamp="end", source=source)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    session = palette.spark_session(**{"spark.log.level": "ERROR"})
    print_table(run(session, quick=parser.parse_args().quick))
