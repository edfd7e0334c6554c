"""Jobs as a scheduler sees them: real spark-submit processes, data on one stream and logs on the other, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from palette.errors import DefinitionError
from palette.jobs.commands import main
from palette.offline.frames import read_frame, write_frame
from palette.pipeline.batch import features_of
from palette.session import DELTA_PACKAGE
from tests.eats import rows_of

ROOT = Path(__file__).parents[2]
FEATURE = "prep=restaurant:kitchen:prep:r_id"


def submitted(*arguments, packages=DELTA_PACKAGE):
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [str(submit), "--master", "local[1]", "--conf", "spark.ui.enabled=false"]
    command += ["--packages", packages] if packages else []
    command += [str(ROOT / "palette/jobs/__main__.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)


@pytest.mark.spark
@pytest.mark.slow
def test_spark_submit_writes_a_training_set(spark, eats, tmp_path):
    write_frame(eats.orders, str(tmp_path / "orders"))
    target = tmp_path / "out"
    done = submitted(
        "training-set", tmp_path / "orders", target, "--feature", FEATURE, "--timestamp", "at",
        "--config", eats.store.uri,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["rows"] == eats.orders.count()
    expected = eats.store.training_set(eats.orders, {"prep": FEATURE.partition("=")[2]}, timestamp="at")
    assert rows_of(read_frame(spark, str(target))) == rows_of(expected)


@pytest.mark.spark
@pytest.mark.slow
def test_spark_without_delta_is_told(eats, tmp_path):
    done = submitted("training-set", tmp_path / "x.csv", tmp_path / "out", "--feature", FEATURE, packages=None)
    assert done.returncode == 2
    # spark-submit puts both streams of Python on its standard output.
    assert "Spark was started without Delta: spark-submit --packages io.delta" in done.stdout


@pytest.mark.spark
def test_what_cannot_be_ends_with_2(spark, eats, tmp_path, capsys, caplog):
    write_frame(eats.orders, str(tmp_path / "orders"))
    arguments = [str(tmp_path / "orders"), str(tmp_path / "out"), "--config", eats.store.uri]
    assert main(["training-set", *arguments, "--feature", "x=restaurant:kitchen:prop:r_id"]) == 2
    assert "did you mean 'prep'" in caplog.text
    assert main(["training-set", *arguments, "--feature", FEATURE, "--timestamp", "nowhen"]) == 2
    assert not (tmp_path / "out").exists()
    assert main(["score", str(tmp_path / "nowhere"), *arguments[:2]]) != 0
    assert capsys.readouterr().out == ""


@pytest.mark.spark
def test_data_and_logs_have_streams_of_their_own(eats, spark, tmp_path):
    write_frame(eats.orders, str(tmp_path / "orders.parquet"))
    code = "import sys; from palette.jobs.commands import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["training-set", str(tmp_path / "orders.parquet"), str(tmp_path / "out"), "--feature", FEATURE]
    command = [sys.executable, "-c", code, *arguments, "--config", eats.store.uri]
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_GATEWAY_PORT"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert json.loads(done.stdout)["rows"] == eats.orders.count()
    assert "palette.jobs: training-set begins" in done.stderr
    assert "palette.jobs: training-set is done" in done.stderr


def test_usage_ends_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["training-set", "basis"])
    assert ended.value.code == 2
    assert "usage: python -m palette.jobs training-set" in capsys.readouterr().err


@pytest.mark.parametrize("named", [["x=a:b:c:d", "a:b:c:d"], ["x=a:b:c:d", "x=a:b:e:d"]])
def test_features_that_clash(named):
    with pytest.raises(DefinitionError):
        features_of(named)
