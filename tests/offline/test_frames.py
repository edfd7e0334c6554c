"""What rows are read from and written to, by what people call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from palette.errors import ArgumentError, DataError
from palette.offline.files.dataframes import parse_location, read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.mark.parametrize(
    ("target", "form"),
    [
        *(("training_set", "delta"), ("scores/", "delta"), ("a.b/scores", "delta"), ("s3a://bucket/scores", "delta")),
        *(("scores.parquet", "parquet"), ("parquet:scores", "parquet"), ("table:main.features.scores", "table")),
    ],
)
def test_targets(target: str, form: str) -> None:
    assert parse_location(target, new=True) == (form, target.partition(":")[2] if target.startswith(form) else target)


@pytest.mark.parametrize(
    "target", ["x.tsv", "rows.json.gz", "main.features", "table:a b", "table:", "tables:x", "", ".."]
)
def test_what_is_no_target_is_refused(target: str) -> None:
    with pytest.raises(ArgumentError, match=r"expected a path, delta:PATH, .* or table:NAME"):
        parse_location(target, new=True)


def test_a_file_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_location("rows.tsv") == ("table", "rows.tsv")
    (tmp_path / "rows.tsv").write_text("x\n")
    with pytest.raises(ArgumentError, match=r"has an unknown ending '.tsv'"):
        parse_location("rows.tsv")


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Iterator[str]:
    spark.sql(f"CREATE SCHEMA palette_frames LOCATION '{tmp_path}/warehouse'")
    spark.sql("CREATE TABLE palette_frames.scores (id BIGINT) USING delta")
    yield "palette_frames.scores"
    spark.sql("DROP SCHEMA palette_frames CASCADE")


@pytest.mark.spark
def test_a_table_by_its_name(spark: SparkSession, table: str) -> None:
    target = f"table:{table}"
    with pytest.raises(ArgumentError, match="set mode to append or overwrite"):
        write_frame(spark.range(3), target)
    assert [write_frame(spark.range(3), target, "append") for _ in range(2)] == [3, 3]
    assert write_frame(spark.createDataFrame([], "id BIGINT"), target, "append") == 0
    assert write_frame(spark.range(2), target, "overwrite") == 2
    assert read_frame(spark, target).count() == read_frame(spark, table).count() == 2
    with pytest.raises(DataError, match="cannot be written") as refused:
        write_frame(spark.range(1).toDF("other"), target, "overwrite")
    assert "append or overwrite" not in str(refused.value)
    with pytest.raises(Exception, match="broken"):
        write_frame(
            spark.range(9).select(F.raise_error(F.lit("broken")).cast("bigint").alias("id")), target, "overwrite"
        )
    assert read_frame(spark, target).count() == 2
    with pytest.raises(ArgumentError, match="not be visible to others: use a path, or a session with a metastore"):
        write_frame(spark.range(1), "table:palette_frames.fresh")


@pytest.mark.spark
def test_files_are_not_overwritten(spark: SparkSession, tmp_path: Path) -> None:
    target = str(tmp_path / "scores.parquet")
    assert write_frame(spark.range(3), target) == 3
    with pytest.raises(ArgumentError, match=r"set mode to append or overwrite \(mode=, --mode\)"):
        write_frame(spark.range(1), target)
    with pytest.raises(ArgumentError, match="they would be lost if the write failed: use another path, or a Delta"):
        write_frame(spark.range(1), target, "overwrite")
    assert read_frame(spark, target).count() == 3
