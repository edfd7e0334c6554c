"""Delivery time of a food order, from the definitions of its features to scoring one order.

Orders, kitchens and traffic are generated; everything else is what a project would contain.
Run it: python examples/eats_eta.py
"""

from __future__ import annotations

import argparse
import math
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import GBTRegressor
from pyspark.sql import SparkSession

import palette
from dsl import DSLEstimator, nFill, nVal, regionId
from palette import Entity, Feature, FeatureGroup, FeatureStore, MLPipeline, PaletteTransformer
from palette.serving import LocalPipeline

START = datetime(2026, 3, 1)
RESTAURANTS, HOURS, ORDERS = 200, 14 * 24, 20_000
INPUTS = ["prep_time", "n_meal", "order_size", "n_busy"]


def declare(store: FeatureStore) -> None:
    """Define two entities and three feature groups, each with its event time and ttl."""
    store.apply(
        Entity("restaurant", keys={"restaurant_uuid": "string"}),
        Entity("region", keys={"h3_cell": "string"}),
        FeatureGroup(
            "batch_fg",
            entity="restaurant",
            timestamp="day",
            ttl=timedelta(days=7),
            features=[Feature("prep_time", "double", default=15.0, description="minutes a meal took, last week")],
        ),
        FeatureGroup(
            "realtime_fg",
            entity="restaurant",
            timestamp="hour",
            ttl=timedelta(hours=2),
            features=[
                Feature("n_meal", "bigint", default=0, description="meals in the kitchen"),
                Feature("lat", "double"),
                Feature("long", "double"),
            ],
        ),
        FeatureGroup(
            "service_fg",
            entity="region",
            timestamp="hour",
            ttl=timedelta(hours=2),
            features=[Feature("n_busy", "double", default=0.0, description="traffic, 0 is free and 1 is jammed")],
        ),
    )


