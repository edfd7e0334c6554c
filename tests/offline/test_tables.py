"""Writing, merging, time travel and upkeep of the tables."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import ArgumentError, DataError, DefinitionError, SchemaError
from palette.offline import DeltaTables
from palette.offline.join.histories import SparkHistory, open_history

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SHOP = Entity("shop", keys={"id": "string", "floor": "int"})


def shop(group: FeatureGroup) -> GroupSchema:
    return GroupSchema(SHOP, group)


FEATURES = [Feature("x", "double"), Feature("label", "string")]
PLAIN = FeatureGroup("plain", entity="shop", timestamp="ts", features=FEATURES)
STAMPED = FeatureGroup("stamped", entity="shop", timestamp="ts", created="written", features=FEATURES)
FIXED = FeatureGroup("fixed", entity="shop", features=FEATURES)
NOON = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=1)
SCHEMA = "id string, floor int, ts timestamp, x double, label string"


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path))


def rows(spark: SparkSession, *found: tuple[Any, ...], schema: str = SCHEMA) -> DataFrame:
    return spark.createDataFrame(list(found), schema)


def content(spark: SparkSession, tables: DeltaTables, group: FeatureGroup, version: int | None = None) -> list[Any]:
    return sorted((row.id, row.x, row.label) for row in tables.read(spark, shop(group), version).collect())


def test_append_adds_versions(spark: SparkSession, tables: DeltaTables) -> None:
    assert tables.version(spark, PLAIN) is None
    for version in (0, 1):
        written = tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, "p")), mode="append")
        assert (written.rows, written.version, repr(written)) == (1, version, f"1 row, version {version}")
    assert tables.write(shop(PLAIN), rows(spark), mode="append").rows == 0
    assert content(spark, tables, PLAIN) == [("a", 1.0, "p")] * 2
    assert content(spark, tables, PLAIN, version=0) == [("a", 1.0, "p")]


def test_types_widen(spark: SparkSession, tables: DeltaTables) -> None:
    narrow = "id string, floor tinyint, ts timestamp_ntz, x int, label void"
    naive = NOON.replace(tzinfo=None)
    tables.write(shop(PLAIN), rows(spark, ("a", 1, naive, 3, None), schema=narrow))
    (row,) = tables.read(spark, shop(PLAIN)).select(F.unix_seconds("ts").alias("ts"), "x", "label").collect()
    assert tuple(row) == (int(NOON.timestamp()), 3.0, None)


REFUSED = [
    pytest.param("id string, ts timestamp, x double, label string", "column 'floor' .int. is missing", id="missing"),
    pytest.param(f"{SCHEMA}, labels string", "'labels' is not declared; did you mean 'label'", id="unknown"),
    pytest.param(SCHEMA.replace("floor int", "floor bigint"), "'floor' is declared int, found bigint", id="narrows"),
    pytest.param(SCHEMA.replace("x double", "x string"), "'x' is declared double, found string: cast", id="type"),
    pytest.param(SCHEMA.replace("ts timestamp", "ts bigint"), "'ts' is declared timestamp, found bigint", id="time"),
]


@pytest.mark.parametrize(("schema", "message"), REFUSED)
def test_schema_is_checked(spark: SparkSession, tables: DeltaTables, schema: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        tables.write(shop(PLAIN), spark.createDataFrame([], schema))
    assert tables.version(spark, PLAIN) is None


@pytest.mark.parametrize("mode", ["append", "merge"])
@pytest.mark.parametrize("group", [PLAIN, STAMPED], ids=lambda group: group.name)
def test_refused_write_leaves_the_table_as_it_was(
    spark: SparkSession, tables: DeltaTables, group: FeatureGroup, mode: str
) -> None:
    tables.write(shop(group), rows(spark, ("a", 1, NOON, 1.0, "p")))
    wider = group.model_copy(update={"features": (*FEATURES, Feature("y", "bigint"))})
    schema = f"{SCHEMA}, y bigint"
    with pytest.raises(DataError, match="1 rows have a null"):
        tables.write(shop(wider), rows(spark, (None, 1, NOON, 2.0, "q", 5), schema=schema), mode)
    assert tables.version(spark, group) == 0
    assert "y" not in tables.read(spark, shop(wider)).columns
    tables.write(shop(wider), rows(spark, ("a", 1, NOON, 1.0, "p", 5), schema=schema), mode)
    assert tables.version(spark, group) == 1
    assert {row.y for row in tables.read(spark, shop(wider)).collect()} >= {5}


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_bad_rows_are_counted_and_nothing_is_written(spark: SparkSession, tables: DeltaTables, mode: str) -> None:
    tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, "p")))
    bad = rows(spark, ("b", 1, NOON, 1.0, "p"), (None, 1, NOON, 1.0, "q"), ("c", 1, None, 1.0, "r"))
    with pytest.raises(DataError, match=r"shop:plain: 2 rows have a null in id, floor, ts, .*'label': 'q'"):
        tables.write(shop(PLAIN), bad.repartition(2), mode)
    assert tables.version(spark, PLAIN) == 0


def test_mode_is_checked(spark: SparkSession, tables: DeltaTables) -> None:
    with pytest.raises(ArgumentError, match="'append' or 'merge', found 'replace'"):
        tables.write(shop(PLAIN), rows(spark), "replace")


def test_created_is_stamped_or_kept(spark: SparkSession, tables: DeltaTables) -> None:
    before = dt.datetime.now(dt.UTC)
    tables.write(shop(STAMPED), rows(spark, ("a", 1, NOON, 1.0, "stamped")))
    given = rows(spark, ("a", 1, NOON, 1.0, "null", None), schema=f"{SCHEMA}, written timestamp")
    tables.write(shop(STAMPED), given)
    stored = tables.read(spark, shop(STAMPED)).select("label", F.unix_micros("written").alias("at")).collect()
    written = {row.label: row.at for row in stored}
    assert written["null"] is None
    assert before.timestamp() <= written["stamped"] / 1e6 <= dt.datetime.now(dt.UTC).timestamp()


def test_merge_can_be_repeated(spark: SparkSession, tables: DeltaTables) -> None:
    twice = rows(spark, ("a", 1, NOON, 1.0, "p"), ("a", 1, NOON, None, "z"), ("b", 1, NOON, float("nan"), None))
    for number in (2, 0):
        written = tables.write(shop(PLAIN), twice)
        assert (written.rows, written.version, written.received) == (number, 0, 2)
        assert [row[::2] for row in content(spark, tables, PLAIN)] == [("a", "p"), ("b", None)]
    tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 7.0, "new"), ("a", 1, LATER, 8.0, "later")))
    assert [row[2] for row in content(spark, tables, PLAIN) if row[0] == "a"] == ["new", "later"]


@pytest.mark.parametrize("given", [False, True], ids=["plain", "created"])
def test_last_write_wins_whatever_its_value(spark: SparkSession, tables: DeltaTables, given: bool) -> None:
    """Of a row known by its times, and of several that were appended: a lesser value takes the place of them all."""
    group, schema = (STAMPED, f"{SCHEMA}, written timestamp") if given else (PLAIN, SCHEMA)

    def row(x: float | None) -> DataFrame:
        return rows(spark, ("a", 1, NOON, x, "p", *([None] if given else [])), schema=schema)

    for x in (9.0, 3.0):
        tables.write(shop(group), row(x), mode="append")
    for x, number in ((3.0, 1), (3.0, 0), (None, 2), (None, 0)):
        assert tables.write(shop(group), row(x)).rows == number
        assert [found.x for found in tables.latest(spark, shop(group)).collect()] == [x]


def test_merge_reads_no_file_of_other_times(spark: SparkSession, tables: DeltaTables) -> None:
    tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, "p")))
    (path,) = tables.open(spark, shop(PLAIN), 0).files.paths
    Path(path).rename(f"{path}.away")
    day = dt.timedelta(days=1)
    for number in (2, 0):
        later = rows(spark, ("a", 1, NOON + day, 1.0, "p"), ("b", 1, NOON + 2 * day, 1.0, "p"))
        assert tables.write(shop(PLAIN), later).rows == number
    assert tables.write(shop(PLAIN), rows(spark, ("b", 1, NOON + day, 1.0, "p"))).rows == 1
    Path(f"{path}.away").rename(path)
    assert len(content(spark, tables, PLAIN)) == 4


def test_merge_takes_any_feature_name(spark: SparkSession, tables: DeltaTables) -> None:
    group = STAMPED.model_copy(update={"features": (Feature("known", "double"), Feature("s", "string"))})
    schema = "id string, floor int, ts timestamp, known double, s string"
    for s in ("p", "p", "q"):
        tables.write(shop(group), rows(spark, ("a", 1, NOON, 1.0, s), schema=schema), "merge")
    assert sorted(row.s for row in tables.read(spark, shop(group)).collect()) == ["p", "q"]


def test_merge_adds_what_is_known_newly(spark: SparkSession, tables: DeltaTables) -> None:
    written = [tables.write(shop(STAMPED), rows(spark, ("a", 1, NOON, None, label))) for label in "ppqqp"]
    assert [(one.rows, one.version) for one in written] == [(1, 0), (0, 0), (1, 1), (0, 1), (1, 2)]
    assert [label for _, _, label in content(spark, tables, STAMPED)] == ["p", "p", "q"]
    (latest,) = tables.latest(spark, shop(STAMPED)).collect()
    assert latest.label == "p"


def test_static_group_keeps_one_row_a_key(spark: SparkSession, tables: DeltaTables) -> None:
    schema = SCHEMA.replace("ts timestamp, ", "")
    tables.write(shop(FIXED), rows(spark, ("a", 1, 9.0, "old"), ("b", 1, 1.0, "kept"), schema=schema))
    for number in (1, 0):
        assert tables.write(shop(FIXED), rows(spark, ("a", 1, 2.0, "new"), schema=schema)).rows == number
    assert content(spark, tables, FIXED) == [("a", 2.0, "new"), ("b", 1.0, "kept")]


def test_new_feature_is_added_and_another_type_refused(spark: SparkSession, tables: DeltaTables) -> None:
    tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, "p")))
    wider = PLAIN.model_copy(update={"features": (*FEATURES, Feature("y", "bigint"))})
    for mode in ("append", "merge"):
        more = rows(spark, ("b", 1, NOON, 2.0, "q", 5), schema=f"{SCHEMA}, y bigint")
        tables.write(shop(wider), more, mode)
    assert sorted((row.id, row.y) for row in tables.read(spark, shop(wider)).collect()) == [("a", None), ("b", 5)]
    retyped = PLAIN.model_copy(update={"features": (Feature("x", "float"), FEATURES[1])})
    with pytest.raises(SchemaError, match="'x' is double in the table"):
        tables.write(shop(retyped), rows(spark, ("a", 1, NOON, 1.0, "p"), schema=SCHEMA.replace("x double", "x float")))
    with pytest.raises(SchemaError, match="column 'x' is declared float"):
        tables.read(spark, shop(retyped))


def test_latest_is_one_row_a_key(spark: SparkSession, tables: DeltaTables) -> None:
    tables.write(
        shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, "p"), ("a", 1, LATER, 2.0, "q"), ("a", 2, NOON, 3.0, "r"))
    )
    now = tables.latest(spark, shop(PLAIN))
    assert now.columns == ["id", "floor", "ts", "x", "label"]
    assert now.schema["floor"].dataType.simpleString() == "int"
    assert sorted(row.label for row in now.collect()) == ["q", "r"]
    then = tables.latest(spark, shop(PLAIN), at=NOON)
    assert sorted(row.label for row in then.collect()) == ["p", "r"]


@pytest.fixture(scope="module")
def written(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables whose one row was written three times, to be copied."""
    path = tmp_path_factory.mktemp("written")
    schema = SCHEMA.replace("ts timestamp, ", "")
    for label in ("first", "second", "third"):
        DeltaTables(str(path)).write(shop(FIXED), rows(spark, ("a", 1, 1.0, label), schema=schema))
    return path


