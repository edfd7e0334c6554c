"""From fitted stages to the plan that scores one row."""

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

# How the columns begin that keep, during fit, what columns of the basis were before stages replaced them.
BEFORE = "__palette_before_"
# Output column Param to the method that computes it for one vector.
ANSWERS = {"rawPredictionCol": "predictRaw", "probabilityCol": "predictProbability", "predictionCol": "predict"}


def local_plan(model: MLPipelineModel, otherwise: Callable[[Any], LocalStage]) -> Plan:
    """Return the plan of a fitted pipeline.

    Parameters
    ----------
    model : MLPipelineModel
        The model.
    otherwise : callable
        Takes a stage that has no local form and returns one, or raises.
    """
    steps: list[Step] = []
    outputs: list[str] = []
    remembered = json.loads(model.getLocalForms() or "{}")
    names = model.names()
    for stage in flat_stages(model.runnable()):
        if isinstance(stage, PaletteTransformer):
            looked_up = stage.row_plan()
            steps.extend(looked_up.steps)
            made = dict.fromkeys(looked_up.outputs, "")
        elif isinstance(stage, DSLModel):
            steps.append(DslStep(stage.getLambdas(), stage.getOrDefault(stage.bindings), stage.getStatistics()))
            made = dict.fromkeys(stage.getLambdas(), "")
        else:
            step = (_form(stage, remembered) or otherwise(stage)).fitted_on(model.getRuntime())
            try:
                steps.extend(names.reading(step))
            except DataError as error:
                raise SchemaError(f"{stage.uid}: {error}") from error
            steps.append(step)
            made = names.made_by(step)
        names.add(made)
        outputs.extend(made)
    dropped = set() if model.getKeepFeatures() else set(model.looked_up)
    # A column that a later stage replaced by one whose name differs by case is no longer there.
    kept = dict.fromkeys(column for column in outputs if column not in dropped and names.resolve(column) == column)
    return Plan(tuple(steps), tuple(kept), model.getInputTypes(), model.getRuntime())


def _form(stage: Any, remembered: Mapping[str, Any]) -> LocalStage | None:
    """Return the local form of a stage: its own, or, where that depended on the data, the one that fit saw."""
    try:
        return local_form(stage)
    except DataError:
        if stage.uid not in remembered:
            raise
        return stage_from_json(remembered[stage.uid])


class SparkStage(LocalStage):
    """A fitted Spark model, asked through its own ``predict`` for one vector: it needs the JVM."""

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
    """Return rows with the answers that Spark gave, of the columns that a fitted pipeline reads and makes, as JSON.

    Empty if a stage cannot score single rows, or values are such that JSON or Python cannot hold them: structs with
    bytes, times at either end of the calendar.
    """
    try:
        plan = local_plan(model, spark_step)
    except SchemaError:
        return ""
    made = {field.name: field.dataType.simpleString() for field in schema.fields}
    types = made | {name.removeprefix(BEFORE): dtype for name, dtype in made.items() if name.startswith(BEFORE)}
    alone = without_lookups(plan, types)
    read = [name for name in request_columns(alone) if name in types]
    requests, answers = [], []
    try:
        for row in rows:
            values = row.asDict()
            before = {name: values.get(BEFORE + name, values.get(name)) for name in read}
            requests.append({name: plain_value(value, types[name]) for name, value in before.items()})
            answers.append({name: plain_value(values[name], made[name]) for name in alone.outputs})
        return json.dumps(SelfTest({name: types[name] for name in read}, requests, answers).to_json())
    except (TypeError, OverflowError):
        return ""


def plain_value(value: Any, dtype: str) -> Any:
    """Return a value that Spark collected as plain Python has it: times naive and UTC, vectors as lists."""
    if value is not None and dtype == "timestamp":
        # Spark gives the wall clock of this process.
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    if hasattr(value, "asDict"):
        return value.asDict(recursive=True)
    return incoming_vector(value, "vector") if hasattr(value, "toArray") else value


def spark_step(stage: Any) -> LocalStage:
    """Return a Spark model as a step; only models that predict from one vector can be.

    Raises
    ------
    SchemaError
        If the stage is another one; it is named.
    """
    if not (hasattr(stage, "predict") and hasattr(stage, "getFeaturesCol")):
        raise SchemaError(f"stage {stage.uid} ({type(stage).__name__}) cannot score single rows")
    return SparkStage(stage)
