"""The point-in-time join against others, all in one session, interleaved, with the same answers.

``python -m benchmarks.join [--quick] [--only PART]`` prints one line a comparison; ratios are taken within a round,
preparation of histories included, and the median round is told.
"""

from __future__ import annotations

import argparse
import glob
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from benchmarks import planning
from benchmarks.table import Result, peak_memory, print_table
from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.offline import DeltaTables, Lookup, point_in_time_join
from palette.offline.join.hot_keys import known_hot_keys
from palette.offline.prepared import store as prepared_store
from palette.offline.prepared.small import prepared_files
from palette.session import spark_session

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


def race(case: Case, arms: dict[str, Callable[[], object]], rounds: int) -> list[dict[str, float]]:
    """Return the seconds of each arm in each round; an unmeasured round before proves that the answers are equal."""
    answers = {}
    for name, arm in arms.items():
        answer = arm()
        answers[name] = answer if isinstance(answer, tuple) else checksum(answer, case.columns)
    assert len(set(answers.values())) == 1, answers
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


def three_groups(spark: SparkSession, folder: str, scale: float, rounds: int) -> list[Result]:
    histories = [
        History("a", "k1", int(1_000_000 * scale), 5000, 3),
        History("b", "k1", int(1_000_000 * scale), 5000, 3),
        History("c", "k2", int(2_400_000 * scale), 500, 2),
    ]
    case = make_case(spark, folder, int(1_000_000 * scale), histories)
    large = make_case(spark, folder, int(10_000_000 * scale), histories)
    usual, duck = UNION, DUCKDB
    arms = {
        PALETTE: lambda: palette_join(case),
        AGAIN: lambda: palette_join(case, prepared=True),
        PARTITIONED: lambda: palette_join(case, "partitioned"),
        NEXT: lambda: palette_join(case, "partitioned", prepared=True),
        SHUFFLED: lambda: palette_join(case, "shuffle"),
        usual: lambda: union_window_last(case),
        duck: lambda: duckdb_asof(case),
    }
    took = race(case, arms, rounds)
    with peak_memory() as peak:
        ten = seconds(lambda: palette_join(large))
    growth = ten / statistics.median(one[PALETTE] for one in took)
    what = "join of 1M rows with 3 groups, 2 join keys"
    return [
        Result(what, usual, median_ratio(took, usual, PALETTE), 2.5),
        Result(f"{what}, the next join of this table version", usual, median_ratio(took, usual, AGAIN), 5),
        Result(f"{what}, partitioned plan", usual, median_ratio(took, usual, PARTITIONED)),
        Result(f"{what}, partitioned plan, the next join", usual, median_ratio(took, usual, NEXT)),
        Result(f"{what}, shuffle plan", usual, median_ratio(took, usual, SHUFFLED)),
        Result(what, f"{duck}, 2 threads", median_ratio(took, PALETTE, duck), 4, slower=True),
        Result(f"{what}, the next join", f"{duck}, 2 threads", median_ratio(took, AGAIN, duck), 1.5, slower=True),
        Result("10 times the rows", "itself", growth, 10, slower=True),
        Result("10 times the rows", "memory of all processes", peak[0], 8, slower=True, unit=" GiB"),
    ]


def many_keys(spark: SparkSession, folder: str, scale: float, rounds: int) -> list[Result]:
    histories = [History("u", "k1", int(2_000_000 * scale), int(20_000 * scale), 3)]
    case = make_case(spark, folder, int(200_000 * scale), histories)
    # More rounds: they are short, and the JVM still gets faster in the first ones.
    return against_usual_plan("200,000 labels x 2M rows, 20,000 keys", case, 2 * rounds + 1, 8)


def hot_key(spark: SparkSession, folder: str, scale: float, rounds: int) -> list[Result]:
    histories = [History("h", "k1", int(250_000 * scale), 5000, 3, hot_rows=int(20_000 * scale))]
    case = make_case(spark, folder, int(50_000 * scale), histories, hot_rows=int(2_000 * scale))
    # One measured round: the usual plan takes minutes here.
    return against_usual_plan("50,000 labels x 250,000 rows and a hot key of 2,000 x 20,000", case, min(rounds, 1), 20)


def against_usual_plan(what: str, case: Case, rounds: int, least: float) -> list[Result]:
    usual = "join, row_number"
    arms = {
        PALETTE: lambda: palette_join(case),
        AGAIN: lambda: palette_join(case, prepared=True),
        SHUFFLED: lambda: palette_join(case, "shuffle"),
        usual: lambda: join_row_number(case),
    }
    took = race(case, arms, rounds)
    return [
        Result(what, usual, median_ratio(took, usual, PALETTE), least),
        Result(f"{what}, the next join of this table version", usual, median_ratio(took, usual, AGAIN)),
        Result(f"{what}, shuffle plan", usual, median_ratio(took, usual, SHUFFLED)),
    ]