@pytest.fixture
def versions(written: Path, tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(shutil.copytree(written, tmp_path / "versions")))


def test_vacuum_keeps_pinned_versions(spark: SparkSession, versions: DeltaTables) -> None:
    tables = versions
    tables.vacuum(spark, FIXED, retain_pins=[1], hours=0)
    assert content(spark, tables, FIXED, version=1) == [("a", 1.0, "second")]
    assert content(spark, tables, FIXED) == [("a", 1.0, "third")]
    tables.vacuum(spark, FIXED, hours=0)
    assert content(spark, tables, FIXED) == [("a", 1.0, "third")]
    parquet = list(Path(tables.root).rglob("*.parquet"))
    assert len([path for path in parquet if "_delta_log" not in path.parts]) == 1


def test_vacuum_leaves_the_properties(spark: SparkSession, versions: DeltaTables) -> None:
    tables = versions
    check = "spark.databricks.delta.retentionDurationCheck.enabled"
    before = spark.conf.get(check, None)
    tables.vacuum(spark, FIXED, hours=1)
    assert content(spark, tables, FIXED, version=0) == [("a", 1.0, "first")]
    tables.vacuum(spark, FIXED, hours=0)
    assert spark.conf.get(check, None) == before
    # To change properties would stop writers that are at work.
    history = spark.sql(f"DESCRIBE HISTORY {tables.identifier(FIXED)}").collect()
    assert {row.operation for row in history} == {"WRITE", "MERGE", "VACUUM START", "VACUUM END"}
    for read in (
        lambda: tables.read(spark, shop(FIXED), version=0),
        lambda: tables.open(spark, shop(FIXED), 0),
    ):
        with pytest.raises(DataError, match=r"shop:fixed: version 0 .* 1 of its 1 files were vacuumed or erased: ask"):
            read()


