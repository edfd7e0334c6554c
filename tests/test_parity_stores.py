"""What the stores give agrees: written offline, read by ``transform`` and, row by row, by ``score_instance``.

Every type that a feature may have, nulls, NaN, negative zeros, extremes, keys that are missing, rows that are expired,
ties: exact equality, value for value and status for status.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dsl import DSLEstimator
from dsl.dtypes import READERS, reads
from dsl.testing import EDGES, same
from palette import Entity, Feature, FeatureGroup, FeatureStore, MLPipeline, PaletteTransformer, Snapshot
from palette.errors import SnapshotError
from palette.times import to_micros
from palette.types import arrow_type

pytestmark = pytest.mark.spark

NOW = dt.datetime(2026, 3, 2, 18)
DAY = timedelta(days=1)
NAN, INF = math.nan, math.inf


def integers(bits: int) -> list[int | None]:
    return [None, 0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))]


VALUES: dict[str, list[Any]] = {
    "tinyint": integers(8),
    "smallint": integers(16),
    "int": integers(32),
    "bigint": [*integers(64), 2**53 + 1],
    "float": [None, 0.1, -0.0, NAN, INF, -INF, 1e-45, 3.4028234663852886e38, 16777217.0, 1e39],
    "double": list(EDGES["number"]),
    "decimal(10,2)": [None, Decimal("0.10"), Decimal("-99999999.99"), Decimal("99999999.99")],
    "decimal(38,18)": [None, Decimal("0.000000000000000001"), Decimal("-12345678901234567890.123456789012345678")],
    "string": list(EDGES["string"]),
    "boolean": [None, True, False],
    "timestamp": list(EDGES["timestamp"]),
    "date": [None, dt.date(1970, 1, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2024, 2, 29)],
    "array<double>": [*EDGES["vector"], [1.0, None]],
    "array<float>": [None, [], [0.1, -0.0, NAN], [1e-45], [None]],
    "array<bigint>": [None, [], [2**53 + 1, -(2**63)], [1, None]],
    "array<string>": [None, [], ["", "ß", None]],
}
NAMES = {dtype: f"f{place}" for place, dtype in enumerate(VALUES)}
KEYS = range(66)
MISSING = (None, 1000, -(2**63), 2**63 - 1)

THING = Entity("thing", keys={"thing": "bigint"})
SPOT = Entity("spot", keys={"name": "string", "day": "date", "side": "boolean", "floor": "smallint"})
TYPES = FeatureGroup(
    "types", "thing", [Feature(name, dtype) for dtype, name in NAMES.items()], timestamp="t", created="c", ttl=2 * DAY
)
TIES = FeatureGroup("ties", "thing", [Feature("a", "double"), Feature("b", "string")], timestamp="t", created="c")
PLACES = FeatureGroup("places", "spot", [Feature("x", "double"), Feature("y", "array<double>")])
SPOTS = list(
    itertools.product(["", "a", "a,b", "ß", None], [dt.date(1, 1, 1), dt.date(2024, 2, 29)], [True, False], [1])
)


def arrow(columns: dict[str, str], rows: list[tuple[Any, ...]]) -> pa.Table:
    """Return rows as Arrow, which takes every moment and day as it is."""
    values = [list(column) for column in zip(*rows, strict=True)]
    arrays = [
        pa.array([float32(value) for value in column] if "float" in dtype else column, arrow_type(dtype))
        for column, dtype in zip(values, columns.values(), strict=True)
    ]
    return pa.table(arrays, names=list(columns))


def float32(value: Any) -> Any:
    """Turn what 32 bits cannot hold into infinity, as a cast does."""
    if isinstance(value, list):
        return [float32(element) for element in value]
    return math.copysign(INF, value) if value is not None and abs(value) > 3.5e38 else value


def histories() -> list[tuple[Any, ...]]:
    """Return rows of TYPES: fresh, stale and superseded ones; some keys have nothing but stale rows."""
    rows = []
    for key in KEYS:
        values = [edges[key % len(edges)] for edges in VALUES.values()]
        older = [edges[(key + 1) % len(edges)] for edges in VALUES.values()]
        fresh = NOW - 2 * DAY if key % 5 == 0 else NOW - DAY  # on the last moment of the ttl, or well within
        stale = NOW - 2 * DAY - timedelta(microseconds=1)
        rows.append((key, stale, stale, *older))
        if key % 11 != 3:
            rows.append((key, fresh, None, *older))  # a null created comes last
            rows.append((key, fresh, fresh, *values))
            rows.append((key, NOW + timedelta(microseconds=1), NOW, *older))  # not known yet
    return rows


def ties() -> list[tuple[Any, ...]]:
    """Return rows of TIES that differ in nothing but their values, in several orders."""
    pairs = [(None, "z"), (NAN, "a"), (INF, "b"), (NAN, None), (1.0, "B"), (1.0, "a"), (-INF, "😀"), (1.0, "\uffff")]
    rows = []
    for key, some in enumerate(itertools.permutations(pairs, 3)):
        rows += [(key, NOW - DAY, NOW, *pair) for pair in some]
    zeros = itertools.permutations([(0.0, "z"), (-0.0, "z"), (-0.0, "a")])
    rows += [(key + number, NOW - DAY, NOW, *pair) for number, some in enumerate(zeros, 1) for pair in some]
    return rows


def places() -> list[tuple[Any, ...]]:
    return [(*key, float(number), [number * 1.5]) for number, key in enumerate(SPOTS) if key[0] is not None]


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory) -> FeatureStore:
    store = FeatureStore(tmp_path_factory.mktemp("parity") / "store")
    store.apply(THING, SPOT, TYPES, TIES, PLACES)
    for group, rows in ((TYPES, histories()), (TIES, ties()), (PLACES, places())):
        store.write(group, spark.createDataFrame(arrow(columns(store, group), rows)), mode="append")
    return store


def columns(store: FeatureStore, group: FeatureGroup) -> dict[str, str]:
    """Return the columns of a group's rows, with their types."""
    times = {name: "timestamp" for name in (group.timestamp, group.created) if name is not None}
    return {**store.entity(group.entity).keys, **times, **{feature.name: feature.dtype for feature in group.features}}


