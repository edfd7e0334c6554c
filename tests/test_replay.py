"""The claim of the whole library: a request that is scored at its moment sees just what training is told later.

Flights ask in the order of time, while rows are written in between, to the live online store and to Delta. Afterwards
the same flights are transformed from Delta. Every column of every row must be the same, bit for bit.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.regression import DecisionTreeRegressor

from dsl import DSLEstimator
from dsl.testing import same
from examples import flight_eta
from palette import FeatureStore, MLPipeline, MLPipelineModel
from palette.online import RedisStore
from palette.times import to_micros
from tests.flights import STATIC, Stream, plain, stream

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:targetMean learns from the label"),
]

BEGIN = dt.datetime(2013, 1, 1, 5)  # midnight in New York
DAY = dt.timedelta(days=1)
PLACE = {"region_id": flight_eta.region("airport:place:lat:dest", "airport:place:long:dest")}
INPUTS = {**flight_eta.scheduled_inputs(), **flight_eta.known_inputs()}
# Values of other types, unfilled: null and NaN come out as they are.
LOGGED = {
    "speed": "nVal('plane:log:speed:tailnum')",
    "faster": "nVal('plane:log:speed:tailnum') > 400",
    "on_time": "bVal('plane:log:on_time:tailnum')",
    "number": "iVal('plane:log:number:tailnum')",
    "bound": "concat(sVal('plane:log:bound_for:tailnum'), ' then ', sVal('basis:dest'))",
    "days": "hoursBetween('basis:asked_at', tVal('plane:log:day:tailnum'))",
    "due": "tVal('plane:log:due:tailnum')",
    "delays": "vVal('plane:log:delays:tailnum')",
    "delay": "norm(vVal('plane:log:delays:tailnum'))",
    "weather_at": "tVal('airport:weather:observed:origin')",
    "weather_known": "tVal('airport:weather:published:origin')",
    "busy": "if(bVal('plane:log:on_time:tailnum'), nVal('region:arrivals:late_6h:region_id'), -1)",
}
# One feature of each group of the basis's own keys, to ask for its status.
TOLD = {
    "facts": "plane:facts:seats:tailnum",
    "place": "airport:place:lat:dest",
    "weather": "airport:weather:wind_gust:origin",
    "departures": "airport:departures:flights:origin",
    "plane": "plane:arrivals:arr_delay:tailnum",
    "log": "plane:log:speed:tailnum",
    "carriers": "carrier:arrivals:late_2h:carrier",
    "route": "route:arrivals:late_24h:origin,dest",
}


@dataclass
class Replayed:
    """What a pass over the stream met and answered."""

    scored: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)
    superseded: Counter[str] = field(default_factory=Counter)


@dataclass
class World:
    """A stream, the model, and what both sides say of the same flights."""

    stream: Stream
    model: MLPipelineModel
    basis: Any
    online: Replayed
    remote: Replayed
    offline: dict[str, dict[str, Any]]


@pytest.fixture(
    scope="module", params=[pytest.param(4, id="days"), pytest.param(31, id="month", marks=pytest.mark.proof)]
)
def world(request, spark, tmp_path_factory, redis_server) -> World:
    """Write, fit after the first days, write and ask on, and transform in the end."""
    flights = stream(spark, tmp_path_factory.mktemp("replay") / "store", BEGIN, request.param)
    basis = spark.createDataFrame(flights.asked).coalesce(2)
    fitted = BEGIN + request.param // 2 * DAY
    write(spark, flights, BEGIN - DAY, fitted)
    model = fit(flights.store, basis.filter(basis.asked_at < fitted.isoformat()).filter("arr_delay is not null"))
    online = replay(flights, model, FeatureStore(flights.store.uri).online)
    redis = RedisStore(redis_server.url, flights.store.resolve_group, prefix=f"replay-{request.param}")
    remote = replay(flights, model, redis)
    # Reports still come in for a while after the last flight that asks.
    write(spark, flights, fitted, BEGIN + (request.param + 9) * DAY)
    return World(flights, model, basis, online, remote, transformed(model, basis))


def write(spark: Any, flights: Stream, begin: dt.datetime, end: dt.datetime) -> None:
    """Write to Delta what was written in a span of time."""
    for group in flights.rows:
        if len(rows := flights.batch(group, begin, end)):
            flights.store.write(group, spark.createDataFrame(rows), mode="append")


def fit(store: FeatureStore, basis: Any) -> MLPipelineModel:
    return MLPipeline(
        DSLEstimator(lambdas=PLACE),
        DSLEstimator(lambdas={**INPUTS, **LOGGED}),
        VectorAssembler(inputCols=list(INPUTS), outputCol="features"),
        DecisionTreeRegressor(labelCol="arr_delay", maxDepth=6),
        store=store,
        timestampCol="asked_at",
        pointInTime="created",
        keepFeatures=True,
    ).fit(basis)


def replay(flights: Stream, model: MLPipelineModel, live: Any, *, reads_first: bool = False) -> Replayed:
    """Write and ask in the order of time; at equal times writes come before reads."""
    found = Replayed()
    events: list[tuple[int, bool, str, dict[str, Any]]] = []
    for group, rows in flights.rows.items():
        created = flights.created(group)
        # Moments with a zone here, without one where flights ask: both are taken.
        events += [(to_micros(row[created]), reads_first, group, row) for row in rows.to_pylist()]
    events += [(to_micros(row["asked_at"]), not reads_first, "", row) for row in plain(flights.asked)]
    for _, _, group, row in sorted(events, key=lambda event: event[:2]):
        if group:
            found.written[group] += 1
            found.superseded[group] += 1 - live.write(group, [row])
        else:
            found.scored[row["id"]] = model.score_instance(row, store=live, now=row["asked_at"])
            found.told[row["id"]] = {column: status(live, name, row) for column, name in TOLD.items()}
    return found


def status(live: Any, name: str, row: dict[str, Any]) -> str:
    entity, group, feature, keys = name.split(":")
    key = tuple(row[column] for column in keys.split(","))
    (answer,) = live.read({f"{entity}:{group}": [key if len(key) > 1 else key[0]]}, row["asked_at"], status=True)[
        f"{entity}:{group}"
    ]
    return answer[f"{feature}__status"]


def transformed(model: MLPipelineModel, basis: Any) -> dict[str, dict[str, Any]]:
    answer = model.transform(basis).withColumn("features", vector_to_array("features"))
    return {row["id"]: row for row in plain(answer.toArrow())}


def differences(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> list[str]:
    """Compare every column of ``one``."""
    assert one.keys() == other.keys()
    return [
        f"{name} of flight {flight}: {value!r}, {other[flight][name]!r}"
        for flight, row in one.items()
        for name, value in row.items()
        if not same(value, other[flight][name])
    ]


def test_every_value_is_the_same(world):
    wrong = differences(world.online.scored, world.offline)
    assert not wrong, f"{len(wrong)} differ: {wrong[:5]}"
    assert len(world.online.scored) == len(world.stream.asked)
    columns = set(next(iter(world.online.scored.values())))
    assert columns == set(next(iter(world.offline.values()))) - set(world.basis.columns)
    assert {"region_id", "features", "prediction", "region:arrivals:late_2h:region_id", *INPUTS, *LOGGED} <= columns
    assert world.online.written == {group: len(rows) for group, rows in world.stream.rows.items()}
    writes = world.online.written.total()
    print(
        f"\n{writes:,} rows written, {len(world.online.scored):,} flights asked, {len(columns)} columns each: all equal"
    )


def test_every_status_is_the_same(world):
    asked = world.stream.store.training_set(
        world.basis, TOLD, timestamp="asked_at", point_in_time="created", status=True
    )
    offline = {row["id"]: {column: row[f"{column}__status"] for column in TOLD} for row in plain(asked.toArrow())}
    assert not differences(world.online.told, offline)
    met = {column: {told[column] for told in world.online.told.values()} for column in TOLD}
    assert set().union(*met.values()) == {"present", "null", "expired", "missing"}
    assert all("expired" in met[column] for column in ("departures", "log", "carriers"))
    assert all("present" in statuses for statuses in met.values())


@pytest.mark.parametrize("hint", ["partitioned", pytest.param("shuffle", marks=pytest.mark.proof)])
def test_every_join_plan_gives_the_same(world, hint):
    def rows(plan):
        training_set = world.stream.store.training_set(
            world.basis, TOLD, timestamp="asked_at", point_in_time="created", status=True, hint=plan
        )
        return {row["id"]: row for row in plain(training_set.toArrow())}

    assert not differences(rows("broadcast"), rows(hint))


def test_redis_gives_the_same(world):
    """Late and corrected reports, ties, ttl: the server's script decides as the store in memory does."""
    wrong = differences(world.remote.scored, world.offline)
    assert not wrong, f"{len(wrong)} differ: {wrong[:5]}"
    assert not differences(world.remote.told, world.online.told)
    assert (world.remote.written, world.remote.superseded) == (world.online.written, world.online.superseded)


