"""Reads of the served log: what the writer wrote, in both formats, by time and across versions."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass, field

import pytest

from palette.errors import DataError, DefinitionError
from palette.serving.served_log.reader import read
from palette.serving.served_log.writer import ServedLog
from palette.times import to_micros

FIRST = dt.datetime(2026, 3, 1, 12)


@dataclass(frozen=True)
class Model:
    """A served model, as the log sees it."""

    version: str = "1"
    columns: dict = field(default_factory=lambda: {"r_id": "string"})
    outputs: dict = field(default_factory=lambda: {"prediction": "double"})
    statuses: tuple = ("prep_time__status",)
    name: str = "eta"


def entry(model, hours, request, prediction):
    at = to_micros(FIRST + dt.timedelta(hours=hours))
    return (model, at, request, {"prediction": prediction}, ("present",) * len(model.statuses), False)


def write(home, entries, delta):
    lost = []
    log = ServedLog(home, delta=delta, lost=lambda *loss: lost.append(loss))
    for one in entries:
        log.put(one)
    log.close()
    assert lost == []


@pytest.mark.parametrize("delta", [False, True], ids=["parquet", "delta"])
def test_rows_are_read_by_time_and_across_versions(tmp_path, delta):
    write(tmp_path, [entry(Model(), 2, {"r_id": "b"}, 2.0), entry(Model(), 0, {"r_id": "a"}, 1.0)], delta)
    newer = Model("2", {"r_id": "string", "size": "bigint"})
    write(tmp_path, [entry(newer, 3, {"r_id": "c", "size": 7}, 3.0)], delta)
    rows = read(tmp_path, "eta").to_pylist()
    assert [row["request"] for row in rows] == [
        {"r_id": "a", "size": None},
        {"r_id": "b", "size": None},
        {"r_id": "c", "size": 7},
    ]
    assert [row["version"] for row in rows] == ["1", "1", "2"]
    assert rows[0] == {
        "served_at": FIRST.replace(tzinfo=dt.UTC),
        "model": "eta",
        "version": "1",
        "degraded": False,
        "request": {"r_id": "a", "size": None},
        "result": {"prediction": 1.0},
        "status": {"prep_time": "present"},
    }
    between = read(tmp_path, "eta", start="2026-03-01T14:00", end=FIRST + dt.timedelta(hours=3))
    assert between["result"].to_pylist() == [{"prediction": 2.0}]
    # The end is outside; rows of one instant are on one side only.
    assert read(tmp_path, "eta", end=FIRST).num_rows == 0
    assert read(tmp_path, "eta", start=FIRST).num_rows == 3
    assert read(tmp_path, "eta", start=FIRST + dt.timedelta(days=365 * 50)).num_rows == 0


@pytest.mark.parametrize("delta", [False, True], ids=["parquet", "delta"])
def test_a_model_without_rows_is_named(tmp_path, delta):
    write(tmp_path, [entry(Model(), 0, {"r_id": "a"}, 1.0)], delta)
    with pytest.raises(DataError, match=r"no served log of model 'eat' in .*; there is 'eta'"):
        read(tmp_path, "eat")


def test_columns_of_several_types_are_reported(tmp_path):
    write(tmp_path, [entry(Model(), 0, {"r_id": "a"}, 1.0)], delta=False)
    write(tmp_path, [entry(Model("2", {"r_id": "bigint"}), 1, {"r_id": 5}, 1.0)], delta=False)
    with pytest.raises(DataError, match="'eta' has columns of several types"):
        read(tmp_path, "eta")


def test_a_delta_table_needs_deltalake(tmp_path, monkeypatch):
    write(tmp_path, [entry(Model(), 0, {"r_id": "a"}, 1.0)], delta=True)
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(DefinitionError, match=r"palette-features\[delta-log\]"):
        read(tmp_path, "eta")
