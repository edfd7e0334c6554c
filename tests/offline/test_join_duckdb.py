"""The join beside another engine: DuckDB's ASOF join over the same files, on a basis too large for the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import duckdb
import pytest
from pyspark.sql import functions as F

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.offline import DeltaTables, Lookup, point_in_time_join

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

Case: TypeAlias = "tuple[DeltaTables, DataFrame, dict[int, tuple]]"

THING = Entity("thing", keys={"key": "string", "part": "bigint"})
GROUP = FeatureGroup(
    "values", entity="thing", timestamp="ts", features=[Feature("x", "double"), Feature("s", "string")]
)
ROWS, BASIS, KEYS = 60_000, 40_000, 300
START, SPAN = 1_700_000_000_000_000, 40_000_000


def made_up(spark: SparkSession, rows: int, seed: int) -> DataFrame:
    """Rows of random keys and times: many fall on the same microseconds, and some keys are null or unknown."""
    number = F.floor(F.rand(seed) * (KEYS + 20)).cast("int")
    key = F.when(number < KEYS, F.concat(F.lit("k"), number.cast("string")))
    # Whole milliseconds, so that a history and a basis often meet at one time exactly.
    at = F.timestamp_micros(F.lit(START) + F.floor(F.rand(seed + 2) * (SPAN // 1000)) * 1000)
    return spark.range(rows).select("id", key.alias("key"), F.floor(F.rand(seed + 1) * 3).alias("part"), at.alias("ts"))


@pytest.fixture(scope="module")
def case(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder: Path = tmp_path_factory.mktemp("asof")
    value = F.when(F.rand(5) < 0.9, F.floor(F.rand(6) * 1e6) / 8)
    history = (
        made_up(spark, ROWS, 10)
        .filter("key is not null")
        .withColumns({"x": value, "s": F.concat(F.lit("s"), F.col("id").cast("string"))})
    )
    # Ties have tests of their own; ASOF has no rule for them.
    history.dropDuplicates(["key", "part", "ts"]).drop("id").coalesce(4).write.parquet(str(folder / "history"))
    made_up(spark, BASIS, 20).coalesce(3).write.parquet(str(folder / "basis"))
    tables = DeltaTables(str(folder / "tables"))
    tables.write(GroupSchema(THING, GROUP), spark.read.parquet(str(folder / "history")))
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT id, x, s FROM read_parquet(?) basis ASOF LEFT JOIN read_parquet(?) history"
            " ON basis.key = history.key AND basis.part = history.part AND basis.ts >= history.ts",
            [str(folder / "basis/*.parquet"), str(folder / "history/*.parquet")],
        ).fetchall()
    return tables, spark.read.parquet(str(folder / "basis")), {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("hint", ["broadcast", "partitioned", "shuffle"])
def test_equals_duckdbs_asof_join(case: Case, hint: str) -> None:
    tables, basis, expected = case
    lookup = Lookup(GroupSchema(THING, GROUP), ("key", "part"), {"x": "x", "s": "s"})
    joined = point_in_time_join(tables, basis, [lookup], timestamp="ts", hint=hint, hot_rows=1000)
    found = {row.id: (row.x, row.s) for row in joined.select("id", "x", "s").collect()}
    assert len(found) == BASIS
    assert found == expected
    # Enough of each kind that the comparison says something.
    assert sum(s is not None for _, s in found.values()) > BASIS * 0.8
    assert sum(s is None for _, s in found.values()) > 500
    assert sum(x is None and s is not None for x, s in found.values()) > 1000
