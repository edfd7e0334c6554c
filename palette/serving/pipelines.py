"""Pipelines that Spark ML saved, read without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from palette.errors import DataError
from palette.paths import COPY_HERE, local_path
from palette.serving.saved import SavedFiles
from palette.serving.stages import LocalStage, saved_form
from palette.serving.steps import DslStep, Plan

__all__ = ["is_saved", "saved_plan"]

OLDEST, NEWEST = (3, 5), (4, 2)
# The form of the language's stages, as dsl.saving has it, which needs pyspark.
FORMAT = 1
PIPELINES = ("org.apache.spark.ml.PipelineModel", "pyspark.ml.pipeline.PipelineModel")
TUNED = tuple(
    f"{package}.tuning.{kind}"
    for package in ("org.apache.spark.ml", "pyspark.ml")
    for kind in ("CrossValidatorModel", "TrainValidationSplitModel")
)
EXPRESSIONS = "dsl.estimator.DSLModel"


def is_saved(path: str | Path) -> bool:
    """Tell whether a directory holds what ``model.save(path)`` of Spark ML writes."""
    return any((local_path(path, "a saved pipeline", COPY_HERE) / "metadata").glob("part-*"))


def saved_plan(path: str | Path) -> Plan:
    """Return the plan of a saved ``pyspark.ml`` PipelineModel, or of a saved stage.

    The types of its input columns are not in the files: values are taken as they come.

    Parameters
    ----------
    path : str or Path
        The directory that ``save`` wrote, on a local file system.

    Raises
    ------
    DataError
        If there is none, a version of Spark saved it that is not supported, or a stage has no local form.
    """
    try:
        saved = SavedFiles(local_path(path, "a saved pipeline", COPY_HERE))
        steps = tuple(_steps(saved))
    except (KeyError, TypeError) as error:
        raise DataError(f"a saved stage in {str(path)!r} is not as Spark writes them: {error!r}") from error
    outputs = (column for step in steps for column in (step.lambdas if isinstance(step, DslStep) else step.outputs))
    return Plan(steps, tuple(dict.fromkeys(outputs)), runtime={"spark": saved.spark_version})


def _steps(saved: SavedFiles) -> Iterator[DslStep | LocalStage]:
    _check_version(saved)
    if saved.spark_class in PIPELINES:
        uids = saved.params["stageUids"]
        width = len(str(len(uids)))
        for place, uid in enumerate(uids):
            yield from _steps(saved.inside(f"stages/{place:0{width}}_{uid}"))
    elif saved.spark_class in TUNED:
        yield from _steps(saved.inside("bestModel"))
    elif saved.spark_class == EXPRESSIONS:
        yield _expressions(saved)
    else:
        stage = saved_form(saved)
        if stage is None:
            raise DataError(
                f"stage {saved.name} ({saved.spark_class}) has no local form that reads saved stages; if it looks up "
                "features, save a bundle of its MLPipelineModel (save_bundle), else register a local form"
            )
        yield stage


def _expressions(saved: SavedFiles) -> DslStep:
    params = saved.params
    if params.get("formatVersion", FORMAT) > FORMAT:
        raise DataError(f"{saved.name} has format {params['formatVersion']}; this release reads up to {FORMAT}")
    return DslStep(params["lambdas"], params["bindings"], params["statistics"])


def _check_version(saved: SavedFiles) -> None:
    numbers = saved.spark_version.split(".")
    known = len(numbers) >= 2 and all(number.isdigit() for number in numbers[:2])
    if not known or not OLDEST <= (int(numbers[0]), int(numbers[1])) <= NEWEST:
        oldest, newest = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
        raise DataError(
            f"{saved.name} was saved by Spark {saved.spark_version}; stages of Spark {oldest} to {newest} can be read: "
            "load it with one of these and save it again"
        )
