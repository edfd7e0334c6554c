"""Random small histories that have everything: ties, duplicates, nulls, ttl, composite keys, static groups."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
from palette.offline import DeltaTables, Lookup

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

START = dt.datetime(2024, 3, 10)
# Texts that a joined or trimmed key would confuse, and a time zone's lost hour among the times.
TEXTS = st.sampled_from(["", "a", "a\x00", "a,", "\u00e9", "\U0001f600", "1"])
INTEGERS = st.sampled_from([0, 1, -1, 12])
TIMES = st.integers(0, 9).map(lambda hours: START + dt.timedelta(hours=hours))
DOUBLES = st.sampled_from([None, math.nan, -0.0, 0.0, 1.5, -math.inf])
STRINGS = st.sampled_from([None, "", "x", "x\x00", "\u00e9"])
BIGINTS = st.sampled_from([None, -(2**63), 2**63 - 1, 7])
ARRAYS = st.sampled_from([None, [], [1.0, None], [math.nan], [1.0], [-0.0, 2.0], [0.0, 2.0]])

SHOP = Entity("shop", keys={"id": "string"})
SEAT = Entity("seat", keys={"name": "string", "number": "int"})


def group(name: str, entity: Entity, **rule: Any) -> FeatureGroup:
    features = [
        Feature("x", "double"), Feature("s", "string"), Feature("n", "bigint"), Feature("v", "array<double>"),
        Feature("seen", "timestamp"),
    ]  # fmt: skip
    return FeatureGroup(name, entity=entity, features=features, **rule)


HOURS = dt.timedelta(hours=1)
GROUPS = [
    (SHOP, group("plain", SHOP, timestamp="ts")),
    (SHOP, group("aged", SHOP, timestamp="ts", created="written", ttl=3 * HOURS)),
    (SHOP, group("versions", SHOP, created="written")),
    (SEAT, group("seats", SEAT, timestamp="ts", created="written", ttl=2 * HOURS)),
    (SEAT, group("fixed", SEAT)),
]


@dataclass(frozen=True)
class World:
    """The rows of each group, and the rows that ask."""

    histories: dict[str, list[dict[str, Any]]]
    basis: list[dict[str, Any]]


def histories(entity: Entity, one: FeatureGroup, size: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    columns: dict[str, st.SearchStrategy[Any]] = {
        name: TEXTS if dtype == "string" else INTEGERS for name, dtype in entity.keys.items()
    }
    if one.timestamp:
        columns[one.timestamp] = TIMES
    if one.created:
        columns[one.created] = st.none() | TIMES
    columns |= {"x": DOUBLES, "s": STRINGS, "n": BIGINTS, "v": ARRAYS, "seen": st.none() | TIMES}
    rows = st.lists(st.fixed_dictionaries(columns), max_size=size)
    if one.timestamp is None and one.created is None:
        return rows.map(lambda found: list({tuple(row[key] for key in entity.keys): row for row in found}.values()))
    return rows


def worlds(size: int) -> st.SearchStrategy[World]:
    asked = st.fixed_dictionaries(
        {"who": st.none() | TEXTS, "where": st.none() | TEXTS, "which": st.none() | INTEGERS, "at": st.none() | TIMES}
    )
    rows = st.fixed_dictionaries({one.name: histories(entity, one, size) for entity, one in GROUPS})
    return st.builds(World, rows, st.lists(asked, min_size=1, max_size=size))


def lookups(groups: Iterable[tuple[Entity, FeatureGroup]]) -> list[Lookup]:
    keys = {"shop": ("who",), "seat": ("where", "which")}
    return [
        Lookup(GroupSchema(entity, one), keys[entity.name], {f"{one.name}_{name}": name for name in one.readable})
        for entity, one in groups
    ]


def types(entity: Entity, one: FeatureGroup) -> dict[str, str]:
    return {**entity.keys, **one.readable}


def frame(spark: SparkSession, rows: list[dict[str, Any]], schema: dict[str, str]) -> DataFrame:
    """Return rows as a DataFrame of several partitions; datetimes are UTC, whatever the zone of this process."""
    ddl = ", ".join(f"`{name}` {dtype}" for name, dtype in schema.items())
    aware = [tuple(_aware(row[name]) for name in schema) for row in rows]
    return spark.createDataFrame(aware, ddl).repartition(2)


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else value


def write(spark: SparkSession, tables: DeltaTables, world: World) -> None:
    for entity, one in GROUPS:
        tables.write(
            GroupSchema(entity, one), frame(spark, world.histories[one.name], types(entity, one)), mode="append"
        )
