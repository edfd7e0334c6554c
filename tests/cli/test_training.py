"""``palette training-set``: from a file to a table."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.cli.commands import app
from palette.offline.frames import read_frame, write_frame
from tests.eats import rows_of

pytestmark = pytest.mark.spark
FEATURES = ["-f", "prep=restaurant:kitchen:prep:r_id", "-f", "ride=route:trips:ride:origin,dest"]


def test_from_a_file_to_a_table(spark, eats, tmp_path):
    basis, target = str(tmp_path / "orders.parquet"), str(tmp_path / "out")
    write_frame(eats.orders, basis)
    arguments = ["training-set", basis, target, *FEATURES, "-t", "at", "--config", eats.store.uri]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["rows"] == eats.orders.count()
    names = {"prep": "restaurant:kitchen:prep:r_id", "ride": "route:trips:ride:origin,dest"}
    assert rows_of(read_frame(spark, target)) == rows_of(eats.store.training_set(eats.orders, names, timestamp="at"))
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert again.output.startswith("palette training-set: ")
    assert "append or overwrite" in again.output
    done = CliRunner().invoke(app, [*arguments, "--mode", "append"])
    assert f"{eats.orders.count():,} rows in {target}; read " in done.output