def test_vacuum_goes_by_hours_and_not_by_the_property(spark: SparkSession, written: Path, tmp_path: Path) -> None:
    # The same table, three hours ago.
    past = 3 * 3_600_000
    copy = shutil.copytree(written, tmp_path / "copy", ignore=shutil.ignore_patterns("*.crc"))
    for commit in copy.rglob("_delta_log/*.json"):
        text = re.sub(r'("deletionTimestamp":)(\d+)', lambda m: f"{m[1]}{int(m[2]) - past}", commit.read_text())
        commit.write_text(text)
    for path in copy.rglob("*.parquet"):
        os.utime(path, (path.stat().st_mtime - past / 1000,) * 2)
    older = DeltaTables(str(copy))
    older.vacuum(spark, FIXED, hours=4)
    assert content(spark, older, FIXED, version=0) == [("a", 1.0, "first")]
    older.vacuum(spark, FIXED, hours=2)
    assert len(list(copy.rglob("part-*.parquet"))) == 1
    assert content(spark, older, FIXED) == [("a", 1.0, "third")]


def test_path_may_have_any_characters(spark: SparkSession, tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path / "a{env}b`c {} d"))
    for group in (PLAIN, STAMPED):
        for label in "pq":
            tables.write(shop(group), rows(spark, ("a", 1, NOON, 1.0, label)), "merge")
    tables.optimize(spark, shop(PLAIN))
    tables.vacuum(spark, PLAIN)
    assert content(spark, tables, PLAIN) == [("a", 1.0, "q")]
    assert content(spark, tables, STAMPED) == [("a", 1.0, "p"), ("a", 1.0, "q")]
    assert tables._history(spark, PLAIN, limit=1)