def generate(spark: SparkSession, store: FeatureStore) -> pd.DataFrame:
    """Write the history of kitchens and regions, and return orders with their durations in minutes."""
    rng = np.random.default_rng(7)
    names = [f"r{number:03d}" for number in range(RESTAURANTS)]
    lat, long = rng.uniform(40.70, 40.80, RESTAURANTS), rng.uniform(-74.02, -73.92, RESTAURANTS)
    speed = rng.uniform(8, 25, RESTAURANTS)
    region = [region_of(*place) for place in zip(lat, long, strict=True)]
    cells = sorted(set(region))

    hours = pd.date_range(START, periods=HOURS, freq="h")
    days = pd.date_range(START, periods=HOURS // 24, freq="D")
    rush = 0.5 + 0.5 * np.sin((hours.hour.to_numpy() - 6) / 24 * 2 * np.pi)
    meals = rng.poisson(rush[:, None] * rng.uniform(2, 12, RESTAURANTS))
    busy = np.clip(rush[:, None] * rng.uniform(0.4, 1.0, len(cells)) + rng.normal(0, 0.1, (HOURS, len(cells))), 0, 1)

    prep = table(restaurant_uuid=names, day=days).assign(
        prep_time=np.repeat(speed, len(days)) + rng.normal(0, 1, RESTAURANTS * len(days))
    )
    kitchens = table(restaurant_uuid=names, hour=hours).assign(
        n_meal=meals.T.ravel(), lat=np.repeat(lat, HOURS), long=np.repeat(long, HOURS)
    )
    traffic = table(h3_cell=cells, hour=hours).assign(n_busy=busy.T.ravel())
    store.write("restaurant:batch_fg", spark.createDataFrame(prep))
    store.write("restaurant:realtime_fg", spark.createDataFrame(kitchens))
    store.write("region:service_fg", spark.createDataFrame(traffic))

    who, minute = rng.integers(0, RESTAURANTS, ORDERS), rng.integers(60, HOURS * 60, ORDERS)
    size, hour = rng.integers(1, 9, ORDERS), minute // 60
    where = np.array([cells.index(cell) for cell in region])[who]
    kitchen = speed[who] * (1 + 0.05 * meals[hour, who])
    return pd.DataFrame(
        {
            "r_id": np.array(names)[who],
            "ordered_at": START + pd.to_timedelta(minute, unit="m"),
            "order_size": size,
            "minutes": kitchen + 1.5 * size + 20 * busy[hour, where] + rng.normal(0, 2, ORDERS),
        }
    )


def table(**columns: Any) -> pd.DataFrame:
    """Return all combinations of the values of two columns."""
    return pd.MultiIndex.from_product(columns.values(), names=columns.keys()).to_frame(index=False)


def region_of(lat: float, long: float) -> str:
    """Return the region of a location, computed by the function that the model uses."""
    from dsl import compile_row

    return str(compile_row(regionId(nVal("basis:lat"), nVal("basis:long")))({"lat": lat, "long": long}))


def stages() -> list[Any]:
    """Return the model's stages: expressions over features, then Spark ML."""
    dsl1 = DSLEstimator(
        lambdas={"region_id": regionId("restaurant:realtime_fg:lat:r_id", "restaurant:realtime_fg:long:r_id")}
    )
    dsl2 = DSLEstimator(
        lambdas={
            "prep_time": nFill(nVal("restaurant:batch_fg:prep_time:r_id"), -1),
            "n_meal": nFill(nVal("restaurant:realtime_fg:n_meal:r_id"), -1),
            "order_size": nVal("basis:order_size"),
            "n_busy": "nFill(nVal('region:service_fg:n_busy:region_id'), -1)",  # a string works as well
        }
    )
    return [dsl1, dsl2, VectorAssembler(inputCols=INPUTS, outputCol="features")]


def main() -> None:
    """Train, evaluate, save a snapshot and a model, score one order, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, help="directory of the store (default: a temporary one)")
    home = parser.parse_args().dir or Path(tempfile.mkdtemp(prefix="eats_"))
    spark = palette.spark_session()
    store = FeatureStore(home / "store")

    print(f"1. A feature store in {home}")
    declare(store)
    orders = generate(spark, store)
    early = orders.ordered_at < START + timedelta(days=10)
    known, later = orders[early], orders[~early]
    train, test = spark.createDataFrame(known), spark.createDataFrame(later)

    print(f"2. Train on {len(known):,} orders, with the values known when each was placed")
    gbt = GBTRegressor(labelCol="minutes", maxIter=20, maxDepth=5, seed=7)
    pipeline = MLPipeline(*stages(), gbt, store=store, timestampCol="ordered_at")
    print(pipeline.explain())
    model = pipeline.fit(train)

    evaluator = RegressionEvaluator(labelCol="minutes", metricName="mae")
    error = evaluator.evaluate(model.transform(test))
    mean = float((later.minutes - known.minutes.mean()).abs().mean())
    print(f"3. Mean absolute error on {len(later):,} later orders: {error:.2f} minutes (the mean alone: {mean:.2f})")

    print("4. The same features in two stages of a plain Spark ML pipeline")
    plain = two_stage_pipeline(store).fit(train).transform(test)
    same = plain.select(*INPUTS).exceptAll(model.transform(test).select(*INPUTS)).count()
    print(f"   rows that differ from MLPipeline's: {same}")

    print("5. Deploy: a snapshot of the newest values, and the model")
    at = later.ordered_at.max().to_pydatetime()
    snapshot = store.snapshot(at=at)
    snapshot.save(home / "snapshot")
    model.write().overwrite().save(str(home / "model"))
    order = {"r_id": "r007", "order_size": 3}
    scored = model.score_instance(order, store=snapshot, now=at)
    print(f"   order {order} -> {scored['prediction']:.2f} minutes")

    row = spark.createDataFrame([(*order.values(), at)], "r_id string, order_size bigint, ordered_at timestamp")
    answer = model.transform(row).first()
    transformed = {name: answer[name] for name in scored}
    transformed["features"] = transformed["features"].toArray().tolist()
    # In Spark the processor's vector unit determines the order of a sum: the last digits of a prediction may differ.
    close = math.isclose(scored.pop("prediction"), transformed.pop("prediction"), rel_tol=1e-12)
    print(f"   score_instance equals transform(): {close and scored == transformed}")

    model.save_bundle(home / "bundle")
    local = LocalPipeline.load(home / "bundle", store=palette.Snapshot.load(home / "snapshot"))
    print(f"6. Without Spark, from the bundle: {local.score_instance(order, now=at)}")
    assert close
    assert scored == transformed
    assert same == 0
    assert error < mean / 2


def two_stage_pipeline(store: FeatureStore) -> Pipeline:
    """Return the look-ups and expressions as stages of ``pyspark.ml.Pipeline``, placed by hand."""
    names = {
        "f_prep": "batch_fg:prep_time",
        "f_meal": "realtime_fg:n_meal",
        "f_lat": "realtime_fg:lat",
        "f_long": "realtime_fg:long",
    }
    first = PaletteTransformer(
        store=store,
        features={column: f"restaurant:{name}:r_id" for column, name in names.items()},
        timestampCol="ordered_at",
    )
    second = PaletteTransformer(
        store=store, features={"f_busy": "region:service_fg:n_busy:region_id"}, timestampCol="ordered_at"
    )
    dsl1, dsl2, assembler = stages()
    return Pipeline(stages=[first, dsl1, second, dsl2, assembler])


if __name__ == "__main__":
    main()
