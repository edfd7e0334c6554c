"""FeatureStore, the one door: what its parts do together, on Spark."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path

import pytest

from palette import Entity, Feature, FeatureGroup, FeatureStore, PaletteTransformer
from palette.errors import ArgumentError, DataError, DefinitionError, FeatureNotFoundError, SchemaError
from tests.pit_oracle import canonical

T0 = dt.datetime(2026, 1, 1)
HOUR = dt.timedelta(hours=1)
THING = Entity("thing", keys={"id": "string"})
ONE = FeatureGroup(
    "one", entity="thing", timestamp="ts", ttl="2h", features=[Feature("v", "double"), Feature("w", "bigint")]
)
TWO = FeatureGroup("two", entity="thing", features=[Feature("x", "double")])
WRITTEN = "id string, ts timestamp, v double, w bigint"


@pytest.fixture
def store(spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    store.apply(THING, [ONE, TWO])
    store.write(ONE, spark.createDataFrame([("a", T0, 1.0, 10), ("b", T0, 2.0, None)], WRITTEN))
    store.write("thing:two", spark.createDataFrame([("a", 5.0)], "id string, x double"))
    return store


def test_a_store_travels_as_what_opens_it(tmp_path):
    """To a pandas_udf, to joblib, to multiprocessing; rows in this process's memory do not."""
    store = FeatureStore(tmp_path / "store", modules=["json"])
    entity = Entity("shop", keys={"id": "string"})
    store.apply(entity, FeatureGroup("facts", entity="shop", features=[Feature("x", "double")]))
    again = pickle.loads(pickle.dumps(store))
    assert (again.uri, again.modules) == (store.uri, ("json",))
    assert again.group("shop:facts") == store.group("shop:facts")
    (tmp_path / "palette.yaml").write_text("path: store\nonline: lmdb:online\n")
    configured = pickle.loads(pickle.dumps(FeatureStore.open(tmp_path / "palette.yaml")))
    assert configured.uri == str(tmp_path / "palette.yaml")
    assert type(configured.online).__name__ == "LmdbStore"
    configured.close()
    store.online.write("shop:facts", [{"id": "s1", "x": 1.0}])
    with pytest.raises(DataError, match=r"in this process's memory; name one in palette\.yaml"):
        pickle.dumps(store)


def test_a_directory_is_one_store_however_it_is_opened(tmp_path):
    """With palette.yaml in it, and without; the catalog that one of them fills is the other's."""
    plain, configured = tmp_path / "plain", tmp_path / "configured"
    configured.mkdir()
    (configured / "palette.yaml").write_text("path: inner\nonline: lmdb:online\nfeeds: {modules: [json]}\n")
    for directory, uri in ((plain, plain), (configured, configured / "palette.yaml")):
        by_class, by_open = FeatureStore(directory), FeatureStore.open(str(directory))
        by_class.apply(THING)
        assert by_open.entity("thing") == THING
        for name in ("uri", "home", "modules", "models_directory", "catalog"):
            assert repr(getattr(by_class, name)) == repr(getattr(by_open, name)), name
        assert by_class.uri == str(uri)
        assert type(by_class.online) is type(by_open.online)
        by_open.apply(TWO)
        assert by_class.group("thing:two") == TWO
        by_class.close(), by_open.close()
    with FeatureStore(configured, modules="csv") as store:
        assert store.modules == ("json", "csv")
        assert pickle.loads(pickle.dumps(store)).modules == ("json", "csv")
    for file in (configured / "palette.yaml", tmp_path / "nothing.yaml"):
        with pytest.raises(ArgumentError, match="is a YAML file: open it by FeatureStore"):
            FeatureStore(file)
    for open_store in (FeatureStore, FeatureStore.open):
        with pytest.raises(ArgumentError, match=r"no store at .*: expected a directory, or a file"):
            open_store(__file__)


