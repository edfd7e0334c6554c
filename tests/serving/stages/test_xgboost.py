"""Models of xgboost.spark beside themselves on Spark: vectors and columns, missing values, margins, contributions."""

from __future__ import annotations

import copy
import math
import pickle
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import types as T
from xgboost.spark import SparkXGBClassifier, SparkXGBRanker, SparkXGBRegressor

from palette.errors import DataError
from palette.serving import LocalPipeline
from palette.serving.spark_files import SavedFiles
from palette.serving.stages import local_form, saved_form, stage_from_json, stage_to_json
from palette.serving.stages.vectors import Sparse
from palette.serving.testing import assert_same_stage

pytestmark = pytest.mark.spark
NAN, INF = math.nan, math.inf
COLUMNS = ["x", "f", "n", "l"]
SCHEMA = T.StructType(
    [
        T.StructField("features", VectorUDT()),
        T.StructField("listed", T.ArrayType(T.DoubleType())),
        T.StructField("x", T.DoubleType()),
        T.StructField("f", T.FloatType()),
        T.StructField("n", T.IntegerType()),
        T.StructField("l", T.LongType()),
        T.StructField("margin", T.DoubleType()),
        T.StructField("y", T.DoubleType()),
        T.StructField("two", T.DoubleType()),
        T.StructField("three", T.DoubleType()),
        T.StructField("group", T.IntegerType()),
    ]
)


def drawn(rows=160):
    """Rows of numbers and labels, as floats of 32 bits, which is what xgboost takes."""
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(rows, 4)).astype(np.float32)
    matrix[:, 2:] = rng.integers(0, 7, (rows, 2))
    matrix[:, :2][rng.random((rows, 2)) < 0.1] = np.nan
    signal = (
        np.nan_to_num(matrix[:, 0]) * 2 - np.nan_to_num(matrix[:, 1]) + matrix[:, 2] * 0.5 - 1.5 + (matrix[:, 3] == 3)
    )
    return matrix, signal + rng.normal(size=rows) * 0.1


MATRIX, SIGNAL = drawn()
LABELS = {
    "y": SIGNAL,
    "count": np.abs(SIGNAL).round(),
    "two": (SIGNAL > 0).astype(float),
    "three": np.digitize(SIGNAL, [-1, 1]).astype(float),
}


@pytest.fixture(scope="module")
def train(spark):
    rows = [
        (
            Vectors.dense(row),
            row,
            row[0],
            row[1],
            int(row[2]),
            int(row[3]),
            0.25,
            float(LABELS["y"][place]),
            float(LABELS["two"][place]),
            float(LABELS["three"][place]),
            place // 40,
        )
        for place, row in enumerate(MATRIX.tolist())
    ]
    return spark.createDataFrame(rows, SCHEMA).cache()


VALUES = [0.0, -0.0, 1.0, 0.1, -1.0, NAN, 2.0**24 + 1, 5e-324, None]
WHOLE = [0, 1, -3, 4, 2**24 + 1, None]


def rows_of(values):
    """Rows of training, and such as it never saw."""
    rng = random.Random(5)
    numbers = [value for value in values if value is not None]
    vectors = [Vectors.dense(row) for row in MATRIX[:40].tolist()]
    vectors += [Vectors.dense(rng.choices(numbers, k=4)) for _ in range(40)]
    vectors += [Vectors.sparse(4, {}), Vectors.sparse(4, {1: 0.0, 2: 3.0}), Vectors.sparse(4, {0: NAN, 3: 1.0})]
    return [
        (
            vector,
            rng.choices(numbers, k=4),
            rng.choice(values),
            rng.choice([None, NAN, 0.0, 0.5]),
            rng.choice(WHOLE),
            rng.choice([*WHOLE, 2**53 + 1]),
            rng.choice([0.0, -1.5, 2.0, None, NAN]),
            *(0.0, 0.0, 0.0, 0),
        )
        for vector in vectors
    ]


@pytest.fixture(scope="module")
def asked(spark):
    """Among the rows infinities, and what 32 bits cannot hold."""
    return spark.createDataFrame(rows_of([*VALUES, INF, -INF, 1e300]), SCHEMA)


