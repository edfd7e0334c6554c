"""Every join plan answers as the brute-force oracle does."""

from __future__ import annotations

import tempfile
from functools import reduce
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from palette.offline import DeltaTables, Lookup, point_in_time_join
from tests.draws import scaled
from tests.offline.worlds import GROUPS, World, frame, lookups, worlds, write
from tests.pit_oracle import answer, canonical, winner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The last one splits every key that has more than two rows.
PLANS: dict[str, dict[str, Any]] = {
    "broadcast": {"hint": "broadcast"},
    "shuffle": {"hint": "shuffle"},
    "mixed": {"broadcast_limit": 5_000},
    "hot": {"hint": "shuffle", "hot_rows": 2},
}
BASIS = {"row": "int", "who": "string", "where": "string", "which": "smallint", "at": "timestamp"}


@pytest.mark.spark
@settings(  # each example is some Spark jobs over dozens of rows
    max_examples=scaled(2, least=2), phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
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
            for plan, found in answered.items():
                assert sorted(found, key=itemgetter("row")) == wanted, f"{mode}, {plan}"


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
    tables: DeltaTables, basis: DataFrame, asked: list[Lookup], **options: Any
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that each plan answers, all in one Spark job."""
    joined = [
        point_in_time_join(tables, basis, asked, **options, **plan).withColumn("plan", F.lit(name))
        for name, plan in PLANS.items()
    ]
    found: dict[str, list[dict[str, Any]]] = {plan: [] for plan in PLANS}
    for row in reduce(DataFrame.unionByName, joined).collect():
        values = {name: canonical(value) for name, value in row.asDict().items()}
        found[values.pop("plan")].append(values)
    return found