def test_interleaved_groups_keep_their_order_beside_twins_in_the_basis(spark, store):
    basis = spark.createDataFrame([("a", T0 + HOUR, 1, 2)], "k string, t timestamp, n int, N int")
    features = {"f": "thing:one:v:k", "g": "thing:two:x:k", "h": "thing:one:w:k"}
    joined = store.training_set(basis, features, timestamp="t", status=True)
    assert joined.columns == ["k", "t", "n", "N", "f", "f__status", "g", "g__status", "h", "h__status"]
    assert tuple(joined.first())[4:] == (1.0, "present", 5.0, "present", 10, "present")


def test_versions_are_pinned_and_unknown_ones_refused(spark, store):
    basis = spark.createDataFrame([("a", T0 + HOUR)], "k string, t timestamp")
    first = store.training_set(basis, ["thing:one:v:k"], timestamp="t")
    pins = store.pins(first)
    assert pins == {"thing:one": 0}
    store.write(ONE, spark.createDataFrame([("a", T0 + HOUR, 9.0, 90)], WRITTEN))
    again = store.training_set(basis, ["thing:one:v:k"], timestamp="t", version={**pins, "thing:two": 0})
    assert again.first()["v"] == 1.0
    assert store.training_set(basis, ["thing:one:v:k"], timestamp="t").first()["v"] == 9.0
    with pytest.raises(FeatureNotFoundError, match="did you mean 'thing:one'"):
        store.training_set(basis, ["thing:one:v:k"], timestamp="t", version={"thing:oen": 0})
    both = store.training_set(first, ["thing:one:w:k"], timestamp="t")
    with pytest.raises(DataError, match="versions 0 and 1"):
        store.pins(both)
    with pytest.raises(DataError, match="no column"):
        store.pins(basis)


def test_names_of_a_list_that_clash_are_refused(spark, store):
    basis = spark.createDataFrame([("a", "b")], "k string, j string")
    with pytest.raises(SchemaError, match="would both fill column 'v'"):
        store.training_set(basis, ["thing:one:v:k", "thing:one:v:j"])


def test_all_features_of_a_group_are_read_by_one_name(spark, store):
    basis = spark.createDataFrame([("a", T0 + HOUR)], "k string, t timestamp")
    features = ["thing:one:*:k", "thing:two:*:k"]
    row = store.training_set(basis, features, timestamp="t").first()
    assert row.asDict() == {"k": "a", "t": T0 + HOUR, "v": 1.0, "w": 10, "x": 5.0}
    assert "thing:two" in store.explain(basis, features, timestamp="t")
    stage = PaletteTransformer(store=store, features=features, timestampCol="t")
    assert stage.getFeatures() == {"v": "thing:one:v:k", "w": "thing:one:w:k", "x": "thing:two:x:k"}
    assert stage.transform(basis).first() == row
    with pytest.raises(SchemaError, match="pass store="):
        PaletteTransformer(features=features)


def test_history_and_latest_values_of_some_keys(spark, store):
    store.write(ONE, spark.createDataFrame([("a", T0 + HOUR, 3.0, 11), ("c", T0 + HOUR, 4.0, 12)], WRITTEN))

    def values(rows):
        return sorted(row["v"] for row in rows.collect())

    history = store.history(ONE)
    assert (history.columns, values(history)) == (["id", "ts", "v", "w"], [1.0, 2.0, 3.0, 4.0])
    assert values(store.history(ONE, ["a"])) == [1.0, 3.0]
    assert values(store.history("thing:one", [{"id": "a"}, "c", "nobody"], start=T0 + HOUR)) == [3.0, 4.0]
    assert values(store.history(ONE, spark.createDataFrame([("a",)], "id string"), end=T0)) == [1.0]
    assert values(store.history(ONE, start=T0, end=T0 + HOUR)) == [1.0, 2.0, 3.0, 4.0], "both ends count"
    assert values(store.history(ONE, version=0)) == [1.0, 2.0]
    assert values(store.latest(ONE, ["a", "b"])) == [2.0, 3.0]
    assert values(store.latest(ONE, ["a"], at=T0)) == [1.0]
    assert store.history(TWO, ["a"]).collect() == [("a", 5.0)]
    with pytest.raises(ArgumentError, match="put it into brackets"):
        store.history(ONE, "a")
    with pytest.raises(ArgumentError, match="is static"):
        store.history(TWO, start=T0)


