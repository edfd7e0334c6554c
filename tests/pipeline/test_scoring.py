"""One row at a time: from snapshots, from the live store, with rows as people send them."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import UserDict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.classification import GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import (
    IndexToString,
    OneHotEncoder,
    SQLTransformer,
    StringIndexer,
    VectorAssembler,
)
from pyspark.ml.regression import DecisionTreeRegressor, LinearRegression, RandomForestRegressor

from dsl import DSLEstimator, bVal, iVal, nFill, nVal, sFill, sVal, tVal, vVal
from dsl.json_values import decode
from palette import Entity, Feature, FeatureGroup, FeatureStore, MLPipeline, MLPipelineModel, PaletteTransformer
from palette.errors import DataError, MissingColumnError, RequestTimeError, SchemaError, SnapshotError
from palette.pipeline.deploy.scoring_plan import SparkStage
from palette.serving import LocalPipeline, RowRejectedError
from palette.serving.testing import ulps_between
from tests.eats import HOUR, NOW, differences, orders, rows_of, scored, write

pytestmark = pytest.mark.spark

PREP, ZONE = "restaurant:kitchen:prep:r_id", "restaurant:kitchen:zone:r_id"
LAMBDAS = {
    "area": sFill(sVal(ZONE), "z0"),
    "prep": nFill(nVal(PREP)),
    "meals": iVal("restaurant:kitchen:n_meal:r_id"),
    "open": bVal("restaurant:kitchen:open:r_id"),
    "since": tVal("restaurant:kitchen:event_time:r_id"),
    "taste": vVal("restaurant:menu:taste:r_id"),
}


@pytest.fixture(scope="module")
def snapshot(eats):
    return eats.store.snapshot(at=NOW)


@pytest.fixture(scope="module")
def model(eats):
    second = DSLEstimator(lambdas={"busy": nFill(nVal("region:traffic:busy:area"), 0)})
    pipeline = MLPipeline(DSLEstimator(lambdas=LAMBDAS), second, store=eats.store, timestampCol="at")
    return pipeline.fit(eats.orders)


def test_plain_python_values_come_back(model, snapshot):
    found = model.score_instance({"r_id": "r2"}, store=snapshot, now=NOW)
    assert found == {
        "area": "z2", "prep": 18.0, "meals": 48, "open": True, "since": NOW - 6 * HOUR, "taste": [1.0],
        "busy": 2 + 2.7,
    }  # fmt: skip
    assert [type(value) for value in found.values()] == [str, float, int, bool, dt.datetime, list, float]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"r_id": np.str_("r2")}, id="numpy-text"),
        pytest.param(UserDict({"r_id": "r2"}), id="mapping"),
        pytest.param(MappingProxyType({"r_id": "r2"}), id="read-only"),
        pytest.param({"r_id": "r2", "unknown": object()}, id="more-than-needed"),
    ],
)
def test_rows_may_be_any_mapping(model, snapshot, row):
    expected = model.score_instance({"r_id": "r2"}, store=snapshot, now=NOW)
    assert not differences({0: expected}, {0: model.score_instance(row, store=snapshot, now=NOW)})


def test_numpy_values_and_zones_in_the_row(eats):
    stage = DSLEstimator(
        lambdas={"n": nVal("basis:size"), "i": iVal("basis:id"), "t": tVal("basis:at"), "m": nVal("basis:minutes")}
    )
    model = MLPipeline(stage).fit(eats.orders)
    zone = dt.timezone(timedelta(hours=5, minutes=30))
    row = {"size": np.int64(3), "id": np.int32(4), "minutes": np.float32(0.5), "at": NOW.replace(tzinfo=zone)}
    expected = {"n": 3.0, "i": 4, "t": NOW - timedelta(hours=5, minutes=30), "m": 0.5}
    assert not differences({0: expected}, {0: model.score_instance(row)})
    row |= {"at": pd.Timestamp(NOW, tz="Asia/Kolkata")}
    assert not differences({0: expected}, {0: model.score_instance(row)})
    assert model.score_instance({**row, "minutes": np.float64("nan"), "at": None})["t"] is None


def test_unknown_and_null_keys_are_missing_features(eats, model, snapshot):
    unknown = model.score_instance({"r_id": "nowhere"}, store=snapshot, now=NOW)
    assert unknown == {"area": "z0", "prep": 15.0, "meals": None, "open": None, "since": None, "taste": None,
                       "busy": 2.7}  # fmt: skip
    assert model.score_instance({"r_id": None}, store=snapshot, now=NOW) == unknown
    with pytest.raises(MissingColumnError, match=r"lacks column 'r_id' \(did you mean 'rid'\?\)"):
        model.score_instance({"rid": "r2"}, store=snapshot, now=NOW)
    lookup = PaletteTransformer(store=eats.store, features={"p": PREP})
    with pytest.raises(MissingColumnError, match="'r_id'"):
        lookup.score_instance({}, store=snapshot, now=NOW)


def test_ttl_counts_at_now_and_the_past_is_refused(model, snapshot):
    fresh = model.score_instance({"r_id": "r2"}, store=snapshot, now=NOW + 18 * HOUR)
    stale = model.score_instance({"r_id": "r2"}, store=snapshot, now=NOW + 18 * HOUR + timedelta(microseconds=1))
    assert (fresh["prep"], stale["prep"], stale["taste"]) == (18.0, 15.0, [1.0])
    with pytest.raises(SnapshotError, match="before the snapshot's time"):
        model.score_instance({"r_id": "r2"}, store=snapshot, now=NOW - HOUR)


def test_many_rows_and_frames_of_pandas(eats, model, snapshot):
    rows = pd.DataFrame({"r_id": ["r2", "nowhere", None]})
    expected = [model.score_instance({"r_id": key}, store=snapshot, now=NOW) for key in ("r2", "nowhere", None)]
    assert model.score_instances(rows, store=snapshot, now=NOW) == expected
    _, bad = model.score_instances([{"r_id": "r2"}, {"rid": "r2"}], store=snapshot, now=NOW, errors="return")
    assert isinstance(bad, MissingColumnError)
    lookup = PaletteTransformer(store=eats.store, features={"p": PREP})
    assert lookup.score_instances(rows, store=snapshot, now=NOW)[0] == {"p": 18.0}
    pipeline = MLPipeline(DSLEstimator(lambdas={"r": "sVal('basis:r_id')"}))
    for call in (model.transform, lookup.transform, pipeline.fit, DSLEstimator(lambdas={"y": "1"}).fit):
        with pytest.raises((DataError, TypeError), match=r"dataset is a pandas DataFrame.*spark\.createDataFrame"):
            call(rows)
    with pytest.raises(DataError, match="basis is a pandas DataFrame"):
        eats.store.select_features(rows, "minutes")


def test_a_row_of_another_time_than_the_snapshot_is_refused(eats, model, snapshot, tmp_path):
    """``transform`` looks up what was known at the row's time, which the snapshot does not know."""
    row = {"r_id": "r2", "at": NOW - HOUR}
    model.save_bundle(tmp_path / "bundle", self_test=False)
    latest = model.copy()
    latest.clear(latest.timestampCol)
    lookup = PaletteTransformer(store=eats.store, features={"p": PREP}, timestampCol="at")
    static = PaletteTransformer(store=eats.store, features={"p": "restaurant:menu:taste:r_id"}, timestampCol="at")
    for stage in (model, lookup, LocalPipeline.load(tmp_path / "bundle")):
        with pytest.raises(RequestTimeError, match=r"'at' is .*T17:00:00Z, before the snapshot's time"):
            stage.score_instance(row, store=snapshot, now=NOW)
        assert stage.score_instance(row | {"at": NOW}, store=snapshot, now=NOW)
    for stage in (latest, static):
        assert stage.score_instance(row, store=snapshot, now=NOW)


