"""Lineage: from tables to models and back, as a tree, JSON and a graph."""

from __future__ import annotations

import json
import re

import pytest

from palette.catalog import ModelRecord
from palette.catalog.features.lineage import lineage
from palette.catalog.features.origins import GroupTables, origins, tables_of
from palette.definitions import BatchSource, Entity, Feature, FeatureGroup, RPCSource, StreamSource
from palette.errors import ArgumentError, FeatureNotFoundError, NotFoundError

HOSTILE = 'a"b\\l];\n\x1b[31m'


def group(name, source=None, *features, **more):
    return FeatureGroup(
        name, entity="restaurant", features=[Feature(one, "double") for one in features], source=source, **more
    )


@pytest.fixture
def world(bare):
    """Two groups of one table, one of a function, a stream, a service, one of nothing; three versions of a model."""
    orders = BatchSource(sql="WITH orders AS (SELECT * FROM db.Orders) SELECT * FROM orders JOIN places USING (r_id)")
    bare.definitions.apply([
        Entity("restaurant", keys={"uuid": "string"}),
        group("history", orders, "prep", "n_meal", timestamp="at"),
        group("value", BatchSource(sql="SELECT * FROM db.orders"), "total"),
        group("taste", BatchSource(function="ours.taste:taste"), "salt"),
        group("now", StreamSource(topic="clicks", schema={"r": "string"}, sql="SELECT * FROM events"), "clicks"),
        group("geo", RPCSource(url="https://geo.example/{uuid}", mapping={"lat": "lat"}), "lat"),
        group("plain", None, "x"),
    ])  # fmt: skip
    eta = {"restaurant:history:prep": 0.75, "restaurant:history:at": None}
    bare.models.record_all(
        [ModelRecord("eta", {"restaurant:plain:x": 0.1}), ModelRecord("eta", eta, stage="production")]
    )
    bare.models.record_all([ModelRecord("eta", eta), ModelRecord("gone", {"restaurant:old:y": 1.0})])
    return bare


def test_of_a_feature(world):
    expected = """\
feature restaurant:history:prep
comes from
└─ group restaurant:history
   ├─ table db.orders
   └─ table places
goes into
└─ model eta  (versions 2, 3; production 2; importance 0.75)"""
    assert str(lineage(world, "restaurant:history:prep")) == expected
    assert str(lineage(world, "restaurant:history:prep:r_id")) == expected


def test_of_a_group_and_of_a_time_that_is_read(world):
    assert str(lineage(world, "restaurant:history")).splitlines()[4:] == [
        "goes into",
        "├─ feature restaurant:history:prep",
        "│  └─ model eta  (versions 2, 3; production 2; importance 0.75)",
        "├─ feature restaurant:history:n_meal",
        "└─ feature restaurant:history:at",
        "   └─ model eta  (versions 2, 3; production 2)",
    ]
    assert [edge.origin.kind for edge in lineage(world, "restaurant:history:at").up] == ["group", "table", "table"]


def test_of_a_table(world):
    found = lineage(world, "`DB`.orders")
    assert found.subject == ("table", "db.orders")
    groups = [edge.result.name for edge in found.down if edge.result.kind == "group"]
    assert groups == ["restaurant:history", "restaurant:value"]
    assert {edge.result.name for edge in found.down if edge.result.kind == "model"} == {"eta"}
    assert found.notes == ("feature groups whose tables are not known: 1",)
    assert str(found).endswith(": 1)")


def test_of_a_model(world):
    found = lineage(world, "eta")
    assert "└─ feature restaurant:history:prep  (versions 2, 3; production 2; importance 0.75)" in str(found)
    assert "├─ feature restaurant:plain:x  (version 1; importance 0.1)" in str(found)
    assert [str(found).count(f"table {name}") for name in ("db.orders", "places")] == [2, 2]
    assert found.down == ()
    gone = lineage(world, "gone")
    assert gone.notes == ("restaurant:old:y is not in the catalog any more",)
    assert "└─ feature restaurant:old:y" in str(gone)


def test_what_is_removed_is_told_as_long_as_a_model_uses_it(world):
    features = [one for one in world.definitions.group("restaurant:history").features if one.name != "prep"]
    history = world.definitions.group("restaurant:history").model_copy(update={"features": tuple(features)})
    world.definitions.apply([history], allow_breaking=True)
    note = "restaurant:history:prep is not in the catalog any more"
    expected = [
        "feature restaurant:history:prep",
        "goes into",
        "└─ model eta  (versions 2, 3; production 2; importance 0.75)",
        f"({note})",
    ]
    assert str(lineage(world, "restaurant:history:prep")).splitlines() == expected
    shown = str(lineage(world, "restaurant:history")).splitlines()
    assert shown[-1] == f"({note})"
    assert shown[shown.index("└─ feature restaurant:history:prep") + 1].startswith("   └─ model eta")
    found = lineage(world, "eta")
    assert found.notes == (note,)
    assert [edge.origin.name for edge in found.up if edge.result.name == "restaurant:history:prep"] == []
    assert str(lineage(world, "restaurant:old")).splitlines()[:4] == [
        "group restaurant:old",
        "goes into",
        "└─ feature restaurant:old:y",
        "   └─ model gone  (version 1; importance 1)",
    ]
    with pytest.raises(FeatureNotFoundError, match="no feature group 'restaurant:old'"):
        lineage(world, "restaurant:old:z")


