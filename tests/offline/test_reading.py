"""How much memory columns take, and text that one plain array cannot hold. Without Spark."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palette.offline.join import histories
from palette.offline.join.histories import FileHistory
from palette.offline.prepared.arrays import build_arrays
from palette.offline.prepared.run_files import write_run
from palette.offline.prepared.search import look_up_batches

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {"id": "string", "ts": "timestamp", "x": "double", "v": "array<double>", "tags": "array<string>"}
ROWS = 20_000


@pytest.fixture
def history(tmp_path: Path) -> FileHistory:
    """Rows that repeat, so that their files are small."""
    times = pa.array([dt.datetime(2024, 3, 1 + row % 9) for row in range(ROWS)], pa.timestamp("us", tz="UTC"))
    columns = {
        "id": pa.array([f"{row % 5}" * 400 for row in range(ROWS)]),
        "ts": times,
        "x": pa.array([1.0] * ROWS),
        "v": pa.array([[1.0, 2.0]] * ROWS),
        "tags": pa.array([["abc", None]] * ROWS),
    }
    paths = [str(tmp_path / f"{place}.parquet") for place in range(2)]
    for path in paths:
        pq.write_table(pa.table(columns), path, row_group_size=ROWS // 2)
    return FileHistory(paths, TYPES)


@pytest.mark.parametrize("names", [["id"], ["ts"], ["x", "v"], ["tags"], list(TYPES)], ids=",".join)
def test_size_is_that_in_memory(history: FileHistory, names: list[str]) -> None:
    assert history.size(names) == pytest.approx(history.read(names).nbytes, rel=0.25)


def test_size_of_no_files_and_of_a_column_added_later() -> None:
    assert FileHistory([], TYPES).size(["id", "x"]) == 0


def test_text_beyond_the_offsets_of_an_array(
    history: FileHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "LARGEST", 1000)
    table = history.read(["id", "tags", "x"])
    assert table.schema.types == [pa.large_string(), pa.large_list(pa.large_string()), pa.float64()]
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    event = history.read(["ts"]).column("ts").cast(pa.int64()).to_numpy()
    steps = build_arrays([columns["id"]], event, None, lambda: iter([columns["id"], columns["tags"]]), by_created=False)
    path = write_run(steps, columns, str(tmp_path))
    types = [pa.string(), pa.list_(pa.string())]
    lookup = {"runs": {0: [path]}, "keys": [0], "time": 1, "hash": None, "columns": ["id", "tags"], "types": types}
    lookup |= {"times": {}, "order": [], "ttl": None, "status": False, "beside": []}
    (found,) = look_up_batches(iter([(pa.array(["1" * 400, "z"]), pa.array([1 << 60, 1 << 60]))]), [lookup])
    assert found.type.field(0).type == pa.string()
    assert found.type.field(1).type == pa.list_(pa.string())
    assert found.to_pylist() == [{"c0": "1" * 400, "c1": ["abc", None]}, {"c0": None, "c1": None}]
