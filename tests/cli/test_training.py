"""``palette training-set``: from a file to a table."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from palette.cli.app import app
from palette.offline.files.dataframes import read_frame, write_frame
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
    kitchen = json.loads(done.output)["versions"]["restaurant:kitchen"]
    again = CliRunner().invoke(app, [*arguments, "--mode", "append", "--version", f"restaurant:kitchen={kitchen + 9}"])
    assert f"there is no version {kitchen + 9}" in again.output
    assert "orders of March" not in eats.store.catalog.pins.all(), "what is not written is not kept"
    pinned = ["--mode", "overwrite", "--version", f"restaurant:kitchen={kitchen}", "--pin", "orders of March"]
    again = CliRunner().invoke(app, [*arguments, *pinned, "--json"])
    assert json.loads(again.output) == json.loads(done.output) | {"pin": "orders of March"}
    assert eats.store.catalog.pins.all()["orders of March"] == json.loads(done.output)["versions"]
    eats.store.release("orders of March")
    every = ["training-set", basis, str(tmp_path / "all"), "-f", "restaurant:menu:*:r_id", "--config", eats.store.uri]
    done = CliRunner().invoke(app, [*every, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["columns"][-2:] == ["dishes", "taste"]
    done = CliRunner().invoke(app, [*arguments, "--mode", "append"])
    assert f"{eats.orders.count():,} rows in {target}; read " in done.output


def test_in_chunks_to_a_clustered_table(spark, eats, tmp_path):
    basis, target = str(tmp_path / "orders"), str(tmp_path / "out")
    write_frame(eats.orders, basis)
    arguments = ["training-set", basis, target, *FEATURES, "-t", "at", "--config", eats.store.uri]
    written = CliRunner().invoke(app, [*arguments, "--chunks", "2", "--cluster-by", "r_id", "--json"])
    assert written.exit_code == 0, written.output
    names = {"prep": "restaurant:kitchen:prep:r_id", "ride": "route:trips:ride:origin,dest"}
    expected = eats.store.write_training_set(basis, names, str(tmp_path / "whole"), timestamp="at")
    assert json.loads(written.output) == json.loads(json.dumps(expected.to_json())) | {"target": target}
    assert rows_of(read_frame(spark, target)) == rows_of(read_frame(spark, str(tmp_path / "whole")))
    assert spark.sql(f"DESCRIBE DETAIL delta.`{target}`").first().clusteringColumns == ["r_id"]
    again = CliRunner().invoke(app, [*arguments, "--chunks", "2", "--cluster-by", "r_id"])
    assert (again.exit_code, "append or overwrite" in again.output) == (2, True)