@pytest.mark.parametrize("entity", ["a__b", "a_"])
def test_names_in_a_metastore_do_not_collide(entity: str) -> None:
    tables = DeltaTables("metastore:catalog.features")
    assert tables.identifier(FeatureGroup("b__c", entity="a", features=FEATURES)) == "catalog.features.a__b__c"
    with pytest.raises(DefinitionError, match=f"rename '{entity}'"):
        tables.identifier(FeatureGroup("c", entity=entity, features=FEATURES))


def test_optimize_keeps_rows(spark: SparkSession, tables: DeltaTables) -> None:
    for label in "pqr":
        tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, label)), mode="append")
    before = len(tables.open(spark, shop(PLAIN), 2).files.paths)
    tables.optimize(spark, shop(PLAIN))
    newest = tables.version(spark, PLAIN)
    assert len(tables.open(spark, shop(PLAIN), newest).files.paths) < before
    assert [label for *_, label in content(spark, tables, PLAIN)] == ["p", "q", "r"]


def test_log_is_read_as_delta_reads_it(spark: SparkSession, tables: DeltaTables) -> None:
    # More than ten commits, so that a checkpoint is among them.
    for place in range(12):
        mode = "merge" if place % 4 == 3 else "append"
        tables.write(shop(PLAIN), rows(spark, ("a", place % 3, NOON, float(place), "p")), mode)
    assert list(Path(tables.root).rglob("*.checkpoint*.parquet"))
    for version in (0, 4, 9, 10, 11):
        files = tables.load(spark, PLAIN, version).inputFiles()
        assert sorted(Path(file.removeprefix("file:")) for file in files) == [
            Path(path) for path in tables.open(spark, shop(PLAIN), version).files.paths
        ]