@pytest.fixture(scope="module")
def basis(spark) -> Any:
    """Return rows that ask for every key, and for some that are not there, in every place."""
    keys = [*KEYS, *MISSING]
    spots = [*SPOTS, ("nowhere", dt.date(2024, 2, 29), True, 1), (None, None, None, None), ("a", None, True, 1)]
    rows = [(number, NOW, keys[number % len(keys)], *spots[number % len(spots)]) for number in range(len(keys) * 2)]
    types = {"id": "bigint", "at": "timestamp", "thing": "bigint", "name": "string", "day": "date", "side": "boolean",
             "floor": "smallint"}  # fmt: skip
    return spark.createDataFrame(arrow(types, rows)).repartition(3)


def collected(frame: Any) -> dict[int, dict[str, Any]]:
    """Return the rows by id; moments as naive UTC."""
    table = frame.toArrow()
    values = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            whole = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
            values[name] = [
                None if one is None else dt.datetime(1970, 1, 1) + timedelta(microseconds=one) for one in whole
            ]
        else:
            values[name] = column.to_pylist()
    names = list(values)
    return {row[names.index("id")]: dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)}


def disagreements(transformed: dict[int, dict[str, Any]], found: dict[int, dict[str, Any]]) -> list[str]:
    assert transformed.keys() == found.keys()
    return [
        f"row {key}, {name}: transform {transformed[key][name]!r}, score_instance {value!r}"
        for key, row in found.items()
        for name, value in row.items()
        if not same(transformed[key][name], value)
    ]


PLACED = {column: f"spot:places:{column}:name,day,side,floor" for column in ("x", "y")}
RAW = {name: f"thing:types:{name}:thing" for name in [*NAMES.values(), "t", "c"]}
TIED = {name: f"thing:ties:{name}:thing" for name in ("a", "b")}


def test_transformer_agrees_on_every_type(store, basis, tmp_path):
    stage = PaletteTransformer(store=store, features={**RAW, **PLACED, **TIED}, timestampCol="at")
    transformed = collected(stage.transform(basis))
    store.snapshot(at=NOW).save(tmp_path / "snapshot")
    asked = collected(basis)
    for snapshot in (store.snapshot(at=NOW), Snapshot.load(tmp_path / "snapshot")):
        found = {key: stage.score_instance(row, store=snapshot, now=NOW) for key, row in asked.items()}
        assert not disagreements(transformed, found)
    values = {name: [row[name] for row in transformed.values()] for name in RAW}
    for dtype, name in NAMES.items():
        assert all(any(same(value, wanted) for value in values[name]) for wanted in stored(dtype)), (
            f"{dtype} is not tried"
        )


def stored(dtype: str) -> list[Any]:
    """Return the edges of a type as a column holds them."""
    if "float" not in dtype:
        return VALUES[dtype]
    return arrow({"x": dtype}, [(value,) for value in VALUES[dtype]]).column(0).to_pylist()


def test_a_vector_that_is_returned_belongs_to_the_caller(store):
    name = NAMES["array<double>"]
    stage = PaletteTransformer(store=store, features={"x": RAW[name], "same": RAW[name]})
    snapshot = store.snapshot(at=NOW, groups=["thing:types"])
    row = next({"thing": key} for key in KEYS if stage.score_instance({"thing": key}, store=snapshot, now=NOW)["x"])
    first = stage.score_instance(row, store=snapshot, now=NOW)
    first["x"].append("changed")
    assert stage.score_instance(row, store=snapshot, now=NOW) == {"x": first["same"], "same": first["same"]}


