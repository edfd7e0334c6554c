"""What bundles hold besides the plan: arrays, and rows with known answers."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import json
import math
import multiprocessing
import pickle
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from dsl import Binding
from palette.errors import DataError
from palette.online import MemoryStore, Snapshot
from palette.serving import LocalPipeline
from palette.serving.bundle import read_bundle, write_bundle
from palette.serving.plan import DslStep, Plan
from palette.serving.self_test import SelfTest
from palette.serving.stages import BundledStage, register
from palette.serving.stages.registry import _LOCAL
from palette.serving.stages.vectors import Sparse
from tests.serving.test_plan import HOUR, KNOWN, LOOKUP, NOW, order
from tests.serving.test_plan import PLAN as READS_TWICE

STEP = DslStep(
    {"y": "nVal('basis:x') * 2", "late": "hour(tVal('basis:at')) > 12"},
    {"basis:x": asdict(Binding("a", "double")), "basis:at": asdict(Binding("at", "timestamp"))},
    {},
)
PLAN = Plan((LOOKUP, STEP), ("a", "y", "late"), {"at": "timestamp"})
NOON = dt.datetime(2026, 1, 1, 12)
GOOD = SelfTest(
    {"a": "double", "at": "timestamp"},
    [{"a": 1.5, "at": NOON}, {"a": math.nan, "at": None}],
    [{"y": 3.0, "late": False}, {"y": math.nan, "late": None}],
)


@pytest.fixture
def weighted():
    """A stage of the user's own that holds numbers."""

    @register
    @dataclass(frozen=True)
    class Weighted(BundledStage):
        inputs: tuple[str, ...]
        outputs: tuple[str, ...]
        weights: list[float]
        places: list[int]
        few: list[float]

        kind: ClassVar[str] = "WeightedForTest"
        spark_class: ClassVar[str] = "mine.Weighted"

        @classmethod
        def from_spark(cls, stage):
            raise NotImplementedError

        def compute(self, *values):
            return (sum(self.weights) + values[0],)

    yield Weighted
    del _LOCAL["WeightedForTest"]


def test_long_lists_are_arrays(weighted, tmp_path):
    weights = [place / 7 for place in range(9000)]
    stage = weighted(("x",), ("y",), weights, list(range(-3000, 3000)), [math.nan, 1.0])
    LocalPipeline(Plan((stage,), ("y",), {"x": "double"})).save(tmp_path / "bundle")
    assert (tmp_path / "bundle/arrays.npz").exists()
    assert (tmp_path / "bundle/plan.json").stat().st_size < 2000
    loaded = LocalPipeline.load(tmp_path / "bundle")
    (again,) = loaded.plan.steps
    assert (again.weights, again.places) == (weights, stage.places)
    assert {type(one) for one in again.weights} == {float}
    assert {type(one) for one in again.places} == {int}
    assert math.isnan(again.few[0])
    assert loaded.score_instance({"x": 1.0}) == {"y": sum(weights) + 1.0}
    content = bytearray((tmp_path / "bundle/arrays.npz").read_bytes())
    content[200] ^= 1
    (tmp_path / "bundle/arrays.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"arrays\.npz has another checksum"):
        LocalPipeline.load(tmp_path / "bundle")


def filled():
    store = MemoryStore(KNOWN.__getitem__)
    store.write("restaurant:fg", [{"uuid": "r1", "ts": NOW - HOUR, "x": 1.5, "n": 3}])
    store.write("route:pairs", [{"origin": "EWR", "number": 7, "v": [1, 2]}])
    return store


def test_what_was_loaded_travels_as_where_it_is(tmp_path, monkeypatch):
    rows = filled()
    Snapshot([rows.table(group) for group in KNOWN], NOW).save(tmp_path / "snapshot", memory_map=True)
    LocalPipeline(READS_TWICE).save(tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    mapped = Snapshot.load("snapshot", memory_map=True)
    row = order(r_id="r1", city="ewr", num=7)
    expected = LocalPipeline.load("bundle", store=mapped, status=True).score_instance(row, NOW)
    locals_ = [
        LocalPipeline.load("bundle", store=store, status=True) for store in ("snapshot", Path("snapshot"), mapped)
    ]
    sent = pickle.dumps(locals_)
    assert b"ewr" not in sent.lower()
    assert len(sent) < 2000
    monkeypatch.chdir("/")
    assert [local.score_instance(row, NOW) for local in pickle.loads(sent)] == [expected] * 3
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(locals_[0].score_instance, row, NOW).result() == expected
        assert pool.submit(mapped.read, {"restaurant:fg": ["r1"]}, NOW).result() == mapped.read(
            {"restaurant:fg": ["r1"]}, NOW
        )


@pytest.mark.parametrize(
    ("made", "remedy"),
    [
        pytest.param(lambda: LocalPipeline(READS_TWICE), "save it, and load it in the worker", id="pipeline"),
        pytest.param(lambda: Snapshot([], NOW), "snapshot.save", id="snapshot"),
        pytest.param(filled, "MemoryStore cannot be sent to another process: open it in the worker", id="memory"),
    ],
)
def test_what_was_made_here_does_not_travel(made, remedy):
    with pytest.raises(DataError, match=re.escape(remedy)):
        pickle.dumps(made())


def test_a_bundle_without_arrays_needs_no_numpy(tmp_path):
    LocalPipeline(Plan((STEP,), ("y",))).save(tmp_path / "bundle")
    code = (
        "import sys; from palette.serving import LocalPipeline\n"
        f"pipeline = LocalPipeline.load({str(tmp_path / 'bundle')!r})\n"
        "assert pipeline.score_instance({'a': 2.0, 'at': None})['y'] == 4.0\n"
        "print([name for name in ('numpy', 'pyarrow', 'pyspark', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_known_answers_are_checked(tmp_path):
    write_bundle(PLAN, tmp_path / "bundle", GOOD)
    assert read_bundle(tmp_path / "bundle").to_json() == PLAN.to_json()
    assert SelfTest.from_json(json.loads(json.dumps(GOOD.to_json()))).requests[0] == GOOD.requests[0]


@pytest.mark.parametrize(("column", "value"), [("y", 3.0 + 1e-6), ("y", None), ("late", True), ("a", "text")], ids=str)
def test_another_answer_is_refused(tmp_path, column, value):
    requests, answers = [{**GOOD.requests[0]}], [{**GOOD.answers[0]}]
    (requests if column == "a" else answers)[0][column] = value
    bad = SelfTest(GOOD.types, requests, answers)
    write_bundle(PLAN, tmp_path / "bundle", bad)
    with pytest.raises(DataError, match="fails its self-test"):
        LocalPipeline.load(tmp_path / "bundle")


def test_sparse_vectors_and_times_come_back():
    test = SelfTest({}, [{"v": Sparse(5000, [7], [math.inf]), "at": NOON, "names": ["a", None]}], [{}])
    (row,) = SelfTest.from_json(json.loads(json.dumps(test.to_json(), allow_nan=False))).requests
    assert row == test.requests[0]
    assert isinstance(row["v"], Sparse)
