"""What is online is what the table gives for now, however it came there."""

from __future__ import annotations

import pytest

from palette import Entity, Feature, FeatureGroup
from palette.errors import RowsLeftOutWarning
from tests.feeds.shops import DAY, GROUP, JUNE, WRITTEN, event, online, store_of

UNHELD = """
    ('good', date'2026-01-01', timestamp'2026-01-01', 'a', array('b')),
    ('late day', date'+10000-01-01', timestamp'2026-01-01', 'a', array('b')),
    ('early time', date'2026-01-01', timestamp'0001-01-01 00:00:00+03:00', 'a', array('b')),
    ('text', date'2026-01-01', timestamp'2026-01-01', cast(X'ff' AS string), array('b')),
    ('texts', date'2026-01-01', timestamp'2026-01-01', 'a', array('b', cast(X'ff' AS string))),
    (cast(X'6bff' AS string), date'2026-01-01', timestamp'2026-01-01', 'a', array('b'))
"""


def test_ties_are_those_of_the_table(spark, tmp_path):
    """A row that came later and is lesser does not win, and one that corrects another one does."""
    store = store_of(tmp_path, f"lmdb:{tmp_path}/online")

    def write(key, x, mode="merge"):
        return store.write(GROUP, spark.createDataFrame([event(key, JUNE, x)], WRITTEN), mode=mode)

    store.apply(store.group(GROUP).model_copy(update={"source": None}))
    write("tie", 9.0, "append")
    write("corrected", 9.0, "append")
    assert store.materialize(GROUP).rows_dispersed == 2
    write("tie", 1.0, "append")
    write("corrected", 1.0)
    told = store.materialize(GROUP)
    assert told.since is not None
    assert online(store, ["tie", "corrected"]) == {"tie": (9.0, JUNE), "corrected": (1.0, JUNE)}
    latest = {row["id"]: row["x"] for row in store.latest(GROUP).collect()}
    assert latest == {"tie": 9.0, "corrected": 1.0}
    # A cell that is repeated changes nothing anywhere.
    assert write("corrected", 1.0).rows == 0
    assert store.materialize(GROUP).rows_dispersed == 0


def test_rows_that_python_cannot_hold_are_left_out_and_the_others_served(spark, tmp_path):
    """Each has a year beyond Python's, or text that is not UTF-8: in a feature, an array, or the key."""
    store = store_of(tmp_path, f"lmdb:{tmp_path}/online")
    kinds = {"day": "date", "seen": "timestamp", "note": "string", "tags": "array<string>"}
    wild = FeatureGroup("wild", entity="thing", features=[Feature(name, dtype) for name, dtype in kinds.items()])
    store.apply(Entity("thing", keys={"thing": "string"}), wild)
    store.write(wild, spark.sql(f"SELECT * FROM VALUES {UNHELD} AS t(thing, day, seen, note, tags)"))
    left_out = r"thing:wild: 5 rows were left out, .*: key .*: '(day|seen|note|tags|thing)' is "
    with pytest.warns(RowsLeftOutWarning, match=left_out):
        snapshot = store.snapshot(groups=[wild])
    with pytest.warns(RowsLeftOutWarning, match=left_out):
        assert store.materialize(wild).rows_dispersed == 1
    keys = ["good", "late day", "early time", "text", "texts"]
    for reader in (snapshot, store.online):
        assert [row["note"] for row in reader.read({wild.full_name: keys})[wild.full_name]] == ["a", *[None] * 4]


def test_texts_that_are_not_utf_8_are_joined(spark, tmp_path):
    store = store_of(tmp_path, f"lmdb:{tmp_path}/online")
    tied = FeatureGroup("tied", entity="thing", timestamp="at", features=[Feature("tags", "array<string>")])
    store.apply(Entity("thing", keys={"thing": "string"}), tied)
    rows = "('a', timestamp'2026-01-01', array(cast(X'fe' AS string))), ('a', timestamp'2026-01-01', array('b'))"
    store.write(tied, spark.sql(f"SELECT * FROM VALUES {rows} AS t(thing, at, tags)"), mode="append")
    basis = spark.sql("SELECT 'a' thing, timestamp'2026-01-02' now")
    found = store.training_set(basis, ["thing:tied:tags:thing"], timestamp="now")
    assert found.selectExpr("hex(tags[0])").first()[0] == "FE"


@pytest.mark.parametrize("place", ["lmdb", "redis"])
def test_what_was_rolled_back_is_rolled_back_online(spark, tmp_path, place, request):
    """A bad later row, deleted from the table; a key that the table lost; a key that was dead online and came back."""
    where = f"lmdb:{tmp_path}/online"
    if place == "redis":
        server = request.getfixturevalue("redis_server")
        server.client().flushall()
        where = server.url
    store = store_of(tmp_path / "home", where)
    store.apply(store.group(GROUP).model_copy(update={"source": None}))
    rows = [event("a", JUNE, 1.0), event("a", JUNE + DAY, 99.0), event("lost", JUNE, 2.0), event("back", JUNE, 3.0)]
    store.write(GROUP, spark.createDataFrame(rows, WRITTEN), mode="append")
    store.materialize(GROUP)
    store.online.delete(GROUP, [("back", 1), ("erased", 1)])
    spark.sql(f"DELETE FROM {store.tables.identifier(store.group(GROUP))} WHERE x = 99 OR id = 'lost'").collect()
    store.materialize(GROUP)
    assert online(store, ["a", "lost", "back"])["a"] == (99.0, JUNE + DAY), (
        "without full_refresh= nothing is taken back"
    )
    told = store.materialize(GROUP, full_refresh=True)
    assert (told.rows_dispersed, told.rows_removed) == (2, 1)
    wanted = {"a": (1.0, JUNE), "lost": (None, None), "back": (3.0, JUNE)}
    assert online(store, wanted) == wanted
    row = {"seat": 1, "ts": JUNE + DAY, "x": 5.0}
    assert store.online.write(GROUP, [row | {"id": key} for key in ("a", "lost", "erased")]) == 2, "one is dead"
