"""Keys as they are typed, and what is told of groups one of which fails."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from typer.testing import CliRunner

from palette.cli.app import app
from palette.cli.commands.erase import _key
from palette.definitions import Entity, FeatureGroup, GroupSchema
from palette.errors import ArgumentError, StoreError
from palette.feeds.reports import Erased
from palette.online import GroupTable
from palette.store import FeatureStore


@pytest.mark.parametrize(
    ("keys", "typed", "expected"),
    [
        ({"id": "string"}, "r1", "r1"),
        ({"id": "string"}, "a,b", "a,b"),
        ({"id": "string"}, "", ""),
        ({"id": "bigint"}, "-7", -7),
        ({"id": "boolean"}, "True", True),
        ({"day": "date"}, "2026-03-01", dt.date(2026, 3, 1)),
        ({"at": "timestamp"}, "2026-03-01T12:00:00", dt.datetime(2026, 3, 1, 12)),
        ({"id": "string", "seat": "int"}, "a,1", ("a", 1)),
        ({"id": "string", "seat": "int"}, '"a,b",1', ("a,b", 1)),
    ],
)
def test_keys_are_those_of_the_entity(keys, typed, expected):
    entity = Entity("shop", keys=keys)
    found = _key(entity, typed)
    assert found == expected
    # As stores take them.
    sums = FeatureGroup("sums", entity="shop", features=[{"name": "x", "dtype": "double"}])
    table = GroupTable(GroupSchema(entity, sums))
    assert table.key(found) == expected


@pytest.mark.parametrize(
    ("keys", "typed"),
    [({"id": "int"}, "x"), ({"id": "boolean"}, "1"), ({"day": "date"}, "noon"), ({"id": "string", "seat": "int"}, "a")],
)
def test_what_is_none_is_refused(keys, typed):
    with pytest.raises(ArgumentError, match="shop: "):
        _key(Entity("shop", keys=keys), typed)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A store with three groups of an entity, from the second of which nothing can be erased."""

    def erase(store, group, keys, *, snapshots, dry_run):
        if group == "shop:b":
            raise StoreError("redis is away")
        return [Erased(group, len(keys), 2, 1, 3, dry_run=dry_run)]

    # Spark, and what it would do, are in tests/feeds/test_erasure.py.
    monkeypatch.setattr("palette.cli.commands.erase._start_spark", lambda: None)
    monkeypatch.setattr(FeatureStore, "erase", erase)
    groups = [FeatureGroup(name, entity="shop", features=[{"name": "x", "dtype": "double"}]) for name in "abc"]
    FeatureStore(tmp_path).apply(Entity("shop", keys={"id": "string"}), *groups)
    return tmp_path


def test_a_group_that_fails_hides_nothing_of_the_others(shop):
    done = CliRunner().invoke(app, ["erase", "shop", "r1", "--yes", "--config", str(shop)])
    assert done.exit_code == 1
    assert done.stderr == "palette erase: shop:b: redis is away\n"
    assert done.stdout == "".join(
        f"shop:{name}: 1 key, 2 rows erased from the table (version 3), 0 online\n" for name in "ac"
    )
    done = CliRunner().invoke(app, ["erase", "shop", "r1", "--yes", "--json", "--config", str(shop)])
    first, second, third = json.loads(done.stdout)
    assert (done.exit_code, first["rows"], third["rows"]) == (1, 2, 2)
    assert second == {"group": "shop:b", "error": "redis is away"}


def test_before_anybody_is_asked_all_groups_are_looked_at(shop):
    done = CliRunner().invoke(app, ["erase", "shop", "r1", "--config", str(shop)], input="y\n")
    assert (done.exit_code, done.stderr) == (1, "palette erase: redis is away\n")
    assert "Erase them?" not in done.output
    done = CliRunner().invoke(app, ["erase", "shop:a", "r1", "--config", str(shop)], input="y\n")
    assert done.exit_code == 0
    assert done.stdout.count("1 key, 2 rows") == 2