@pytest.fixture(scope="module")
def finite(spark):
    """No infinities, which xgboost refuses where it tells what each feature adds."""
    return spark.createDataFrame(rows_of(VALUES), SCHEMA)


def boosted(estimator, label, **fit):
    """Spark's model of a booster that was trained here, since Spark's own fit takes seconds."""
    made = estimator._xgb_cls()(**estimator._gen_xgb_params_dict(gen_xgb_sklearn_estimator_param=True))
    # As Spark's fit does for categories.
    made.set_params(enable_categorical=estimator.getOrDefault("feature_types") is not None)
    columns = estimator.getOrDefault("features_cols") or COLUMNS
    made.fit(MATRIX[:, [COLUMNS.index(column) for column in columns]], LABELS[label], **fit)
    return estimator._copyValues(estimator._create_pyspark_model(made, None))


SMALL = {"n_estimators": 6, "max_depth": 3, "num_workers": 1}


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(SparkXGBRegressor(label_col="y", **SMALL), id="regressor"),
        pytest.param(SparkXGBClassifier(label_col="two", **SMALL), id="two classes"),
        pytest.param(SparkXGBClassifier(label_col="three", features_col=COLUMNS, **SMALL), id="three classes"),
        pytest.param(SparkXGBRanker(label_col="two", qid_col="group", **SMALL), id="ranker"),
    ],
)
def test_what_spark_fits_equals_sparks(train, asked, estimator):
    assert_same_stage(estimator.fit(train), asked)


REGRESSORS = [
    pytest.param({"missing": 0.0, "pred_contrib_col": "adds"}, "y", id="zeros missing"),
    pytest.param({"missing": -1.0, "prediction_col": "", "pred_contrib_col": "adds"}, "y", id="contributions only"),
    pytest.param({"missing": 0.0, "enable_sparse_data_optim": True, "pred_contrib_col": "adds"}, "y", id="sparse"),
    pytest.param({"features_col": COLUMNS, "missing": 1.0, "pred_contrib_col": "adds"}, "y", id="columns"),
    pytest.param({"features_col": ["x"]}, "y", id="one column"),
    pytest.param({"features_col": "listed", "booster": "dart"}, "y", id="array"),
    pytest.param({"objective": "count:poisson", "base_margin_col": "margin", "pred_contrib_col": "adds"}, "count",
                 id="base margin"),
    pytest.param({"objective": "reg:logistic", "iteration_range": [1, 3], "pred_contrib_col": "adds"}, "two",
                 id="rounds"),
    pytest.param({"feature_types": ["q", "q", "c", "c"], "pred_contrib_col": "adds"}, "y", id="categories"),
    pytest.param({"num_parallel_tree": 3, "subsample": 0.5, "random_state": 1}, "y", id="forest"),
]  # fmt: skip


CLASSIFIERS = [
    pytest.param({"pred_contrib_col": "adds", "base_margin_col": "margin"}, "two", id="two classes"),
    pytest.param({"pred_contrib_col": "adds", "missing": 0.0}, "three", id="three classes"),
    pytest.param({"raw_prediction_col": "", "probability_col": "", "booster": "dart"}, "three", id="label only"),
    pytest.param({"prediction_col": "", "features_col": COLUMNS}, "two", id="no label"),
]


@pytest.mark.parametrize(("params", "label"), REGRESSORS)
def test_regressions_equal_sparks(asked, finite, params, label):
    told = "pred_contrib_col" in params
    assert_same_stage(boosted(SparkXGBRegressor(**SMALL, **params), label), finite if told else asked)


@pytest.mark.parametrize(("params", "label"), CLASSIFIERS)
def test_classifications_equal_sparks(asked, finite, params, label):
    told = "pred_contrib_col" in params
    assert_same_stage(boosted(SparkXGBClassifier(**SMALL, **params), label), finite if told else asked)


def test_early_stopping_says_which_rounds_count(finite):
    estimator = SparkXGBRegressor(
        n_estimators=40, early_stopping_rounds=1, pred_contrib_col="adds", validation_indicator_col="valid"
    )
    model = boosted(estimator, "y", eval_set=[(MATRIX[:20], -SIGNAL[:20])], verbose=False)
    assert model.get_booster().num_boosted_rounds() > model.get_booster().best_iteration + 1
    assert_same_stage(model, finite)


