"""The boosted trees of the flights example, every row: the local pipeline gives what ``transform`` gives."""

from __future__ import annotations

import pytest
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from examples import flight_eta
from palette import FeatureStore
from palette.pipeline.scoring import local_plan, spark_step
from palette.serving import LocalPipeline
from palette.serving.plan import compile_plan, request_columns
from palette.serving.selftest import without_lookups
from palette.serving.testing import ulps_between

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:targetMean learns from the label"),
]
# Sums of trees may be added in another order than the JVM's.
ULPS = 8


@pytest.mark.parametrize(
    ("month", "every"), [pytest.param(12, 5, id="december"), pytest.param(1, 1, id="year", marks=pytest.mark.proof)]
)
def test_every_flight_scored_locally(spark, tmp_path, month, every):
    store = FeatureStore(tmp_path / "store")
    flight_eta.declare(store)
    airports = flight_eta.read_airports(spark).cache()
    flights = flight_eta.read_flights(spark, airports).filter(f"month >= {month}").coalesce(4).cache()
    for group, rows in flight_eta.histories(spark, flights, airports).items():
        store.write(group, rows)
    basis = flights.select(flight_eta.BASIS)
    place = {"region_id": flight_eta.region("airport:place:lat:dest", "airport:place:long:dest")}
    inputs = {**flight_eta.scheduled_inputs(), **flight_eta.known_inputs()}
    model = flight_eta.pipeline(store, place, inputs).fit(basis.filter("arr_delay is not null"))
    model.save_bundle(tmp_path / "bundle")
    plan = LocalPipeline.load(tmp_path / "bundle").plan
    assert plan.to_json() == local_plan(model, spark_step).to_json()

    told = model.copy().setKeepFeatures(True).transform(basis).filter(F.abs(F.hash("tailnum", "flight")) % every == 0)
    types = {field.name: field.dataType.simpleString() for field in told.schema.fields}
    alone = without_lookups(plan, types)
    wanted = [f"`{column}`" for column in dict.fromkeys([*request_columns(alone), *alone.outputs])]
    rows = told.select(*wanted).withColumn("features", vector_to_array("features")).toArrow()
    score = compile_plan(alone, None)
    compared = 0
    for batch in rows.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            row = {
                name: value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for name, value in row.items()
            }
            answer = score(row, 0)
            assert ulps_between(answer["prediction"], row["prediction"]) <= ULPS, row
            for column in alone.outputs:
                if column != "prediction":
                    assert same(answer[column], row[column]), (column, answer[column], row)
            compared += 1
    assert compared == rows.num_rows
    assert compared > (336_000 if every == 1 else 4_000)


def same(one, other):
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)
