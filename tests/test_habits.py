"""What people type by habit: it works where it is clear what is meant, else a sentence says what to write."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore, RPCSource, Snapshot, StreamSource
from palette.errors import ArgumentError, DataError, DefinitionError, FeatureNotFoundError
from palette.store.arguments import versions

MENU = FeatureGroup("menu", "shop", [Feature("dishes", "bigint")], timestamp="at")
HOURS = FeatureGroup("hours", "shop", [Feature("opens", "bigint")])
FRAME = pd.DataFrame({"id": ["a", "b"]})
NAME = "expected one feature group, or its name 'entity:group'"
MODEL = "expected the name of a model"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    store.apply(Entity("shop", keys={"id": "string"}), MENU, HOURS)
    return store


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(lambda s: s.group(["shop:menu"]), f"{NAME}, found list ['shop:menu']", id="group-list"),
        pytest.param(lambda s: s.group(None), f"{NAME}, found None", id="group-none"),
        pytest.param(lambda s: s.write(FRAME, "shop:menu"), f"{NAME}, found DataFrame", id="write-swapped"),
        pytest.param(lambda s: s.latest(Path("shop:menu")), f"{NAME}, found PosixPath", id="latest-path"),
        pytest.param(lambda s: s.materialize(None), f"{NAME}, found None", id="materialize-none"),
        pytest.param(lambda s: s.materialize(["shop:menu", None]), f"{NAME}, found None", id="materialize-list"),
        pytest.param(lambda s: s.snapshot(groups=[None]), f"{NAME}, found None", id="snapshot-none"),
        pytest.param(lambda s: s.snapshot(groups=1), f"{NAME}, found int 1", id="snapshot-number"),
        pytest.param(lambda s: s.snapshot("shop:menu"), "'shop:menu' is not a time", id="snapshot-at"),
        pytest.param(lambda s: s.entity(["shop"]), "expected the name of an entity, found list", id="entity-list"),
        pytest.param(lambda s: s.search(["menu"]), "expected words to search for, found list", id="search-list"),
        pytest.param(
            lambda s: s.search("menu", limit="5"), "limit: expected a number, found str '5'", id="search-limit"
        ),
        pytest.param(lambda s: s.keep("mine", ["shop:menu"]), "expected group to version, as pins", id="keep-list"),
        pytest.param(
            lambda s: s.keep("mine", {"shop:menu": "0"}), "the number of a version, found str", id="keep-text"
        ),
        pytest.param(lambda s: s.keep(None, {"shop:menu": 0}), "expected a name for the pin", id="keep-none"),
        pytest.param(lambda s: s.release(None), "expected the name of a pin", id="release-none"),
        pytest.param(lambda s: s.latest("shop:menu", version="0"), "the number of a version", id="latest-version"),
        pytest.param(lambda s: s.models(["eta"]), f"{MODEL}, found list ['eta']", id="models-list"),
        pytest.param(lambda s: s.model(None), f"{MODEL}, found None", id="model-none"),
        pytest.param(lambda s: s.bundle(7), f"{MODEL}, found int 7", id="bundle-number"),
        pytest.param(
            lambda s: s.model("eta", version="1"), "the number of a version, found str '1'", id="model-version"
        ),
        pytest.param(
            lambda s: s.promote("eta", True), "the number of a version, found bool True", id="promote-version"
        ),
        pytest.param(lambda s: s.promote("eta", 1, None), "expected a stage, found None", id="promote-stage"),
        pytest.param(lambda s: s.rollback(None), f"{MODEL}, found None", id="rollback-none"),
        pytest.param(lambda s: s.lineage(["shop:menu"]), "expected the name of a feature, group, model", id="lineage"),
        pytest.param(lambda s: s.pins(FRAME), "training_set is a pandas DataFrame", id="pins-pandas"),
        pytest.param(
            lambda s: s.training_set(None, []),
            "basis is a builtins NoneType, expected a Spark DataFrame",
            id="basis-none",
        ),
        pytest.param(
            lambda s: s.write("shop:menu", [{"id": "a"}]),
            "rows is a builtins list, expected a Spark Data",
            id="write-list",
        ),
        pytest.param(lambda s: s.select_features(FRAME, "y"), "basis is a pandas DataFrame", id="select-pandas"),
        pytest.param(lambda s: Snapshot([], "soon"), "'soon' is not a time", id="snapshot-time"),
        pytest.param(
            lambda s: BatchSource("orders"), "write BatchSource(sql='orders', ...), with keyword arguments", id="batch"
        ),
        pytest.param(lambda s: StreamSource("orders"), "write StreamSource(topic='orders', ...)", id="stream"),
        pytest.param(lambda s: RPCSource("http://x"), "write RPCSource(url='http://x', ...)", id="rpc"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(store, ask, message):
    with pytest.raises((DataError, ArgumentError, DefinitionError)) as refused:
        ask(store)
    assert message in str(refused.value)


def test_times_may_be_texts(store):
    store.online.write("shop:menu", [{"id": "a", "at": dt.datetime(2026, 3, 1), "dishes": 3}])
    (row,) = store.online.read({"shop:menu": ["a"]}, now="2026-03-01T12:00+01:00")["shop:menu"]
    assert row["dishes"] == 3
    assert Snapshot([], "2026-03-01").time == dt.datetime(2026, 3, 1)
    assert store.online.delete("shop:menu", ["a"], at="2026-03-02") == 1


def test_definitions_may_stand_for_their_names(store):
    assert store.entity(store.entity("shop")).name == "shop"
    assert str(store.lineage(MENU)) == str(store.lineage("shop:menu"))


def test_a_number_is_the_version_of_the_only_group():
    assert versions(2, ["shop:menu", "shop:menu"], str) == {"shop:menu": 2}
    assert versions(None, ["shop:menu"], str) == {}
    with pytest.raises(ArgumentError, match=r"features of 2 groups are read, name each: version=\{'shop:hours': N, "):
        versions(2, ["shop:menu", "shop:hours"], str)
    with pytest.raises(ArgumentError, match=r"version=\{'shop:menu': N\}, found str 'shop:menu'"):
        versions("shop:menu", ["shop:menu"], str)
    with pytest.raises(ArgumentError, match="expected the number of a version, found str '2'"):
        versions({"shop:menu": "2"}, [], str)


def test_a_version_of_another_group_s_name_is_not_found(store):
    with pytest.raises(FeatureNotFoundError, match="did you mean 'shop:menu'"):
        versions({"shop:menus": 2}, [], lambda name: store.group(name).full_name)


WITHOUT = """
import sys
sys.modules["pyspark"] = None
import importlib.util
import dsl, palette
from palette import Entity, Feature, FeatureGroup, FeatureStore
store = FeatureStore(sys.argv[1])
store.apply(Entity("shop", keys={"id": "string"}), FeatureGroup("menu", "shop", [Feature("dishes", "bigint")]))
doors = [palette.spark_session, store.create_tables, store.snapshot, lambda: store.latest("shop:menu"),
         lambda: store.materialize("shop:menu"), lambda: store.erase("shop:menu", ["a"]), lambda: store.tables,
         lambda: store.lookups(["shop:menu:dishes:id"]), lambda: store.optimize("shop:menu"),
         lambda: store.vacuum("shop:menu"), lambda: palette.MLPipeline, lambda: palette.PaletteTransformer,
         lambda: dsl.DSLEstimator]
for door in doors:
    try:
        door()
    except ImportError as error:
        print(type(error).__name__, error)
"""


def test_without_pyspark_every_door_says_what_to_install(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT, str(tmp_path)], capture_output=True, text=True, check=True)
    told = done.stdout.splitlines()
    assert len(told) == 13, done.stdout
    assert all("pip install 'palette-features[spark]'" in line for line in told), told
    assert {line.partition(" ")[0] for line in told} == {"SparkNotFoundError", "ImportError"}
