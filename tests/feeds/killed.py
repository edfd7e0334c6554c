"""Run by test_killed: materializes, and is killed meanwhile; says ``ready`` when it begins."""

from __future__ import annotations

import datetime as dt
import sys

import palette
from palette import FeatureStore

START = dt.datetime(2026, 6, 1)


def run(store: FeatureStore, days: int, *, nightly: bool, **more):
    """Fill all days one by one; or go on from where the last run came to, as a nightly run does."""
    asked = {} if nightly else {"start": START, "chunk": "1d"}
    return store.materialize("shop:hourly", to=START + dt.timedelta(days=days), **asked, **more)


if __name__ == "__main__":
    palette.spark_session(
        master="local[2]", **{"spark.sql.shuffle.partitions": 1, "spark.log.level": "OFF", "spark.driver.memory": "1g"}
    )
    config, days, kind = sys.argv[1:]
    opened = FeatureStore.from_config(config)
    opened.catalog.definitions.groups()
    print("ready", flush=True)
    told = run(
        opened, int(days), nightly=kind == "nightly", progress=lambda step: print(step.phase, step.step, flush=True)
    )
    print(told, flush=True)
