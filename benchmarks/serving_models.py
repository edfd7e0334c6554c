"""Fitted Spark ML pipelines, one row: `score_instance` against Spark, py4j and ONNX."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import Imputer, OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
from pyspark.ml.linalg import Vectors
from pyspark.ml.regression import LinearRegression, RandomForestRegressor
from pyspark.sql import SparkSession

from benchmarks.scoring import AT, ORDER
from benchmarks.serving_eats import EatsWorld
from benchmarks.table import Result
from benchmarks.turns import Turn, calling, in_turns
from palette import MLPipeline
from palette.serving import LocalPipeline

__all__ = ["Fitted", "fitted", "scores"]

TEXTS, NUMBERS, LABELS = 6, 16, 8
TEXT_COLUMNS = [f"t{place}" for place in range(TEXTS)]
NUMBER_COLUMNS = [f"n{place}" for place in range(NUMBERS)]
SPARK, PY4J, ONNX = "Spark's transform of one row", "predict of the last stage over py4j", "onnxmltools and onnxruntime"
CHECKED = 200
RIGHT = f"right on {CHECKED} rows, to three digits"
# The converter's encoder needs this one at least.
OPSET = 13


@dataclass(frozen=True)
class Fitted:
    """A pipeline over 22 raw columns, and rows of them."""

    name: str
    spark: SparkSession
    stages: Sequence[Any]
    bundle: Path
    rows: list[dict[str, Any]]

    @cached_property
    def local(self) -> LocalPipeline:
        return LocalPipeline.load(self.bundle)

    @cached_property
    def model(self) -> PipelineModel:
        return PipelineModel(list(self.stages))

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        types = [f"{name} string" for name in TEXT_COLUMNS] + [f"{name} double" for name in NUMBER_COLUMNS]
        return self.spark.createDataFrame([tuple(row.values()) for row in rows], ", ".join(types))


def fitted(spark: SparkSession, *, quick: bool) -> list[Fitted]:
    """Fit a linear, a logistic and a forest pipeline on the same rows."""
    count = 1_000 if quick else 5_000
    data = raw(count)
    frame = spark.createDataFrame(data).cache()
    rows = data.drop(columns=["amount", "late"]).astype(object).where(data.notna(), None)
    plain = rows.head(CHECKED).to_dict("records")
    home = Path(tempfile.mkdtemp(prefix="models_"))
    estimators: dict[str, Any] = {
        "linear": LinearRegression(labelCol="amount"),
        "50-tree forest": RandomForestRegressor(labelCol="amount", numTrees=50, maxDepth=5, seed=7),
    }
    if not quick:
        estimators["logistic"] = LogisticRegression(labelCol="late")
    prepared, found = Pipeline(stages=preparation()).fit(frame).stages, []
    for place, (name, estimator) in enumerate(estimators.items()):
        model = MLPipeline(*prepared, estimator).fit(frame)
        model.save_bundle(home / str(place))
        found.append(Fitted(name, spark, model.stages, home / str(place), plain))
    return found


def raw(count: int) -> pd.DataFrame:
    """Return rows of 6 texts and 16 numbers, some of them missing, and what is to be learnt."""
    rng = np.random.default_rng(11)
    places = rng.integers(0, LABELS, (count, TEXTS))
    numbers = rng.normal(0, 1, (count, NUMBERS))
    amount = places @ rng.normal(0, 1, TEXTS) + numbers @ rng.normal(0, 1, NUMBERS) + numbers[:, 0] * numbers[:, 1]
    numbers[rng.random((count, NUMBERS)) < 0.05] = np.nan
    columns: dict[str, Any] = {name: [f"label{one}" for one in places[:, at]] for at, name in enumerate(TEXT_COLUMNS)}
    columns |= {name: numbers[:, at] for at, name in enumerate(NUMBER_COLUMNS)}
    return pd.DataFrame({**columns, "amount": amount, "late": (amount > np.median(amount)).astype(float)})


def preparation() -> list[Any]:
    """Return the stages before the model; their modes are those that ONNX's converter takes."""
    places, vectors, filled = ([f"{name}_{kind}" for name in names] for names, kind in (
        (TEXT_COLUMNS, "place"), (TEXT_COLUMNS, "vector"), (NUMBER_COLUMNS, "filled")
    ))  # fmt: skip
    return [
        StringIndexer(inputCols=TEXT_COLUMNS, outputCols=places),
        OneHotEncoder(inputCols=places, outputCols=vectors, handleInvalid="keep", dropLast=True),
        Imputer(inputCols=NUMBER_COLUMNS, outputCols=filled),
        VectorAssembler(inputCols=[*vectors, *filled], outputCol="assembled"),
        StandardScaler(inputCol="assembled", outputCol="features"),
    ]


def scores(world: EatsWorld, pipelines: Sequence[Fitted]) -> list[Result]:
    """Each pipeline against the three other ways."""
    results = against(
        "eats pipeline with GBT",
        lambda: world.local.score_instance(ORDER, now=AT),
        lambda: world.model.transform(world.row).collect(),
        world.model.stages[-1],
        eats_onnx(world),
        quick=world.quick,
    )
    for one in pipelines:
        answers = [one.local.score_instance(row) for row in one.rows]
        expected = one.model.transform(one.frame(one.rows)).collect()
        for mine, its in zip(answers, expected, strict=True):
            assert close(mine["prediction"], its["prediction"])
            assert mine.keys() == its.asDict().keys() - {*TEXT_COLUMNS, *NUMBER_COLUMNS}
        frame, row = one.frame(one.rows[:1]), one.rows[0]
        results += against(
            f"{one.name} pipeline",
            lambda one=one, row=row: one.local.score_instance(row),
            lambda one=one, frame=frame: one.model.transform(frame).collect(),
            one.stages[-1],
            pipeline_onnx(one, [its["prediction"] for its in expected]),
            quick=world.quick,
        )
    return results


