"""What is asked wrongly of a job is told before Spark starts, and ends with 2: here Spark cannot start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from palette.catalog import ModelRecord
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup
from palette.store import FeatureStore

# One process for all: each would import Spark's Python anew.
RUN = """
import json, logging, sys
from palette.jobs import main
told = []
handler = logging.Handler()
handler.emit = lambda record: told.append((record.levelname, record.getMessage()))
logging.getLogger("palette").addHandler(handler)
codes = []
for arguments in json.loads(sys.argv[1]):
    told.clear()
    codes.append((main(arguments), *[text for level, text in told if level == "ERROR"]))
print(json.dumps(codes))
"""
HISTORY, PREP = ["materialize", "restaurant:history"], "restaurant:history:prep:r_id"
SET = ["training-set", "basis.parquet", "out", "--feature"]
CASES = [
    ([*HISTORY, "--chunk", "foo"], "chunk: 'foo' is not a duration"),
    ([*HISTORY, "--chunk", "0d"], "a chunk must be positive"),
    ([*HISTORY, "--from", "2026-02-01", "--to", "2026-01-01"], "is not before the end"),
    ([*HISTORY, "--to", "soon"], "'soon' is not a time"),
    ([*HISTORY, "--config", "nowhere.yaml"], "nowhere.yaml"),
    (["materialize", "restaurant:history2"], "did you mean 'restaurant:history'"),
    ([*SET, "x"], "found 1 part"),
    ([*SET, "restaurant:history:prap:r_id"], "did you mean 'prep'"),
    ([*SET, PREP, "--point-in-time", "created"], "has no created column"),
    ([*SET, PREP, "--config", "nowhere.yaml"], "nowhere.yaml"),
    ([*SET, PREP, "--version", "restaurant:history"], "expected ENTITY:GROUP=N"),
    ([*SET, PREP, "--version", "restaurant:plain=1"], "but no feature of it is requested"),
    ([*SET, PREP, "--pin", "model:eta:1"], "invalid pin name"),
    ([*SET[:2], "out.parquet", "--feature", PREP, "--chunks", "2"], "only Delta tables are written in chunks"),
    ([*SET, PREP, "--chunks", "0"], "chunks must be an integer from 1, found 0"),
    ([*SET[:2], "out.csv", "--feature", PREP, "--cluster-by", "r_id"], "only Delta tables are clustered"),
    (["score", "nowhere", "basis.parquet", "out"], "no saved pipeline at 'nowhere'"),
    (["score", "store", "basis.parquet", "out"], "no saved pipeline at 'store'"),
    (["score", "model:etta", "basis.parquet", "out"], "no model 'etta'; did you mean 'eta'"),
    (["score", "model:eta@prod", "basis.parquet", "out"], "expected a version after @"),
    (["score", "model:eta@1", "basis.parquet", "out"], "version 1 of model 'eta' was deployed without being saved"),
    (["score", "model:eta@2", "basis.parquet", "out"], "it was deployed from is no longer at '/nowhere/eta'"),
    (["training-set", "no.parquet", "out", "--feature", PREP], "'no.parquet' cannot be read: there is no such file"),
    ([*SET[:2], "basis.parquet", "--feature", PREP], "'basis.parquet' cannot be written: it exists"),
    (["score", "saved", "no.parquet", "out"], "'no.parquet' cannot be read: there is no such file"),
    # All is well but for this.
    ([*SET[:2], "table", "--feature", PREP, "--chunks", "2"], "Spark needs Java 17, and there is no java at"),
    ([*SET, PREP], "Spark needs Java 17, and there is no java at"),
    (["score", "saved", "basis.parquet", "out"], "Spark needs Java 17, and there is no java at"),
    (["score", "model:eta", "basis.parquet", "out"], "Spark needs Java 17, and there is no java at"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    home = tmp_path_factory.mktemp("project")
    (home / "palette.yaml").write_text("path: store\n")
    (home / "saved/metadata").mkdir(parents=True)
    (home / "basis.parquet").mkdir()
    (home / "table/_delta_log").mkdir(parents=True)
    source = BatchSource(sql="SELECT * FROM orders")
    store = FeatureStore.open(home)
    store.apply(
        Entity("restaurant", keys={"r_id": "string"}),
        FeatureGroup("history", entity="restaurant", timestamp="at", source=source, features=[Feature("prep", "int")]),
        FeatureGroup("plain", entity="restaurant", features=[Feature("x", "int")]),
    )
    for saved in ({}, {"saved": "/nowhere/eta"}, {"saved": str(home / "saved")}):
        store.catalog.models.record(ModelRecord("eta", {}, details={"deployment": {"uid": "eta_1", **saved}}))
    store.promote("eta", 3)
    asked = [sys.executable, "-c", RUN, json.dumps([arguments for arguments, _ in CASES])]
    environment = {"PATH": "", "JAVA_HOME": "/nowhere", "PALETTE_USER": "test"}
    done = subprocess.run(asked, cwd=home, env=environment, capture_output=True, text=True, check=True, timeout=100)
    return json.loads(done.stdout)


@pytest.mark.parametrize("place", range(len(CASES)), ids=[" ".join(arguments[:4]) for arguments, _ in CASES])
def test_faults_are_told_before_spark_starts(told, place):
    (arguments, message), (code, *errors) = CASES[place], told[place]
    assert (code, len(errors)) == (2, 1), errors
    assert errors[0].startswith(f"{arguments[0]}: ")
    assert message in errors[0]
