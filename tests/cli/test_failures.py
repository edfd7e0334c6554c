"""Errors that are expected end a command with a line, and those of Spark, too."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import AnalysisException, ArithmeticException, PySparkException

from palette.cli.failures import told
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
        told(some_work)()
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == f"palette some-work: {line}\n"


def test_other_errors_stay_what_they_are():
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told(work)()


def test_spark_need_not_be_there():
    code = (
        "import sys; sys.modules['pyspark'] = sys.modules['py4j'] = None\n"
        "from palette.cli.failures import told\n"
        "try: told(lambda: 1 / 0)()\n"
        "except ZeroDivisionError: print('as it was')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "as it was\n"
