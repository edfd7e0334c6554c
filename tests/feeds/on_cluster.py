"""Run by test_cluster: materialize to Redis where workers lack this library; prints OK at the end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from palette import spark_session
from palette.errors import DefinitionError
from tests.feeds.shops import DAY, GROUP, HOUR, JUNE, SQL, add, event, offline, online, store_of
from tests.offline.on_cluster import assert_hidden


def main(where: str, root: str, url: str) -> None:
    hidden = Path(root, "hidden")
    for package in ("palette", "dsl"):
        (hidden / package).mkdir(parents=True)
        (hidden / package / "__init__.py").write_text("raise ImportError('not on the workers')\n")
    spark = spark_session(
        **({"remote": "local[2]"} if where == "connect" else {"master": where}),
        **{
            "spark.executorEnv.PYTHONPATH": str(hidden),
            "spark.sql.shuffle.partitions": "4",
            "spark.log.level": "ERROR",
        },
    )
    if where != "connect":
        assert_hidden(spark)
    home = Path(root, "feeds")
    store = store_of(home, url)
    add(spark, home, [event(f"k{number}", JUNE + number * HOUR, number / 4) for number in range(48)])
    if where == "connect":
        with pytest.raises(DefinitionError, match=r"not over Spark Connect, where Delta loses them"):
            store.materialize(GROUP, to=JUNE)
        store = store_of(home, url, sql=SQL.partition(" WHERE")[0])
    told = [store.materialize(GROUP, to=JUNE + day * DAY) for day in (1, 2)]
    assert [one.rows_dispersed for one in told] == [25, 23], told
    assert told[1].since == told[0].version
    assert len(offline(spark, store)) == 48
    assert online(store, ["k0", "k47"]) == {"k0": (0.0, JUNE), "k47": (11.75, JUNE + 47 * HOUR)}
    print("OK", flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
