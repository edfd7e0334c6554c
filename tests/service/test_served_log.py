"""The log of served features: whole files, bounded waiting, counted losses."""

from __future__ import annotations

import datetime as dt
import sys
import threading
import time
from dataclasses import replace

import deltalake
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palette.errors import DefinitionError
from palette.serving.plan import Plan
from palette.serving.served_log.writer import ServedLog
from palette.serving.stages.features.assembler import VectorAssembler
from tests.service.asked import BODY, Asked, basis_plan, saved, with_changes
from tests.serving.test_plan import HOUR, NOW, order

SCORE = "/v1/models/eta/score"


def files(home):
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_what_was_served_is_read_back(tmp_path):
    asked = Asked(with_changes(saved(tmp_path), served_log=str(tmp_path / "log")))
    asked.post(SCORE, BODY)
    asked.post(SCORE, {"rows": [order(r_id="r9"), order(r_id=5)], "now": BODY["now"]})
    asked.post(SCORE, {"row": order(r_id=5)})
    asked.service._log.close()
    (file,) = files(tmp_path / "log")
    assert file.suffix == ".parquet"
    assert file.parent.parent == tmp_path / "log/eta"
    first, second = pq.read_table(file).to_pylist()
    assert first["served_at"] == NOW.replace(tzinfo=dt.UTC)
    assert (first["model"], len(first["version"]), first["degraded"]) == ("eta", 12, False)
    assert first["request"] == {"r_id": "r1", "city": "ewr", "o": None, "num": 7}
    assert first["result"] == {
        "a": 1.5, "b": 3, "when": (NOW - HOUR).replace(tzinfo=dt.UTC), "wrote": None, "city": "EWR", "sum": 4.5,
        "v": [1.0, 2.0],
    }  # fmt: skip
    assert first["status"] == {"a": "present", "b": "present", "when": "present", "wrote": "null", "v": "present"}
    assert set(second["status"].values()) == {"missing"}
    assert asked.metrics()["palette_served_log_rows_total"] == 2


def test_values_of_all_kinds(tmp_path):
    plan = Plan(
        (*basis_plan({"y": "nVal('basis:x') * 2"}, x="double").steps, VectorAssembler(("y", "w"), ("f",), "keep")),
        ("y", "f"),
        {"w": "vector"},
    )
    asked = Asked(with_changes(saved(tmp_path, plan), served_log=str(tmp_path / "log")))
    for row in ({"x": 1, "w": [2]}, {"x": "NaN", "w": {"size": 2000, "indices": [1], "values": [3]}}, {"x": None}):
        asked.post(SCORE, {"row": row})
    asked.service._log.close()
    (file,) = files(tmp_path / "log")
    table = pq.read_table(file)
    assert table.schema.field("result").type == pa.struct([("y", pa.float64()), ("f", pa.list_(pa.float64()))])
    rows = table.to_pylist()
    assert rows[0]["result"] == {"y": 2.0, "f": [2.0, 2.0]}
    assert rows[1]["request"]["x"] != rows[1]["request"]["x"]
    assert len(rows[1]["result"]["f"]) == 2001
    assert rows[1]["request"]["w"][:2] == [0.0, 3.0]


def test_values_of_unknown_type_are_json(tmp_path):
    plan = Plan((VectorAssembler(("x", "w"), ("f",), "keep"),), ("f",))
    asked = Asked(with_changes(saved(tmp_path, plan), served_log=str(tmp_path / "log")))
    assert asked.post(SCORE, {"row": {"x": "NaN", "w": [1, "Infinity"]}}).status_code == 200
    asked.service._log.close()
    (file,) = files(tmp_path / "log")
    (row,) = pq.read_table(file).to_pylist()
    assert row["request"] == {"x": '"NaN"', "w": '[1, "Infinity"]'}


@pytest.fixture
def served(tmp_path):
    """A model, an entry of it, and what its log told."""
    model = Asked(saved(tmp_path)).service.registry.models["eta"]
    answer = dict.fromkeys(model.outputs)
    told = []
    return (model, 0, {}, answer, ("missing",) * len(model.statuses), False), told


def test_files_are_finished_by_rows_and_by_age(tmp_path, served):
    entry, told = served
    log = ServedLog(tmp_path / "log", rows=10, seconds=0.1, written=told.append)
    for _ in range(25):
        log.put(entry)
    until = time.monotonic() + 10
    while sum(told) < 25 and time.monotonic() < until:
        time.sleep(0.02)
    assert told == [10, 10, 5]
    log.close()
    assert sum(pq.read_metadata(file).num_rows for file in files(tmp_path / "log")) == 25


def test_more_than_may_wait_is_dropped_and_counted_at_once(tmp_path, served, monkeypatch):
    entry, told = served
    held = threading.Event()
    monkeypatch.setattr(ServedLog, "_take", lambda self: held.wait(10))
    log = ServedLog(tmp_path / "log", waiting=100, lost=lambda count, reason: told.append(reason))
    started = time.perf_counter()
    for _ in range(1000):
        log.put(entry)
    assert time.perf_counter() - started < 1
    assert told == ["queue"] * 900
    held.set()
    log.close()


