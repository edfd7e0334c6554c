"""A store with a batch source over a table of events, for the tests of materialize."""

from __future__ import annotations

import datetime as dt

from palette import Aggregate, BatchSource, Entity, Feature, FeatureGroup, FeatureStore
from palette.definitions import GroupSchema

JUNE = dt.datetime(2026, 6, 1)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SHOP = Entity("shop", keys={"id": "string", "seat": "int"})
SQL = "SELECT * FROM parquet.`{path}/rows` WHERE :end IS NOT NULL"
WRITTEN = "id string, seat int, ts timestamp, x double, tags array<string>"
GROUP = "shop:hourly"


def group(source=None, **more):
    features = [Feature("x", "double"), Feature("tags", "array<string>")]
    return FeatureGroup("hourly", entity="shop", timestamp="ts", features=features, source=source, **more)


def event(key, ts, x, tags=("a",)):
    return (key, 1, ts.replace(tzinfo=dt.UTC), x, None if tags is None else list(tags))


def add(spark, path, rows, mode="append"):
    spark.createDataFrame(rows, WRITTEN).coalesce(1).write.mode(mode).parquet(f"{path}/rows")


def opened(path, redis=None, catalog=None):
    """Return a store in a directory."""
    path.mkdir(exist_ok=True)
    words = {"path": "store", "online": redis, "catalog": catalog}
    (path / "palette.yaml").write_text("".join(f"{word}: {said}\n" for word, said in words.items() if said))
    return FeatureStore.from_config(path / "palette.yaml")


def store_of(path, redis=None, lookback=None, catalog=None, sql=SQL, **more):
    """Return a store in a directory, whose source is the files beside it."""
    store = opened(path, redis, catalog)
    source = BatchSource(sql=sql.format(path=path), lookback="0s" if lookback is None else lookback)
    store.apply(SHOP, group(source, **more))
    return store


def windowed_store_of(path, redis):
    """Return the same with windowed aggregates of what the files hold; they are called as the features are."""
    store = opened(path, redis)
    windows = [Aggregate("x", "max", ["2d"], name="x"), Aggregate("x", "count", ["1d"], name="x")]
    source = BatchSource(sql=SQL.format(path=path), time="ts", every="6h", aggregates=windows, lookback="0s")
    store.apply(SHOP, FeatureGroup("hourly", "shop", source.features(), timestamp="ts", source=source))
    return store


def offline(spark, store, name=GROUP):
    """Return all rows of the table, sorted."""
    _, found = store.resolve_group(name)
    rows = store.tables.read(spark, GroupSchema(store.entity("shop"), found)).selectExpr(
        "id", "seat", "unix_micros(ts)", "x", "tags"
    )
    return sorted((tuple(row) for row in rows.collect()), key=str)


def online(store, keys, now=JUNE + 99 * DAY):
    """Return what is read of shops by their names."""
    rows = store.online.read({GROUP: [(key, 1) for key in keys]}, now=now)[GROUP]
    return {key: (row["x"], row["ts"]) for key, row in zip(keys, rows, strict=True)}
