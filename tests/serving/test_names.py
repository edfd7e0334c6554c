"""Stages that read columns under other names, in plans: what is absent, and what is not known."""

from __future__ import annotations

import pytest

from dsl.errors import DslTypeError
from palette.errors import DataError, MissingColumnError
from palette.serving.column_names import Names
from palette.serving.compile import compile_plan
from palette.serving.plan import Plan
from palette.serving.stages.features.assembler import VectorAssembler
from palette.serving.stages.features.buckets import Binarizer
from palette.serving.stages.features.indexers import StringIndexerModel

BINARIZER = Binarizer(("x",), ("high",), [0.5])


def compiled(types, *stages):
    names, steps = Names(types, complete=bool(types)), []
    for stage in stages:
        steps += [*names.reading(stage), stage]
        names.add(names.made_by(stage))
    plan = Plan(tuple(steps), tuple(name for stage in stages for name in stage.outputs), types)
    again = Plan.from_json(plan.to_json())
    return lambda row: compile_plan(again, lambda group: None)(row, 0)


def test_a_label_is_not_there_at_serving():
    indexer = StringIndexerModel(("label",), ("index",), [["a", "b"]], "error")
    score = compiled({"Label": "string", "X": "double"}, indexer, BINARIZER)
    assert score({"X": 1.0}) == {"index": None, "high": 1.0}
    assert score({"X": 0.0, "Label": "b"}) == {"index": 1.0, "high": 0.0}
    with pytest.raises(MissingColumnError, match=r"lacks column 'X' \(did you mean 'x'\?\)"):
        score({"x": 1.0})


def test_columns_whose_types_are_not_known():
    score = compiled({}, BINARIZER, VectorAssembler(("X", "`a.b`", "st.f"), ("v",), "error"))
    row = {"x": 1, "a.b": 2, "st": {"f": 3}}
    assert score(row) == {"high": 1.0, "v": [1.0, 2.0, 3.0]}
    for wrong, named in (({"x": "q"}, "'x'"), ({"a.b": "q"}, "'a.b'"), ({"st": {"f": "q"}}, "'st.f'")):
        with pytest.raises(DslTypeError, match=f"column {named}: expected a number or a vector, found 'q'"):
            score(row | wrong)
    with pytest.raises(MissingColumnError, match="lacks column 'st'"):
        score({"x": 1, "a.b": 2, "st.f": 3})


@pytest.mark.parametrize(
    ("column", "types", "message"),
    [
        pytest.param("num", {"Num": "double", "NUM": "double"}, "may be 'Num' or 'NUM'", id="two"),
        pytest.param("st.f", {"st": "struct<g:double>"}, "has no field 'f' that can be read", id="field"),
        pytest.param("st.f", {"st": "array<struct<f:double>>"}, "has no field 'f' that can be read", id="array"),
    ],
)
def test_names_that_cannot_be_resolved(column, types, message):
    with pytest.raises(DataError, match=message):
        compiled(types, Binarizer((column,), ("y",), [0.5]))
