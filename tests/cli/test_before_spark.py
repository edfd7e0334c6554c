"""What is asked wrongly is told before Spark starts: here it cannot start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from palette.definitions import BatchSource, Entity, Feature, FeatureGroup
from palette.store import FeatureStore

# One process for all: each would import Spark's Python anew.
RUN = """
import json, sys
from typer.testing import CliRunner
from palette.cli.app import app
done = [CliRunner().invoke(app, arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([(one.exit_code, one.output) for one in done]))
"""
SET = ["training-set", "basis.parquet", "out", "-f"]
PREP = "restaurant:history:prep:r_id"
TARGET = ["training-set", "-f", PREP, "basis.parquet"]
SELECT = ["select", "basis.parquet", "-l", "minutes"]
CASES = [
    ([*SET, "restaurant:history:prap:r_id"], "did you mean 'prep'"),
    ([*SET, "restaurant:history:prep"], "found 3 parts"),
    ([*SET, "x=restaurant:history:prep:r_id", "-f", "restaurant:plain:x:r_id"], "name a column for every feature"),
    ([*SET, "=restaurant:history:prep:r_id"], "'=restaurant:history:prep:r_id': expected EXPRESSION, or COLUMN="),
    ([*SET, "trip:taken:n:to,start"], "expected start,to, found to,start"),
    ([*SELECT, "--join", "trip=to,start"], "expected start,to, found to,start"),
    ([*SET, "x="], "'x=': expected EXPRESSION, or COLUMN=EXPRESSION"),
    ([*SET, "restaurant:plain:x:r_id", "--point-in-time", "created"], "point_in_time='event' (--point-in-time event)"),
    ([*SET, "restaurant:history:prep:r_id", "--version", "restaurant:history"], "expected ENTITY:GROUP=N"),
    ([*SET, "restaurant:history:prep:r_id", "--version", "restaurant:plain=1"], "but no feature of it is requested"),
    ([*SET, "restaurant:history:prep:r_id", "--pin", "model:eta:1"], "invalid pin name"),
    (["materialize", "restaurant:history", "--chunk", "soon"], "chunk: 'soon' is not a duration"),
    (["materialize", "restaurant:history", "--chunk", "0d"], "a chunk must be positive"),
    (["materialize", "restaurant:history", "--from", "2026-02-01", "--to", "2026-01-01"], "is not before the end"),
    (["materialize", "restaurant:plain", "--chunk", "1d"], "restaurant:plain has no batch source"),
    (["materialize", "restaurant:history", "restaurant:plan"], "did you mean 'restaurant:plain'"),
    ([*SELECT, "restaurant:history:prap:r_id"], "did you mean 'prep'"),
    ([*SELECT, "restaurant:histori:*:r_id"], "did you mean 'restaurant:history'"),
    ([*SELECT, "--join", "restaurants=r_id"], "did you mean 'restaurant'"),
    ([*SELECT, "--join", "restaurant"], "--join 'restaurant': expected ENTITY=COLUMN"),
    ([*SELECT, "--report", "report.pdf"], "expected a file that ends in"),
    (["deploy", "saved", "a b!"], "'a b!' cannot name a model"),
    (["deploy", "nowhere", "eta"], "no saved pipeline at 'nowhere'"),
    (["deploy", "saved", "eta", "--training", "no.csv"], "'no.csv' cannot be read: there is no such file"),
    (["training-set", "no.parquet", "out", "-f", PREP], "'no.parquet' cannot be read: there is no such file"),
    (["training-set", "csv:no", "out", "-f", PREP], "'csv:no' cannot be read: there is no such file"),
    ([*TARGET, "basis.parquet"], "'basis.parquet' cannot be written: it exists; set mode to append"),
    ([*TARGET, "there"], "'there' cannot be written: it exists; set mode to append or overwrite"),
    ([*TARGET, "new.csv", "--mode", "overwrite"], "files of csv are not overwritten"),
    ([*TARGET, "new.csv", "--chunks", "2"], "only Delta tables are written in chunks: use a path without an ending"),
    ([*TARGET, "new", "--cluster-by", "a", "--cluster-by", "A"], "cluster_by has a duplicate column 'a'"),
    (["select", "file:/no/basis.parquet", "-l", "minutes"], "'file:/no/basis.parquet' cannot be read"),
    (["erase", "restaurant", "--keys", "no.json"], "'no.json' cannot be read: there is no such file"),
    # All is well but for this.
    ([*TARGET, "there", "--mode", "append"], "Spark needs Java 17, and there is no java at"),
    ([*TARGET, "there", "--chunks", "2"], "Spark needs Java 17, and there is no java at"),
    ([*TARGET, "new"], "Spark needs Java 17, and there is no java at"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    home = tmp_path_factory.mktemp("project")
    (home / "palette.yaml").write_text("path: store\n")
    for directory in ("saved/metadata", "basis.parquet", "there/_delta_log"):
        (home / directory).mkdir(parents=True)
    source = BatchSource(sql="SELECT * FROM orders")
    FeatureStore.open(home).apply(
        Entity("restaurant", keys={"r_id": "string"}),
        FeatureGroup("history", entity="restaurant", timestamp="at", source=source, features=[Feature("prep", "int")]),
        FeatureGroup("plain", entity="restaurant", features=[Feature("x", "int")]),
        Entity("trip", keys={"start": "string", "to": "string"}),
        FeatureGroup("taken", entity="trip", features=[Feature("n", "int")]),
    )
    asked = [sys.executable, "-c", RUN, json.dumps([arguments for arguments, _ in CASES])]
    environment = {"PATH": "", "JAVA_HOME": "/nowhere", "PALETTE_USER": "test"}
    done = subprocess.run(asked, cwd=home, env=environment, capture_output=True, text=True, check=True, timeout=100)
    return json.loads(done.stdout)


@pytest.mark.parametrize("place", range(len(CASES)), ids=[" ".join(arguments[:5]) for arguments, _ in CASES])
def test_faults_are_told_before_spark_starts(told, place):
    (arguments, message), (code, output) = CASES[place], told[place]
    assert (code, output.count("\n")) == (2, 1), output
    assert output.startswith(f"palette {arguments[0]}: ")
    assert message in output
