"""What is online is what the table gives for now, however it came there."""

from __future__ import annotations

from tests.feeds.shops import GROUP, JUNE, WRITTEN, event, online, store_of


def test_ties_are_those_of_the_table(spark, tmp_path):
    """A row that came later and is lesser does not win, and one that corrects another one does."""
    store = store_of(tmp_path, f"lmdb:{tmp_path}/online")

    def write(key, x, mode):
        store.write(GROUP, spark.createDataFrame([event(key, JUNE, x)], WRITTEN), mode=mode)

    store.apply(store.group(GROUP).model_copy(update={"source": None}))
    write("tie", 9.0, "append")
    write("corrected", 9.0, "append")
    assert store.materialize(GROUP).rows_dispersed == 2
    write("tie", 1.0, "append")
    write("corrected", 1.0, "merge")
    told = store.materialize(GROUP)
    assert told.since is not None
    assert online(store, ["tie", "corrected"]) == {"tie": (9.0, JUNE), "corrected": (1.0, JUNE)}
    latest = {row["id"]: row["x"] for row in store.latest(GROUP).collect()}
    assert latest == {"tie": 9.0, "corrected": 1.0}
