"""Every public place that takes a local path: a URI of another file system is refused, and nothing is made."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from typer.testing import CliRunner

from palette import FeatureStore, MLPipelineModel, PaletteTransformer, Snapshot
from palette.cli.app import app
from palette.definitions import load_definitions
from palette.errors import ArgumentError, DefinitionError
from palette.offline import DeltaTables
from palette.offline.files.dataframes import read_frame
from palette.online import LmdbStore, open_online
from palette.pipeline.model_ref import SavedPipeline, check_saved
from palette.selection.report import check_report
from palette.service.settings import Settings, read_tokens
from palette.serving import LocalPipeline
from palette.serving.served_log.writer import ServedLog
from tests.serving.test_bundle import PLAN

NOW = dt.datetime(2026, 1, 1)
DOORS = {
    "store": FeatureStore,
    "open": FeatureStore.open,
    "configuration": lambda path: FeatureStore.from_config(f"{path}/palette.yaml"),
    "open-configuration": lambda path: FeatureStore.open(f"{path}/palette.yaml"),
    "stage": lambda path: PaletteTransformer(store=str(path)),
    "snapshot-save": Snapshot([], NOW).save,
    "snapshot-load": Snapshot.load,
    "snapshot-mapped": Snapshot.is_mapped,
    "bundle": MLPipelineModel().save_bundle,
    "local-bundle": LocalPipeline(PLAN).save,
    "load": LocalPipeline.load,
    "lmdb": lambda path: LmdbStore(path, {}.__getitem__),
    "online": lambda path: open_online(path, {}.__getitem__),
    "online-lmdb": lambda path: open_online(f"lmdb:{path}", {}.__getitem__),
    "definitions": load_definitions,
    "report": lambda path: check_report(f"{path}/report.html"),
    "served-log": ServedLog,
    "bundle-root": lambda path: Settings((("eta", "eta"),), bundle_root=str(path)),
    "token-file": lambda path: read_tokens(str(path)),
}
COMMANDS = {
    "init": ["init", "URI"],
    "jobs": ["jobs", "package", "URI"],
    "config": ["search", "--config", "URI"],
    "plan": ["plan", "URI"],
    "erase": ["erase", "thing", "a", "--snapshot", "URI"],
    "select": ["select", "a.parquet", "-l", "y", "--report", "URI.html"],
    "score": ["score", "bundle", "URI"],
    "bundle": ["score", "URI", "--row", "{}"],
    "serve": ["serve", "URI"],
}


@pytest.mark.parametrize("uri", ["s3a://bucket/x", "hdfs:/x", Path("abfss://c@account/x")], ids=["s3", "hdfs", "Path"])
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_path_of_another_file_system_is_refused(door, uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = "abfss://c@account/x" if isinstance(uri, Path) else uri
    # What formats a Path is shown what pathlib left of it; what may be a password is never shown.
    shown = {str(uri), typed, typed.rpartition("@")[2]}
    # A store's URI may be other things than a path.
    with pytest.raises(ArgumentError if door is DOORS["online"] else DefinitionError) as refused:
        door(uri)
    assert any(text in str(refused.value) for text in shown)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_commands_refuse_it_with_all_its_slashes(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog.db").touch()
    done = CliRunner().invoke(
        app, [text.replace("URI", "s3a://bucket/x") for text in arguments], env={"COLUMNS": "300"}
    )
    assert done.exit_code == 2
    assert "'s3a://bucket/x" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["catalog.db"]


def test_uris_of_files_are_local_paths(tmp_path):
    pipeline, home = LocalPipeline(PLAN), tmp_path / "a b"
    pipeline.save((home / "bundle").as_uri())
    assert LocalPipeline.load(f"file:{home}/bundle").plan.to_json() == PLAN.to_json()
    Snapshot([], NOW).save(f"file://localhost{home}/snapshot")
    assert open_online((home / "snapshot").as_uri(), {}.__getitem__).time == NOW
    store = FeatureStore((home / "store").as_uri())
    assert store.uri == FeatureStore.open(f"file:{home}/store").uri == str(home / "store")
    with pytest.raises(DefinitionError, match="no saved pipeline"):
        check_saved(SavedPipeline(f"file:{home}/bundle", None, "eta"))


@pytest.mark.parametrize("uri", ["file:store", "file://store", "file://host/store"])
def test_a_uri_of_no_local_file_is_refused(uri):
    with pytest.raises(DefinitionError, match="expected file:///DIRECTORY"):
        FeatureStore(uri)


@pytest.mark.parametrize("path", [None, 7, ["a"]], ids=["none", "number", "list"])
def test_what_is_no_path_is_named(path):
    with pytest.raises(DefinitionError, match=f"a store's directory: expected a path, found {type(path).__name__}"):
        FeatureStore(path)


def test_home_is_not_a_directory_called_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FeatureStore("~/store").uri == str(tmp_path / "store")


def test_secrets_are_not_shown():
    with pytest.raises(DefinitionError) as refused:
        FeatureStore("s3a://key:secret@bucket/x")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("root", ["s3a://bucket/t", "hdfs:/t", "file:/t", "dbfs:/t", "metastore:a.b"])
def test_tables_are_wherever_spark_reads_them(root):
    assert DeltaTables(root).root == root


def test_rows_are_read_from_any_file_system(spark, tmp_path):
    spark.range(3).write.parquet(str(tmp_path / "rows.parquet"))
    assert read_frame(spark, f"file:{tmp_path}/rows.parquet").count() == 3
