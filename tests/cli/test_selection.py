"""``palette select``: from a file to a ranking, and to a report."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.cli.app import app
from tests.eats import Eats

pytestmark = pytest.mark.spark
PREP = "restaurant:kitchen:prep:r_id"


@pytest.fixture(scope="module")
def run(spark, eats: Eats, tmp_path_factory):
    """Selects for orders that take the longer the larger they are, out of a file."""
    path = tmp_path_factory.mktemp("basis") / "orders.parquet"
    orders = spark.range(2000).selectExpr(
        "'r' || id % 5 AS r_id",
        "timestamp_micros(1772366400000000 + id * 50000000) AS at",
        "id % 3 AS size",
        "10D * (id % 3) + id % 37 AS minutes",
    )
    orders.write.parquet(str(path))

    def run(*arguments):
        words = ["select", str(path), *arguments, "--timestamp", "at", "--config", eats.store.uri]
        return CliRunner().invoke(app, words)

    return run


def test_from_a_file_to_a_report(run, tmp_path):
    report = tmp_path / "report.html"
    done = run("*", "basis:size", "--label", "minutes", "--join", "restaurant=r_id", "--report", str(report), "-n", "2")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "Features that predict minutes"
    assert next(line for line in lines if line.startswith("1  ")).split()[1] == "basis:size"
    assert next(line for line in lines if line.startswith(PREP)).split()[1] == "irrelevant"
    assert next(line for line in lines if line.startswith("restaurant:menu:taste:r_id")).split()[1] == "type"
    assert lines[-1] == f"report: {report}"
    assert report.read_text("utf-8").startswith("<!doctype html>")


def test_for_machines(run):
    done = run(PREP, "restaurant:menu:*:r_id", "basis:size", "--label", "minutes", "--json")
    told = json.loads(done.output)
    assert told["features"] == ["basis:size"]
    assert {one["feature"] for one in told["ranked"] + told["left_out"]} == {
        PREP, "basis:size", "restaurant:menu:dishes:r_id", "restaurant:menu:taste:r_id"
    }  # fmt: skip
    assert told["label"]["task"] == "regression"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "minuts", "basis:size"], "did you mean 'minutes'"),
        (["--label", "minutes"], "there are no candidates: name columns of the basis"),
        (["--label", "minutes", "--join", "restaurant"], "--join 'restaurant': expected ENTITY=COLUMN"),
        (["--label", "minutes", "basis:size", "--report", "report.pdf"], "expected a file that ends in"),
        (["--label", "minutes", "restaurant:kitchen:perp:r_id"], "did you mean 'prep'"),
    ],
)
def test_faults_are_a_line(run, arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.startswith("palette select: ")
    assert done.output.count("\n") == 1
