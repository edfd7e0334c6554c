"""Time that ``training_set`` takes to plan, without execution, compared with another checkout of the project.

``python -m benchmarks.planning [--against CHECKOUT]``: 20 features in 5 groups on a basis of 1,000 rows. Each side
plans in a process of its own, interleaved; the median of each is printed. The file is also the script of these
processes, so it uses nothing but the public interface, which earlier checkouts have, too.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROUNDS, CALLS, WARM_UP = 9, 5, 20
GROUPS, FEATURES, ROWS = 5, 4, 1_000
START = dt.datetime(2024, 3, 1)
CHECKOUT = str(Path(__file__).resolve().parents[1])


def make_plan(folder: str) -> Callable[[], object]:
    """Write the histories, and return the function that is measured."""
    from pyspark.sql import functions as F

    from palette import Entity, Feature, FeatureGroup, FeatureStore, spark_session

    spark = spark_session(master="local[2]", **{"spark.log.level": "ERROR"})
    store = FeatureStore(folder)
    features = [Feature(f"f{number}", "double") for number in range(FEATURES)]
    groups = [
        FeatureGroup(f"g{number}", entity="thing", timestamp="ts", ttl="90d", features=features)
        for number in range(GROUPS)
    ]
    store.apply(Entity("thing", keys={"id": "string"}), groups)
    keys = F.concat(F.lit("key-"), F.col("id").cast("string")).alias("id")
    rows = spark.range(ROWS).select(
        keys, F.lit(START).alias("ts"), *(F.rand(n).alias(f"f{n}") for n in range(FEATURES))
    )
    for group in groups:
        for _ in range(3):
            store.write(group, rows, mode="append")
    basis = spark.range(ROWS).select(keys.alias("k1"), keys.alias("k2"), F.lit(START).alias("at"))
    names = {
        f"g{group}_f{feature}": f"thing:g{group}:f{feature}:k{1 + group % 2}"
        for group in range(GROUPS)
        for feature in range(FEATURES)
    }
    return lambda: store.training_set(basis, names, timestamp="at")


def serve() -> None:
    """Plan ``CALLS`` times for each line of the standard input, and print the seconds of a call."""
    with tempfile.TemporaryDirectory(prefix="palette-bench-") as folder:
        plan = make_plan(folder)
        for _ in range(WARM_UP):
            plan()
        print("ready", flush=True)
        for _ in sys.stdin:
            started = time.perf_counter()
            for _ in range(CALLS):
                plan()
            print((time.perf_counter() - started) / CALLS, flush=True)


def measure(checkouts: Sequence[str], rounds: int = ROUNDS) -> list[float]:
    """Return the median seconds of a call in each checkout, interleaved."""
    processes = [_start(checkout) for checkout in checkouts]
    try:
        for process in processes:
            _read(process, "ready")
        took: list[list[float]] = [[] for _ in processes]
        for _ in range(rounds):
            for process, seconds in zip(processes, took, strict=True):
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
                seconds.append(float(_read(process)))
    finally:
        for process in processes:
            process.communicate()
    return [statistics.median(seconds) for seconds in took]


def _start(checkout: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.path.abspath(checkout)}
    command = [sys.executable, os.path.abspath(__file__), "--serve"]
    return subprocess.Popen(
        command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _read(process: subprocess.Popen[str], expected: str | None = None) -> str:
    """Return the next line of a process, or the one that is expected: Spark may print others before it."""
    assert process.stdout is not None
    for line in process.stdout:
        if expected in (None, line.strip()):
            return line.strip()
    raise RuntimeError(f"the process ended with {process.wait()}")


def main() -> None:
    """Print the medians, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="CHECKOUT", help="another checkout of the project")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    checkouts = [CHECKOUT, *([options.against] if options.against else [])]
    seconds = measure(checkouts)
    for checkout, median in zip(checkouts, seconds, strict=True):
        print(f"{checkout}: {1000 * median:.1f} ms")
    if len(seconds) > 1:
        print(f"{seconds[1] / seconds[0]:.2f} times as fast")


if __name__ == "__main__":
    main()
