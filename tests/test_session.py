"""Sessions that palette did not start: left as they are, used where they have Delta, refused in a sentence without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import palette
from palette.errors import SessionWarning
from palette.session import DELTA_PACKAGE
from tests.jvm import QUICK

pytestmark = pytest.mark.spark

COMMON = """
import json, sys, warnings
from pathlib import Path

from pyspark.sql import SparkSession

import palette
from palette import Entity, Feature, FeatureGroup, FeatureStore, MLPipeline, PaletteTransformer
from palette.offline.files.dataframes import read_frame, write_frame

home, answers = Path(sys.argv[1]), {}


def asked(**conf):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        session = palette.spark_session(**conf)
    return session, [[one.category.__name__, str(one.message)] for one in caught]


def settings(session):
    return dict(session.sparkContext.getConf().getAll()) | {row.key: row.value for row in session.sql("SET").collect()}


def differences(session, before):
    after = settings(session)
    # Delta's own note.
    after.pop("spark.databricks.delta.lastCommitVersionInSession", None)
    return {name: [before.get(name), after.get(name)] for name in before | after if before.get(name) != after.get(name)}


def write(session, group, schema):
    return store.write(group, session.createDataFrame([("a", 1.0)], schema))


store = FeatureStore(home / "store")
store.apply(Entity("thing", keys={"id": "string"}), FeatureGroup("one", "thing", [Feature("v", "double")]),
            FeatureGroup("two", "thing", [Feature("w", "double")]))
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.log.level", "OFF")
"""
WITH_DELTA = """
from delta import configure_spark_with_delta_pip

builder = builder.config("spark.sql.session.timeZone", "America/New_York").config("spark.sql.shuffle.partitions", "1")
builder = builder.config("spark.databricks.delta.snapshotPartitions", "1")
theirs = configure_spark_with_delta_pip(palette.configure(builder)).getOrCreate()
before = settings(theirs)
write(theirs, "thing:one", "id string, v double")
same, told = asked()
late, toldlate = asked(**{"spark.sql.shuffle.partitions": 3, "spark.sql.session.timeZone": "America/New_York"})
rows = store.latest("thing:one").count()
answers["configured"] = [same is theirs is late, told, toldlate, differences(theirs, before), rows]
theirs.stop()

ours, told = asked(master="local[1]", **{"spark.sql.shuffle.partitions": 2})
again, toldagain = asked(master="local[2]", **{"spark.sql.shuffle.partitions": 3, "spark.driver.memory": "9g"})
answers["ours"] = [told, toldagain, ours.conf.get("spark.sql.shuffle.partitions"), store.latest("thing:one").count()]
print(json.dumps(answers))
"""
WITHOUT_DELTA = """
theirs = builder.config("spark.sql.session.timeZone", "Asia/Tokyo").getOrCreate()
before = settings(theirs)
theirs.sql("CREATE TEMPORARY VIEW mine AS SELECT 1 AS x")
same, told = asked(**{"spark.driver.memory": "9g"})
answers["plain"] = [same is theirs, told, differences(theirs, before), theirs.table("mine").count()]
basis = theirs.createDataFrame([("a",)], "id string")
stage = PaletteTransformer(store=store, features=["thing:two:w:id"])
doors = {
    "write": lambda: write(theirs, "thing:one", "id string, v double"),
    "create_tables": store.create_tables,
    "snapshot": store.snapshot,
    "snapshot-groups": lambda: store.snapshot(groups=["thing:one"]),
    "latest": lambda: store.latest("thing:one"),
    "materialize": lambda: store.materialize("thing:one"),
    "erase": lambda: store.erase("thing:one", ["a"]),
    "optimize": lambda: store.optimize("thing:one"),
    "vacuum": lambda: store.vacuum("thing:one"),
    "training_set": lambda: store.training_set(basis, ["thing:two:w:id"]),
    "transform": lambda: stage.transform(basis),
    "fit": lambda: MLPipeline(stage, store=store).fit(basis),
    "write_frame": lambda: write_frame(basis, str(home / "frame")),
    "read_frame": lambda: read_frame(theirs, f"delta:{home}/frame"),
    # The Java that runs has not loaded Delta, and will not.
    "spark_session": lambda: (theirs.stop(), palette.spark_session()),
}
for name, door in doors.items():
    try:
        door()
        answers[name] = ["", ""]
    except Exception as error:
        answers[name] = [type(error).__name__, str(error)]
answers["files"] = [path.name for path in home.rglob("*") if path.name in ("frame", "one", "two")]
print(json.dumps(answers))
"""
DOORS = [
    *("write", "create_tables", "snapshot", "snapshot-groups", "latest", "materialize", "erase", "optimize"),
    *("vacuum", "training_set", "transform", "fit", "write_frame", "read_frame", "spark_session"),
]


def answers_of(script, home):
    command = [sys.executable, "-c", COMMON + script, str(home)]
    environment, root = {**os.environ, **QUICK}, Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return answers_of(WITH_DELTA, tmp_path_factory.mktemp("with"))


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    return answers_of(WITHOUT_DELTA, tmp_path_factory.mktemp("without"))


def test_a_session_of_their_own_builder_is_taken_as_it_is(told):
    same, warned, late, changed, rows = told["configured"]
    assert (same, warned, changed, rows) == (True, [], {}, 1)
    ((category, message),) = late
    assert category == "SessionWarning"
    assert message.startswith("spark.sql.shuffle.partitions=3: cannot be changed in the running session")


def test_a_session_without_delta_is_left_alone_and_told_what_it_lacks(lacking):
    same, ((category, message),), changed, rows = lacking["plain"]
    assert (same, category, changed, rows) == (True, "SessionWarning", {}, 1)
    assert "spark.driver.memory=9g: cannot be changed" in message
    assert "has no Delta" in message
    assert "palette.configure(SparkSession.builder)" in message


@pytest.mark.parametrize("door", DOORS)
def test_doors_that_need_delta_name_it(lacking, door):
    error, message = lacking[door]
    assert error == "DeltaNotFoundError", message
    assert message.startswith("Spark was started without Delta: ")
    assert "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog" in message


def test_nothing_is_half_written_without_delta(lacking):
    assert lacking["files"] == []


def test_our_own_session_takes_settings_of_sql_and_tells_what_is_too_late(told):
    warned, again, partitions, rows = told["ours"]
    assert (warned, partitions, rows) == ([], "3", 1)
    ((category, message),) = again
    assert category == "SessionWarning"
    assert message.startswith("spark.driver.memory=9g: cannot be changed in the running session")


def test_settings_that_were_changed_since_stay(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    assert palette.spark_session().conf.get("spark.sql.shuffle.partitions") == "1"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("io.delta:delta-spark_4.2_2.13:4.4.1", "io.delta:delta-spark_4.2_2.13:4.4.1", id="their-delta"),
        pytest.param("a:b:1", f"a:b:1,{DELTA_PACKAGE}", id="others"),
    ],
)
def test_packages_of_a_builder_stay(given, expected):
    from pyspark.sql import SparkSession

    builder = palette.configure(SparkSession.builder.config("spark.jars.packages", given))
    assert builder._options["spark.jars.packages"] == expected
    assert builder._options["spark.sql.session.timeZone"] == "UTC"
    assert "spark.driver.memory" not in builder._options


def test_the_category_can_be_filtered():
    assert issubclass(SessionWarning, UserWarning)
