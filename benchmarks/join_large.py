"""Joins of histories beyond what is broadcast: first and next join, one hot key, ten times the rows."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from benchmarks.join_cases import (
    DUCKDB,
    ENTITY,
    NEXT,
    PARTITIONED,
    UNION,
    Case,
    History,
    duckdb_asof,
    forget,
    make_case,
    median_ratio,
    palette_join,
    race,
    seconds,
    union_window_last,
)
from benchmarks.table import Result, peak_memory
from palette.definitions import GroupSchema
from palette.offline.prepared import store as prepared_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Of a row of history on disk: in the table, on the way to its part, and prepared.
BYTES_A_ROW = 30 + 50 + 33


def partitioned(spark: SparkSession, folder: str, scale: float, _rounds: int) -> list[Result]:
    """A history beyond what is broadcast: its preparation, the joins that follow, and the preparation of 1% more."""
    history = History("w", "k1", int(40_000_000 * scale), int(500_000 * scale), 3)
    # A twentieth of the rows warms up all arms, and proves that their answers are equal.
    small = History("w", "k1", history.rows // 20, history.keys // 20, 3)
    race(*_arms(make_case(spark, f"{folder}/small", history.rows // 80, [small])), 0)
    case = make_case(spark, folder, int(10_000_000 * scale), [history])
    schema = GroupSchema(ENTITY, history.group)
    took = race(*_arms(case), 1, proved=True)

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
    what = f"{10 * scale:g}M rows x {40 * scale:g}M rows, {history.keys:,} keys"
    return [
        Result(what, UNION, median_ratio(took, UNION, PARTITIONED), 3.5),
        Result(f"{what}, the next join of this table version", UNION, median_ratio(took, UNION, NEXT), 10),
        Result(f"{what}, the next join", f"{DUCKDB}, 2 threads", median_ratio(took, NEXT, DUCKDB), 1, slower=True),
        Result(f"{what}, after a commit of 1% more rows", "the first preparation", whole / increment, 10),
    ]


def _arms(case: Case) -> tuple[Case, dict[str, Callable[[], object]]]:
    return case, {
        PARTITIONED: lambda: palette_join(case, "partitioned"),
        NEXT: lambda: palette_join(case, "partitioned", prepared=True),
        UNION: lambda: union_window_last(case),
        DUCKDB: lambda: duckdb_asof(case),
    }


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
    return [
        Result(
            f"{10 * scale:g}M x {40 * scale:g}M, one key with a tenth of both sides",
            "the same without it",
            ratio,
            1.3,
            slower=True,
        )
    ]


def huge(spark: SparkSession, folder: str, scale: float, _rounds: int) -> list[Result]:
    """Ten times the rows, once each, preparation included: in 40 GB at most, or three quarters of the disk's space."""
    space = min(40e9, 0.75 * shutil.disk_usage(folder).free)
    millions = int(min(400 * scale, space / BYTES_A_ROW / 1e6))
    took, memory = [], []
    for name, rows in (("tenth", millions * 100_000), ("whole", millions * 1_000_000)):
        case = make_case(spark, f"{folder}/{name}", rows // 4, [History("w", "k1", rows, rows // 80, 3)])
        with peak_memory() as peak:
            took.append(seconds(functools.partial(palette_join, case, "partitioned")))
        memory += peak
        print(f"  {rows // 4:,} x {rows:,} rows: {took[-1]:.1f} s, {peak[0]:.1f} GiB", flush=True)
        forget(case)
    what = f"{millions / 4:g}M x {millions}M rows, {millions / 80:g}M keys, preparation included"
    return [
        Result(what, "itself at a tenth", took[1] / took[0], 11, slower=True),
        Result(what, "memory of all processes", memory[1], 8, slower=True, unit=" GiB"),
    ]
