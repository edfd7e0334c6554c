"""Materialize to Redis, beside what Redis itself takes: 5 million keys.

``python -m benchmarks.feeds [--quick]``; ``redis-benchmark`` sets values of the same size with the same server, before
and after, in pipelines of 100.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

import palette
from benchmarks.table import Result, print_table
from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore
from palette.online.codec.codec import RowCodec
from tests.servers.redis import RedisServer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESTAURANT = Entity("restaurant", keys={"uuid": "string"})
FEATURES = [Feature("prep_time", "double"), Feature("n_meal", "bigint"), Feature("busy", "double")]
END = dt.datetime(2026, 6, 2)
WHAT = "materialize of {:,} keys to Redis, from Delta by Spark's tasks"
AGAINST = "redis-benchmark, SET of values of that size, -P 100"


def run(spark: SparkSession, *, quick: bool) -> list[Result]:
    """Compute the rows of a day, put them online, and ask Redis for its own rate."""
    keys = 200_000 if quick else 5_000_000
    if shutil.which("redis-benchmark") is None:
        return [Result(WHAT.format(keys), AGAINST, None, note="not measured: apt-get install redis-tools")]
    with contextlib.closing(RedisServer().start()) as server, tempfile.TemporaryDirectory() as home:
        store = _store(spark, home, server, keys)
        size = len(RowCodec(store.online.layout("restaurant:kitchen").stored).encode((1, None, 1.0, 1, 1.0)))
        before = _own_rate(server, size, keys)
        told = store.materialize("restaurant:kitchen", to=END)
        again = store.materialize("restaurant:kitchen", to=END)
        after = _own_rate(server, size, keys)
        assert (told.rows_written, told.rows_dispersed, again.rows_dispersed) == (keys, keys, 0)
    rate, own = told.rows_dispersed / told.seconds["disperse"], (before + after) / 2
    note = (
        f"{rate:,.0f} keys/s beside {own:,.0f} ({before:,.0f} before, {after:,.0f} after), values of {size} bytes; "
        f"computed and written to Delta before, {told.rows_written / told.seconds['compute']:,.0f} rows/s; "
        f"repeated with nothing new {again.seconds['disperse']:.1f} s"
    )
    return [Result(WHAT.format(keys), AGAINST, rate / own, note=note)]


def _store(spark: SparkSession, home: str, server: RedisServer, keys: int) -> FeatureStore:
    rows = spark.range(keys).select(
        F.format_string("r%08d", "id").alias("uuid"),
        F.timestamp_seconds(F.lit(1_780_272_000) + F.col("id") % 86_400).alias("ts"),
        (F.col("id") * 0.25).alias("prep_time"),
        (F.col("id") % 97).alias("n_meal"),
        F.sin("id").alias("busy"),
    )
    rows.write.parquet(f"{home}/rows")
    Path(home, "palette.yaml").write_text(f"path: store\nonline: {server.url}\n")
    store = FeatureStore.from_config(f"{home}/palette.yaml")
    source = BatchSource(sql=f"SELECT * FROM parquet.`{home}/rows`")
    store.apply(RESTAURANT, FeatureGroup("kitchen", RESTAURANT, FEATURES, timestamp="ts", source=source))
    return store


def _own_rate(server: RedisServer, size: int, keys: int) -> float:
    """Return how many SETs a second ``redis-benchmark`` counts, over as many keys."""
    command = ["redis-benchmark", "-p", str(server.port), "-n", str(min(keys, 1_000_000)), "-r", str(keys)]
    command += ["-t", "set", "-d", str(size), "-P", "100", "-q"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"SET: ([\d.]+) requests per second", said)
    server.client().flushall()
    return float(found[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    session = palette.spark_session(**{"spark.log.level": "ERROR"})
    print_table(run(session, quick=parser.parse_args().quick))
