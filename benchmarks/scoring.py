"""One row: `score_instance` against the same thing written by hand, and against `transform` on one row."""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h3
from pyspark.sql import SparkSession

from benchmarks.table import Result
from examples import eats_eta

AT = eats_eta.START + dt.timedelta(days=11)
ORDER = {"r_id": "r007", "order_size": 3}


def hand_written(
    batch: dict, realtime: dict, service: dict, predict: Callable[..., float] | None = None
) -> Callable[[dict, int], dict]:
    """Return what an engineer would write for the eats pipeline: look-ups, ttl, fills, all columns, the model."""
    week, hours = 7 * 86_400_000_000, 2 * 3_600_000_000
    cell_of = h3.latlng_to_cell

    def score(row: dict, now: int) -> dict:
        r_id = row.get("r_id")
        found = batch.get(r_id)
        prep_time = found[2] if found is not None and found[0] >= now - week else None
        found = realtime.get(r_id)
        if found is not None and found[0] >= now - hours:
            n_meal, lat, long = found[2], found[3], found[4]
        else:
            n_meal = lat = long = None
        region_id = None
        if lat is not None and long is not None and abs(lat) <= 90 and abs(long) <= 180:
            region_id = cell_of(lat, long, 8)
        found = service.get(region_id)
        n_busy = found[2] if found is not None and found[0] >= now - hours else None
        if prep_time is None or prep_time != prep_time:
            prep_time = -1.0
        n_meal = -1.0 if n_meal is None else float(n_meal)
        order_size = row.get("order_size")
        order_size = None if order_size is None else float(order_size)
        if n_busy is None or n_busy != n_busy:
            n_busy = -1.0
        features = [prep_time, n_meal, order_size, n_busy]
        for value in features:
            if value is None or value != value:
                raise ValueError(row)
        answer = {
            "region_id": region_id,
            "prep_time": prep_time,
            "n_meal": n_meal,
            "order_size": order_size,
            "n_busy": n_busy,
            "features": features,
        }
        if predict is not None:
            answer["prediction"] = predict(prep_time, n_meal, order_size, n_busy)
        return answer

    return score


def run(spark: SparkSession, *, quick: bool = False) -> list[Result]:
    """Measure in interleaved rounds."""
    from palette import FeatureStore, MLPipeline

    store = FeatureStore(Path(tempfile.mkdtemp()) / "store")
    eats_eta.declare(store)
    orders = spark.createDataFrame(eats_eta.generate(spark, store))
    model = MLPipeline(*eats_eta.stages(), store=store, timestampCol="ordered_at").fit(orders)
    snapshot = store.snapshot(at=AT)
    by_hand = hand_written(*(snapshot.table(group).rows for group in BATCHES))
    now = snapshot.at

    def ours() -> dict:
        return model.score_instance(ORDER, store=snapshot, now=AT)

    def written() -> dict:
        return by_hand(ORDER, now)

    row = spark.createDataFrame([(*ORDER.values(), AT)], "r_id string, order_size bigint, ordered_at timestamp")
    assert ours() == written()
    assert ours()["features"] == model.transform(row).first()["features"].toArray().tolist()
    calls, rounds = (2_000, 5) if quick else (20_000, 15)
    frames = [per_call(lambda: model.transform(row).collect(), 1) for _ in range(rounds)]
    # Spark is at work for a moment after its last answer; turns are short, and each goes first as often as second.
    time.sleep(2)
    mine, hand = [], []
    for turn in range(rounds * 4):
        for times, arm in [(mine, ours), (hand, written)][:: 1 if turn % 2 else -1]:
            times.append(per_call(arm, calls // 4))
    ratio = statistics.median(a / b for a, b in zip(mine, hand, strict=True))
    faster = statistics.median(frames) / statistics.median(mine)
    what = "score_instance, eats pipeline without model"
    return [
        Result(what, "the same by hand in Python", ratio, 2, slower=True),
        Result(what, "transform of a one-row DataFrame", faster, 10_000),
    ]


BATCHES = ("restaurant:batch_fg", "restaurant:realtime_fg", "region:service_fg")


def per_call(function: Callable[[], object], calls: int) -> float:
    """Return the mean time of a call."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls
