"""Rows that are DataFrames of pandas and Arrow, in scoring and in features by key.

Here, since pandas comes with Spark: the tests of those rooms run where neither is installed.
"""

from __future__ import annotations

import types

import pandas as pd
import pyarrow as pa
import pytest

from palette.errors import DataError
from palette.online import MemoryStore, Snapshot
from palette.serving import LocalPipeline
from palette.serving.plan import Plan
from tests.online.test_features import EXPECTED, FEATURES, GROUPS, HUGE, ROWS, T0, filled
from tests.serving.test_plan import COLUMNS, FRAME_PLAN, HOUR, KNOWN, NOW, TIMED, dsl_step, order, store

__all__ = ["store"]


def answers_of(rows):
    return [{**one, "x": str(one["x"])} for one in LocalPipeline(FRAME_PLAN).score_instances(rows)]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame(COLUMNS), id="pandas"),
        pytest.param(pd.DataFrame(COLUMNS).convert_dtypes(convert_floating=False), id="pandas-nullable"),
        pytest.param(pd.DataFrame(COLUMNS)[["x", "t", "s", "n"]].set_index(pd.Index([7, 7])), id="pandas-other-order"),
        pytest.param(pa.table(COLUMNS), id="arrow"),
        pytest.param([row for _, row in pd.DataFrame({"id": "p", **COLUMNS}).iterrows()], id="series"),
        pytest.param((types.MappingProxyType(row) for row in pa.table(COLUMNS).to_pylist()), id="generator"),
    ],
)
def test_rows_of_a_frame(frame):
    assert answers_of(frame) == [
        {"n": 1, "s": "a", "x": "0.5", "t": NOW}, {"n": None, "s": None, "x": "nan", "t": None}
    ]  # fmt: skip


def test_integers_that_pandas_made_floats_and_its_times():
    frame = pd.DataFrame({"n": [3, 4], "x": [0.5, 1.5], "s": "a", "t": pd.to_datetime([NOW, NOW], utc=True)})
    row = frame.iloc[1]
    assert LocalPipeline(FRAME_PLAN).score_instance(row) == {"n": 4, "s": "a", "x": 1.5, "t": NOW}
    numbers = Plan((dsl_step({"n": "iVal('basis:n')"}, n="bigint"),), ("n",))
    assert LocalPipeline(numbers).score_instance(frame[["n", "x"]].iloc[0]) == {"n": 3}
    with pytest.raises(TypeError, match="basis:n: expected integer"):
        LocalPipeline(numbers).score_instance(pd.Series({"n": 3.5}))
    with pytest.raises(TypeError, match="basis:n: expected integer"):
        LocalPipeline(numbers).score_instance({"n": 3.0})


def test_a_list_of_frames_is_refused():
    with pytest.raises(DataError, match="found DataFrame; score_instances accepts its rows"):
        LocalPipeline(FRAME_PLAN).score_instances([pd.DataFrame(COLUMNS)])


def test_times_of_pandas_are_those_of_python(store):
    local = LocalPipeline(TIMED, Snapshot([store.table(name) for name in KNOWN], NOW))
    expected = local.score_instance(order(r_id="r1"), now=NOW)
    assert local.score_instance(order(r_id="r1", asked_at=pd.NaT), now=NOW) == expected
    assert local.score_instance(order(r_id="r1", asked_at=pd.Timestamp(NOW)), now=NOW) == expected
    with pytest.raises(ValueError, match="before the snapshot's time"):
        local.score_instance(order(r_id="r1", asked_at=pd.Timestamp(NOW - HOUR)), now=NOW)


def test_features_by_key_of_rows_in_frames():
    online = filled(MemoryStore(GROUPS.__getitem__))
    rows = [{key: value for key, value in row.items() if key != "other"} for row in ROWS]
    for frame in (pd.DataFrame(rows), pa.Table.from_pylist(rows)):
        assert online.features(FEATURES, frame, T0) == EXPECTED
    assert pd.DataFrame(rows)["no"].dtype == "float64", "integers beside nulls"


def test_features_by_key_as_a_frame():
    online = filled(MemoryStore(GROUPS.__getitem__))
    frame = online.features(FEATURES, ROWS, T0).to_pandas()
    assert list(frame.columns) == list(FEATURES)
    assert frame["n_to"][1] == HUGE, "an integer beside nulls keeps its digits"
    assert len(online.features(FEATURES, []).to_pandas()) == 0