def partitioned(spark: SparkSession, folder: str, scale: float, rounds: int) -> list[Result]:
    """A history beyond what is broadcast: its preparation, the joins that follow, and the preparation of 1% more."""
    history = History("w", "k1", int(40_000_000 * scale), int(500_000 * scale), 3)
    case = make_case(spark, folder, int(10_000_000 * scale), [history])
    schema = GroupSchema(ENTITY, history.group)
    arms = {
        PARTITIONED: lambda: palette_join(case, "partitioned"),
        NEXT: lambda: palette_join(case, "partitioned", prepared=True),
        UNION: lambda: union_window_last(case),
        DUCKDB: lambda: duckdb_asof(case),
    }
    took = race(case, arms, min(rounds, 1))

    def prepared() -> float:
        started = time.perf_counter()
        prepared_store.open_prepared(case.tables.open(spark, schema), by_created=False)
        return time.perf_counter() - started

    forget(case)
    whole = prepared()
    rows = case.table(history).sample(0.01, seed=3).withColumn("ts", F.col("ts") + F.expr("INTERVAL 1 SECOND"))
    case.tables.write(schema, rows, mode="append")
    increment = prepared()
    print(f"  preparation: {whole:.2f}, of 1% more rows: {increment:.2f}")
    what = "10M rows x 40M rows, 500,000 keys"
    return [
        Result(what, UNION, median_ratio(took, UNION, PARTITIONED), 3.5),
        Result(f"{what}, the next join of this table version", UNION, median_ratio(took, UNION, NEXT), 10),
        Result(f"{what}, the next join", f"{DUCKDB}, 2 threads", median_ratio(took, NEXT, DUCKDB), 1, slower=True),
        Result(f"{what}, after a commit of 1% more rows", "the first preparation", whole / increment, 10),
    ]


def skewed(spark: SparkSession, folder: str, scale: float, rounds: int) -> list[Result]:
    """A key with a tenth of all rows, on both sides, against the same numbers of rows without it."""
    rows, keys = (int(10_000_000 * scale), int(40_000_000 * scale)), int(500_000 * scale)
    even = make_case(spark, f"{folder}/even", rows[0], [History("w", "k1", rows[1], keys, 3)])
    history = History("w", "k1", int(rows[1] * 0.9), keys, 3, hot_rows=rows[1] // 10)
    hot = make_case(spark, f"{folder}/hot", int(rows[0] * 0.9), [history], hot_rows=rows[0] // 10)
    arms = {
        "with a hot key": lambda: palette_join(hot, "partitioned"),
        "without": lambda: palette_join(even, "partitioned"),
    }
    took = [{name: seconds(arm) for name, arm in arms.items()} for _ in range(max(2, min(rounds, 2)))]
    ratio = median_ratio(took[1:], "with a hot key", "without")
    return [Result("10M x 40M, one key with a tenth of both sides", "the same without it", ratio, 1.3, slower=True)]


def plan(_spark: SparkSession, _folder: str, _scale: float, rounds: int) -> list[Result]:
    """Planning alone; ``python -m benchmarks.planning --against CHECKOUT`` compares it with another checkout."""
    (took,) = planning.measure([planning.CHECKOUT], rounds)
    what = "planning training_set: 20 features in 5 groups, 1,000 rows"
    return [Result(what, "itself", 1000 * took, slower=True, unit=" ms")]


PARTS = {"three": three_groups, "many": many_keys, "hot": hot_key, "large": partitioned, "skewed": skewed, "plan": plan}


def run(spark: SparkSession, *, quick: bool = False, only: str | None = None) -> list[Result]:
    """Return the lines of the table."""
    scale, rounds = (0.02, 1) if quick else (1.0, 3)
    results = []
    for name, part in PARTS.items():
        if only in (None, name):
            with tempfile.TemporaryDirectory(prefix="palette-bench-") as folder:
                results += part(spark, folder, scale, rounds)
    return results


def main() -> None:
    """Print the lines of the table that are about the join."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data, one round: does it run at all")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    spark = spark_session(master="local[2]", **{"spark.log.level": "ERROR"})
    print_table(run(spark, quick=options.quick, only=options.only))


if __name__ == "__main__":
    main()
