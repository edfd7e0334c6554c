"""Plans of thousands of inputs, features and trees: what is generated is flat, so that Python compiles it."""

from __future__ import annotations

import datetime as dt

import pytest

from palette import Entity, Feature, FeatureGroup, Snapshot
from palette.definitions import GroupSchema
from palette.online import GroupTable
from palette.serving import LocalPipeline
from palette.serving.bundle import read_bundle, write_bundle
from palette.serving.plan import DslStep, LookupStep, Plan
from palette.serving.self_test import SelfTest
from palette.serving.stages import stage_from_json

NOW = dt.datetime(2026, 3, 1)
WIDE = 3000
COLUMNS = [f"x{number}" for number in range(WIDE)]
ROW = {column: float(number % 7) for number, column in enumerate(COLUMNS)}
ASSEMBLER = {"kind": "VectorAssembler", "inputs": COLUMNS, "outputs": ["features"], "handle_invalid": "error"}


def trees(count):
    """Return one tree of a question and two leaves after the other."""
    roots = [3 * tree for tree in range(count)]
    return {
        "roots": roots,
        "feature": [value for tree in range(count) for value in (tree % WIDE, -1, -1)],
        "threshold": [value for tree in range(count) for value in (float(tree % 5), 0.0, 0.0)],
        "choice": [-1] * (3 * count),
        "choices": [],
        "left": [value for root in roots for value in (root + 1, -1, -1)],
        "right": [value for root in roots for value in (root + 2, -1, -1)],
        "value": [value for tree in range(count) for value in (0.0, 0.1 * tree, -0.3)],
        "leaf": [-1, 0, 1] * count,
    }


def ensemble(kind, count=WIDE):
    plain = {"kind": kind, "inputs": ["features"], "size": -1, "trees": trees(count), "width": WIDE}
    plain["weights"] = [1.0 / (1 + tree) for tree in range(count)]
    if kind.endswith("RegressionModel"):
        return plain | {"outputs": ["prediction"], "gives": ["prediction"], "variances": []}
    gives = ["raw", "probability", "prediction"]
    votes = [[], [0.1, 0.9], [0.7, 0.3]] * count if kind.startswith("Random") else [[], [], []] * count
    return plain | {"outputs": gives, "gives": gives, "votes": votes, "classes": 2, "thresholds": None}


@pytest.mark.parametrize(
    "kind",
    [
        *("GBTRegressionModel", "RandomForestRegressionModel"),
        *("GBTClassificationModel", "RandomForestClassificationModel"),
    ],
)
def test_thousands_of_inputs_and_trees(tmp_path, kind):
    model = stage_from_json(ensemble(kind))
    plan = Plan((stage_from_json(ASSEMBLER), model), model.outputs, dict.fromkeys(COLUMNS, "double"))
    answer = dict(zip(model.outputs, model.compute(list(ROW.values())), strict=True))
    assert LocalPipeline(plan).score_instance(ROW) == answer
    write_bundle(plan, tmp_path / "bundle", SelfTest(plan.inputs, [ROW], [answer]))
    assert LocalPipeline(read_bundle(tmp_path / "bundle")).score_instance(ROW) == answer


def test_thousands_of_features_and_expressions():
    """Looked up, told with their status, filled and assembled beside a vector."""
    features = [Feature(column, "double", default=-1.0) for column in COLUMNS]
    group = FeatureGroup("wide", entity="thing", features=features)
    entity = Entity("thing", keys={"id": "string"})
    table = GroupTable(GroupSchema(entity, group))
    table.put([table.pack({"id": "a", **ROW}, stamp=0)])
    names = {column: f"thing:wide:{column}:id" for column in COLUMNS}
    filled = {f"y{column}": f"nFill(nVal('{name}'))" for column, name in names.items()}
    bindings = {name: {"column": column, "type": "double", "default": -1.0} for column, name in names.items()}
    assembler = ASSEMBLER | {"inputs": [*filled, "more"]}
    plan = Plan(
        (LookupStep(entity, group, ("id",), dict(zip(COLUMNS, COLUMNS, strict=True))), DslStep(filled, bindings, {}),
         stage_from_json(assembler)),
        ("features",), {"more": "vector"},
    )  # fmt: skip
    local = LocalPipeline(plan, Snapshot([table], at=NOW), status=True)
    found = local.score_instance({"id": "a", "more": [9.0]}, now=NOW)
    assert found["features"] == [*ROW.values(), 9.0]
    assert found["x0__status"] == "present"
    assert local.score_instance({"id": "b", "more": [9.0]}, now=NOW)["features"] == [-1.0] * WIDE + [9.0]