def test_log_with_what_a_plain_reader_misses_is_refused(spark: SparkSession, tables: DeltaTables) -> None:
    tables.write(shop(PLAIN), rows(spark, *[("a", place, NOON, 1.0, "p") for place in range(9)]))
    table = tables.identifier(PLAIN)
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)")
    assert tables.open(spark, shop(PLAIN)).files is not None
    spark.sql(f"DELETE FROM {table} WHERE floor = 3")
    version = tables.version(spark, PLAIN)
    opened = tables.open(spark, shop(PLAIN), version)
    assert (opened.files, opened.reason) == (None, "the table has deletion vectors")
    history = open_history(opened)
    assert isinstance(history, SparkHistory)
    assert len(history.read(["x"])) == 8


def test_size_of_what_is_read_through_spark(spark: SparkSession) -> None:
    values = [(f"{row}" * 40, float(row), [1.0] * (row % 5), ["abc", None]) for row in range(2000)]
    types = {"id": "string", "x": "double", "v": "array<double>", "tags": "array<string>"}
    df = spark.createDataFrame(values, ", ".join(f"{name} {dtype}" for name, dtype in types.items()))
    history = SparkHistory(df, types, ["id"])
    for names in (["x"], ["id"], ["v"], ["tags"], list(types)):
        assert history.size(names) == pytest.approx(history.read(names).nbytes, rel=0.25)
    assert SparkHistory(df.limit(0), types, ["id"]).size(["id", "later"]) == 0


def test_first_writers_at_once(spark: SparkSession, tables: DeltaTables) -> None:
    frames = [spark.createDataFrame([(f"s{place}", 1, NOON, float(place), "a")], SCHEMA) for place in range(4)]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda df: tables.write(shop(PLAIN), df), frames))
    assert {row.x for row in tables.read(spark, shop(PLAIN)).collect()} == {0.0, 1.0, 2.0, 3.0}
    assert [one.rows for one in written] == [1] * 4
    assert sorted(one.version for one in written) == [0, 1, 2, 3]
    # Each tells the version that has its own row, and the one before has not.
    for x, one in enumerate(written):
        seen = [{row.x for row in tables.read(spark, shop(PLAIN), at).collect()} for at in (one.version, 0)]
        assert float(x) in seen[0]
        assert one.version == 0 or float(x) not in seen[1]


def test_a_table_that_is_made_meanwhile_is_merged_with(
    spark: SparkSession, tables: DeltaTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rows(spark, ("a", 1, NOON, 1.0, "p"), ("b", 1, NOON, 1.0, "p"))
    own, version = DeltaTables(tables.root), DeltaTables.version

    def late(self: DeltaTables, *asked: Any) -> int | None:
        found = version(self, *asked)
        if self is tables and found is None:
            own.write(shop(PLAIN), first, mode="merge")
        return found

    monkeypatch.setattr(DeltaTables, "version", late)
    tables.write(shop(PLAIN), rows(spark, ("a", 1, NOON, 1.0, "p"), ("b", 1, NOON, 2.0, "p")), mode="merge")
    assert content(spark, tables, PLAIN) == [("a", 1.0, "p"), ("b", 2.0, "p")]


def test_mergers_at_once(spark: SparkSession, tables: DeltaTables) -> None:
    tables.write(shop(PLAIN), spark.createDataFrame([("s0", 1, NOON, 0.0, "a")], SCHEMA))
    frames = [
        spark.createDataFrame([("s0", 1, NOON, 5.0, "b"), (f"s{place}", 1, NOON, 1.0, "b")], SCHEMA)
        for place in range(1, 4)
    ]
    with ThreadPoolExecutor(3) as pool:
        written = list(pool.map(lambda df: tables.write(shop(PLAIN), df), frames))
    # One of them updates s0; to the others that row is in the table.
    assert sorted(one.rows for one in written) == [1, 1, 2]
    assert sorted(one.version for one in written) == [1, 2, 3]
    for place, one in enumerate(written, 1):
        assert f"s{place}" in {row.id for row in tables.read(spark, shop(PLAIN), one.version).collect()}
    found = sorted((row.id, row.x) for row in tables.read(spark, shop(PLAIN)).collect())
    assert found == [("s0", 5.0), ("s1", 1.0), ("s2", 1.0), ("s3", 1.0)]
