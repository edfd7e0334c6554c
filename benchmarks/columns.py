"""DSL columns in `transform` against the same columns written by hand in Spark; and the price of an import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.table import Result

LAMBDAS = {
    "filled": "nFill(nVal('basis:a'), -1)",
    "ratio": "nVal('basis:a') / nVal('basis:b')",
    "late": "if(nVal('basis:a') > 15, 1.0, 0.0)",
    "both": "nFill(nVal('basis:a'), 0) + nFill(nVal('basis:b'), 0) * 2",
    "word": "upper(trim(sVal('basis:s')))",
}


def by_hand() -> dict:
    """Return the same columns as an engineer would write them."""
    a, b, s = F.col("a"), F.col("b"), F.col("s")

    def fill(column, value):
        return F.coalesce(F.nanvl(column, F.lit(None)), F.lit(value))

    return {
        "filled": fill(a, -1.0),
        "ratio": F.try_divide(a, b),
        "late": F.when(a > 15.0, 1.0).otherwise(0.0),
        "both": fill(a, 0.0) + fill(b, 0.0) * 2.0,
        "word": F.upper(F.trim(s)),
    }


def run(spark: SparkSession, *, quick: bool = False) -> list[Result]:
    """Measure in interleaved rounds."""
    from dsl import DSLEstimator

    rows, rounds = (100_000, 3) if quick else (5_000_000, 9)
    spark.range(rows).selectExpr(
        "if(id % 7 = 0, null, cast(id % 100 as double)) as a",
        "cast(id % 13 as double) as b",
        "concat(' w', id % 50) as s",
    ).cache().createOrReplaceTempView("bench_columns")
    basis = spark.table("bench_columns")
    basis.count()
    model = DSLEstimator(lambdas=LAMBDAS).fit(basis)
    ours, hand = model.transform(basis), basis.withColumns(by_hand())
    assert ours.exceptAll(hand).isEmpty()
    pairs = [(seconds(ours), seconds(hand)) for _ in range(rounds + 1)][1:]
    ratio = statistics.median(a / b for a, b in pairs)
    light = import_cost("import palette") - import_cost("pass")
    free = (
        "pyspark"
        not in subprocess.run(
            [sys.executable, "-c", "import sys, palette; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )
    assert free, "import palette pulls in pyspark"
    return [
        Result("DSL columns in transform()", "the same by hand in Spark", ratio, 1.1, slower=True),
        Result("import palette", "bare Python start", light, 0.3, slower=True, unit=" s more"),
    ]


def seconds(frame) -> float:
    """Return the time to compute all columns."""
    start = time.perf_counter()
    frame.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - start


def import_cost(code: str) -> float:
    """Return the median time of a Python process that runs ``code``."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