def against(
    name: str,
    ours: Callable[[], dict[str, Any]],
    transform: Callable[[], list[Any]],
    last: Any,
    onnx: str | Callable[[], object],
    *,
    quick: bool,
) -> list[Result]:
    """Measure one pipeline; ``onnx`` is its call, or why there is none."""
    answer = ours()
    vector = Vectors.dense(answer["features"])
    assert close(answer["prediction"], transform()[0]["prediction"])
    assert close(answer["prediction"], last.predict(vector))
    what = f"score_instance, {name}"
    arms: dict[str, Turn] = {
        what: calling(ours, 100),
        f"{SPARK}, {name}": calling(transform, 1),
        f"{PY4J}, {name}": calling(lambda: last.predict(vector), 20),
    }
    if callable(onnx):
        arms[f"{ONNX}, {name}"] = calling(onnx, 50)
    times = in_turns(arms, 2 if quick else 15)
    mine, spark, py4j, *rest = times.values()
    return [
        Result(what, SPARK, spark.over(mine), 5_000, times=times),
        Result(what, PY4J, py4j.over(mine), 20),
        Result(what, ONNX, rest[0].over(mine) if rest else None, 5, note=RIGHT if rest else str(onnx)),
    ]


def close(mine: float, other: float, tolerance: float = 1e-9) -> bool:
    """Tell whether two predictions are one, but for last digits."""
    return math.isclose(mine, other, rel_tol=tolerance, abs_tol=tolerance)


# --- ONNX


def missing_onnx() -> str:
    """Return what to say where ONNX is not installed."""
    absent = any(importlib.util.find_spec(name) is None for name in ("onnxmltools", "onnxruntime"))
    return "not measured: pip install 'palette-features[bench]'" if absent else ""


def onnx_session(spark: SparkSession, model: Any, types: Sequence[tuple[str, Any]]) -> Any:
    """Convert a fitted Spark model, and prepare it."""
    import onnxruntime
    from onnxmltools import convert_sparkml

    with contextlib.redirect_stdout(io.StringIO()), np.errstate(divide="ignore"):  # it prints what it converts
        converted = convert_sparkml(model, "model", types, spark_session=spark, target_opset=OPSET)
    for node in converted.graph.node:
        # The converter's Imputer says sizes as it was done before OPSET; without them the parts are equal, as wanted.
        sizes = [one for one in node.attribute if node.op_type == "Split" and one.name == "split"]
        for one in sizes:
            node.attribute.remove(one)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(converted.SerializeToString(), options, providers=["CPUExecutionProvider"])


def judged(found: Sequence[float], expected: Sequence[float], call: Callable[[], object]) -> str | Callable[[], object]:
    """Return the call if its answers are right; floats of 32 bits are near enough."""
    wrong = sum(not close(mine, its, 1e-3) for mine, its in zip(found, expected, strict=True))
    return f"not compared: ONNX is wrong on {wrong} of {len(found)} rows" if wrong else call


def pipeline_onnx(one: Fitted, expected: Sequence[float]) -> str | Callable[[], object]:
    """Return a call that scores the first row by ONNX, or why there is none."""
    if missing := missing_onnx():
        return missing
    from onnxmltools.convert.common.data_types import FloatTensorType, StringTensorType

    types = [(name, StringTensorType([1, 1])) for name in TEXT_COLUMNS]
    types += [(name, FloatTensorType([1, 1])) for name in NUMBER_COLUMNS]
    try:
        session = onnx_session(one.spark, one.model, types)
    except (RuntimeError, ValueError, AttributeError) as error:
        return f"not compared: ONNX's converter refuses it: {str(error).splitlines()[0]:.100}"

    def run(row: Mapping[str, Any]) -> float:
        feed = {name: np.array([[row[name]]], dtype=object) for name in TEXT_COLUMNS}
        feed |= {name: np.array([[row[name]]], dtype=np.float32) for name in NUMBER_COLUMNS}
        return float(session.run(["prediction"], feed)[0].reshape(-1)[0])

    first = one.rows[0]
    return judged([run(row) for row in one.rows], expected, lambda: run(first))


def eats_onnx(world: EatsWorld) -> str | Callable[[], object]:
    """Return a call that computes the GBT alone by ONNX: look-ups and expressions it has none."""
    if missing := missing_onnx():
        return missing
    from onnxmltools.convert.common.data_types import FloatTensorType

    gbt = world.model.stages[-1]
    session = onnx_session(world.spark, gbt, [("features", FloatTensorType([1, gbt.numFeatures]))])

    def run(features: Sequence[float]) -> float:
        answer = session.run(["prediction"], {"features": np.array([features], dtype=np.float32)})
        return float(answer[0].reshape(-1)[0])

    answers = [world.local.score_instance(order, now=AT) for order in world.orders(CHECKED)]
    first = answers[0]["features"]
    found = [run(answer["features"]) for answer in answers]
    return judged(found, [answer["prediction"] for answer in answers], lambda: run(first))