def test_a_disk_that_fails_costs_rows_and_nothing_else(tmp_path, served, monkeypatch):
    entry, told = served
    monkeypatch.setattr(pq, "write_table", lambda *_, **__: (_ for _ in ()).throw(OSError("full")))
    log = ServedLog(tmp_path / "log", lost=lambda count, reason: told.append((count, reason)))
    log.put(entry)
    log.close()
    assert told == [(1, "disk")]
    assert files(tmp_path / "log") == []


def test_values_that_no_column_holds_are_null_and_cost_no_other(tmp_path, served):
    entry, told = served
    log = ServedLog(tmp_path / "log", lost=lambda count, reason: told.append((count, reason)))
    for number in ("seven", 7, 1 << 70):
        log.put((*entry[:2], {"num": number, "r_id": "r1"}, *entry[3:]))
    log.close()
    assert told == []
    (file,) = files(tmp_path / "log")
    assert [row["request"]["num"] for row in pq.read_table(file).to_pylist()] == [None, 7, None]


def test_a_value_that_is_nested_too_deeply_is_null(tmp_path, served):
    entry, told = served
    log = ServedLog(tmp_path / "log", lost=lambda *loss: told.append(loss))
    deep = orjson.loads("[" * 1000 + "]" * 1000)
    for value in (deep, [1]):
        log.put((replace(entry[0], columns={"x": ""}), entry[1], {"x": value}, *entry[3:]))
    log.close()
    assert told == []
    (file,) = files(tmp_path / "log")
    assert [row["request"]["x"] for row in pq.read_table(file).to_pylist()] == [None, "[1]"]


@pytest.mark.parametrize(
    ("columns", "statuses"),
    [pytest.param({}, (), id="too few statuses"), pytest.param({"x": "no type"}, None, id="a type nobody knows")],
)
def test_rows_that_make_no_table_are_counted_and_cost_no_later_ones(tmp_path, served, columns, statuses):
    entry, told = served
    log = ServedLog(tmp_path / "log", rows=1, written=told.append, lost=lambda *loss: told.append(loss))
    log.put((replace(entry[0], columns=columns), *entry[1:4], entry[4] if statuses is None else statuses, False))
    log.put(entry)
    log.close()
    assert told == [(1, "type"), 1]


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DefinitionError, match=r"--served-log .* cannot be created"):
        ServedLog(tmp_path / "file" / "log")


def test_delta_tables_hold_what_parquet_files_hold(tmp_path):
    rows = {}
    for form in ("parquet", "delta"):
        asked = Asked(with_changes(saved(tmp_path / form), served_log=str(tmp_path / form / "log"), log_format=form))
        asked.post(SCORE, BODY)
        asked.service._log.close()
        assert asked.metrics()["palette_served_log_rows_total"] == 1
        rows[form] = asked
    (file,) = files(tmp_path / "parquet/log")
    table = deltalake.DeltaTable(str(tmp_path / "delta/log/eta")).to_pyarrow_table()
    assert table.drop_columns(["day"]).to_pylist() == pq.read_table(file).to_pylist()
    assert table["day"].to_pylist() == [NOW.date()]


def test_a_delta_table_takes_new_columns_and_refuses_other_types(tmp_path, served):
    entry, told = served
    lost = []
    for columns, request in (
        ({"r_id": "string"}, {"r_id": "r1"}),
        ({"r_id": "string", "x": "double"}, {"r_id": "r2", "x": 1.5}),
        ({"r_id": "string", "x": "string"}, {"r_id": "r3", "x": "text"}),
    ):
        log = ServedLog(tmp_path / "log", delta=True, written=told.append, lost=lambda *loss: lost.append(loss))
        log.put((replace(entry[0], columns=columns), entry[1], request, *entry[3:]))
        log.close()
    assert told == [1, 1]
    assert lost == [(1, "disk")]
    table = deltalake.DeltaTable(str(tmp_path / "log" / entry[0].name)).to_pyarrow_table()
    rows = sorted((row["request"] for row in table.to_pylist()), key=lambda request: request["r_id"])
    assert rows == [{"r_id": "r1", "x": None}, {"r_id": "r2", "x": 1.5}]


@pytest.mark.spark
def test_spark_reads_the_delta_table(tmp_path, served, spark):
    entry, _ = served
    log = ServedLog(tmp_path / "log", delta=True)
    log.put(entry)
    log.close()
    (row,) = spark.read.format("delta").load(str(tmp_path / "log" / entry[0].name)).collect()
    assert (row["model"], row["day"]) == (entry[0].name, row["served_at"].date())


def test_delta_without_deltalake_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(DefinitionError, match=r"palette-features\[delta-log\]"):
        ServedLog(tmp_path / "log", delta=True)
