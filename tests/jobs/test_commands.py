"""Jobs as a scheduler sees them: real spark-submit processes, data on one stream and logs on the other, exit codes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyspark
import pytest
from pyspark.ml import PipelineModel

from palette import Entity, Feature, FeatureGroup, FeatureStore
from palette.errors import DefinitionError
from palette.jobs import main
from palette.offline.files.dataframes import write_frame
from palette.pipeline.batch_jobs import parse_features
from tests.jvm import QUICK

ROOT = Path(__file__).parents[2]
FEATURE = "prep=restaurant:kitchen:prep:r_id"


def submitted(*arguments):
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [str(submit), "--master", "local[1]", "--conf", "spark.ui.enabled=false"]
    command += [str(ROOT / "palette/jobs/__main__.py"), *map(str, arguments)]
    environment = {**os.environ, **QUICK, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)


@pytest.mark.spark
@pytest.mark.slow
def test_spark_without_delta_is_told(eats, tmp_path):
    words = ["training-set", tmp_path / "x.csv", tmp_path / "out", "--feature", FEATURE, "--config", eats.store.uri]
    done = submitted(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "palette.jobs: training-set begins" in done.stderr
    assert "Spark was started without Delta: spark-submit --packages io.delta" in done.stderr


@pytest.mark.spark
def test_what_cannot_be_ends_with_2(spark, eats, tmp_path, capsys, caplog):
    write_frame(eats.orders, str(tmp_path / "orders"))
    arguments = [str(tmp_path / "orders"), str(tmp_path / "out"), "--config", eats.store.uri]
    assert main(["training-set", *arguments, "--feature", "x=restaurant:kitchen:prop:r_id"]) == 2
    assert "did you mean 'prep'" in caplog.text
    assert main(["training-set", *arguments, "--feature", FEATURE, "--timestamp", "nowhen"]) == 2
    assert not (tmp_path / "out").exists()
    assert main(["training-set", str(tmp_path / "no.parquet"), *arguments[1:], "--feature", FEATURE]) == 2
    assert main(["score", str(tmp_path / "nowhere"), *arguments[:2]]) == 2
    assert main(["score", f"file://{tmp_path}/nowhere", *arguments[:2]]) == 2
    assert "no saved pipeline at 'file://" in caplog.text
    PipelineModel([]).write().save(str(tmp_path / "plain"))
    assert main(["score", str(tmp_path / "plain"), *arguments[:2]]) == 2
    assert "MLPipeline(*stages, store=...)" in caplog.text
    assert capsys.readouterr().out == ""


@pytest.mark.spark
def test_data_and_logs_have_streams_of_their_own(eats, spark, tmp_path):
    write_frame(eats.orders, str(tmp_path / "orders.parquet"))
    code = "import sys; from palette.jobs import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["training-set", str(tmp_path / "orders.parquet"), str(tmp_path / "out"), "--feature", FEATURE]
    command = [sys.executable, "-c", code, *arguments, "--config", eats.store.uri]
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_GATEWAY_PORT"} | QUICK
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert json.loads(done.stdout)["rows"] == eats.orders.count()
    assert "palette.jobs: training-set begins" in done.stderr
    assert "palette.jobs: training-set is done" in done.stderr


@pytest.mark.spark
def test_what_a_person_should_see_ends_with_3(eats, spark, tmp_path, capsys, caplog):
    write_frame(eats.orders, str(tmp_path / "orders"))
    asked = ["training-set", str(tmp_path / "orders"), str(tmp_path / "out"), "--config", eats.store.uri]
    asked += ["--feature", FEATURE, "--timestamp", "at"]
    rows = eats.store.training_set(eats.orders, {"prep": FEATURE.partition("=")[2]}, timestamp="at").collect()
    missing = sum(row["prep"] is None or math.isnan(row["prep"]) for row in rows) / len(rows)
    assert 0 < missing < 1
    assert main([*asked, "--alarm-missing", str(missing)]) == 0
    assert main([*asked, "--mode", "overwrite", "--alarm-missing", str(missing - 0.001)]) == 3
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["missing"] for one in told] == [{"restaurant:kitchen:prep:r_id": missing}] * 2
    assert [len(one["alarms"]) for one in told] == [0, 1]
    assert "alarm: restaurant:kitchen:prep:r_id" in caplog.text


@pytest.mark.spark
def test_a_training_set_in_chunks_logs_each(eats, spark, tmp_path, capsys, caplog):
    write_frame(eats.orders, str(tmp_path / "orders"))
    caplog.set_level("INFO", "palette")
    asked = ["training-set", str(tmp_path / "orders"), str(tmp_path / "out"), "--config", eats.store.uri]
    asked += ["--feature", FEATURE, "--timestamp", "at", "--chunks", "2", "--cluster-by", "r_id"]
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == eats.orders.count()
    for words in ("out: chunk 1 of 2, 0 rows written", "out: chunk 2 of 2, ", "clustering the files", "2 of 2 chunks"):
        assert words in caplog.text
    assert "remaining" in caplog.text


@pytest.mark.spark
def test_a_group_that_is_old_ends_with_3(eats, spark, capsys, caplog):
    newest = spark.read.format("delta").load(eats.store.tables.path(eats.store.group("restaurant:kitchen")))
    newest = newest.selectExpr("max(event_time)").first()[0]
    asked = ["materialize", "restaurant:kitchen", "--config", eats.store.uri]
    assert main([*asked, "--to", str(newest + timedelta(hours=36)), "--alarm-stale", "36h"]) == 0
    assert main([*asked, "--to", str(newest + timedelta(hours=37)), "--alarm-stale", "36h"]) == 3
    assert f"the newest event time is {newest}, 1 day, 13:00:00 before" in caplog.text
    assert [len(json.loads(line)["alarms"]) for line in capsys.readouterr().out.splitlines()] == [0, 1]


def test_an_alarm_about_what_has_no_time_is_refused(tmp_path, caplog):
    store = FeatureStore(tmp_path)
    store.apply(
        Entity("plane", keys={"tail": "string"}),
        FeatureGroup("made", entity="plane", features=[Feature("year", "bigint")]),
    )
    assert main(["materialize", "plane:made", "--config", store.uri, "--alarm-stale", "1d"]) == 2
    assert "plane:made has no event time: leave out --alarm-stale" in caplog.text


def test_without_its_libraries_it_says_so():
    code = "import sys; sys.modules['pydantic'] = None; from palette.jobs import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "import of pydantic halted" in done.stderr
    assert "see docs/jobs.md" in done.stderr


@pytest.mark.parametrize("asked", [["--alarm-missing", "5"], ["--alarm-missing", "some"]])
def test_a_share_that_is_none(asked, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["score", "model", "basis", "target", *asked])
    assert ended.value.code == 2
    assert "is not a share from 0 to 1" in capsys.readouterr().err


def test_usage_ends_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["training-set", "basis"])
    assert ended.value.code == 2
    assert "usage: python -m palette.jobs training-set" in capsys.readouterr().err


@pytest.mark.parametrize("named", [["x=a:b:c:d", "a:b:c:d"], ["x=a:b:c:d", "x=a:b:e:d"]])
def test_features_that_clash(named):
    with pytest.raises(DefinitionError):
        parse_features(named)
