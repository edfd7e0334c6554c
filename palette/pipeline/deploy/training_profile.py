"""Training profile of a model: statistics of its inputs and predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsl.estimator import DSLModel
from palette.columns import exact_column
from palette.pipeline.deploy.scoring_plan import BEFORE
from palette.pipeline.planning.nested_stages import flat_stages
from palette.pipeline.planning.stage_columns import input_columns
from palette.serving.compile import computed_on
from palette.serving.plan import DslStep, LookupStep, Plan
from palette.serving.stages import LocalStage
from palette.serving.stages.features.metadata import attribute_of, attributes_of
from palette.statistics.profile import Statistic, take_statistics
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from palette.pipeline.deploy.importances import Weights
    from palette.pipeline.model import MLPipelineModel

__all__ = ["Profile", "profile"]


@dataclass(frozen=True)
class Profile:
    """Statistics of the training data.

    Parameters
    ----------
    content : dict, optional
        Statistics as plain JSON values; None without data.
    sizes : dict of str to int
        Vector column to the number of its elements.
    deviations : list of float or None, optional
        Standard deviations of the elements of a linear model's vector.
    """

    content: dict[str, Any] | None
    sizes: dict[str, int]
    deviations: list[float | None] | None


def profile(model: MLPipelineModel, plan: Plan, training: DataFrame, weights: Weights | None) -> Profile:
    """Compute the statistics of training data in one pass; look-ups read the table versions that fit read.

    Parameters
    ----------
    model : MLPipelineModel
        The model.
    plan : Plan
        Its scoring plan, which names the basis columns that are read.
    training : DataFrame
        The basis that was passed to ``fit``.
    weights : Weights, optional
        Weights of a linear model; then the deviations of its vector are computed as well.
    """
    replaced = {
        name for stage in flat_stages(model.stages) if isinstance(stage, DSLModel) for name in stage.getLambdas()
    }
    requested = []
    dataset = training

    def keep(statistic: Statistic) -> None:
        nonlocal dataset
        column = statistic.column
        if column in replaced:
            # A stage replaces it.
            statistic = Statistic(statistic.name, BEFORE + column, statistic.role, statistic.feature)
            dataset = dataset.withColumn(BEFORE + column, exact_column(column))
        requested.append(statistic)

    known = {name.lower() for name in training.columns}
    only_keys = _only_keys(plan)
    for column in computed_on(plan):
        # The stage that needs a missing column reports it.
        if column.lower() in known:
            keep(Statistic(column, column, "key" if column in only_keys else "input"))
    for stage in model.runnable():
        if isinstance(stage, PaletteTransformer):
            dataset = stage.transform_versions(dataset, model.getPins() if stage.shares_store(model) else None)
            for column, name in stage.getFeatures().items():
                keep(Statistic(column, column, "feature", name))
        else:
            dataset = stage.transform(dataset)
    requested += [Statistic(column, column, "prediction") for column in _prediction_columns(model, plan)]
    vector = None
    if weights is not None and weights.kind == "coefficients" and len(columns := input_columns(weights.stage)) == 1:
        vector = columns[0]
    content, deviations = take_statistics(dataset, requested, vector, 0 if weights is None else len(weights.values))
    return Profile(content, dict(_sizes(dataset.schema)), deviations)


def _only_keys(plan: Plan) -> set[str]:
    """Return the columns that are only join keys."""
    keys, read = set(), set()
    for step in plan.steps:
        if isinstance(step, LookupStep):
            keys |= set(step.join_keys)
        elif isinstance(step, DslStep):
            read |= {binding["column"] for binding in step.bindings.values()}
        elif isinstance(step, LocalStage):
            read |= set(step.inputs)
    return keys - read


def _prediction_columns(model: MLPipelineModel, plan: Plan) -> list[str]:
    """Return the column of the last prediction, or the columns of the last expressions."""
    stages = flat_stages(model.stages)
    predicted = [stage.getOrDefault("predictionCol") for stage in stages if stage.hasParam("predictionCol")]
    if predicted:
        return [column for column in predicted[-1:] if column]
    last = plan.steps[-1] if plan.steps else None
    return list(last.lambdas) if isinstance(last, DslStep) else []


def _sizes(schema: StructType) -> Iterator[tuple[str, int]]:
    for field in schema.fields:
        attribute = attribute_of(schema, field.name)
        if "num_attrs" in attribute:
            yield field.name, int(attribute["num_attrs"])
        elif (attributes := attributes_of(attribute)) is not None:
            yield field.name, len(attributes)
