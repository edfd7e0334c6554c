"""What the join keeps, what it refuses, and how many shuffles it takes."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.errors import PythonException
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql import types as T

from dsl import DSLEstimator
from dsl.json_values import decode
from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.errors import ArgumentError, DataError, FeatureNotFoundError, SchemaError
from palette.offline import DeltaTables, Lookup, ResolvedLookups, explain, point_in_time_join
from palette.offline.delta import log_reader
from palette.offline.join import partitioned, planner
from palette.offline.prepared import partitions
from palette.offline.prepared.store import remove_prepared
from palette.offline.prepared.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

SHOP = Entity("shop", keys={"id": "string"})


def shop(group: FeatureGroup) -> GroupSchema:
    return GroupSchema(SHOP, group)


CITY = Entity("city", keys={"number": "bigint"})
ORDERS = FeatureGroup("orders", entity="shop", timestamp="ts", ttl="2d", features=[Feature("x", "double", default=1)])
MENU = FeatureGroup("menu", entity="shop", features=[Feature("dishes", "bigint")])
WEATHER = FeatureGroup("weather", entity="city", timestamp="ts", features=[Feature("rain", "float")])
NOON = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
HINTS = ("broadcast", "partitioned", "shuffle")
PLANS = pytest.mark.parametrize("hint", HINTS)
X = Lookup(shop(ORDERS), ("who",), {"x": "x"})
DISHES = Lookup(shop(MENU), ("who",), {"dishes": "dishes"})
RAIN = Lookup(GroupSchema(CITY, WEATHER), ("where",), {"rain": "rain"})


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DeltaTables:
    tables = DeltaTables(str(tmp_path_factory.mktemp("tables")))
    orders = [("a", NOON, 1.0), ("a", NOON + dt.timedelta(hours=6), 2.0), ("b", NOON, None)]
    tables.write(shop(ORDERS), spark.createDataFrame(orders, "id string, ts timestamp, x double"))
    tables.write(shop(MENU), spark.createDataFrame([("a", 5), ("c", 6)], "id string, dishes int"))
    tables.write(
        GroupSchema(CITY, WEATHER), spark.createDataFrame([(1, NOON, 0.1)], "number bigint, ts timestamp, rain float")
    )
    return tables


def basis(spark: SparkSession, rows: list[tuple[Any, ...]], schema: str = "who string, at timestamp") -> DataFrame:
    return spark.createDataFrame(rows, schema)


@PLANS
def test_basis_comes_out_as_it_went_in(spark: SparkSession, tables: DeltaTables, hint: str) -> None:
    schema = T.StructType(
        [
            T.StructField("who", T.StringType(), False, {"note": "key"}),
            T.StructField("at", T.TimestampType()),
            T.StructField("vector", VectorUDT(), False),
            T.StructField("map", T.MapType(T.StringType(), T.ArrayType(T.IntegerType(), False))),
            T.StructField("dotted.na`me", T.StructType([T.StructField("in", T.BinaryType(), False)])),
            T.StructField("twice", T.IntegerType(), False),
        ]
    )
    rows = [("a", NOON, Vectors.sparse(3, {1: 2.0}), {"k": [1]}, (b"\x00",), 1)] * 3
    asked = spark.createDataFrame(rows, schema).select("*", F.col("twice").alias("twice"))
    joined = point_in_time_join(tables, asked, [X, DISHES], timestamp="at", hint=hint)
    assert joined.schema[: len(asked.columns)] == asked.schema
    assert [field.metadata for field in joined.schema][:3] == [{"note": "key"}, {}, {}]
    naive = NOON.astimezone().replace(tzinfo=None)
    assert [tuple(row) for row in joined.collect()] == [("a", naive, *row[2:], 1, 1.0, 5) for row in rows]


def test_column_tells_where_it_comes_from(spark: SparkSession, tables: DeltaTables) -> None:
    for hint in HINTS:
        joined = point_in_time_join(tables, basis(spark, [("a", NOON)]), [X], timestamp="at", hint=hint)
        told = {"ref": "shop:orders:x:who", "type": "double", "default": 1.0, "version": 0}
        assert joined.schema["x"].metadata == {"feature": told}


@PLANS
def test_rows_without_key_or_time_come_out_once(spark: SparkSession, tables: DeltaTables, hint: str) -> None:
    rows = [(None, NOON), (None, None), ("c", None), ("c", None), ("z", NOON), ("b", NOON)]
    joined = point_in_time_join(tables, basis(spark, rows), [X, DISHES], timestamp="at", hint=hint, status=True)
    found = sorted(
        ((row.who, row.at, row.x__status, row.dishes, row.dishes__status) for row in joined.collect()), key=str
    )
    naive = NOON.astimezone().replace(tzinfo=None)
    assert found == sorted(
        [
            (None, naive, "missing", None, "missing"),
            (None, None, "missing", None, "missing"),
            ("c", None, "missing", 6, "present"),
            ("c", None, "missing", 6, "present"),
            ("z", naive, "missing", None, "missing"),
            ("b", naive, "null", None, "missing"),
        ],
        key=str,
    )


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[str]:
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield request.param
    spark.conf.set("spark.sql.session.timeZone", before)


@PLANS
def test_times_without_zone_are_utc(spark: SparkSession, tables: DeltaTables, hint: str, zone: str) -> None:
    # The clocks of New York jump at 2024-03-10 07:00 UTC, inside the two days of the ttl.
    asked = spark.sql(
        "SELECT 'a' AS who, *, cast(day AS date) AS date FROM VALUES (TIMESTAMP_NTZ'2024-03-10 12:00:00'), "
        "(TIMESTAMP_NTZ'2024-03-10 11:59:59.999999'), (TIMESTAMP_NTZ'2024-03-12 18:00:00'), "
        "(TIMESTAMP_NTZ'2024-03-12 18:00:00.000001') AS t(day)"
    )
    by_time = point_in_time_join(tables, asked, [X], timestamp="day", hint=hint)
    assert [row.x for row in by_time.orderBy("day").collect()] == [None, 1.0, 2.0, None]
    by_date = point_in_time_join(tables, asked, [X], timestamp="date", hint=hint)
    assert [row.x for row in by_date.orderBy("day").collect()] == [None, None, 2.0, 2.0]


@PLANS
def test_without_timestamp_the_time_is_now(spark: SparkSession, tables: DeltaTables, hint: str) -> None:
    joined = point_in_time_join(tables, basis(spark, [("a", NOON)]), [X, DISHES], hint=hint, status=True)
    assert [(row.x, row.x__status, row.dishes) for row in joined.collect()] == [(None, "expired", 5)]


@PLANS
def test_empty_basis_and_empty_group(spark: SparkSession, tmp_path: Any, tables: DeltaTables, hint: str) -> None:
    empty = DeltaTables(str(tmp_path))
    empty.write(shop(ORDERS), spark.createDataFrame([], "id string, ts timestamp, x double"))
    rows = basis(spark, [("a", NOON), (None, NOON)])
    joined = point_in_time_join(empty, rows, [X], timestamp="at", hint=hint)
    assert [row.x for row in joined.collect()] == [None, None]
    assert point_in_time_join(tables, rows.limit(0), [X, DISHES], timestamp="at", hint=hint).collect() == []


@PLANS
def test_columns_come_in_the_order_asked(spark: SparkSession, tables: DeltaTables, hint: str) -> None:
    rows = basis(spark, [("a", 1, NOON)], "who string, where smallint, at timestamp")
    lookups = ResolvedLookups([X, DISHES, RAIN], ["rain", "x", "dishes"])
    joined = point_in_time_join(tables, rows, lookups, timestamp="at", hint=hint)
    assert joined.columns == ["who", "where", "at", "rain", "x", "dishes"]
    (row,) = joined.collect()
    assert (row.rain, row.x, row.dishes) == (pytest.approx(0.1, abs=1e-7), 1.0, 5)


@pytest.mark.parametrize(
    ("hint", "lookups", "shuffles"),
    [
        pytest.param("broadcast", [X, DISHES, RAIN], 0, id="broadcast"),
        pytest.param("partitioned", [X, DISHES, RAIN], 0, id="partitioned"),
        pytest.param("shuffle", [X, DISHES], 1, id="groups-share-a-shuffle"),
        pytest.param("shuffle", [X, DISHES, RAIN], 2, id="one-a-join-key"),
    ],
)
def test_number_of_shuffles(
    spark: SparkSession, tables: DeltaTables, hint: str, lookups: list[Lookup], shuffles: int
) -> None:
    rows = basis(spark, [("a", 1, NOON)], "who string, where smallint, at timestamp")
    joined = point_in_time_join(tables, rows, lookups, timestamp="at", hint=hint)
    assert plan_of(joined).count("Exchange hashpartitioning") == shuffles
    assert f"{shuffles} shuffles" in explain(tables, rows, lookups, timestamp="at", hint=hint)


def plan_of(df: DataFrame) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as told:
        df.explain()
    return told.getvalue()


def test_basis_is_not_executed(spark: SparkSession, tables: DeltaTables) -> None:
    fatal = basis(spark, [("a", NOON)]).withColumn("who", F.raise_error(F.lit("executed")).cast("string"))
    for hint in HINTS:
        point_in_time_join(tables, fatal, [X, DISHES], timestamp="at", hint=hint, hot_rows=1)


def test_the_log_of_a_table_is_read_once_a_join(
    spark: SparkSession, tables: DeltaTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    checked: list[str] = []
    read_log, exists = log_reader._read_log, os.path.exists
    monkeypatch.setattr(log_reader, "_read_log", lambda *table: read.append(table[0]) or read_log(*table))
    monkeypatch.setattr(os.path, "exists", lambda path: checked.append(str(path)) or exists(path))
    log_reader._versions.clear()
    rows = basis(spark, [("a", "b", 1, NOON)], "who string, other string, where smallint, at timestamp")
    lookups = [X, DISHES, RAIN, Lookup(shop(ORDERS), ("other",), {"other_x": "x"})]
    point_in_time_join(tables, rows, lookups, timestamp="at")
    groups = (ORDERS, MENU, WEATHER)
    assert sorted(read) == sorted(tables.path(group) for group in groups)
    files = [path for path in checked if path.endswith(".parquet")]
    assert len(files) == len(set(files)) >= len(groups)
    # A version never changes.
    for hint in HINTS:
        point_in_time_join(tables, rows, lookups, timestamp="at", hint=hint)
    assert len(read) == len(groups)


def test_plans_are_logged(spark: SparkSession, tables: DeltaTables, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="palette.offline.join"):
        point_in_time_join(tables, basis(spark, [("a", NOON)]), [X], timestamp="at")
        point_in_time_join(tables, basis(spark, [("a", NOON)]), [X], timestamp="at", hint="shuffle")
    first, second = caplog.messages
    assert re.fullmatch(r"join on who: broadcast, .* of history is within the .* MB that may be .*", first)
    assert second == "join on who: shuffle, hint='shuffle'"


def test_explain_tells_plan_and_reason(
    spark: SparkSession, tables: DeltaTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = basis(spark, [("a", 1, NOON)], "who string, where smallint, at timestamp")

    def beyond(limit: int) -> str:
        return explain(tables, rows, [X, DISHES, RAIN], timestamp="at", broadcast_limit=limit)

    monkeypatch.setattr(partitions, "PART_BYTES", 8)
    remove_prepared(tables.prepared(ORDERS))
    # The history of "who" is the larger one: some limit lets only the other one be broadcast.
    limit = next(limit for limit in range(380, 0, -20) if "who: partitioned" in beyond(limit))
    told = beyond(limit)
    assert "who: partitioned: no shuffle of the basis, each task maps the files (" in told
    assert re.search(r"  shop:orders, version 0: x, to be prepared: about .* MB, one shuffle", told)
    assert "where: broadcast: no shuffle of the basis" in told, told
    assert "is beyond" in told
    assert told.endswith("2 join keys, 0 shuffles; time: at (event)")
    point_in_time_join(tables, rows, [X, DISHES], timestamp="at", hint="partitioned")
    monkeypatch.setattr(partitioned, "SHARE", -1)  # as if it did not fit into memory
    told = beyond(limit)
    assert "who: partitioned: one shuffle, of the basis" in told
    assert re.search(r"  shop:orders, version 0: x, prepared: .* MB in [2-9]\d* parts", told)
    assert told.endswith("2 join keys, 1 shuffles; time: at (event)")


def test_tables_that_are_elsewhere_are_shuffled(
    spark: SparkSession, tables: DeltaTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "is_reachable", lambda _: False)
    told = explain(tables, basis(spark, [("a", NOON)]), [X], timestamp="at", broadcast_limit=0)
    assert "who: shuffle: one, of the basis and all groups" in told


def test_many_groups_of_a_join_key_are_broadcast_beyond_the_limit(spark: SparkSession, tables: DeltaTables) -> None:
    """The cost of their shuffle grows with the square of their number."""
    rows = basis(spark, [("a", NOON)])
    many = [Lookup(shop(ORDERS), ("who",), {f"x{number}": "x"}) for number in range(planner.MANY_GROUPS)]
    size = planner.history_size(X, tables.open(spark, shop(ORDERS)))

    def told(number: int, limit: int) -> str:
        return explain(tables, rows, many[:number], timestamp="at", broadcast_limit=limit).splitlines()[0]

    limit = -(-size * len(many) // planner.LIMIT_FACTOR)
    assert re.search(f"who: broadcast: .*, more than .* as {len(many)} groups share it", told(len(many), limit))
    assert "who: partitioned" in told(len(many) - 1, limit)
    assert "who: partitioned" in told(len(many), limit - planner.LIMIT_FACTOR)
    # Each alone must be within the limit, as each is prepared in memory.
    assert "who: partitioned" in told(len(many), size - 1)


def test_histories_that_a_cleaner_removed_are_prepared_again(spark: SparkSession, tables: DeltaTables) -> None:
    rows = basis(spark, [("a", NOON)])

    def joined() -> DataFrame:
        return point_in_time_join(tables, rows, [X], timestamp="at", hint="broadcast")

    earlier = joined()
    for remove in (
        lambda: [path.unlink() for path in Path(temporary_folder()).glob("*.arrow")],
        lambda: shutil.rmtree(temporary_folder()),
    ):
        remove()
        with pytest.raises(
            PythonException, match=r"was removed, perhaps by a cleaner of temporary files, .*: call training_set"
        ):
            earlier.collect()
        assert joined().first().x == 1.0
        # It has the same name, so that what was made before works again.
        assert earlier.first().x == 1.0


def test_stream_is_joined_by_micro_batch(spark: SparkSession, tables: DeltaTables, tmp_path: Path) -> None:
    """Its query would read today's version, and today's time, for as long as it runs."""
    stream = spark.readStream.schema("who string, at timestamp").json(str(tmp_path))
    version = {"shop:orders": 0}
    for asked in ({}, {"timestamp": "at"}, {"versions": version}):
        with pytest.raises(ArgumentError, match=r"the basis is a stream.*foreachBatch"):
            point_in_time_join(tables, stream, [X], **asked)
    assert point_in_time_join(tables, stream, [X], timestamp="at", versions=version).isStreaming


def test_versions_rebuild_exactly(spark: SparkSession, tmp_path: Any) -> None:
    tables = DeltaTables(str(tmp_path))
    schema = "id string, ts timestamp, x double"
    first = tables.write(shop(ORDERS), spark.createDataFrame([("a", NOON, 1.0)], schema))
    tables.write(shop(ORDERS), spark.createDataFrame([("a", NOON, 9.0)], schema))
    rows = basis(spark, [("a", NOON)])
    for hint in HINTS:
        then = point_in_time_join(tables, rows, [X], timestamp="at", hint=hint, versions={"shop:orders": first.version})
        now = point_in_time_join(tables, rows, [X], timestamp="at", hint=hint)
        assert [then.first().x, now.first().x] == [1.0, 9.0]
    with pytest.raises(DataError, match=r"shop:orders: there is no version 7 \(the newest is 1\)"):
        point_in_time_join(tables, rows, [X], timestamp="at", versions={"shop:orders": 7})


REFUSED = [
    pytest.param([X], {"timestamp": "att"}, SchemaError, "no such column; did you mean 'at'", id="no-timestamp"),
    pytest.param([X], {"timestamp": "who"}, SchemaError, "timestamp column 'who' is string: cast", id="not-a-time"),
    pytest.param(
        [Lookup(shop(ORDERS), ("wh",), {"x": "x"})], {}, SchemaError, "join key of shop:orders 'wh'", id="no-join-key"
    ),
    pytest.param(
        [Lookup(GroupSchema(CITY, WEATHER), ("who",), {"rain": "rain"})],
        {},
        SchemaError,
        "'who' is string, key 'number' of entity 'city' is bigint: cast",
        id="key-type",
    ),
    pytest.param(
        [Lookup(shop(ORDERS), ("who",), {"AT": "x"})],
        {},
        SchemaError,
        "the basis has a column 'AT' already",
        id="taken",
    ),
    pytest.param([X, X], {}, SchemaError, "the requested features make a column 'x' already", id="twice"),
    pytest.param(
        [Lookup(shop(ORDERS), ("who",), {"y": "z"})], {}, FeatureNotFoundError, "has no feature 'z'", id="no-feature"
    ),
    pytest.param([X], {"point_in_time": "created"}, ArgumentError, "has no created column", id="no-created"),
    pytest.param([X], {"point_in_time": "later"}, ArgumentError, "'event' or 'created'", id="mode"),
    pytest.param([X], {"hint": "fly"}, ArgumentError, "'broadcast', 'partitioned' or 'shuffle'", id="hint"),
    pytest.param(
        [Lookup(shop(ORDERS), ("who", "who"), {"x": "x"})], {}, SchemaError, "found 2 join keys", id="too-many-keys"
    ),
]


@pytest.mark.parametrize(("lookups", "options", "error", "message"), REFUSED)
def test_refused(
    spark: SparkSession, tables: DeltaTables, lookups: list[Lookup], options: Any, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        point_in_time_join(tables, basis(spark, [("a", NOON)]), lookups, **{"timestamp": "at", **options})


def test_group_never_written_is_refused(spark: SparkSession, tmp_path: Any) -> None:
    with pytest.raises(DataError, match="shop:orders: nothing is written yet; write rows"):
        point_in_time_join(DeltaTables(str(tmp_path)), basis(spark, [("a", NOON)]), [X], timestamp="at")


def test_feature_newer_than_the_version_is_refused(spark: SparkSession, tables: DeltaTables) -> None:
    newer = ORDERS.model_copy(update={"features": (*ORDERS.features, Feature("y", "string"))})
    lookup = Lookup(shop(newer), ("who",), {"y": "y"})
    for hint in HINTS:
        with pytest.raises(SchemaError, match="version 0 of the table has no column 'y': write rows with it"):
            point_in_time_join(tables, basis(spark, [("a", NOON)]), [lookup], timestamp="at", hint=hint)


@PLANS
def test_table_made_again_is_read_again(spark: SparkSession, tmp_path: Path, hint: str) -> None:
    tables = DeltaTables(str(tmp_path / "store"))
    for x in (1.0, 2.0):
        rows = [("a", NOON - dt.timedelta(hours=1), x), ("a", NOON, x)]
        tables.write(shop(ORDERS), spark.createDataFrame(rows, "id string, ts timestamp, x double"))
        joined = point_in_time_join(tables, basis(spark, [("a", NOON)]), [X], timestamp="at", hint=hint, hot_rows=1)
        assert [row.x for row in joined.collect()] == [x]
        shutil.rmtree(tables.root)


@pytest.mark.parametrize("default", [[0.0, math.nan, -math.inf], [1.0], []], ids=["not-finite", "plain", "empty"])
def test_list_is_a_default(spark: SparkSession, tmp_path: Path, default: list[float]) -> None:
    tables = DeltaTables(str(tmp_path))
    group = FeatureGroup("pictures", entity="shop", features=[Feature("v", "array<double>", default=default)])
    tables.write(shop(group), spark.createDataFrame([("a", None)], "id string, v array<double>"))
    asked = [Lookup(shop(group), ("who",), {"v": "v"})]
    joined = point_in_time_join(tables, basis(spark, [("a", NOON)]), asked)
    joined = joined.withColumn("other", F.col("who").alias("other", metadata={"feature": 3}))
    model = DSLEstimator(lambdas={"f": "vVal('shop:pictures:v:who')"}).fit(joined)
    assert str(decode(model.getBindings()["shop:pictures:v:who"].default)) == str(default)
    assert model.transform(joined).first().f is None