def test_the_online_store_is_the_default_and_live(spark, tmp_path):
    store = FeatureStore(tmp_path / "store")
    write(spark, store)
    stage = DSLEstimator(lambdas={"prep": nFill(nVal(PREP), -1)})
    model = MLPipeline(stage, store=store, timestampCol="at").fit(orders(spark))
    for _ in range(2):
        with pytest.raises(SnapshotError, match=r"no rows of 'restaurant:kitchen'; call store\.materialize\(group\)"):
            model.score_instance({"r_id": "r1"}, now=NOW)
    assert model.score_instance({"r_id": "r1"}, store=store.online, now=NOW) == {"prep": -1.0}
    store.materialize("restaurant:kitchen", to=NOW)
    assert model.score_instance({"r_id": "r1"}, now=NOW) == {"prep": 17.0}
    store.online.write("restaurant:kitchen", [{"restaurant_uuid": "r1", "event_time": NOW, "prep": 5}])
    assert model.score_instance({"r_id": "r1"}, now=NOW) == {"prep": 5.0}
    assert model.score_instance({"r_id": "r1"}, store=store.online, now=NOW) == {"prep": 5.0}
    assert model.score_instance({"r_id": "r1"}, store=store, now=NOW) == {"prep": 5.0}
    explicit = PaletteTransformer(features={"p": PREP})
    model = MLPipeline(explicit, store=store, timestampCol="at").fit(orders(spark))
    assert model.score_instance({"r_id": "r1"}, now=NOW) == {"p": 5.0}
    assert PaletteTransformer(store=store, features={"p": PREP}).score_instance({"r_id": "r1"}, now=NOW) == {"p": 5.0}