def test_what_xgboost_refuses_is_an_error(spark):
    """Null for a vector; vectors of another length, and infinities where contributions are asked for."""
    schema = T.StructType([T.StructField("features", VectorUDT())])
    df = spark.createDataFrame([(Vectors.dense([1.0, 2.0, 3.0, 4.0]),), (None,)], schema)
    model = boosted(SparkXGBRegressor(**SMALL, pred_contrib_col="adds"), "y")
    assert_same_stage(model, df)
    form = local_form(model)
    refused = {
        "features is null": None,
        "xgboost rejects this row: Number of columns": [1.0],
        "xgboost rejects this row: .*`inf`": [INF, 0.0, 0.0, 0.0],
        "element 1 of features is 'a', expected a number": [1.0, "a", 2.0, 3.0],
    }
    for message, features in refused.items():
        with pytest.raises(DataError, match=f"SparkXGBRegressorModel: {message}"):
            form.compute(features)


def test_several_numbers_are_no_prediction(spark):
    model = boosted(SparkXGBRegressor(**SMALL, objective="multi:softprob", num_class=3), "three")
    with pytest.raises(DataError, match="expected one number"):
        local_form(model).compute([0.0] * 4)


def test_a_form_is_copied_pickled_and_asked_by_threads():
    form = local_form(boosted(SparkXGBClassifier(**SMALL, pred_contrib_col="adds"), "three"))
    rows = [[float(value) for value in row] for row in MATRIX]
    expected = [form.compute(row) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        for other in (form, copy.deepcopy(form), pickle.loads(pickle.dumps(form))):
            assert list(pool.map(other.compute, rows * 3)) == expected * 3


def test_wide_sparse_vectors_stay_sparse():
    form = local_form(boosted(SparkXGBRegressor(missing=0.0, enable_sparse_data_optim=True, **SMALL), "y"))
    assert form.compute(Sparse(4, [1, 2], [2.0, NAN])) == form.compute([0.0, 2.0, 0.0, NAN])


def test_a_loaded_model_has_the_same_form(spark, tmp_path):
    model = boosted(SparkXGBRegressor(missing=0.0, base_margin_col="margin", **SMALL), "y")
    model.save(str(tmp_path / "model"))
    loaded = type(model).load(str(tmp_path / "model"))
    expected = stage_to_json(local_form(model))
    assert stage_to_json(local_form(loaded)) == stage_to_json(saved_form(SavedFiles(tmp_path / "model"))) == expected
    part = next((tmp_path / "model" / "model").glob("part-*"))
    text = part.read_text("utf-8")
    part.write_text("\n".join([text[:1000], text[1000:]]), "utf-8")
    assert stage_to_json(saved_form(SavedFiles(tmp_path / "model"))) == expected
    part.write_bytes(b"\x1f\x8b\xff")
    with pytest.raises(DataError, match="its booster is not text"):
        saved_form(SavedFiles(tmp_path / "model"))


def test_without_xgboost_the_extra_is_named(monkeypatch):
    plain = stage_to_json(local_form(boosted(SparkXGBRegressor(**SMALL), "y")))
    with pytest.raises(DataError, match="cannot read this booster"):
        stage_from_json({**plain, "booster": "{"})
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(DataError, match=r"SparkXGBRegressorModel needs pip install 'palette-features\[xgboost\]'"):
        stage_from_json(plain)


def test_a_saved_pipeline_is_read_without_spark(train, tmp_path):
    assembler = VectorAssembler(inputCols=COLUMNS, outputCol="features", handleInvalid="keep")
    model = PipelineModel([assembler, boosted(SparkXGBClassifier(**SMALL), "two")])
    model.save(str(tmp_path / "model"))
    pipeline = LocalPipeline.load(tmp_path / "model")
    rows = train.drop("features")
    for row in model.transform(rows).limit(20).collect():
        answer = pipeline.score_instance({column: row[column] for column in COLUMNS})
        assert (answer["probability"], answer["prediction"]) == (
            row["probability"].toArray().tolist(),
            row["prediction"],
        )
