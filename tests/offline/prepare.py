"""Run by test_preparation_killed: prepares a history when a line arrives, and may be killed meanwhile."""

from __future__ import annotations

import sys

import palette
from palette import Entity, Feature, FeatureGroup
from palette.definitions import GroupSchema
from palette.offline import DeltaTables
from palette.offline.prepared import partitions, store

GROUP = FeatureGroup("sales", entity="shop", timestamp="ts", features=[Feature("x", "double"), Feature("s", "string")])
SCHEMA = GroupSchema(Entity("shop", keys={"id": "string"}), GROUP)


def prepare(spark, tables):
    """Prepare the newest version of the group in many small parts, or find what was prepared."""
    partitions.PART_BYTES = 1 << 14
    store._opened.clear()
    return store.open_prepared(tables.open(spark, SCHEMA), by_created=False)


if __name__ == "__main__":
    session = palette.spark_session(
        master="local[2]", **{"spark.sql.shuffle.partitions": 1, "spark.log.level": "OFF", "spark.driver.memory": "1g"}
    )
    session.range(1).collect()
    print("ready", flush=True)
    sys.stdin.readline()
    print(len(prepare(session, DeltaTables(sys.argv[1])).runs), flush=True)