def test_a_store_made_again_is_read_again(spark, tmp_path):
    import shutil

    basis = spark.createDataFrame([("a",)], "k string")
    for value in (1.0, 2.0):
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        store = FeatureStore(tmp_path / "again")
        store.apply(THING, TWO)
        store.write(TWO, spark.createDataFrame([("a", value)], "id string, x double"))
        assert store.training_set(basis, ["thing:two:x:k"]).first()["x"] == value


def test_snapshot_and_materialize_hold_what_the_rule_picks(spark, store):
    store.write(ONE, spark.createDataFrame([("a", T0 + HOUR, None, 11)], WRITTEN))
    early, late = store.snapshot(at=T0), store.snapshot(at=T0 + HOUR)
    assert early.groups == ("thing:one", "thing:two")
    keys = {"thing:one": ["a"]}
    assert early.read(keys, now=T0)["thing:one"][0]["v"] == 1.0
    assert late.read(keys, now=T0 + HOUR, status=True)["thing:one"][0]["v__status"] == "null"
    assert late.read(keys, now=T0 + 4 * HOUR, status=True)["thing:one"][0]["w__status"] == "expired"
    assert store.materialize(ONE, to=T0).rows_dispersed == 2
    assert store.online.read(keys, now=T0)["thing:one"][0]["v"] == 1.0
    assert store.materialize("thing:one").rows_dispersed == 2
    assert store.online.read(keys, now=T0 + HOUR)["thing:one"][0]["w"] == 11


def test_a_static_row_written_again_reaches_the_online_store(spark, store):
    store.materialize(TWO)
    store.write(TWO, spark.createDataFrame([("a", 3.0)], "id string, x double"))
    store.materialize(TWO)
    assert store.online.read({"thing:two": ["a"]})["thing:two"] == [{"x": 3.0}]
    basis = spark.createDataFrame([("a",)], "k string")
    assert canonical(store.training_set(basis, ["thing:two:x:k"]).first()["x"]) == canonical(3.0)


def test_a_removed_group_leaves_its_table_or_not(spark, store):
    store.apply(remove="thing:one", allow_breaking=True)
    store.apply(ONE)
    assert store.latest(ONE).count() == 2, "the table stayed"
    with pytest.raises(DefinitionError, match="breaking"):
        store.apply(remove=["thing:one"], drop_tables=True)
    plan = store.plan(remove=["thing:one"], drop_tables=True)
    with pytest.raises(ArgumentError, match="to plan"):
        store.apply(plan, drop_tables=True, allow_breaking=True)
    store.apply(plan, allow_breaking=True)
    assert not Path(store.tables.path(ONE)).exists()
    assert store.latest(TWO).count() == 1
    store.apply(ONE)
    store.write(ONE, spark.createDataFrame([("z", T0, 7.0, 1)], WRITTEN))
    assert [row["id"] for row in store.latest(ONE).collect()] == ["z"]


def test_a_renamed_group_and_feature_keep_their_rows(spark, store):
    store.write(ONE, spark.createDataFrame([("a", T0 + HOUR, 3.0, 11)], WRITTEN))
    store.keep("mine", {"thing:one": 0})
    store.materialize(ONE)
    newest = store.tables.version(spark, ONE)
    plan = store.plan(rename={"thing:one": "uno"})
    store.apply(Entity("other", keys={"id": "string"}))
    with pytest.raises(DefinitionError, match="plan again"):
        store.apply(plan, allow_breaking=True)
    assert store.tables.version(spark, ONE) == newest, "the table is back"
    store.apply(rename={"thing:one": "uno"}, allow_breaking=True)
    basis = spark.createDataFrame([("a", T0 + HOUR)], "k string, t timestamp")
    assert store.training_set(basis, ["thing:uno:v:k"], timestamp="t", version={"thing:uno": 0}).first()["v"] == 1.0
    assert store.catalog.pins.all() == {"mine": {"thing:uno": 0}}
    with pytest.raises(FeatureNotFoundError, match="was renamed to 'thing:uno:v'"):
        store.training_set(basis, ["thing:one:v:k"], timestamp="t")
    store.apply(rename={"thing:uno:v": "value", "thing:uno:w": "n"}, allow_breaking=True)
    row = store.training_set(basis, ["thing:uno:*:k"], timestamp="t").first()
    assert (row["value"], row["n"]) == (3.0, 11)
    assert store.tables.version(spark, store.group("thing:uno")) > newest
    store.materialize("thing:uno")
    assert store.online.features(["thing:uno:*:k"], [{"k": "a"}], now=T0 + HOUR) == [{"value": 3.0, "n": 11}]
    with pytest.raises(DefinitionError, match="a column 'w' of type bigint, of a feature that was removed"):
        store.apply(rename={"thing:uno:value": "w"}, allow_breaking=True)
    store.apply(remove="thing:uno", allow_breaking=True)
    with pytest.raises(DefinitionError, match="there is a table of thing:uno already"):
        store.apply(rename={"thing:two": "uno"}, allow_breaking=True)


