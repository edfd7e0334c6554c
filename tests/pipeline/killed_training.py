"""Run by test_killed_training: writes a training set in chunks, and is killed meanwhile; prints each step."""

from __future__ import annotations

import sys

import palette
from palette import FeatureStore

NAMES = {"n": "shop:visits:n:who", "x": "shop:visits:x:who"}


def write(store, basis, target, chunks, progress=None):
    return store.write_training_set(
        basis, NAMES, target, timestamp="at", chunks=chunks, mode="append", cluster_by="who", progress=progress
    )


if __name__ == "__main__":
    palette.spark_session(
        master="local[2]", **{"spark.sql.shuffle.partitions": 1, "spark.log.level": "OFF", "spark.driver.memory": "1g"}
    )
    uri, basis, target, chunks = sys.argv[1:]
    print("ready", flush=True)
    write(FeatureStore.open(uri), basis, target, int(chunks), lambda step: print(step.phase, step.step, flush=True))
    print("finished", flush=True)
