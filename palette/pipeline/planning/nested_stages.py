"""Stages inside other stages: pipelines, and the candidates and best models of Spark's tuning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, TrainValidationSplit, TrainValidationSplitModel

from dsl.compilers.analysis import references
from dsl.estimator import DSLEstimator, DSLModel
from dsl.refs import FeatureRef
from palette.errors import PlanError
from palette.params import HasStore
from palette.transformer import PaletteTransformer

__all__ = ["DSL", "TUNERS", "flat_stages", "tuned_stages", "unnest_stages"]

DSL = (DSLEstimator, DSLModel)
TUNERS = (CrossValidator, TrainValidationSplit)
TUNED = (CrossValidatorModel, TrainValidationSplitModel)
# Params that a nested pipeline shares with the outer one.
SHARED = ("storeUri", "timestampCol", "pointInTime", "keepFeatures")


def flat_stages(stages: Iterable[Any]) -> Iterator[Any]:
    """Yield fitted stages; nested pipelines and the best models of tuning yield their own."""
    for stage in stages:
        if hasattr(stage, "bestModel"):
            yield from flat_stages([stage.bestModel])
        elif hasattr(stage, "runnable"):
            yield from flat_stages(stage.runnable())
        elif isinstance(getattr(stage, "stages", None), list):
            yield from flat_stages(stage.stages)
        else:
            yield stage


def unnest_stages(stages: Iterable[Any], pipeline: HasStore, within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the stages of a pipeline with their numbers; nested pipelines yield theirs as ``2.1`` and so on.

    Parameters
    ----------
    stages : iterable
        Stages of Spark ML and of the DSL, pipelines among them.
    pipeline : HasStore
        The outermost pipeline, whose store and times apply to all of them.
    within : str
        Prefix of the numbers.

    Raises
    ------
    PlanError
        If a nested pipeline that looks features up has another store or other times; it is named.
    """
    for position, stage in enumerate(stages, start=1):
        number = f"{within}{position}"
        inner = _inner(stage)
        if inner is None:
            yield number, stage
            continue
        parts = list(unnest_stages(inner, pipeline, f"{number}."))
        if isinstance(stage, HasStore) and any(_looks_up(part) for _, part in parts):
            _check_shared(number, stage, pipeline)
        yield from parts


def tuned_stages(stage: Any) -> list[Any]:
    """Return the stages that tuning fits; for any other stage the stage itself.

    Raises
    ------
    PlanError
        If tuning fits a pipeline that looks features up by itself.
    """
    if not isinstance(stage, TUNERS) or not stage.isDefined("estimator"):
        return [stage]
    estimator = stage.getEstimator()
    if isinstance(estimator, HasStore):
        raise PlanError(
            f"{stage.uid} tunes {estimator.uid}, a pipeline inside the pipeline: tune the outer one "
            f"({type(stage).__name__}(estimator=MLPipeline(...))), or give it pyspark.ml.Pipeline(stages=[...]) of the "
            "same stages, whose features the outer one looks up"
        )
    return [part for _, part in unnest_stages([estimator], HasStore())]


def _inner(stage: Any) -> Sequence[Any] | None:
    """Return the stages that a stage runs sequentially; None if it is not a pipeline."""
    if isinstance(stage, TUNED):
        return [stage.bestModel]
    if isinstance(stage, (Pipeline, PipelineModel)):
        return stage.getStages() if isinstance(stage, Pipeline) else stage.stages
    if isinstance(stage, HasStore) and hasattr(stage, "getStages"):
        return list(stage.getStages())
    if isinstance(stage, HasStore) and hasattr(stage, "getPlanned"):
        # The outer pipeline plans these look-ups itself.
        return [inner for inner in stage.stages if inner.uid not in stage.getPlanned()]
    return None


def _looks_up(stage: Any) -> bool:
    if isinstance(stage, DSL):
        return any(isinstance(ref, FeatureRef) for ref in references(stage.nodes().values()))
    return isinstance(stage, PaletteTransformer)


def _check_shared(number: str, stage: HasStore, pipeline: HasStore) -> None:
    for name in SHARED:
        if not stage.isSet(name):
            continue
        own = stage.getOrDefault(name)
        outer = pipeline.getOrDefault(name) if pipeline.isDefined(name) else None
        if own != outer:
            raise PlanError(
                f"stage {number} ({stage.uid}) is a pipeline with {name}={own!r}, and the outer one has "
                f"{outer!r}: set both to the same value, or put its stages into the outer pipeline"
            )
