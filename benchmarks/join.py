"""The point-in-time join against others, all in one session, interleaved, with the same answers.

``python -m benchmarks.join [--quick] [--only PART]`` prints one line a comparison; ratios are taken within a round,
preparation of histories included, and the median round is told.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from typing import TYPE_CHECKING

from benchmarks import planning
from benchmarks.join_cases import (
    AGAIN,
    DUCKDB,
    NEXT,
    PALETTE,
    PARTITIONED,
    SHUFFLED,
    UNION,
    Case,
    History,
    duckdb_asof,
    join_row_number,
    make_case,
    median_ratio,
    palette_join,
    race,
    seconds,
    union_window_last,
)
from benchmarks.join_large import huge, partitioned, skewed
from benchmarks.table import Result, peak_memory, print_table
from palette.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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


def plan(_spark: SparkSession, _folder: str, _scale: float, rounds: int) -> list[Result]:
    """Planning alone; ``python -m benchmarks.planning --against CHECKOUT`` compares it with another checkout."""
    (took,) = planning.measure([planning.CHECKOUT], rounds)
    what = "planning training_set: 20 features in 5 groups, 1,000 rows"
    return [Result(what, "itself", 1000 * took, slower=True, unit=" ms")]


PARTS = {
    "three": three_groups,
    "many": many_keys,
    "hot": hot_key,
    "large": partitioned,
    "skewed": skewed,
    "huge": huge,
    "plan": plan,
}
# Takes an hour at full size: measured when it is named.
LONG = ("huge",)


def run(spark: SparkSession, *, quick: bool = False, only: str | None = None, scale: float = 1.0) -> list[Result]:
    """Return the lines of the table."""
    scale, rounds = (0.02, 1) if quick else (scale, 3)
    results = []
    for name, part in PARTS.items():
        if only == name or (only is None and (quick or name not in LONG)):
            with tempfile.TemporaryDirectory(prefix="palette-bench-") as folder:
                results += part(spark, folder, scale, rounds)
    return results


def main() -> None:
    """Print the lines of the table that are about the join."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data, one round: does it run at all")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the rows of each comparison")
    options = parser.parse_args()
    spark = spark_session(master="local[2]", **{"spark.log.level": "ERROR"})
    print_table(run(spark, quick=options.quick, only=options.only, scale=options.scale))


if __name__ == "__main__":
    main()