def test_upkeep_keeps_pinned_versions(spark, store):
    basis = spark.createDataFrame([("a", T0)], "k string, t timestamp")
    store.keep("mine", {"thing:one": 0})
    store.optimize(ONE)
    store.vacuum(ONE)
    assert store.training_set(basis, ["thing:one:v:k"], timestamp="t", version={"thing:one": 0}).first()["v"] == 1.0
    store.release("mine")
    with pytest.raises(FeatureNotFoundError, match="thing:on"):
        store.keep("mine", {"thing:on": 0})


def test_configuration_file(spark, tmp_path):
    (tmp_path / "palette.yaml").write_text("path: catalog\ntables: elsewhere/tables\n")
    store = FeatureStore.from_config(tmp_path / "palette.yaml")
    store.apply(THING, TWO)
    store.write(TWO, spark.createDataFrame([("a", 5.0)], "id string, x double"))
    assert (tmp_path / "elsewhere" / "tables" / "thing" / "two" / "_delta_log").is_dir()
    assert FeatureStore.open(store.uri).latest("thing:two").count() == 1
    (tmp_path / "bad.yaml").write_text("path: x\ntable: y\n")
    with pytest.raises(DefinitionError, match="did you mean 'tables'"):
        FeatureStore.from_config(tmp_path / "bad.yaml")
    with pytest.raises(DefinitionError, match=r"absent\.yaml"):
        FeatureStore.open(tmp_path / "absent.yaml")


def test_apply_takes_yaml_and_refuses_other_things(tmp_path):
    store = FeatureStore(tmp_path / "store")
    (tmp_path / "definitions.yaml").write_text("entities: [{name: thing, keys: {id: string}}]")
    store.apply(tmp_path / "definitions.yaml", ONE)
    assert store.entity("thing") == THING
    with pytest.raises(ArgumentError, match="found Feature"):
        store.apply(Feature("x", "int"))


def test_texts_for_times_one_for_many_and_a_number_for_a_version(spark, store):
    basis = spark.createDataFrame([("a", T0 + HOUR)], "k string, t timestamp")
    store.write(ONE, spark.createDataFrame([("a", T0 + HOUR, 9.0, 90)], WRITTEN))
    assert store.training_set(basis, ["thing:one:v:k"], timestamp="t", version=0).first()["v"] == 1.0
    with pytest.raises(ArgumentError, match=r"name each: version=\{'thing:one': N, 'thing:two': N\}"):
        store.training_set(basis, ["thing:one:v:k", "thing:two:x:k"], timestamp="t", version=0)
    done = store.materialize(["thing:one", TWO], to="2026-01-01")
    assert [(one.group, one.rows_dispersed) for one in done] == [("thing:one", 2), ("thing:two", 1)]
    snapshot = store.snapshot("2026-01-01T02:00+01:00", "thing:one")
    assert (snapshot.groups, snapshot.time) == (("thing:one",), T0 + HOUR)
    assert [row["v"] for row in store.latest(ONE, at="2026-01-01").orderBy("id").collect()] == [1.0, 2.0]