def test_every_way_to_change_a_param_reaches_the_scorer(model, snapshot):
    row, model = {"r_id": "r2"}, model.copy()
    dropped = model.score_instance(row, store=snapshot, now=NOW)
    model.set(model.keepFeatures, True)
    kept = model.score_instance(row, store=snapshot, now=NOW)
    assert (PREP in dropped, PREP in kept) == (False, True)
    model.clear(model.keepFeatures)
    assert model.score_instance(row, store=snapshot, now=NOW) == dropped


# Made in the test: Spark's classes need a session.
MODELS = [
    (LinearRegression, {"maxIter": 3}),
    (DecisionTreeRegressor, {"maxDepth": 3, "seed": 1}),
    (RandomForestRegressor, {"numTrees": 3, "seed": 1}),
    (LogisticRegression, {"labelCol": "late", "maxIter": 3, "threshold": 0.3}),
    (LogisticRegression, {"labelCol": "kind", "maxIter": 3, "family": "multinomial", "thresholds": [0.2, 0.7, 0.1]}),
    (RandomForestClassifier, {"labelCol": "kind", "numTrees": 3, "seed": 1}),
    (GBTClassifier, {"labelCol": "late", "maxIter": 2, "seed": 1}),
]


@pytest.mark.parametrize(("final", "params"), MODELS)
def test_spark_models_answer_for_one_row(spark, eats, snapshot, final, params):
    """All columns that transform() adds: prediction, and of classifiers raw prediction and probability."""
    labels = {"late": nVal("basis:minutes") * 0 + (nVal("basis:id") % 2), "kind": nVal("basis:id") % 3}
    first = DSLEstimator(lambdas={"prep": nFill(nVal(PREP)), **labels})
    assembler = VectorAssembler(inputCols=["prep", "size", "id"], outputCol="features")
    stage = final(**{"labelCol": "minutes", **params})
    model = MLPipeline(first, assembler, stage, store=eats.store, timestampCol="at").fit(eats.orders)
    basis = orders(spark, rows=10, at=NOW)
    added = [column for column in model.transform(basis).columns if column not in basis.columns]
    expected = rows_of(model.transform(basis).select("id", *added))
    found = scored(model, [row.asDict() for row in basis.collect()], store=snapshot, now=NOW)
    for key, row in expected.items():
        answer = {"id": key, **found[key]}
        # Python's exp is not Java's in the last place.
        assert all(
            ulps(answer[column], row[column]) <= 8 for column in ("rawPrediction", "probability") if column in row
        )
        exact = [column for column in added if column not in ("rawPrediction", "probability")]
        assert not differences({key: {c: row[c] for c in exact}}, {key: {c: answer[c] for c in exact}})
        # The way of models without a local form: Spark's own predict.
        step = SparkStage(model.stages[-1])
        asked = dict(zip(step.outputs, step.compute(row["features"]), strict=True))
        assert not differences({key: {column: row[column] for column in step.outputs}}, {key: asked})


