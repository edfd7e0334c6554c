"""Migrations, the file of earlier releases, connections, passwords."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from palette import Entity, FeatureStore
from palette.catalog import ModelRecord, SqlCatalog, tables
from palette.catalog.database import VERSION_TABLE
from palette.catalog.engine import PASSWORD
from palette.catalog.migrations import HEAD
from palette.catalog.migrations.upgrade import scripts, upgrade
from palette.definitions.yaml.documents import to_plain
from palette.errors import CatalogError, DefinitionError

PLANE = Entity("plane", keys={"tailnum": "string"})


def test_migrations_make_the_tables_and_do_so_once(empty):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with scripts() as known:
        assert known.get_current_head() == HEAD
    empty.definitions.apply([PLANE])
    with empty.database.engine.connect() as connection:
        upgrade(connection, HEAD, VERSION_TABLE)
        own = ("feature_words", "features_by_word", VERSION_TABLE)
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_name": lambda name, *_: not str(name).startswith(own),
            },
        )
        assert compare_metadata(context, tables.metadata) == []
    assert empty.definitions.entities() == {"plane": PLANE}


def test_migrations_and_retries_are_logged(empty, caplog, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with caplog.at_level("INFO", "palette.catalog.database"):
        empty.definitions.apply([PLANE])
        conflicts = [True, True]

        def work(_):
            if conflicts:
                conflicts.pop()
                error = sa.exc.DBAPIError("UPDATE", {}, OSError("deadlock"))
                error.orig.sqlstate = "40P01"
                raise error

        empty.database.change(work)
    first, *retries = [record.getMessage() for record in caplog.records]
    assert first.endswith(f"migrating from revision None to {HEAD}")
    assert [line.partition(": attempt ")[2] for line in retries] == [
        "1 of 8 conflicted with another writer, retrying",
        "2 of 8 conflicted with another writer, retrying",
    ]


def test_catalog_of_a_newer_release_is_refused(empty, url):
    empty.definitions.apply([PLANE])
    with empty.database.engine.connect() as connection, connection.begin():
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(DefinitionError, match="9999"):
        SqlCatalog(url).definitions.entities()


def write_legacy(directory, **more):
    document = {"format": 1, "entities": [to_plain(PLANE)], "feature_groups": [], "pins": {"mine": {"plane:a": 3}}}
    directory.mkdir(exist_ok=True)
    (directory / "catalog.json").write_text(json.dumps(document | more))


def test_old_file_is_taken_over_once(tmp_path):
    write_legacy(tmp_path)
    assert SqlCatalog.in_directory(tmp_path).definitions.entities() == {"plane": PLANE}
    assert SqlCatalog.in_directory(tmp_path).pins.all() == {"mine": {"plane:a": 3}}
    assert not (tmp_path / "catalog.json").exists()
    assert (tmp_path / "catalog.json.taken-over").exists()
    write_legacy(tmp_path, entities=[])
    assert SqlCatalog.in_directory(tmp_path).definitions.entities() == {"plane": PLANE}


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "[" * 100_000, '{"format": 7}', '{"format": 1}'),
        '{"format": 1, "entities": [7], "feature_groups": [], "pins": {}}',
        '{"format": 1, "entities": [], "feature_groups": [], "pins": {"a": {"b": "c"}}}',
    ],
    ids=["cut", "list", "deep", "format", "empty", "entity", "pin"],
)
def test_damaged_old_file_is_named_and_left(tmp_path, text):
    (tmp_path / "catalog.json").write_text(text)
    for use in (lambda one: one.definitions.groups(), lambda one: one.definitions.apply([PLANE])):
        with pytest.raises(DefinitionError, match=r"catalog\.json"):
            use(SqlCatalog.in_directory(tmp_path))
    assert (tmp_path / "catalog.json").read_text() == text


def test_removed_file_is_forgotten_and_rights_are_the_usual(tmp_path):
    catalog = SqlCatalog.in_directory(tmp_path)
    catalog.definitions.apply([PLANE])
    assert catalog.database.path.stat().st_mode & 0o044 == 0o044
    assert pickle.loads(pickle.dumps(catalog)).definitions.entities() == {"plane": PLANE}
    catalog.database.path.unlink()
    assert catalog.definitions.entities() == {}


def test_no_catalog_file_is_named(tmp_path):
    (tmp_path / "catalog.db").write_text("something else entirely" * 100)
    with pytest.raises(CatalogError, match=r"catalog\.db"):
        SqlCatalog.in_directory(tmp_path).definitions.entities()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@h/d",
        "postgresql://u@h/d?password=hunter2",
        "postgresql://u@h/d?sslpassword=hunter2",
        "postgresql://u@h/d?PassWord=hunter2",
        "mysql://u:hunter2@h/d",
        "hunter2",
        "postgresql://u:hunter2@h:port/d",
        "sqlite:///hunter2.db",
        "sqlite://",
    ],
)
def test_wrong_urls_are_refused_without_a_word_of_the_password(url):
    with pytest.raises(DefinitionError, match="catalog: ") as refused:
        SqlCatalog(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_password_comes_from_the_environment_and_is_never_told(monkeypatch):
    monkeypatch.setenv(PASSWORD, "hunter2")
    catalog = SqlCatalog("postgresql://u@127.0.0.1:1/d")
    assert catalog.database.engine.url.password == "hunter2"
    with pytest.raises(CatalogError, match=r"u@127\.0\.0\.1:1/d") as failed:
        catalog.definitions.entities()
    assert "hunter2" not in f"{failed.value}{catalog!r}{failed.value.__cause__}"


def test_store_takes_the_database_of_its_configuration(tmp_path, postgres_server):
    (tmp_path / "palette.yaml").write_text(f"path: here\ncatalog: {postgres_server.database()}\n")
    FeatureStore.from_config(tmp_path / "palette.yaml").apply(PLANE)
    with FeatureStore.from_config(tmp_path / "palette.yaml") as again:
        assert again.entity("plane") == PLANE
        assert again.search("tail") == []
        assert not (tmp_path / "here" / "catalog.db").exists()
        pool = again.catalog.database.engine.pool
        assert pool.checkedin() == 1
    assert pool.checkedin() == 0, "its connections are closed"
    assert again.entity("plane") == PLANE, "and made anew when it is asked again"
    again.close()


def settings(catalog, *names):
    return catalog.database.change(lambda connection: [connection.scalar(sa.text(f"SHOW {name}")) for name in names])


def test_writer_that_stands_still_does_not_hold_others_without_end(postgres_server):
    url = postgres_server.database()
    hurried, still = SqlCatalog(f"{url}?options=-c%20lock_timeout%3D100ms"), SqlCatalog(url)
    bounds = ("lock_timeout", "idle_in_transaction_session_timeout")
    assert settings(still, *bounds) == ["1min", "1min"]
    assert settings(hurried, *bounds) == ["100ms", "1min"], "what the URL says stays"
    with hurried.feeds.lock("plane:age", beat=60) as lease:

        def hold(_):
            with pytest.raises(CatalogError, match=r"locked by another writer \(cancel\w+ [\w ]+\)"):
                hurried.definitions.apply([PLANE])
            lease.check()  # a sign of life does not wait for its turn

        still.database.change(hold)
    hurried.definitions.apply([PLANE])
    for one in (hurried, still):
        one.database.engine.dispose()


def test_writers_take_turns_whatever_isolation_the_database_has_by_default(postgres_server):
    catalog = SqlCatalog(postgres_server.database())
    name = catalog.database.engine.url.database
    catalog.database.change(
        lambda connection: connection.execute(
            sa.text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
        )
    )
    catalog.database.engine.dispose()
    with ThreadPoolExecutor(2) as threads:
        numbers = list(threads.map(lambda _: catalog.models.record(ModelRecord("eta", {})), range(10)))
    assert sorted(numbers) == list(range(1, 11))
    catalog.database.engine.dispose()


def test_read_that_the_database_cancels_is_told(postgres_server):
    catalog = SqlCatalog(postgres_server.database())
    catalog.definitions.apply([PLANE])
    cancelled = sa.text("DO $$ BEGIN RAISE SQLSTATE '40001' USING MESSAGE = 'conflict with recovery'; END $$")
    with pytest.raises(CatalogError, match="conflict with recovery"), catalog.database.reading() as connection:
        connection.execute(cancelled)
    catalog.database.engine.dispose()


def test_catalog_is_imported_when_it_is_opened():
    code = (
        "import sys; sys.modules['sqlalchemy'] = None; "
        "import palette, palette.store, palette.online, palette.serving, palette.service.app; palette.Snapshot"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("package", "code", "extra"),
    [
        ("sqlalchemy", "import palette; palette.FeatureStore('x')", "catalog"),
        (
            "alembic",
            "from palette.catalog import SqlCatalog; SqlCatalog.in_directory('x').definitions.apply([])",
            "catalog",
        ),
        (
            "psycopg",
            "from palette.catalog import SqlCatalog; SqlCatalog('postgresql://u@h/d').definitions.apply([])",
            "postgres",
        ),
    ],
)
def test_missing_packages_are_named(tmp_path, package, code, extra):
    code = f"import sys; sys.modules['{package}'] = None; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    told = done.stderr.splitlines()[-1]
    assert told.startswith("palette.errors.CatalogError: ")
    assert f" needs {package}" in told
    assert f"pip install 'palette-features[{extra}]'" in told
