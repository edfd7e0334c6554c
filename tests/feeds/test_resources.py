"""Spark settings of a source: validated, applied for a run, restored after it, and used where a run starts Spark."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from palette import BatchSource, Entity, Feature, FeatureGroup, FeatureStore
from palette.cli.app import app
from palette.definitions.yaml.documents import dump_definitions, load_definitions
from palette.errors import DefinitionError, SessionWarning
from tests.jvm import QUICK

PARTITIONS, MEMORY = "spark.sql.shuffle.partitions", "spark.executor.memory"
SHOP = Entity("shop", keys={"id": "string"})
# What the run sees of its session is in its rows.
MODULE = """
def settings(spark, start, end):
    seen = f"{spark.conf.get('spark.sql.shuffle.partitions')} {spark.conf.get('spark.executor.memory', None)}"
    return spark.sql(f"SELECT 'a' AS id, TIMESTAMP '2026-06-01 01:00:00Z' AS ts, '{seen}' AS seen")


def broken(spark, start, end):
    raise ValueError(spark.conf.get("spark.sql.shuffle.partitions"))
"""


def group(resources, function="settings"):
    source = BatchSource(function=f"session_probe:{function}", resources=resources)
    return FeatureGroup("probe", entity="shop", timestamp="ts", features=[Feature("seen", "string")], source=source)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "session_probe.py").write_text(MODULE)
    (tmp_path / "palette.yaml").write_text("path: store\nfeeds: {modules: [session_probe]}\n")
    yield FeatureStore.from_config(tmp_path / "palette.yaml")
    sys.modules.pop("session_probe", None)


def test_numbers_are_strings_and_yaml_is_the_same():
    source = group({PARTITIONS: 200, "spark.sql.adaptive.enabled": False, MEMORY: "8g"}).source
    assert source.resources == {PARTITIONS: "200", "spark.sql.adaptive.enabled": "false", MEMORY: "8g"}
    definitions = [SHOP, group(source.resources)]
    assert load_definitions(dump_definitions(definitions)) == definitions
    assert hash(load_definitions(dump_definitions(definitions))[1]) == hash(definitions[1])
    assert "resources" not in dump_definitions([SHOP, group({})])
    written = "source:\n    kind: batch\n    sql: SELECT 1\n    resources: {spark.sql.shuffle.partitions: 200}"
    text = f"feature_groups:\n- name: g\n  entity: shop\n  features: [{{name: x, dtype: int}}]\n  {written}"
    assert load_definitions(text)[0].source.resources == {PARTITIONS: "200"}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"shuffle.partitions": 8}, "invalid Spark setting 'shuffle.partitions'"),
        ({"spark.sql.x; DROP": 8}, "invalid Spark setting"),
        ({3: 8}, "invalid Spark setting 3"),
        ({"spark.hadoop.fs.s3a.secret.key": "x"}, "is a secret, which the catalog would show to everyone"),
        ({"spark.hadoop.fs.s3a.access.key": "x"}, "is a secret"),
        ({"spark.redis.PASSWORD": "x"}, "is a secret"),
        ({PARTITIONS: None}, "expected a string or a number, found None"),
        ({PARTITIONS: " "}, "expected a string or a number, found ' '"),
        ({PARTITIONS: [8]}, r"expected a string or a number, found \[8\]"),
        ([PARTITIONS], "resources"),
    ],
    ids=str,
)
def test_invalid_settings_are_errors(resources, message):
    with pytest.raises(DefinitionError, match=message):
        group(resources)


def test_jobs_are_submitted_with_them(store, tmp_path):
    store.apply(SHOP, group({PARTITIONS: 3, MEMORY: "777m"}))
    config = ["--config", str(tmp_path / "palette.yaml")]
    (line,) = CliRunner().invoke(app, ["jobs", "package", str(tmp_path / "jobs"), *config]).output.splitlines()
    assert f" --conf {MEMORY}=777m {tmp_path}/jobs/palette_job.py materialize shop:probe" in line
    assert PARTITIONS not in line


def seen(store):
    return store.online.read({"shop:probe": ["a"]}, now=dt.datetime(2026, 6, 2))["shop:probe"][0]["seen"]


@pytest.mark.spark
def test_sql_settings_are_restored_after_a_run(spark, store):
    before = spark.conf.get(PARTITIONS)
    assert before != "3"
    store.apply(SHOP, group({PARTITIONS: 3}))
    store.materialize("shop:probe")
    assert (seen(store).split()[0], spark.conf.get(PARTITIONS)) == ("3", before)
    store.apply(group({PARTITIONS: 3}, "broken"))
    with pytest.raises(ValueError, match=r"^3$"):
        store.materialize("shop:probe")
    assert spark.conf.get(PARTITIONS) == before


@pytest.mark.spark
def test_settings_that_come_too_late_are_a_warning(spark, store):
    store.apply(SHOP, group({MEMORY: "777m"}))
    late = rf"shop:probe: the running session cannot change {MEMORY}=777m \(it has .*\): start Spark with"
    with pytest.warns(SessionWarning, match=late):
        store.materialize("shop:probe")
    assert seen(store).split()[1] != "777m"


@pytest.mark.spark
@pytest.mark.slow
def test_the_command_starts_spark_with_them(store, tmp_path):
    store.apply(SHOP, group({MEMORY: "777m", PARTITIONS: 3, "spark.driver.memory": "1g"}))
    command = [sys.executable, "-W", "error", "-m", "palette", "materialize", "shop:probe", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | QUICK, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["rows_written"] == 1
    (file,) = (tmp_path / "store").rglob("probe/*.parquet")
    import pyarrow.parquet as pq

    assert pq.read_table(file, columns=["seen"]).column("seen").to_pylist() == ["3 777m"]
