"""Tables and prepared histories in an object store, without Spark."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import cloudpickle

from palette.definitions import Feature, FeatureGroup
from palette.errors import DataError
from palette.offline import DeltaTables, objects
from palette.offline.delta import log_files, log_reader
from palette.offline.delta.log_reader import Unreadable
from palette.offline.join.histories import FileHistory
from palette.offline.prepared import folders, run_files, search, store
from palette.offline.prepared.arrays import build_arrays
from palette.offline.prepared.history import PreparedHistory
from tests.servers.s3 import s3_server

SCHEMA = {"type": "struct", "fields": []}
TYPES = {"id": "string", "x": "double"}
KIND = "0" * 16
GROUP = FeatureGroup("sales", entity="shop", features=[Feature("x", "double")])


@pytest.fixture(scope="module")
def server():
    with s3_server("objects") as environment:
        yield environment


@pytest.fixture
def bucket(server, monkeypatch, request):
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return f"s3a://objects/{request.node.name}"


def upload(folder, uri):
    for path in Path(folder).rglob("*"):
        if path.is_file():
            objects.put_object(str(path), f"{uri}/{path.relative_to(folder)}")


def commit(table, number, *, add=(), remove=()):
    """Write a commit of a table on a disk, with the files that it adds."""
    log = table / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    actions = []
    if number == 0:
        configuration = {"id": "an id", "partitionColumns": [], "configuration": {}, "schemaString": json.dumps(SCHEMA)}
        actions = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": configuration}]
    for name in add:
        pq.write_table(pa.table({"id": [name], "x": [float(number)]}), table / name)
        actions.append({"add": {"path": name.replace(" ", "%20"), "dataChange": True}})
    actions += [{"remove": {"path": name, "dataChange": True}} for name in remove]
    (log / f"{number:020}.json").write_text("\n".join(map(json.dumps, actions)))


def test_a_table_is_read_as_on_a_disk(bucket, tmp_path):
    commit(tmp_path, 0, add=["a.parquet", "b c.parquet"])
    commit(tmp_path, 1, add=["d.parquet"], remove=["a.parquet"])
    upload(tmp_path, bucket)
    assert log_reader.newest_version(bucket) == 1
    for version in (0, 1):
        files = log_reader.read_log(bucket, version)
        local = log_reader.read_log(str(tmp_path), version)
        assert [path.removeprefix(bucket) for path in files.paths] == [
            path.removeprefix(str(tmp_path)) for path in local.paths
        ]
        assert objects.missing_files(files.paths) == 0
        here, there = FileHistory(local.paths, TYPES), FileHistory(files.paths, TYPES)
        assert there.read(["id", "x"]).equals(here.read(["id", "x"]))
        assert there.size(["id", "x"]) == here.size(["id", "x"]) > 0
    assert log_reader.changed_files(bucket, 0, 1) == ([f"{bucket}/d.parquet"], [f"{bucket}/a.parquet"])
    objects.delete_objects([f"{bucket}/a.parquet", f"{bucket}/unknown.parquet"])
    assert objects.missing_files(log_reader.read_log(bucket, 0).paths) == 1


def test_a_table_that_was_made_again_is_another(bucket, tmp_path):
    commit(tmp_path / "first", 0, add=["a.parquet"])
    upload(tmp_path / "first", bucket)
    assert len(log_reader.read_log(bucket, 0).paths) == 1
    commit(tmp_path / "second", 0, add=["b.parquet", "c.parquet"])
    upload(tmp_path / "second", bucket)
    assert len(log_reader.read_log(bucket, 0).paths) == 2


def test_checkpoints_are_read(bucket, tmp_path):
    commit(tmp_path, 0, add=["a.parquet"])
    commit(tmp_path, 1, add=["b.parquet"])
    vector = pa.struct({"storageType": pa.string(), "pathOrInlineDv": pa.string(), "offset": pa.int32()})
    metadata = {
        "id": pa.string(),
        "partitionColumns": pa.list_(pa.string()),
        "configuration": pa.map_(pa.string(), pa.string()),
        "schemaString": pa.string(),
    }
    types = {
        "add": pa.struct({"path": pa.string(), "deletionVector": vector}),
        "protocol": pa.struct({"minReaderVersion": pa.int32()}),
        "metaData": pa.struct(metadata),
    }
    actions = [
        {"add": {"path": "a.parquet"}},
        {"protocol": {"minReaderVersion": 1}},
        {"metaData": {"id": "an id", "partitionColumns": [], "configuration": [], "schemaString": "{}"}},
    ]
    rows = pa.Table.from_pylist(actions, pa.schema(types))
    pq.write_table(rows, tmp_path / "_delta_log" / f"{0:020}.checkpoint.parquet")
    upload(tmp_path, bucket)
    objects.delete_objects([log_files.commit_path(bucket, 0)])
    assert log_reader.read_log(bucket, 1).paths == (f"{bucket}/a.parquet", f"{bucket}/b.parquet")
    with pytest.raises(Unreadable, match="commit 0 is not in the log"):
        log_reader.changed_files(bucket, -1, 1)


def test_no_table(bucket):
    assert log_reader.newest_version(bucket) is None
    with pytest.raises(Unreadable, match="not on a local disk or in S3"):
        log_reader.read_log(bucket, 0)


def test_a_store_that_does_not_answer_is_not_asked_again(monkeypatch, server):
    requests = []

    def fails(path):
        requests.append(path)
        raise OSError(f"cannot list {path}: no network")

    monkeypatch.setattr(log_files, "list_objects", fails)
    monkeypatch.setattr(log_files, "_failed", {})
    for table in ("s3a://away/x", "s3a://away/y"):
        assert log_reader.newest_version(table) is None
        with pytest.raises(Unreadable, match=r"its log cannot be read by this process: .*no network"):
            log_reader.read_log(table, 0)
    assert len(requests) == 1


@pytest.mark.parametrize("status", [403, 500])
def test_errors_name_the_remedy_and_no_secret(monkeypatch, server, status):
    monkeypatch.setattr(objects, "systems", objects.Systems())
    for name, value in server.items():
        monkeypatch.setenv(name, value)

    def denied(system, key):
        raise PermissionError(f"AWS Error {status}")

    with pytest.raises(OSError, match=r"set AWS_ACCESS_KEY_ID, .* in the environment of this process") as here:
        objects._attempt("s3a://objects/x", "read", denied)
    monkeypatch.setattr(objects, "in_task", lambda: True)
    with pytest.raises(OSError, match=r"cannot read s3a://objects/x: .* set spark.executorEnv.AWS_") as there:
        objects._attempt("s3a://objects/x", "read", denied)
    assert "hidden" not in f"{here.value}{there.value}"


def test_credentials_are_not_pickled(bucket):
    objects.list_objects(bucket)
    assert objects.systems
    assert b"hidden" not in cloudpickle.dumps(objects._attempt)
    assert not pickle.loads(pickle.dumps(objects.systems))


def run(folder, *values):
    keys = pa.array([f"k{number}" for number in range(len(values))])
    arrays = build_arrays([keys], np.arange(len(values)), None, list, by_created=False)
    return run_files.write_run(arrays, {"x": pa.array(values)}, folder)


def cached(path):
    return Path(folders.scratch_folder("s3a://objects")) / path.rpartition("/")[2]


def test_runs_are_written_and_fetched_once(bucket, monkeypatch):
    path = run(bucket, 1.0, 2.0)
    assert path.startswith(f"{bucket}/")
    assert list(folders.entries(bucket)) == [path.rpartition("/")[2]]
    assert cached(path).stat().st_size == os.path.getsize(folders.fetch(path))
    cached(path).unlink()
    assert run_files.open_run(path).values("x").to_pylist() == [1.0, 2.0]
    with monkeypatch.context() as patch:
        patch.setattr(folders, "open_input", None)
        assert run_files.open_run(path).values("x").to_pylist() == [1.0, 2.0]
    assert os.stat(cached(path).parent).st_mode & 0o77 == 0
    assert [name for name in os.listdir(cached(path).parent) if name.startswith(folders.UNFINISHED)] == []


def test_threads_and_processes_fetch_one_file(bucket):
    path = run(bucket, *map(float, range(50_000)))
    cached(path).unlink()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(folders.fetch, [path] * 8))) == 1
    script = f"from palette.offline.prepared import folders; print(folders.fetch({path!r}))"
    command = [sys.executable, "-c", script]
    copy = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert copy.strip().endswith(path.rpartition("/")[2])
    assert not Path(copy.strip()).exists(), "it goes with its process"


def test_a_run_that_is_absent_or_damaged(bucket, tmp_path):
    path = run(bucket, 1.0)
    whole = cached(path).read_bytes()
    cached(path).unlink()
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    objects.put_object(str(tmp_path / "half"), path)
    with pytest.raises(OSError, match=r"is damaged.*: delete it, and join again"):
        search._open([path])
    assert not cached(path).exists()
    objects.delete_objects([path])
    with pytest.raises(FileNotFoundError, match=r"was removed.*call training_set or transform again"):
        search._open([path])


def test_a_write_that_fails_leaves_nothing(bucket, monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="unknown"):
        objects.put_object(str(tmp_path / "unknown"), f"{bucket}/x")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "put_object", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(bucket, 1.0)
    assert folders.entries(bucket) == {}


@pytest.fixture(params=["disk", "objects"])
def folder(request, bucket, tmp_path):
    folder = bucket if request.param == "objects" else str(tmp_path / "t.sorted")
    folders.check_writable(folder)
    assert folders.entries(folder) == {}
    return folder


def test_records_are_read_and_removed(folder):
    first, second, third = (run(folder, value) for value in (1.0, 2.0, 3.0))
    for number, paths in enumerate(({0: [first]}, {0: [first], 1: [second]})):
        store._save(folder, KIND, number, PreparedHistory(paths, 2, {7: (2, [5])}, 9))
    present = folders.entries(folder)
    history = store._load(folder, KIND, 1, present)
    assert history == PreparedHistory({0: [first], 1: [second]}, 2, {7: (2, [5])}, 9)
    assert store._is_complete(history)
    assert store._load(folder, KIND, 2, present) is None
    assert sorted(store._recorded(present)) == [(KIND, 0), (KIND, 1)]
    # Of what is left out of all records only the old is removed.
    store.remove_prepared(folder, [0, 1], hours=1)
    assert folders.entries(folder).keys() == present.keys()
    store.remove_prepared(folder, [0])
    names = {os.path.basename(first), os.path.basename(store._record(folder, KIND, 0))}
    assert folders.entries(folder).keys() == names
    assert not store._is_complete(history)
    assert third
    folders.remove([first, first])
    assert store._load(folder, KIND, 0, folders.entries(folder)) is None
    store.remove_prepared(folder)
    assert folders.entries(folder) == {}


def test_what_this_process_cannot_list_is_not_erased(monkeypatch, caplog):
    def fails(path):
        raise OSError(f"cannot list {path}: no network")

    monkeypatch.setattr(folders, "list_objects", fails)
    tables = DeltaTables("s3a://away/tables")
    with pytest.raises(DataError, match=r"shop:sales: .*/shop/sales.sorted: no network; .*nothing was erased"):
        store.check_removable(tables, GROUP)
    with pytest.raises(OSError, match="no network"):
        store.remove_prepared(tables.prepared(GROUP))
    # Vacuum has removed what no version needs from the table itself.
    store.vacuum_prepared(tables, GROUP, [], 0)
    assert "what is prepared of it was not vacuumed: cannot list" in caplog.text


def test_where_workers_and_driver_reach_a_table(bucket, monkeypatch, tmp_path):
    commit(tmp_path / "tables" / "shop" / "sales", 0, add=["a.parquet"])
    upload(tmp_path, bucket)
    monkeypatch.setattr(store, "is_local", lambda spark: spark)

    def reached(root, *, local, table=None):
        schema = SimpleNamespace(group=GROUP.model_copy(update={"table": table}))
        version = SimpleNamespace(tables=DeltaTables(root), schema=schema, files=None, spark=local)
        return store.is_reachable(version)

    assert reached(f"{bucket}/tables", local=False)
    assert reached(str(tmp_path / "tables"), local=False)
    assert not reached(f"{bucket}/unknown", local=False)
    assert not reached("hdfs://host/tables", local=True)
    assert not reached("metastore:main", local=True)
    # Executors reach a table of others, but not the store's directory on this machine.
    adopted = f"{bucket}/tables/shop/sales"
    assert [reached(str(tmp_path), table=adopted, local=local) for local in (True, False)] == [True, False]
