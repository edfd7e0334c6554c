"""Every join plan answers as the brute-force oracle does."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from functools import reduce
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from palette.offline import DeltaTables, Lookup, point_in_time_join
from palette.offline.join import partitioned
from palette.offline.prepared import partitions
from tests.draws import scaled
from tests.offline.worlds import GROUPS, World, frame, lookups, worlds, write
from tests.pit_oracle import answer, canonical, winner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Hot plans split every key that has more than two rows; moved ones shuffle the basis as where it cannot stay.
PLANS: dict[str, dict[str, Any]] = {
    "broadcast": {"hint": "broadcast"},
    "partitioned": {"hint": "partitioned"},
    "moved": {"hint": "partitioned"},
    "hot parts": {"hint": "partitioned", "hot_rows": 2},
    "hot parts, moved": {"hint": "partitioned", "hot_rows": 2},
    "shuffle": {"hint": "shuffle"},
    "mixed": {"broadcast_limit": 5_000},
    "hot": {"hint": "shuffle", "hot_rows": 2},
}
BASIS = {"row": "int", "who": "string", "where": "string", "which": "smallint", "at": "timestamp"}


@pytest.mark.spark
@settings(  # each example is some Spark jobs over dozens of rows
    max_examples=scaled(4, least=1), phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(world=worlds(size=80))
def test_plans_equal_the_oracle(spark: SparkSession, world: World) -> None:
    rows = [{"row": place, **row} for place, row in enumerate(world.basis)]
    basis = frame(spark, rows, BASIS)
    with tempfile.TemporaryDirectory() as root:
        tables = DeltaTables(root)
        write(spark, tables, world)
        for mode in ("event", "created"):
            asked = lookups(pair for pair in GROUPS if mode == "event" or pair[1].created)
            wanted = expected(world, rows, asked, mode)
            answered = on_every_plan(tables, basis, asked, timestamp="at", point_in_time=mode, status=True)
            differ = {
                plan: different
                for plan, found in answered.items()
                if (different := differences(sorted(found, key=itemgetter("row")), wanted))
            }
            assert differ == {}, mode


def differences(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return (row, column, found, wanted) where they differ."""
    return [
        (row["row"], name, row[name], other[name])
        for row, other in zip(found, wanted, strict=True)
        for name in row
        if row[name] != other[name]
    ]


def expected(world: World, rows: list[dict[str, Any]], asked: list[Lookup], mode: str) -> list[dict[str, Any]]:
    out = []
    for row in rows:
        filled = {**row}
        for lookup in asked:
            key = [row[name] for name in lookup.join_keys]
            history = world.histories[lookup.group.name]
            found = winner(history, lookup.schema.entity, lookup.group, key, row["at"], mode)
            for column, feature in lookup.columns.items():
                value, status = answer(found, lookup.group, feature, row["at"])
                filled |= {column: canonical(value), f"{column}__status": status}
        out.append(filled)
    return out


def on_every_plan(
    tables: DeltaTables, basis: DataFrame, asked: list[Lookup], plans: Collection[str] = tuple(PLANS), **options: Any
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that each of some plans answers, all in one Spark job."""
    joined = []
    for name in plans:
        plan = PLANS[name]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partitions, "PART_BYTES", 1 << 9)
            if "moved" in name:
                patch.setattr(partitioned, "SHARE", -1)
            joined.append(point_in_time_join(tables, basis, asked, **options, **plan).withColumn("plan", F.lit(name)))
    found: dict[str, list[dict[str, Any]]] = {plan: [] for plan in plans}
    for row in reduce(DataFrame.unionByName, joined).collect():
        values = {name: canonical(value) for name, value in row.asDict().items()}
        found[values.pop("plan")].append(values)
    return found
