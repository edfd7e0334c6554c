"""Scoring plan of a fitted pipeline."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.estimator import DSLModel
from palette.errors import DataError, SchemaError
from palette.pipeline.planning.nested_stages import flat_stages
from palette.serving.compile import request_columns
from palette.serving.plan import DslStep, Plan, Step
from palette.serving.self_test import SelfTest, without_lookups
from palette.serving.stages import LocalStage, local_form, stage_from_json
from palette.serving.stages.vectors import incoming_vector
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import Row
    from pyspark.sql.types import StructType

    from palette.pipeline.model import MLPipelineModel

__all__ = ["BEFORE", "local_plan", "self_test", "spark_step"]

# Prefix of the columns that keep, during fit, the basis columns that stages replace.
BEFORE = "__palette_before_"
# Output column Param to the method that computes it for one vector.
ANSWERS = {"rawPredictionCol": "predictRaw", "probabilityCol": "predictProbability", "predictionCol": "predict"}


def local_plan(model: MLPipelineModel, fallback: Callable[[Any], LocalStage]) -> Plan:
    """Return the plan of a fitted pipeline.

    Parameters
    ----------
    model : MLPipelineModel
        The model.
    fallback : callable
        Returns a step for a stage without a local form, or raises.
    """
    steps: list[Step] = []
    outputs: list[str] = []
    recorded_forms = json.loads(model.getLocalForms() or "{}")
    names = model.names()
    for stage in flat_stages(model.runnable()):
        if isinstance(stage, PaletteTransformer):
            looked_up = stage.row_plan()
            steps.extend(looked_up.steps)
            added = dict.fromkeys(looked_up.outputs, "")
        elif isinstance(stage, DSLModel):
            steps.append(DslStep(stage.getLambdas(), stage.getOrDefault(stage.bindings), stage.getStatistics()))
            added = dict.fromkeys(stage.getLambdas(), "")
        else:
            step = (_form(stage, recorded_forms) or fallback(stage)).fitted_on(model.getRuntime())
            try:
                steps.extend(names.reading(step))
            except DataError as error:
                raise SchemaError(f"{stage.uid}: {error}") from error
            steps.append(step)
            added = names.made_by(step)
        names.add(added)
        outputs.extend(added)
    dropped = set() if model.getKeepFeatures() else set(model.looked_up)
    # A column that a later stage replaced by one whose name differs by case does not exist any more.
    remaining = dict.fromkeys(column for column in outputs if column not in dropped and names.resolve(column) == column)
    return Plan(tuple(steps), tuple(remaining), model.getInputTypes(), model.getRuntime())


def _form(stage: Any, recorded_forms: Mapping[str, Any]) -> LocalStage | None:
    """Return the local form of a stage: its own, or the one recorded at fit if it depends on the data."""
    try:
        return local_form(stage)
    except DataError:
        if stage.uid not in recorded_forms:
            raise
        return stage_from_json(recorded_forms[stage.uid])


class SparkStage(LocalStage):
    """A fitted Spark model that scores one vector through its own ``predict``, which needs the JVM."""

    def __init__(self, model: Any) -> None:
        answers = {
            model.getOrDefault(param): getattr(model, method)
            for param, method in ANSWERS.items()
            if hasattr(model, method) and model.hasParam(param) and model.getOrDefault(param)
        }
        self.inputs = (model.getFeaturesCol(),)
        self.outputs = tuple(answers)
        self._calls = tuple(answers.values())

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return one value for each output column."""
        from pyspark.ml.linalg import Vectors

        vector = Vectors.dense(values[0])
        answers = (call(vector) for call in self._calls)
        return tuple(answer.toArray().tolist() if hasattr(answer, "toArray") else answer for answer in answers)


def self_test(model: MLPipelineModel, schema: StructType, rows: Sequence[Row]) -> str:
    """Return rows with Spark's answers, in the columns that a fitted pipeline reads and adds, as JSON.

    Empty if a stage cannot score single rows, or JSON or Python cannot represent a value: structs with
    bytes, timestamps at either end of the calendar.
    """
    try:
        plan = local_plan(model, spark_step)
    except SchemaError:
        return ""
    types_after = {field.name: field.dataType.simpleString() for field in schema.fields}
    types = types_after | {
        name.removeprefix(BEFORE): dtype for name, dtype in types_after.items() if name.startswith(BEFORE)
    }
    alone = without_lookups(plan, types)
    read = [name for name in request_columns(alone) if name in types]
    requests, answers = [], []
    try:
        for row in rows:
            values = row.asDict()
            before = {name: values.get(BEFORE + name, values.get(name)) for name in read}
            requests.append({name: plain_value(value, types[name]) for name, value in before.items()})
            answers.append({name: plain_value(values[name], types_after[name]) for name in alone.outputs})
        return json.dumps(SelfTest({name: types[name] for name in read}, requests, answers).to_json())
    except (TypeError, OverflowError):
        return ""


def plain_value(value: Any, dtype: str) -> Any:
    """Return a collected value as plain Python: timestamps naive and UTC, vectors as lists."""
    if value is not None and dtype == "timestamp":
        # Spark returns the local time of this process.
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    if hasattr(value, "asDict"):
        return value.asDict(recursive=True)
    return incoming_vector(value, "vector") if hasattr(value, "toArray") else value


def spark_step(stage: Any) -> LocalStage:
    """Return a Spark model as a step; it must predict from one vector.

    Raises
    ------
    SchemaError
        If the stage cannot; it is named.
    """
    if not (hasattr(stage, "predict") and hasattr(stage, "getFeaturesCol")):
        raise SchemaError(f"stage {stage.uid} ({type(stage).__name__}) cannot score single rows")
    return SparkStage(stage)