@pytest.mark.parametrize(
    ("root", "table"),
    [
        ("/srv/store/tables", "delta.`/srv/store/tables/restaurant/history`"),
        ("metastore:main.`features`", "Features.restaurant__history"),
    ],
)
def test_groups_that_are_computed_from_groups(world, root, table):
    weekly = group("weekly", BatchSource(sql=f"SELECT * FROM {table}"), "mean")
    own = table.replace("history", "monthly")
    monthly = BatchSource(sql=f"SELECT * FROM {table.replace('history', 'weekly')} JOIN {own} USING (r)")
    world.definitions.apply([weekly, group("monthly", monthly, "mean")])
    world.models.record_all([ModelRecord("rho", {"restaurant:monthly:mean": 1.0})])
    found = lineage(world, "rho", root)
    assert {edge.origin.name for edge in found.up if edge.origin.kind == "table"} == {"db.orders", "places"}
    assert str(found).splitlines()[2:] == [
        "└─ feature restaurant:monthly:mean  (version 1; importance 1)",
        "   └─ group restaurant:monthly",
        "      ├─ group restaurant:monthly",
        "      └─ group restaurant:weekly",
        "         └─ group restaurant:history",
        "            ├─ table db.orders",
        "            └─ table places",
    ]
    down = lineage(world, "places", root)
    assert {edge.result.name for edge in down.down if edge.result.kind == "model"} == {"eta", "rho"}
    told = "restaurant:weekly reads the table of restaurant:history, unknown which columns"
    assert told in lineage(world, "restaurant:history:prep", root).notes
    assert lineage(world, "restaurant:weekly").up[0].origin.kind == "table", "where the tables are was not told"


@pytest.mark.parametrize(
    ("root", "table", "known"),
    [
        ("/srv/store/tables", "delta.`store/tables/restaurant/history`", True),
        ("/srv/store/tables", "delta.`file:///srv/store/tables/restaurant/history/`", True),
        ("/srv/store/tables", "delta.`restaurant/history`", False),
        ("/srv/store/tables", "delta.`/srv/other/tables/restaurant/history`", False),
        ("/srv/store/tables", "restaurant.history", False),
        ("s3a://features/", "DELTA.`s3a://features/restaurant/history`", True),
        ("metastore:main.features", "main.features.restaurant__history", True),
        ("metastore:main.features", "other.features.restaurant__history", False),
        (None, "delta.`/srv/store/tables/restaurant/history`", False),
    ],
)
def test_tables_of_groups(root, table, known):
    assert GroupTables(root, ["restaurant:history"]).group(table) == ("restaurant:history" if known else None)


def test_a_file_is_known_by_its_path(world):
    world.definitions.apply([group("meals", BatchSource(sql="SELECT * FROM parquet.`data/My meals.parquet`"), "x")])
    node = ("table", "parquet.`data/My meals.parquet`")
    for name in ("data/My meals.parquet", "./data/My meals.parquet", node[1]):
        assert lineage(world, name).subject == node
    with pytest.raises(NotFoundError, match="did you mean"):
        lineage(world, "data/my meals.parquet")


@pytest.mark.parametrize(
    ("name", "origin", "note"),
    [
        ("now", ("topic", "clicks"), ()),
        ("geo", ("service", "https://geo.example/{uuid}"), ()),
        ("taste", ("function", "ours.taste:taste"), ("restaurant:taste reads are not known: a function",)),
    ],
)
def test_of_other_sources(world, name, origin, note):
    found = lineage(world, f"restaurant:{name}")
    assert [edge.origin for edge in found.up] == [origin]
    assert [part in one for part, one in zip(note, found.notes, strict=True)] == [True] * len(note)
    assert lineage(world, origin[1]).down[0].result == ("group", f"restaurant:{name}")


def test_of_tables_that_others_fill(world):
    world.definitions.apply(
        [group("theirs", None, "y", table="Geo.Shapes"), group("files", None, "z", table="/data/shapes")]
    )
    assert lineage(world, "restaurant:theirs").up[0].origin == ("table", "geo.shapes")
    assert lineage(world, "geo.shapes").down[0].result == ("group", "restaurant:theirs")
    assert lineage(world, "/data/shapes").down[0].result == ("group", "restaurant:files")


