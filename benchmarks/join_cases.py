"""Made-up histories and bases, and the arms that join them: this library, and what others do."""

from __future__ import annotations

import glob
import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.offline import DeltaTables, Lookup, point_in_time_join
from palette.offline.join.hot_keys import known_hot_keys
from palette.offline.prepared import store as prepared_store
from palette.offline.prepared.small import prepared_files

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

PALETTE, AGAIN, SHUFFLED = "palette", "palette, history prepared before", "palette, shuffle plan"
PARTITIONED, NEXT = "palette, partitioned plan", "palette, partitioned plan, history prepared before"
UNION, DUCKDB = "union, window, last", "DuckDB's ASOF join"
YEAR = 365 * 86_400_000_000
START = 1_700_000_000_000_000


@dataclass(frozen=True)
class History:
    """A feature group to be made up: rows, keys, number of features."""

    name: str
    join_key: str
    rows: int
    keys: int
    features: int
    hot_rows: int = 0

    @property
    def group(self) -> FeatureGroup:
        features = [Feature(f"{self.name}{place}", "double") for place in range(self.features)]
        return FeatureGroup(self.name, entity="thing", timestamp="ts", features=features)

    @property
    def columns(self) -> list[str]:
        return [feature.name for feature in self.group.features]


ENTITY = Entity("thing", keys={"key": "string"})


@dataclass(frozen=True)
class Case:
    """A basis on disk, and histories in Delta tables."""

    spark: SparkSession
    tables: DeltaTables
    basis_path: str
    histories: list[History]

    @property
    def basis(self) -> DataFrame:
        return self.spark.read.parquet(self.basis_path)

    def table(self, history: History) -> DataFrame:
        return self.tables.read(self.spark, GroupSchema(ENTITY, history.group))

    @property
    def columns(self) -> list[str]:
        return [column for history in self.histories for column in history.columns]


def make_case(spark: SparkSession, folder: str, rows: int, histories: list[History], hot_rows: int = 0) -> Case:
    """Write random data; values are multiples of 1/1024, so that sums are exact in any order."""
    tables = DeltaTables(os.path.join(folder, "tables"))
    for seed, history in enumerate(histories):
        values = [F.floor(F.rand(100 * seed + place) * 1e6) / 1024 for place in range(history.features)]
        frame = _random(spark, history.rows, history.hot_rows, {"key": history.keys}, seed)
        named = [value.cast("double").alias(name) for value, name in zip(values, history.columns, strict=True)]
        if tables.version(spark, history.group) is None:
            tables.write(GroupSchema(ENTITY, history.group), frame.select("key", "ts", *named), mode="append")
    path = os.path.join(folder, f"basis-{rows}")
    keys = {history.join_key: history.keys for history in histories}
    _random(spark, rows, hot_rows, keys, 77).write.mode("overwrite").parquet(path)
    return Case(spark, tables, path, histories)


def _random(spark: SparkSession, rows: int, hot_rows: int, keys: dict[str, int], seed: int) -> DataFrame:
    def key(place: int, count: int) -> Column:
        random = F.floor(F.rand(1000 + 10 * seed + place) * count)
        return F.concat(F.lit("key-"), F.when(F.col("id") < hot_rows, count).otherwise(random).cast("string"))

    at = F.timestamp_micros(F.lit(START) + F.floor(F.rand(2000 + seed) * YEAR))
    columns = [key(place, count).alias(name) for place, (name, count) in enumerate(keys.items())]
    return spark.range(rows + hot_rows).select(*columns, at.alias("ts")).repartition(4)


def palette_join(case: Case, hint: str | None = None, *, prepared: bool = False) -> DataFrame:
    if not prepared:
        forget(case)
    lookups = [
        Lookup(GroupSchema(ENTITY, history.group), (history.join_key,), {column: column for column in history.columns})
        for history in case.histories
    ]
    return point_in_time_join(case.tables, case.basis, lookups, timestamp="ts", hint=hint)


