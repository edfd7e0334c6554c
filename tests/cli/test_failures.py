"""Errors that are expected end a command with a line, and those of Spark, too."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import AnalysisException, ArithmeticException, PySparkException

from palette.cli.error_output import EXTRAS, report_errors
from palette.errors import DataError

JAVA = """An error occurred while calling o45.save.
: org.apache.spark.SparkException: Job aborted due to stage failure
\tat org.apache.spark.sql.execution.X.y(X.scala:1)
Caused by: java.io.IOException: No space left on device
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("no rows"), "no rows"),
        (FileNotFoundError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
        (
            AnalysisException("[A] no table `x`; line 1 pos 14;\n'Project [*]\n+- x"),
            "Spark: [A] no table `x`; line 1 pos 14;",
        ),
        (ArithmeticException("[DIVIDE_BY_ZERO] Division by zero."), "Spark: [DIVIDE_BY_ZERO] Division by zero."),
        (PySparkException("\n\nworker died"), "Spark: worker died"),
        (Py4JError(JAVA), "Spark: org.apache.spark.SparkException: Job aborted due to stage failure"),
        (Py4JNetworkError("Answer from Java side is empty"), "Spark: Answer from Java side is empty"),
        (Py4JError(""), "Spark: Py4JError"),
        (PySparkException("\x1b[2J"), "Spark: \\x1b[2J"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
def test_errors_are_a_line(error, line, capsys):
    def some_work():
        raise error

    with pytest.raises(typer.Exit) as ended:
        report_errors(some_work)()
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == f"palette some-work: {line}\n"


def test_other_errors_stay_what_they_are():
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        report_errors(work)()


def test_spark_need_not_be_there():
    code = (
        "import sys; sys.modules['pyspark'] = sys.modules['py4j'] = None\n"
        "from palette.cli.error_output import report_errors\n"
        "try: report_errors(lambda: 1 / 0)()\n"
        "except ZeroDivisionError: print('as it was')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "as it was\n"


def test_what_is_not_installed_is_told_with_its_extra(capsys):
    def score():
        raise ModuleNotFoundError("No module named 'orjson'", name="orjson")

    with pytest.raises(typer.Exit):
        report_errors(score)()
    line = "palette score: No module named 'orjson'; install it: pip install 'palette-features[catalog]'\n"
    assert capsys.readouterr().err == line


def test_the_extras_have_what_they_are_named_for():
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).parents[2] / "setup.cfg")
    extras = settings["options.extras_require"]
    packages = {"delta": "delta-spark", "xgboost": "xgboost-cpu"}
    assert [name for name, extra in EXTRAS.items() if packages.get(name, name) not in extras[extra]] == []
    for extra in ("catalog", "spark", "server"):
        assert "orjson" in extras[extra], "palette score works with each extra that has the command"


def test_a_closed_pipe_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    (tmp_path / "palette.yaml").write_text("path: store\n")
    command = [sys.executable, "-m", "palette", "search", "--config", str(tmp_path), "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