def test_of_what_nothing_is_known(world):
    assert lineage(world, "restaurant:plain").up == ()
    world.models.record_all([ModelRecord("empty", {})])
    assert str(lineage(world, "empty")) == "model empty\nno origins and no results are known"


def test_what_is_called_alike_needs_its_kind(world):
    world.models.record_all([ModelRecord("places", {})])
    with pytest.raises(ArgumentError, match="write model:places or table:places"):
        lineage(world, "places")
    assert lineage(world, "model:places").subject == ("model", "places")
    assert lineage(world, "table:places").down[0].result == ("group", "restaurant:history")


def test_entities_may_be_called_table_and_model(world):
    for entity in ("table", "model"):
        menu = FeatureGroup("menu", entity=entity, features=[Feature("x", "int")])
        world.definitions.apply([Entity(entity, keys={"id": "int"}), menu])
        assert lineage(world, f"{entity}:menu").subject == ("group", f"{entity}:menu")
        assert lineage(world, f"{entity}:menu:x").subject == ("feature", f"{entity}:menu:x")
    assert lineage(world, "table:places").subject == ("table", "places")
    assert lineage(world, "model:eta").subject == ("model", "eta")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("restaurant:history:prap", "did you mean 'prep'"),
        ("restaurant:historyy", "did you mean 'restaurant:history'"),
        ("etaa", "did you mean 'eta'"),
        ("db.order", "did you mean 'db.orders'"),
        ("model:etaa", "did you mean 'eta'"),
        ("table:place", "no source reads 'place'; did you mean 'places'"),
        ("", "ENTITY:GROUP:FEATURE"),
    ],
)
def test_names_that_nothing_has(world, name, message):
    with pytest.raises(NotFoundError, match=message):
        lineage(world, name)


def test_nothing_there_yet(empty):
    with pytest.raises(NotFoundError, match="no model"):
        lineage(empty, "eta")


def test_as_json(world):
    found = lineage(world, "restaurant:value")
    plain = json.loads(found.to_json())
    assert plain["subject"] == plain["nodes"][0] == {"kind": "group", "name": "restaurant:value"}
    named = [(plain["nodes"][edge["from"]]["name"], plain["nodes"][edge["to"]]["name"]) for edge in plain["edges"]]
    assert named == [("db.orders", "restaurant:value"), ("restaurant:value", "restaurant:value:total")]


def test_hostile_names_stay_names(world):
    table = HOSTILE.replace("\n", " ")
    world.definitions.apply([group("hostile", BatchSource(sql=f"SELECT * FROM `{table}`"), "h")])
    world.models.record_all([ModelRecord(HOSTILE, {"restaurant:hostile:h": 1.0})])
    found = lineage(world, "restaurant:hostile")
    assert found.up[0].origin.name == f"`{table}`"
    assert not set(str(found)) & {"\x1b"}
    assert len(str(found).splitlines()) == 6
    dot = found.to_dot()
    assert not set(dot) & {"\x1b"}
    lines = dot.splitlines()
    assert lines[0] == "digraph lineage {"
    assert lines[-1] == "}"
    node = re.compile(r'  n\d+ \[label="(?:[^"\\]|\\\\|\\"|\\n)*", shape=\w+(, style=bold)?\];')
    edge = re.compile(r'  n\d+ -> n\d+( \[label="[^"\\]*"\])?;')
    assert [line for line in lines[2:-1] if not node.fullmatch(line) and not edge.fullmatch(line)] == []
    assert '\\n`a\\"b\\\\l]; \\\\x1b[31m`"' in dot
    assert json.loads(found.to_json())["nodes"][-1]["name"] == HOSTILE


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM a, b.c JOIN (SELECT * FROM d WHERE x IN (SELECT x FROM e)) USING (x)", "a b.c d e"),
        ("WITH a AS (SELECT * FROM a), b AS (SELECT * FROM a) SELECT * FROM b", "a"),
        ("SELECT * FROM delta.`/data/x y` VERSION AS OF 3 WHERE at > :start AND at <= :end", "delta.`/data/x y`"),
        ("SELECT * FROM orders LATERAL VIEW explode(items) t AS item", "orders"),
        ("SELECT * FROM range(10) JOIN VALUES (1) AS v(id) USING (id)", ""),
        ("FROM orders |> WHERE x > 1 |> SELECT x", "orders"),
        ("SELECT * FROM a -- FROM b\nUNION ALL SELECT 'FROM c' FROM d", "a d"),
    ],
)
def test_tables_of_a_query(sql, tables):
    assert " ".join(tables_of(sql)) == tables


@pytest.mark.parametrize("sql", ["SELECT FROM WHERE", "DROP TABLE x", "SELECT 1; SELECT 2", "(" * 5000, "--"])
def test_what_is_no_query_is_told(sql):
    found, missing = origins(group("g", BatchSource(sql=sql), "x"))
    assert found == []
    assert missing.startswith("the tables that restaurant:g reads are not known: its SQL")