def forget(case: Case) -> None:
    """Remove all that was prepared."""
    for cache in (prepared_files, known_hot_keys, prepared_store._opened):
        cache.clear()
    for history in case.histories:
        shutil.rmtree(case.tables.prepared(history.group), ignore_errors=True)


def union_window_last(case: Case) -> DataFrame:
    """What Databricks' tempo does: for each group a union with the basis, a window, ``last`` of each column."""
    frame = case.basis
    for history in case.histories:
        key, columns = history.join_key, history.columns
        rows = case.table(history).withColumnRenamed("key", key)
        left = frame.withColumns({"side": F.lit(1), **{column: F.lit(None).cast("double") for column in columns}})
        others = [name for name in frame.columns if name not in (key, "ts")]
        right = rows.withColumns({"side": F.lit(0), **{name: F.lit(None) for name in others}})
        window = Window.partitionBy(key).orderBy("ts", "side").rowsBetween(Window.unboundedPreceding, 0)
        known = {column: F.last(column, ignorenulls=True).over(window) for column in columns}
        frame = left.unionByName(right).withColumns(known).filter("side = 1").drop("side")
    return frame


def join_row_number(case: Case) -> DataFrame:
    """The usual plan, as in Feast's Spark store: join on key and ``<=``, then the newest of each row."""
    frame = case.basis.withColumn("row_id", F.monotonically_increasing_id())
    for history in case.histories:
        rows = case.table(history).withColumnsRenamed({"key": "h_key", "ts": "h_ts"})
        on = (F.col("h_key") == F.col(history.join_key)) & (F.col("h_ts") <= F.col("ts"))
        newest = F.row_number().over(Window.partitionBy("row_id").orderBy(F.col("h_ts").desc()))
        frame = frame.join(rows, on, "left").withColumn("n", newest).filter("n = 1").drop("n", "h_key", "h_ts")
    return frame.drop("row_id")


def duckdb_asof(case: Case, threads: int = 2) -> tuple[int, ...]:
    """DuckDB's ASOF join over the same Parquet files, materialised."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        joins = ""
        for history in case.histories:
            files = case.tables.open(case.spark, GroupSchema(ENTITY, history.group)).files.paths
            joins += (
                f" ASOF LEFT JOIN read_parquet({list(files)}) {history.name}"
                f" ON basis.{history.join_key} = {history.name}.key AND basis.ts >= {history.name}.ts"
            )
        basis = f"read_parquet({glob.glob(case.basis_path + '/*.parquet')})"
        connection.execute(
            f"CREATE TEMP TABLE answer AS SELECT basis.*, {', '.join(case.columns)} FROM {basis} basis{joins}"
        )
        sums = ", ".join(f"CAST(sum({column}) * 1024 AS BIGINT)" for column in case.columns)
        return connection.execute(f"SELECT count(*), {sums} FROM answer").fetchone()


def checksum(frame: DataFrame, columns: list[str]) -> tuple[int, ...]:
    sums = [(F.sum(column) * 1024).cast("bigint") for column in columns]
    return tuple(frame.agg(F.count(F.lit(1)), *sums).collect()[0])


def race(
    case: Case, arms: dict[str, Callable[[], object]], rounds: int, *, proved: bool = False
) -> list[dict[str, float]]:
    """Return the seconds of each arm in each round; an unmeasured round before proves that the answers are equal."""
    answers = {}
    for name, arm in () if proved else arms.items():
        answer = arm()
        answers[name] = answer if isinstance(answer, tuple) else checksum(answer, case.columns)
    assert proved or len(set(answers.values())) == 1, answers
    took = [{name: seconds(arm) for name, arm in arms.items()} for _ in range(rounds)]
    for name in arms:
        print(f"  {name}: " + " ".join(f"{one[name]:.2f}" for one in took), flush=True)
    return took


def seconds(arm: Callable[[], object]) -> float:
    started = time.perf_counter()
    answer = arm()
    if not isinstance(answer, tuple):
        answer.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def median_ratio(rounds: list[dict[str, float]], slow: str, fast: str) -> float:
    return statistics.median(one[slow] / one[fast] for one in rounds)