def test_stream_is_out_of_order(world):
    for group, rows in world.stream.rows.items():
        declared = world.stream.store.group(group)
        keys = list(world.stream.store.entity(declared.entity).keys)
        rows = plain(rows)
        ties = Counter((*(row[key] for key in keys), row.get(declared.timestamp)) for row in rows)
        assert sum(count > 1 for count in ties.values()) > 5, f"{group} has no ties of event time"
        full = Counter(
            (*(row[key] for key in keys), row.get(declared.timestamp), row[declared.created]) for row in rows
        )
        assert sum(count > 1 for count in full.values()) > 5, f"{group} has no ties that values break"
        if group not in STATIC:
            hour = dt.timedelta(hours=1)
            assert sum(row[declared.created] - row[declared.timestamp] > hour for row in rows) > 5
            assert world.online.superseded[group] > 5, f"no row of {group} comes after a newer one"


def test_replay_would_notice_rows_that_were_written_late(world):
    by_event = world.model.copy().setPointInTime("event")
    assert len(differences(world.online.scored, transformed(by_event, world.basis))) > 100


def test_replay_would_notice_reads_before_writes_of_the_same_time(world):
    hasty = replay(world.stream, world.model, FeatureStore(world.stream.store.uri).online, reads_first=True)
    assert len(differences(hasty.scored, world.offline)) > 100