def ulps(found, expected):
    return max(ulps_between(one, other) for one, other in zip(found, expected, strict=True))


def test_a_bundle_scores_what_the_model_scores(eats, snapshot, tmp_path):
    first = DSLEstimator(lambdas=LAMBDAS)
    assembler = VectorAssembler(inputCols=["prep", "size", "taste_at"], outputCol="vector", handleInvalid="skip")
    taste = DSLEstimator(lambdas={"taste_at": "element(vVal('restaurant:menu:taste:r_id'), 0)"})
    model = MLPipeline(first, taste, assembler, store=eats.store, timestampCol="at").fit(eats.orders)
    model.save_bundle(tmp_path / "bundle")
    snapshot.save(tmp_path / "snapshot")
    from palette import Snapshot

    local = LocalPipeline.load(tmp_path / "bundle", store=Snapshot.load(tmp_path / "snapshot"))
    row = {"r_id": "r2", "size": 2}
    expected = model.score_instance(row, store=snapshot, now=NOW)
    assert not differences({0: expected}, {0: local.score_instance(row, now=NOW)})
    assert expected["vector"] == [18.0, 2.0, 1.0]
    for scorer in (local, model):
        with pytest.raises(RowRejectedError, match="taste_at is null"):
            scorer.score_instance(
                {"r_id": "r1", "size": 2}, **({} if scorer is local else {"store": snapshot}), now=NOW
            )