def test_expressions_agree_on_every_type(store, basis):
    types = {name: dtype for dtype, name in NAMES.items()} | {"t": "timestamp", "c": "timestamp"}
    lambdas = {
        f"{function}_{name}": f"{function}('{RAW[name]}')"
        for name, dtype in types.items()
        for function, wanted in READERS.items()
        if reads(wanted, dtype)
    }
    assert len(lambdas) > len(NAMES)
    model = MLPipeline(DSLEstimator(lambdas=lambdas), store=store, timestampCol="at").fit(basis)
    transformed = collected(model.transform(basis))
    snapshot = store.snapshot(at=NOW)
    found = {key: model.score_instance(row, store=snapshot, now=NOW) for key, row in collected(basis).items()}
    assert found[0].keys() == lambdas.keys()
    assert not disagreements(transformed, found)


def test_basis_columns_agree_on_every_type(spark):
    """Values that come with the request, not out of a store."""
    rows = [(n, *(edges[n % len(edges)] for edges in VALUES.values())) for n in range(40)]
    basis = spark.createDataFrame(arrow({"id": "bigint", **{name: dtype for dtype, name in NAMES.items()}}, rows))
    lambdas = {
        f"{function}_{name}": f"{function}('basis:{name}')"
        for dtype, name in NAMES.items()
        for function, wanted in READERS.items()
        if reads(wanted, dtype)
    }
    model = MLPipeline(DSLEstimator(lambdas=lambdas)).fit(basis)
    transformed = collected(model.transform(basis))
    found = {key: model.score_instance(row) for key, row in collected(basis).items()}
    assert not disagreements(transformed, found)


def test_statuses_agree(store, basis):
    names = {
        f"{group}_{column}": name for group, names in (("t", RAW), ("p", PLACED)) for column, name in names.items()
    }
    transformed = collected(store.training_set(basis, names, timestamp="at", status=True))
    snapshot = store.snapshot(at=NOW)
    asked = collected(basis)
    spots = [tuple(row[column] for column in ("name", "day", "side", "floor")) for row in asked.values()]
    keys = {"thing:types": [row["thing"] for row in asked.values()], "spot:places": spots}
    read = snapshot.read(keys, now=NOW, status=True)
    found = {
        key: {f"t_{name}": value for name, value in thing.items()}
        | {f"p_{name}": value for name, value in spot.items()}
        for key, thing, spot in zip(asked, read["thing:types"], read["spot:places"], strict=True)
    }
    assert not disagreements(transformed, found)
    told = {value for row in transformed.values() for name, value in row.items() if name.endswith("__status")}
    assert told == {"present", "null", "expired", "missing"}


@pytest.mark.parametrize("kind", ["memory", "redis", "lmdb"])
def test_the_live_store_agrees_with_the_snapshot(store, kind, tmp_path, redis_server):
    """Rows written one by one, in whatever order, leave what the rule picks offline."""
    numbers = itertools.count()

    def live():
        number = next(numbers)
        config = tmp_path / f"{number}.yaml"
        online = {"memory": "memory", "redis": redis_server.url, "lmdb": f"lmdb:{tmp_path / str(number)}"}[kind]
        config.write_text(f"path: {store.uri}\nonline: {online}\n", "utf-8")
        redis_server.client().flushdb()
        return FeatureStore.open(config)

    snapshot = store.snapshot(at=NOW)
    for group, rows in ((TYPES, histories()), (TIES, ties()), (PLACES, places())):
        width = len(store.entity(group.entity).keys)
        known = [row for row in rows if group.timestamp is None or row[width] <= NOW]
        for order in (known, known[::-1]):
            fresh = live()
            plain = [dict(zip(columns(store, group), row, strict=True)) for row in order]
            fresh.online.write(group.full_name, plain)
            keys = [row[0] if width == 1 else row[:width] for row in rows]
            for now in (NOW, NOW + DAY):
                expected = snapshot.read({group.full_name: keys}, now=now, status=True)[group.full_name]
                found = fresh.online.read({group.full_name: keys}, now=now, status=True)[group.full_name]
                assert not disagreements(dict(enumerate(expected)), dict(enumerate(found)))
    fresh = live()
    fresh.materialize("thing:types", to=NOW)
    expected = snapshot.read({"thing:types": KEYS}, now=NOW)["thing:types"]
    found = fresh.online.read({"thing:types": KEYS}, now=NOW)["thing:types"]
    assert not disagreements(dict(enumerate(expected)), dict(enumerate(found)))


def test_created_snapshots_hold_what_training_saw(store, basis):
    stage = PaletteTransformer(store=store, features=RAW, timestampCol="at", pointInTime="created")
    transformed = collected(stage.transform(basis))
    snapshot = store.snapshot(at=NOW, groups=["thing:types"], point_in_time="created")
    found = {key: stage.score_instance(row, store=snapshot, now=NOW) for key, row in collected(basis).items()}
    assert not disagreements(transformed, found)
    with pytest.raises(SnapshotError, match="before"):
        snapshot.read({"thing:types": [1]}, now=NOW - timedelta(microseconds=1))
    assert snapshot.at == to_micros(NOW)
