"""Training sets straight to tables: in chunks that a second call resumes, clustered, and what stands in the way."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from pyspark.sql import functions as F

from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.errors import ArgumentError, DataError, DefinitionError, LockedError, SchemaError
from palette.offline import point_in_time_join
from palette.offline.files.dataframes import read_frame, write_frame
from palette.offline.training.record import JobRecord
from palette.times import to_micros

pytestmark = pytest.mark.spark

NOON = dt.datetime(2026, 3, 1, 12)
HOUR = dt.timedelta(hours=1)
VISITS = FeatureGroup("visits", "shop", [Feature("n", "bigint"), Feature("x", "double")], timestamp="ts")
NAMES = {"n": "shop:visits:n:who", "x": "shop:visits:x:who"}
BASIS = "id int, who string, at timestamp, size double, tags array<string>, more map<string, int>"
CHUNKS = 3


class JobInterruptedError(Exception):
    pass


def interrupt(step):
    """Return a callback that stops a job after some chunks."""

    def stop(progress):
        if progress.step == step:
            raise JobInterruptedError

    return stop


def rows_of_basis():
    rows = []
    for number in range(24):
        who = None if number % 6 == 5 else f"s{number % 5}"
        size = math.nan if number == 3 else None if number == 4 else number / 2
        rows.append((number, who, NOON + number % 7 * HOUR, size, None if number % 4 else [who], {"a": number}))
    return [*rows, rows[0], rows[0], rows[11], (None, None, None, None, None, None)]


def visits(spark, hour, keys=range(4), n=0):
    rows = [
        (f"s{key}", NOON + hour * HOUR, n + key, math.nan if key == 1 else None if key == 2 else 1.5) for key in keys
    ]
    return spark.createDataFrame(rows, "id string, ts timestamp, n bigint, x double")


def make_store(spark, directory):
    store = FeatureStore(directory)
    store.apply(Entity("shop", keys={"id": "string"}), VISITS)
    store.write(VISITS, visits(spark, 0))
    return store


@pytest.fixture
def store(spark, tmp_path):
    return make_store(spark, tmp_path / "store")


@pytest.fixture(scope="module")
def shared_store(spark, tmp_path_factory):
    """A store that tests only read."""
    return make_store(spark, tmp_path_factory.mktemp("shared") / "store")


@pytest.fixture(scope="module")
def orders(spark, tmp_path_factory):
    """The basis as a Delta table, which tests only read."""
    path = str(tmp_path_factory.mktemp("basis") / "orders")
    write_frame(spark.createDataFrame(rows_of_basis(), BASIS).repartition(2), path)
    return path


def sorted_rows(frame):
    return sorted(map(str, frame.collect()))


def expected(store, basis, **options):
    return sorted_rows(store.training_set(basis, NAMES, timestamp="at", **options))


def read(spark, target):
    return sorted_rows(read_frame(spark, target))


def records_of(spark, target):
    history = spark.sql(f"DESCRIBE HISTORY delta.`{target}`").orderBy("version").collect()
    return [record for row in history if (record := JobRecord.parse(row.userMetadata))]


def chunks_of(spark, target):
    """Return the numbers of the chunks in the order of their commits."""
    return [record.chunk for record in records_of(spark, target)]


def clustering(spark, target):
    return spark.sql(f"DESCRIBE DETAIL delta.`{target}`").first().clusteringColumns


def kept_basis(spark, orders, tmp_path, form):
    """Return the orders as a source of some kind."""
    frame = read_frame(spark, orders)
    if form == "frame":
        return frame
    if form == "delta":
        return orders
    write_frame(frame, f"{tmp_path}/orders.{form}")
    return f"{tmp_path}/orders.{form}"


@pytest.mark.parametrize(
    "form", ["delta", *(pytest.param(form, marks=pytest.mark.proof) for form in ("parquet", "frame"))]
)
def test_chunks_are_the_training_set(spark, shared_store, orders, tmp_path, form):
    basis, target, steps = kept_basis(spark, orders, tmp_path, form), str(tmp_path / "out"), []
    options = {"timestamp": "at", "status": True}
    whole = shared_store.write_training_set(basis, NAMES, str(tmp_path / "whole"), **options)
    written = shared_store.write_training_set(basis, NAMES, target, **options, chunks=CHUNKS, progress=steps.append)
    assert read(spark, target) == expected(shared_store, read_frame(spark, orders), status=True)
    assert read(spark, target) == read(spark, str(tmp_path / "whole"))
    assert written.to_json() == whole.to_json() | {"target": target}
    assert (written.rows, written.rows_read, written.versions) == (28, 28, {"shop:visits": 0})
    assert written.missing["shop:visits:n:who"] < written.missing["shop:visits:x:who"] < 1
    assert chunks_of(spark, target) == [1, 2, 3]
    assert [(step.phase, step.step, step.steps) for step in steps] == [
        *(("write", number, CHUNKS) for number in range(CHUNKS)),
        ("done", CHUNKS, CHUNKS),
    ]
    assert [step.remaining is None for step in steps] == [True, False, False, True]
    assert steps[-1].rows == 28
    assert str(steps[1]).startswith(f"{target}: chunk 2 of 3, ")


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("delta", "append"),
        pytest.param("frame", "error", marks=pytest.mark.proof),
        pytest.param("delta", "error", marks=pytest.mark.proof),
        pytest.param("parquet", "overwrite", marks=pytest.mark.proof),
        pytest.param("frame", "append", marks=pytest.mark.proof),
    ],
)
def test_interrupted_job_is_resumed_by_the_same_call(spark, store, tmp_path, form, mode):
    frame, path, target = spark.createDataFrame(rows_of_basis(), BASIS), str(tmp_path / "orders"), str(tmp_path / "out")
    write_frame(frame, path if form == "delta" else f"{path}.parquet")
    basis = {"delta": path, "parquet": f"{path}.parquet", "frame": frame}[form]
    before = []
    if mode != "error":
        store.write_training_set(frame.limit(3), NAMES, target, timestamp="at")
        before = read(spark, target) if mode == "append" else []
    options = {"timestamp": "at", "mode": mode, "chunks": CHUNKS}
    with pytest.raises(JobInterruptedError):
        store.write_training_set(basis, NAMES, target, **options, progress=interrupt(1))
    # What comes meanwhile does not count: neither for the groups, nor for a basis whose versions can be read.
    store.write(VISITS, visits(spark, -1, keys=range(6), n=100))
    store.write(VISITS, visits(spark, 0, n=200))
    if form == "delta":
        write_frame(frame, path, "append")
    with pytest.raises(JobInterruptedError):
        store.write_training_set(basis, NAMES, target, **options, progress=interrupt(2))
    steps = []
    written = store.write_training_set(basis, NAMES, target, **options, hint="shuffle", progress=steps.append)
    assert steps[0].step == 2
    assert read(spark, target) == sorted([*before, *expected(store, frame, version=0)])
    assert expected(store, frame) != expected(store, frame, version=0)
    assert chunks_of(spark, target) == [1, 2, 3]
    whole = store.write_training_set(frame, NAMES, str(tmp_path / "whole"), timestamp="at", version=0)
    assert written.to_json() == whole.to_json() | {"target": target}


@pytest.mark.proof
def test_a_finished_job_is_not_resumed(spark, store, orders, tmp_path):
    target, options = str(tmp_path / "out"), {"timestamp": "at", "chunks": 2}
    store.write_training_set(orders, NAMES, target, **options)
    with pytest.raises(ArgumentError, match=r"it exists; set mode to append or overwrite \(mode=, --mode\)"):
        store.write_training_set(orders, NAMES, target, **options)
    store.write(VISITS, visits(spark, -1, keys=range(6)))
    first, basis = expected(store, read_frame(spark, orders), version=0), read_frame(spark, orders)
    written = store.write_training_set(orders, NAMES, target, **options, mode="append")
    assert (written.rows, written.versions) == (28, {"shop:visits": 1})
    assert read(spark, target) == sorted([*first, *expected(store, basis)])
    store.write_training_set(orders, NAMES, target, **options, mode="append")
    assert read(spark, target) == sorted([*first, *expected(store, basis), *expected(store, basis)])
    store.write_training_set(orders, NAMES, target, **options, mode="overwrite")
    assert read(spark, target) == expected(store, basis)
    assert chunks_of(spark, target) == [1, 2] * 4


@pytest.mark.filterwarnings("ignore::palette.errors.LatestValuesWarning")
def test_another_call_is_told_what_differs(spark, store, orders, tmp_path):
    target, options = str(tmp_path / "out"), {"timestamp": "at", "chunks": 3}
    with pytest.raises(JobInterruptedError):
        store.write_training_set(orders, NAMES, target, **options, progress=interrupt(1))
    start = r"'.*out' has 1 of 3 chunks of a training set, and this is another call: "
    end = r"\. Repeat the call that began it, to write the rest, or set mode to overwrite \(mode=, --mode\)"
    other = str(tmp_path / "other")
    write_frame(spark.createDataFrame(rows_of_basis(), BASIS), other)

    def differs(message, basis=orders, names=NAMES, **more):
        with pytest.raises(ArgumentError, match=start + message + end):
            store.write_training_set(basis, names, target, **(options | more))

    differs("mode is 'append', and was 'error'", mode="append")
    differs("chunks is 4, and was 3", chunks=4)
    differs("mode is 'append', and was 'error'; chunks is not given, and was 3", chunks=None, mode="append")
    differs("features of x is not given, and was 'shop:visits:x:who'", names={"n": NAMES["n"]})
    differs("version of shop:visits is 0, and was not given", version=0)
    differs("timestamp is not given, and was 'at'; .*status is True, and was False", timestamp=None, status=True)
    differs("basis is 'table .*', and was 'table .*'", basis=other)
    differs("basis is '28 rows with digest .*', and was 'table .*'", basis=read_frame(spark, other))
    differs(r"cluster_by is \['id'\], and was \[\]", cluster_by=["id"])
    store.apply(VISITS.model_copy(update={"ttl": dt.timedelta(hours=1)}))
    differs("definition of shop:visits, ttl is 3600000000, and was not given")
    # Started again, and again resumed.
    options |= {"mode": "overwrite", "version": 0}
    with pytest.raises(JobInterruptedError):
        store.write_training_set(orders, NAMES, target, **options, progress=interrupt(2))
    store.write_training_set(orders, NAMES, target, **options)
    assert read(spark, target) == expected(store, read_frame(spark, orders))


@pytest.mark.filterwarnings("ignore::palette.errors.LatestValuesWarning")
def test_latest_values_are_those_of_the_time_at_which_a_job_began(spark, shared_store, orders, tmp_path):
    target, frame = str(tmp_path / "out"), read_frame(spark, orders)
    lookups = shared_store.lookups({"n": NAMES["n"]})
    for hour, values in ((-1, {None}), (1, {None, 0, 1, 2, 3})):
        joined = point_in_time_join(shared_store.tables, frame, lookups, now=to_micros(NOON + hour * HOUR))
        assert {row.n for row in joined.collect()} == values
    with pytest.raises(JobInterruptedError):
        shared_store.write_training_set(orders, NAMES, target, chunks=2, progress=interrupt(1))
    shared_store.write_training_set(orders, NAMES, target, chunks=2)
    records = records_of(spark, target)
    assert len({record.now for record in records}) == 1
    assert [record.chunk for record in records] == [1, 2]


def test_rows_that_change_are_not_written_twice(spark, shared_store, tmp_path):
    basis, target = str(tmp_path / "orders.parquet"), str(tmp_path / "out")
    frame = spark.createDataFrame(rows_of_basis(), BASIS)
    write_frame(frame.limit(20), basis)
    with pytest.raises(JobInterruptedError):
        shared_store.write_training_set(basis, NAMES, target, timestamp="at", chunks=2, progress=interrupt(1))
    write_frame(frame.limit(4), basis, "append")
    with pytest.raises(ArgumentError, match=r"basis is '24 rows with digest .*', and was '20 rows with digest "):
        shared_store.write_training_set(basis, NAMES, target, timestamp="at", chunks=2)
    drawn = frame.withColumn("read_at", F.current_timestamp())
    with pytest.raises(DataError, match=r"chunk 1 of 2 has .* rows that differ .* Write the basis to a Delta table"):
        shared_store.write_training_set(drawn, NAMES, str(tmp_path / "drawn"), timestamp="at", chunks=2)


@pytest.mark.proof
def test_vacuum_spares_the_versions_of_an_unfinished_job_by_its_pin(spark, store, orders, tmp_path):
    target, other, options = str(tmp_path / "out"), str(tmp_path / "other"), {"timestamp": "at", "chunks": 2}
    for path, pin in ((target, "orders of March"), (other, None)):
        with pytest.raises(JobInterruptedError):
            store.write_training_set(orders, NAMES, path, **options, pin=pin, progress=interrupt(1))
    assert store.catalog.pins.all() == {"orders of March": {"shop:visits": 0}}
    store.write(VISITS, visits(spark, 0, n=100))
    store.vacuum(VISITS, hours=0)
    assert store.write_training_set(orders, NAMES, target, **options, pin="orders of March").pin == "orders of March"
    assert read(spark, target) == expected(store, read_frame(spark, orders), version=0)
    store.release("orders of March")
    store.vacuum(VISITS, hours=0)
    message = r"chunk 2 of 2 cannot be read at the versions of the chunks before it: shop:visits: version 0 cannot be"
    with pytest.raises(DataError, match=message + r".* set mode to overwrite \(mode=, --mode\) .* \(pin=, --pin\)"):
        store.write_training_set(orders, NAMES, other, **options)


def test_two_runs_write_each_chunk_once(spark, shared_store, orders, tmp_path):
    target, options = str(tmp_path / "out"), {"timestamp": "at", "chunks": 2}

    def run_another(progress):
        if progress.step == 1:
            shared_store.write_training_set(orders, NAMES, target, **options)

    with pytest.raises(LockedError, match="chunk 2 of 2 was written by another run of the same call"):
        shared_store.write_training_set(orders, NAMES, target, **options, progress=run_another)
    assert read(spark, target) == expected(shared_store, read_frame(spark, orders))


def test_a_table_is_clustered(spark, shared_store, orders, tmp_path):
    target, frame, steps = str(tmp_path / "out"), read_frame(spark, orders), []
    options = {"timestamp": "at", "cluster_by": ["WHO", "x"]}
    shared_store.write_training_set(orders, NAMES, target, **options, progress=steps.append)
    assert [step.phase for step in steps] == ["write", "cluster", "done"]
    assert clustering(spark, target) == ["who", "x"]
    assert read(spark, target) == expected(shared_store, frame)
    message = r"'.*out' is clustered by who, x, and cluster_by is id: leave it out, or set mode to overwrite"
    with pytest.raises(ArgumentError, match=message):
        shared_store.write_training_set(orders, NAMES, target, timestamp="at", mode="append", cluster_by="id")
    shared_store.write_training_set(orders, NAMES, target, timestamp="at", mode="append", cluster_by=["x", "who"])
    assert read(spark, target) == sorted(2 * expected(shared_store, frame))
    shared_store.write_training_set(orders, NAMES, target, timestamp="at", mode="overwrite", cluster_by="id", chunks=2)
    assert clustering(spark, target) == ["id"]
    assert read(spark, target) == expected(shared_store, frame)


def test_a_table_is_clustered_though_its_first_chunk_never_came(spark, shared_store, orders, tmp_path):
    target = str(tmp_path / "out")
    # Delta has statistics of the first 32 columns, unless it is asked for more.
    wide = read_frame(spark, orders).select("*", *(F.col("id").alias(f"c{number}") for number in range(30)))
    options = {"timestamp": "at", "cluster_by": ["x"], "chunks": 2}
    with pytest.raises(JobInterruptedError):
        shared_store.write_training_set(wide, NAMES, target, **options, progress=interrupt(0))
    assert (chunks_of(spark, target), clustering(spark, target)) == ([0], ["x"])
    assert shared_store.write_training_set(wide, NAMES, target, **options).rows == 28
    assert read(spark, target) == expected(shared_store, wide)
    assert chunks_of(spark, target) == [0, 1, 2]


@pytest.mark.proof
def test_tables_of_a_catalog(spark, shared_store, orders, tmp_path):
    frame = read_frame(spark, orders)
    spark.sql(f"CREATE SCHEMA palette_training LOCATION '{tmp_path}/warehouse'")
    try:
        spark.createDataFrame([], shared_store.training_set(frame, NAMES, timestamp="at").schema).write.format(
            "delta"
        ).saveAsTable("palette_training.seen")
        frame.write.format("delta").saveAsTable("palette_training.orders")
        target, options = "table:palette_training.seen", {"timestamp": "at", "chunks": 2}
        basis = "table:palette_training.orders"
        for mode in ("append", "overwrite"):
            with pytest.raises(JobInterruptedError):
                shared_store.write_training_set(basis, NAMES, target, **options, mode=mode, progress=interrupt(1))
            assert shared_store.write_training_set(basis, NAMES, target, **options, mode=mode).rows == 28
            assert sorted_rows(spark.table("palette_training.seen")) == expected(shared_store, frame)
        with pytest.raises(ArgumentError, match="this session has an in-memory catalog"):
            shared_store.write_training_set(basis, NAMES, "table:palette_training.other", **options)
    finally:
        spark.sql("DROP SCHEMA palette_training CASCADE")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param(
            {"cluster_by": ["whom"]}, SchemaError, "no column 'whom'; did you mean 'who'", id="unknown column"
        ),
        pytest.param({"cluster_by": "tags"}, SchemaError, "'tags' of type array<string>: choose a number", id="type"),
        pytest.param({"cluster_by": ["id", "ID"]}, ArgumentError, "duplicate column 'id'", id="duplicate"),
        pytest.param(
            {"cluster_by": list("abcde")}, ArgumentError, r"has 5 columns \(a, b, c, d, e\), .* at most 4", id="five"
        ),
        pytest.param({"chunks": 0}, ArgumentError, "chunks must be an integer from 1, found 0", id="no chunks"),
        pytest.param({"chunks": "2"}, ArgumentError, "chunks must be an integer from 1, found '2'", id="string"),
        pytest.param(
            {"chunks": 2, "target": "x.parquet"}, ArgumentError, "only Delta tables are written in chunks", id="parquet"
        ),
        pytest.param(
            {"cluster_by": "id", "target": "x.csv"}, ArgumentError, "only Delta tables are clustered: use", id="csv"
        ),
        pytest.param({"mode": "replace"}, ArgumentError, "mode must be one of error, append, overwrite", id="mode"),
        pytest.param({"pin": " "}, DefinitionError, "invalid pin name", id="pin"),
        pytest.param({"timestamp": "when", "chunks": 2}, SchemaError, "when", id="timestamp"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(shared_store, orders, tmp_path, options, error, message):
    target = str(tmp_path / options.get("target", "out"))
    with pytest.raises(error, match=message):
        shared_store.write_training_set(orders, NAMES, **({"timestamp": "at"} | options | {"target": target}))
    assert not (tmp_path / options.get("target", "out")).exists()
    assert shared_store.catalog.pins.all() == {}