def test_stages_without_a_local_form_are_refused_by_name(eats, snapshot, tmp_path):
    first = DSLEstimator(lambdas={"area": sFill(sVal(ZONE), "z0"), "prep": nFill(nVal(PREP))})
    statement = SQLTransformer(statement="SELECT *, prep + 1 AS more FROM __THIS__")
    model = MLPipeline(first, statement, store=eats.store, timestampCol="at").fit(eats.orders)
    with pytest.raises(SchemaError, match=rf"{model.stages[-1].uid} \(SQLTransformer\) has no local form"):
        model.save_bundle(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    with pytest.raises(SchemaError, match=r"SQLTransformer\) cannot score single rows"):
        model.score_instance({"r_id": "r1"}, store=snapshot, now=NOW)


def test_what_only_the_metadata_of_a_column_tells_is_kept_by_fit(spark, eats, snapshot, tmp_path):
    first = DSLEstimator(lambdas={"area": sFill(sVal(ZONE), "z0"), "prep": nFill(nVal(PREP))})
    stages = [
        StringIndexer(inputCol="area", outputCol="place", handleInvalid="keep"),
        IndexToString(inputCol="place", outputCol="area_again"),
        OneHotEncoder(inputCol="place", outputCol="places"),
        VectorAssembler(inputCols=["prep", "places"], outputCol="all"),
    ]
    model = MLPipeline(first, *stages, store=eats.store, timestampCol="at").fit(eats.orders)
    model.save(str(tmp_path / "model"))
    loaded = MLPipelineModel.load(str(tmp_path / "model"), store=eats.store)
    basis = orders(spark, rows=10, at=NOW)
    added = ["area", "prep", "place", "area_again", "places", "all"]
    expected = rows_of(model.transform(basis).select("id", *added))
    for scorer in (model, loaded):
        found = scored(scorer, [row.asDict() for row in basis.collect()], store=snapshot, now=NOW)
        assert not differences(expected, {key: {"id": key, **row} for key, row in found.items()})


def test_a_bundle_holds_answers_that_spark_gave(eats, snapshot, tmp_path):
    """Fit keeps a few rows; loading computes them again."""
    first = DSLEstimator(lambdas={"prep": nFill(nVal(PREP)), "hour": "nFill(hour(tVal('basis:at')), 0)"})
    assembler = VectorAssembler(inputCols=["prep", "hour"], outputCol="features")
    regression = LinearRegression(labelCol="minutes", maxIter=1)
    model = MLPipeline(first, assembler, regression, store=eats.store, timestampCol="at").fit(eats.orders)
    model.save_bundle(tmp_path / "bundle")
    told = json.loads((tmp_path / "bundle/selftest.json").read_text())
    assert len(told["requests"]) == len(told["answers"]) == 3
    assert {"at", PREP} == set(told["requests"][0])
    assert {"prep", "hour", "features", "prediction"} == set(told["answers"][0])
    times = {row.at and row.at.astimezone(dt.UTC).replace(tzinfo=None) for row in eats.orders.select("at").collect()}
    assert {decode(request["at"]) for request in told["requests"]} <= times
    model.save(str(tmp_path / "model"))
    again = type(model).load(str(tmp_path / "model"))
    again.save_bundle(tmp_path / "again")
    assert json.loads((tmp_path / "again/selftest.json").read_text()) == told
    model.save_bundle(tmp_path / "bundle", self_test=False)
    assert not (tmp_path / "bundle/selftest.json").exists()
    row = {"r_id": "r1", "at": NOW}
    assert LocalPipeline.load(tmp_path / "bundle", store=snapshot).score_instance(row, now=NOW)


def test_dates_and_decimals_are_fitted_bundled_and_deployed(spark, tmp_path):
    """What a bundle is tested with when it is loaded, and what the catalog keeps of the training data."""
    exact = Decimal("12345678901234567.89")
    rows = [
        (0, dt.date(2024, 2, 29), exact, Decimal("1.50"), [Decimal("0.1"), Decimal("2.0")], 1.0),
        (1, dt.date(1, 1, 1), Decimal("-0.01"), Decimal("9.99"), None, 2.0),
        (2, None, None, Decimal("0.00"), [Decimal("1.0"), Decimal("3.0")], 4.0),
    ]
    schema = "id int, day date, price decimal(19,2), fee decimal(3,2), parts array<decimal(2,1)>, y double"
    basis = spark.createDataFrame(rows, schema)
    lambdas = {
        "since": "nFill(dayOfYear(tVal('basis:day')), 0)",
        "price": "nFill(nVal('basis:price'), mean(nVal('basis:fee')))",
        "sum": "nFill(element(vVal('basis:parts'), 0), 0)",
    }
    assembler = VectorAssembler(inputCols=["since", "price", "sum", "fee"], outputCol="features")
    model = MLPipeline(DSLEstimator(lambdas=lambdas), assembler, LinearRegression(labelCol="y", maxIter=1)).fit(basis)
    done = model.deploy("dated", store=FeatureStore(tmp_path / "store"), training=basis)
    told = json.loads((Path(done.uri) / "selftest.json").read_text())
    asked = [{name: decode(value) for name, value in request.items()} for request in told["requests"]]
    names = ["day", "price", "parts", "fee"]
    assert sorted(asked, key=str) == sorted(({name: row[name] for name in names} for row in basis.collect()), key=str)
    local = LocalPipeline.load(done.uri)
    expected = rows_of(model.transform(basis).select("id", *local.plan.outputs))
    for row in basis.collect():
        answer = {"id": row["id"], **local.score_instance(row.asDict())}
        assert not differences({row["id"]: expected[row["id"]]}, {row["id"]: answer})


def test_a_self_test_asks_with_what_a_replaced_column_was(eats, snapshot, tmp_path):
    first = DSLEstimator(
        lambdas={"size": "nVal('basis:size') * 10 + mean(nVal('basis:size'))", "prep": nFill(nVal(PREP))}
    )
    assembler = VectorAssembler(inputCols=["prep", "size"], outputCol="features")
    model = MLPipeline(first, assembler, store=eats.store, timestampCol="at").fit(eats.orders)
    model.save_bundle(tmp_path / "bundle")
    told = json.loads((tmp_path / "bundle/selftest.json").read_text())
    assert (told["types"]["size"], type(told["requests"][0]["size"])) == ("bigint", int)
    assert told["answers"][0]["size"] > 10
    found = LocalPipeline.load(tmp_path / "bundle", store=snapshot).score_instance({"r_id": "r1", "size": 2}, now=NOW)
    assert found == model.score_instance({"r_id": "r1", "size": 2}, store=snapshot, now=NOW)
    assert not [name for name in model.transform(eats.orders).columns if "palette" in name]


def test_what_is_asked_wrongly_is_told(model, snapshot):
    with pytest.raises(DataError, match=r"join key 'r_id' .*expected string, found int 5"):
        model.score_instance({"r_id": 5}, store=snapshot, now=NOW)
    with pytest.raises(DataError, match="a row is a mapping"):
        model.score_instance([("r_id", "r1")], store=snapshot, now=NOW)


def test_nan_stays_nan_where_nothing_fills_it(eats, snapshot):
    model = MLPipeline(DSLEstimator(lambdas={"m": nVal("basis:minutes")})).fit(eats.orders)
    assert math.isnan(model.score_instance({"minutes": math.nan})["m"])


def test_a_model_keeps_the_ttl_and_the_types_that_it_was_fitted_with(spark, tmp_path):
    """In transform and in scoring, over every kind of store, saved or not; what reads without a model follows."""
    fitted = FeatureGroup("fg", "thing", [Feature("n", "int")], timestamp="ts", ttl="2h")
    changed = FeatureGroup("fg", "thing", [Feature("m", "int"), Feature("n", "bigint")], timestamp="ts", ttl="4h")
    store = FeatureStore(tmp_path / "store")
    store.apply(Entity("thing", keys={"id": "string"}), fitted)
    rows = [("old", NOW - 3 * HOUR, 1), ("new", NOW - HOUR, 2)]
    store.write(fitted, spark.createDataFrame(rows, "id string, ts timestamp, n int"))
    basis = spark.createDataFrame([("old", NOW), ("new", NOW)], "k string, at timestamp").coalesce(1)
    explicit = PaletteTransformer(features={"own": "thing:fg:n:k"})
    stages = DSLEstimator(lambdas={"n": iVal("thing:fg:n:k")}), explicit
    model = MLPipeline(*stages, store=store, timestampCol="at").fit(basis)
    model.save_bundle(tmp_path / "bundle")
    model.write().save(str(tmp_path / "model"))
    expected = {"old": (None, None), "new": (2, 2)}
    (plan,) = [str(change) for change in store.plan(changed).changed if change.kind == "group"]
    assert "ttl: '2h' -> '4h'" in plan
    store.apply(changed, allow_breaking=True)
    more = spark.createDataFrame([("wide", NOW, None, 1 << 40)], "id string, ts timestamp, m int, n bigint")
    store.write(changed, more)
    for fit in (model, MLPipelineModel.load(str(tmp_path / "model"))):
        assert {row.k: (row.n, row.own) for row in fit.transform(basis).collect()} == expected
    alone = PaletteTransformer(store=store, features=explicit.getFeatures(), timestampCol="at").transform(basis)
    assert {row.k: row.own for row in alone.collect()} == {"old": 1, "new": 2}
    snapshot = store.snapshot(at=NOW)
    store.materialize(changed, to=NOW)
    local = LocalPipeline.load(tmp_path / "bundle")
    for score in (
        lambda row, where: model.score_instance(row, store=where, now=NOW),
        lambda row, where: local.score_instance(row, store=where, now=NOW),
    ):
        for where in (snapshot, store, store.online):
            found = {key: score({"k": key}, where) for key in expected}
            assert {key: (row["n"], row["own"]) for key, row in found.items()} == expected
    with pytest.raises(DataError, match="thing:fg: 'n' is 1099511627776, a bigint that does not fit into int"):
        local.score_instance({"k": "wide"}, store=store, now=NOW)
    assert store.online.read({"thing:fg": ["old"]}, NOW)["thing:fg"][0]["n"] == 1
