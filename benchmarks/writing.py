"""``store.write`` by merge, beside appending the same rows: after all that is there, and over a day that is there.

``python -m benchmarks.writing [--quick]``. A table of days; each turn writes into a copy of it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import palette
from benchmarks.table import Result, print_table
from benchmarks.turns import Turn, in_turns
from palette import Entity, Feature, FeatureGroup
from palette.definitions import GroupSchema
from palette.offline import DeltaTables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RESTAURANT = Entity("restaurant", keys={"id": "bigint"})
FEATURES = [Feature("prep_time", "double"), Feature("busy", "double"), Feature("n_meal", "bigint")]
GROUP = FeatureGroup("kitchen", RESTAURANT, FEATURES, timestamp="ts")
DAYS = 2


def run(spark: SparkSession, *, quick: bool) -> list[Result]:
    """Write the day after the last one, the last one again as it is, and with other values."""
    rows = 20_000 if quick else 2_000_000
    with tempfile.TemporaryDirectory() as home:
        for day in range(DAYS):
            DeltaTables(f"{home}/filled").write(GroupSchema(RESTAURANT, GROUP), _day(spark, rows, day), mode="append")
        new, same = _day(spark, rows, DAYS), _day(spark, rows, DAYS - 1)
        changed = same.withColumn("busy", same.busy + 1)
        arms: dict[str, Turn] = {
            "append": _writing(
                home, lambda tables: tables.write(GroupSchema(RESTAURANT, GROUP), new, mode="append").rows, rows
            ),
            "a day after the last": _writing(
                home, lambda tables: tables.write(GroupSchema(RESTAURANT, GROUP), new).rows, rows
            ),
            "a day that is there": _writing(
                home, lambda tables: tables.write(GroupSchema(RESTAURANT, GROUP), same).rows, 0
            ),
            "a day with other values": _writing(
                home, lambda tables: tables.write(GroupSchema(RESTAURANT, GROUP), changed).rows, rows
            ),
        }
        times = in_turns(arms, 1 if quick else 3)
    return [
        Result(f"merge of {rows:,} rows, {name}", "append of as many", times[name].over(times["append"]), slower=True)
        for name in arms
        if name != "append"
    ]


def _day(spark: SparkSession, rows: int, day: int) -> DataFrame:
    return spark.range(rows).selectExpr(
        "id",
        f"timestamp_seconds({1_780_272_000 + day * 86_400} + id * 7919 % 86400) AS ts",
        f"sin(id + {day}) AS prep_time",
        "cos(id) AS busy",
        "id % 97 AS n_meal",
    )


def _writing(home: str, write: Callable[[DeltaTables], int], expected: int) -> Turn:
    def turn() -> list[float]:
        copy = shutil.copytree(f"{home}/filled", tempfile.mkdtemp(dir=home), dirs_exist_ok=True)
        began = time.perf_counter()
        assert write(DeltaTables(copy)) == expected
        seconds = time.perf_counter() - began
        shutil.rmtree(copy)
        return [seconds]

    return turn


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    session = palette.spark_session(**{"spark.log.level": "ERROR"})
    print_table(run(session, quick=parser.parse_args().quick))
