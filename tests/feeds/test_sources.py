"""What a batch source gives for an interval, and what is not run."""

from __future__ import annotations

import datetime as dt
import sys

import pytest

from palette.definitions import BatchSource, Feature, FeatureGroup
from palette.errors import DataError, DefinitionError, SchemaError
from palette.feeds.batch.intervals import Interval
from palette.feeds.batch.source_functions import Modules
from palette.feeds.batch.sources import SUBSTITUTION, read_source
from palette.store import FeatureStore

JUNE = dt.datetime(2026, 6, 1)
HOUR = dt.timedelta(hours=1)
GROUP = FeatureGroup("g", entity="e", timestamp="ts", features=[Feature("x", "bigint")])
STATIC = FeatureGroup("s", entity="e", features=[Feature("x", "bigint")])
DAY = Interval(JUNE, JUNE + 24 * HOUR)
HOURLY = """
    SELECT id AS x, 'a' AS k, timestamp_seconds(unix_seconds(TIMESTAMP '2026-06-01 00:00:00Z') + id * 3600) AS ts
    FROM range(-50, 50)
"""
MODULE = """
from os import getcwd

def hourly(spark, start, end):
    assert start.utcoffset().total_seconds() == end.utcoffset().total_seconds() == 0
    return spark.sql({sql!r}).filter(f"x < {{(end - start).days * 20}}")

def nothing(spark, start, end):
    return 3

number = 5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text(MODULE.format(sql=HOURLY))
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_features"
    sys.modules.pop("my_features", None)


def found(rows):
    return sorted(row.x for row in rows.select("x").collect())


def test_query_is_cut_to_the_interval(spark):
    source = BatchSource(sql=HOURLY)
    assert found(read_source(spark, GROUP, source, DAY)) == list(range(1, 25))
    assert found(read_source(spark, GROUP, source, Interval(None, JUNE))) == list(range(-50, 1))
    assert found(read_source(spark, STATIC, source, DAY)) == list(range(-50, 50))


def test_query_may_use_the_bounds_in_any_zone(spark):
    text = "SELECT 1 AS x, :start AS ts, unix_micros(:end) AS y UNION ALL SELECT 2, :end, 0"
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        (row,) = read_source(spark, GROUP, BatchSource(sql=text), DAY).collect()
        assert row.x == 2
        whole = read_source(spark, STATIC, BatchSource(sql=text), Interval(None, JUNE))
        whole = whole.selectExpr("unix_seconds(ts)", "y")
        starts = [dt.datetime(1900, 1, 1, tzinfo=dt.UTC).timestamp(), JUNE.replace(tzinfo=dt.UTC).timestamp()]
        assert whole.collect() == [(starts[0], int(starts[1]) * 10**6), (starts[1], 0)]
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.parametrize("cast", ["timestamp_ntz", "date"])
def test_event_times_without_zone_are_utc(spark, cast):
    source = BatchSource(sql=f"SELECT x, CAST(ts AS {cast}) AS ts FROM ({HOURLY})")
    hours = found(read_source(spark, GROUP, source, DAY))
    assert hours == (list(range(1, 25)) if cast == "timestamp_ntz" else list(range(24, 48)))


def test_rows_without_event_time_are_left_for_the_writer_to_refuse(spark):
    source = BatchSource(sql="SELECT 1L AS x, CAST(NULL AS TIMESTAMP) AS ts")
    assert found(read_source(spark, GROUP, source, DAY)) == [1]


def test_query_is_the_definition_s_own_text_and_nothing_more(spark):
    """What looks like a parameter, a brace or another statement within a text is that text."""
    hostile = "'; DROP TABLE x; -- {start} :end'"
    source = BatchSource(sql=f"SELECT 1L AS x, {hostile} AS k, :end AS ts")
    (row,) = read_source(spark, GROUP, source, DAY).collect()
    assert row.k == hostile[1:-1]


NO_QUERIES = (
    "DROP VIEW precious", "DROP TABLE precious;", "ALTER VIEW precious AS SELECT 2", "USE other", "CALL x()",
    "CREATE OR REPLACE TEMP VIEW precious AS SELECT 2 AS x", "CREATE TABLE mine AS SELECT 1", "TRUNCATE TABLE precious",
    "INSERT INTO precious SELECT 2", "FROM precious INSERT INTO mine SELECT x", "RESET", "CLEAR CACHE",
    "MERGE INTO precious USING precious ON true WHEN MATCHED THEN DELETE", "SET TIME ZONE 'Asia/Tokyo'",
    "SET spark.sql.session.timeZone = Asia/Tokyo", "ADD JAR '/tmp/none.jar'", "ADD FILE '/etc/hostname'",
    "CREATE FUNCTION f AS 'evil.F' USING JAR '/tmp/f.jar'", "BEGIN DROP VIEW precious; END",
    "EXECUTE IMMEDIATE 'DROP VIEW precious'", "SELECT 1; DROP VIEW precious", "SELECT 1) AS y; DROP VIEW precious; --",
    "SELECT '", "SELECT /*", "--", "(" * 30,
)  # fmt: skip
QUERIES = (
    "SELECT x FROM v;", "SELECT x FROM v -- all", "-- first\nSELECT x FROM v", "VALUES (7) AS v (x)", "TABLE v",
    "WITH w AS (SELECT x FROM v) SELECT x FROM w", "FROM v SELECT x", "FROM v |> WHERE x = 7",
    "SELECT x FROM v /* ; */ ; ", "(SELECT x FROM v) UNION (SELECT x FROM v)", "SELECT x FROM v ORDER BY x LIMIT 1",
)  # fmt: skip


@pytest.mark.parametrize("sql", NO_QUERIES, ids=lambda sql: sql[:24])
def test_what_is_no_query_is_refused_and_not_carried_out(spark, sql):
    spark.sql("SELECT 1 AS x").createOrReplaceTempView("precious")
    with pytest.raises((DefinitionError, DataError), match=r"e:s: (the SQL of its source is not one|its) query"):
        read_source(spark, STATIC, BatchSource(sql=sql), DAY)
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert [row.x for row in spark.table("precious").collect()] == [1]
    assert not spark.catalog.tableExists("mine")


@pytest.mark.parametrize("sql", QUERIES, ids=lambda sql: sql[:24])
def test_queries_of_all_forms_are_taken(spark, sql):
    spark.sql("SELECT 7 AS x").createOrReplaceTempView("v")
    assert found(read_source(spark, STATIC, BatchSource(sql=sql), DAY)) == [7]


def test_a_query_of_what_is_not_there_is_told(spark):
    with pytest.raises(DataError, match=r"e:s: its query cannot be run: .*`nowhere` cannot be found") as told:
        read_source(spark, STATIC, BatchSource(sql="SELECT * FROM nowhere"), DAY)
    assert "\n" not in str(told.value)


def test_other_parameters_are_refused(spark):
    with pytest.raises(DefinitionError, match="it may use :start and :end"):
        read_source(spark, GROUP, BatchSource(sql="SELECT 1L AS x, :begin AS ts"), DAY)


def test_session_of_somebody_else_takes_parameters_and_stays_as_it_was(spark):
    spark.conf.set(SUBSTITUTION, "false")
    try:
        assert found(read_source(spark, GROUP, BatchSource(sql="SELECT 1L AS x, :end AS ts"), DAY)) == [1]
        assert spark.conf.get(SUBSTITUTION) == "false"
    finally:
        spark.conf.set(SUBSTITUTION, "true")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        pytest.param("SELECT 1L AS x, 2 AS tss", "no event time 'ts'; did you mean 'tss'", id="missing"),
        pytest.param("SELECT 1L AS x, 'a' AS ts", "'ts' of the source is string", id="no-time"),
    ],
)
def test_wrong_columns_are_refused(spark, sql, message):
    with pytest.raises(SchemaError, match=message):
        read_source(spark, GROUP, BatchSource(sql=sql), DAY)


def test_function_is_called_with_the_interval(spark, module):
    assert found(
        read_source(spark, GROUP, BatchSource(function="my_features:hourly"), DAY, Modules((module,)))
    ) == list(range(1, 20))


@pytest.mark.parametrize(
    ("function", "modules", "message"),
    [
        pytest.param("my_features:hourly", (), r"modules: .my_features.*, modules=\['my_f", id="none-allowed"),
        pytest.param("my_features:hourly", ("my", "my_features.sub"), "modules: .my_features", id="other"),
        pytest.param("my_features:hourli", ("my_features",), "no function 'hourli'", id="unknown"),
        pytest.param("my_features:number", ("my_features",), "no function 'number'", id="no-function"),
        pytest.param("my_features:getcwd", ("my_features",), "only imported there", id="imported"),
        pytest.param("my_features:nothing", ("my_features",), "returned int, expected a DataFrame", id="no-frame"),
        pytest.param("not_there_at_all:f", ("not_there_at_all",), "PYTHONPATH", id="not-installed"),
    ],
)
def test_refused_function(module, function, modules, message):
    with pytest.raises(DefinitionError, match=message):
        read_source(None, GROUP, BatchSource(function=function), DAY, Modules(modules))


def test_module_that_is_not_allowed_is_not_imported(module):
    with pytest.raises(DefinitionError):
        read_source(None, GROUP, BatchSource(function="my_features:hourly"), DAY, Modules(("os",)))
    assert "my_features" not in sys.modules


def test_module_beside_the_configuration_is_found_and_leaves_no_trace(tmp_path):
    """Also what it imports of its neighbours when it is called; what Python finds elsewhere goes first."""
    (tmp_path / "beside_this.py").write_text("def f():\n    from beside_that import number\n    return number\n")
    (tmp_path / "beside_that.py").write_text("number = 7\n")
    (tmp_path / "textwrap.py").write_text("raise AssertionError\n")
    before, allowed = list(sys.path), ("beside_this", "textwrap")
    with Modules(allowed, str(tmp_path)).function("beside_this:f") as function:
        assert function() == 7
    with Modules(allowed, str(tmp_path)).function("textwrap:dedent"):
        pass
    assert sys.path == before
    for name in ("beside_this", "beside_that"):
        del sys.modules[name]
    with pytest.raises(DefinitionError, match=r"next to palette\.yaml or on PYTHONPATH"):
        Modules(allowed).function("beside_this:f").__enter__()


def test_modules_come_with_the_store(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: store\nfeeds: {modules: [ours]}\n")
    store = FeatureStore.open(tmp_path)
    assert (store.modules, store.home) == (("ours",), str(tmp_path))
    store = FeatureStore(tmp_path / "store", modules=["ours"])
    assert (store.modules, store.home) == (("ours",), None)
