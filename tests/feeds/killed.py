"""Run by test_killed: materializes, and is killed meanwhile; says ``ready`` when it begins."""

from __future__ import annotations

import datetime as dt
import sys

import palette
from palette import FeatureStore

START, DAYS = dt.datetime(2026, 6, 1), 5


def run(store: FeatureStore, **more):
    return store.materialize("shop:hourly", start=START, to=START + dt.timedelta(days=DAYS), chunk="1d", **more)


if __name__ == "__main__":
    palette.spark_session(
        master="local[2]", **{"spark.sql.shuffle.partitions": 1, "spark.log.level": "OFF", "spark.driver.memory": "1g"}
    )
    opened = FeatureStore.from_config(sys.argv[1])
    opened.catalog.groups()
    print("ready", flush=True)
    print(run(opened, progress=lambda step: print(step.phase, step.step, flush=True)), flush=True)
