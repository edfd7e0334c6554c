"""The YAML file that describes a store: where its paths count from, and what is refused."""

from __future__ import annotations

import pytest

from palette.definitions.config import FeedConfig, StoreConfig, read_config
from palette.errors import DefinitionError

LAUGHS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}' if n else 'ha'] * 9)}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("path: here\ntables: s3a://bucket/t\n", {"tables": "s3a://bucket/t"}, id="remote"),
        pytest.param("path: here\ntables: metastore:a.b\n", {"tables": "metastore:a.b"}, id="metastore"),
        pytest.param("path: here\nonline:\ncache: {size: 3}\n", {"cache": {"size": 3}}, id="empty-word"),
        pytest.param("path: here\nmodels: /srv/models\n", {"models": "/srv/models"}, id="models"),
        pytest.param(
            "path: here\nfeeds: {modules: [mine, our.own]}\n",
            {"feeds": FeedConfig(modules=("mine", "our.own"))},
            id="modules",
        ),
        pytest.param("path: here\nfeeds:\n", {}, id="no-feeds"),
        pytest.param("path: here\ncatalog: postgresql://u@h/d\n", {"catalog": "postgresql://u@h/d"}, id="catalog"),
    ],
)
def test_words_are_read(tmp_path, text, expected):
    (tmp_path / "palette.yaml").write_text(text)
    assert read_config(tmp_path / "palette.yaml") == StoreConfig(path=str(tmp_path / "here"), **expected)


def test_relative_paths_count_from_the_file(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: ../here\ntables: tables\n")
    config = read_config(tmp_path / "palette.yaml")
    assert (config.path, config.tables) == (str(tmp_path.parent / "here"), str(tmp_path / "tables"))


def test_uris_of_files_are_local_paths_but_for_tables_which_spark_reads(tmp_path):
    texts = ["path: file:///srv/a%20b", "models: file:/srv/m", "online: lmdb:file:///srv/o", "tables: hdfs:/t"]
    (tmp_path / "palette.yaml").write_text("\n".join(texts))
    config = read_config((tmp_path / "palette.yaml").as_uri())
    assert config == StoreConfig(path="/srv/a b", models="/srv/m", online="lmdb:/srv/o", tables="hdfs:/t")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("online: redis://h\n", "expected 'path: DIRECTORY'", id="no-path"),
        pytest.param("- path\n", "expected 'path: DIRECTORY'", id="list"),
        pytest.param("path: a\ntable: b\n", "did you mean 'tables'", id="unknown"),
        pytest.param("path: a\nmodels: s3://b\n", "'s3://b' is not a local path, .*'models:'", id="models-elsewhere"),
        pytest.param("path: s3a://b/x\n", "'s3a://b/x' is not a local path.*tables: s3a://", id="path-elsewhere"),
        pytest.param("path: a\nonline: lmdb:s3a://b/x\n", "'s3a://b/x' is not a local path", id="lmdb-elsewhere"),
        pytest.param("path: a\nfeeds: {module: [b]}\n", "feeds: {modules: .my_features", id="feeds"),
        pytest.param("path: a\nfeeds: {modules: os}\n", "feeds: {modules: .my_features", id="modules-text"),
        pytest.param("path: a\nfeeds: {modules: ['os; x']}\n", "feeds: {modules: .my_features", id="no-module"),
        pytest.param("path: a\nfeeds: [os]\n", "feeds: {modules: .my_features", id="feeds-list"),
        pytest.param("path: [\n", "not YAML", id="no-yaml"),
        pytest.param(f"{LAUGHS}path: here\ncatalog: *l8\n", "anchors are not accepted", id="bomb"),
        pytest.param("path: !!python/name:os.system x\n", "not YAML", id="python-tag"),
        pytest.param("path: a\npath: b\n", "duplicate key", id="twice"),
        pytest.param("path:\n", "expected 'path: DIRECTORY'", id="path-null"),
        pytest.param("path: [a]\n", "path: expected a string", id="path-list"),
        pytest.param('path: "a\\0"\n', "path: expected a string without control", id="path-nul"),
        pytest.param('path: "a\\ud800"\n', "path: expected a string without control", id="path-surrogate"),
        pytest.param("path: a\nonline: 6379\n", "online: expected a string .* in quotes if", id="online-number"),
        pytest.param('path: a\nmodels: "a\\e[31m"\n', "models: expected a string", id="models-escape"),
        pytest.param("path: a\ncatalog: {a: b}\n", "catalog: expected a string", id="catalog-mapping"),
        pytest.param("path: a\ntables: 'metastore:a.b`; DROP TABLE x; --'\n", "metastore:CATALOG.SCHEMA", id="sql"),
        pytest.param("path: a\ntables: 'metastore:'\n", "metastore:CATALOG.SCHEMA", id="no-schema"),
        pytest.param("path: a\ntables: metastore:a.b.c.d\n", "metastore:CATALOG.SCHEMA", id="deep-schema"),
        pytest.param("path: a\ntables: s3a://AKIA:hunter2@b/t\n", "contains a password", id="tables-password"),
        pytest.param("path: a\ncache: 5\n", "expected 'cache: {size", id="cache-number"),
        pytest.param("path: a\ncache: {1: 2}\n", "expected 'cache: {size", id="cache-word"),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, message):
    (tmp_path / "palette.yaml").write_text(text)
    with pytest.raises(DefinitionError, match=message) as refused:
        read_config(tmp_path / "palette.yaml")
    assert "hunter2" not in str(refused.value)


def test_metastores_may_have_quoted_names(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: a\ntables: metastore:`my-catalog`.features\n")
    assert read_config(tmp_path / "palette.yaml").tables == "metastore:`my-catalog`.features"


def test_configuration_does_not_show_the_password_of_an_online_store(tmp_path):
    (tmp_path / "palette.yaml").write_text("path: a\nonline: redis://u:hunter2@h/0\n")
    config = read_config(tmp_path / "palette.yaml")
    assert config.online == "redis://u:hunter2@h/0"
    assert "hunter2" not in repr(config)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DefinitionError, match=r"absent\.yaml"):
        read_config(tmp_path / "absent.yaml")
