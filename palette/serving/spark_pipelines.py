"""Pipelines that Spark ML saved, read without Spark."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from palette.errors import DataError, UnknownTypeWarning
from palette.paths import COPY_HERE, local_path
from palette.serving.column_names import Names
from palette.serving.plan import DslStep, Plan
from palette.serving.spark_files import SavedFiles
from palette.serving.stages import LocalStage, saved_form

__all__ = ["saved_plan"]

OLDEST, NEWEST = (3, 5), (4, 2)
# The format version of DSL stages, equal to that of dsl.stages.persistence, which needs pyspark.
FORMAT = 1
PIPELINES = ("org.apache.spark.ml.PipelineModel", "pyspark.ml.pipeline.PipelineModel")
TUNED = tuple(
    f"{package}.tuning.{kind}"
    for package in ("org.apache.spark.ml", "pyspark.ml")
    for kind in ("CrossValidatorModel", "TrainValidationSplitModel")
)
EXPRESSIONS = "dsl.estimator.DSLModel"


def saved_plan(path: str | Path, types: Mapping[str, str] | None = None, java: int | None = None) -> Plan:
    """Return the plan of a saved ``pyspark.ml`` PipelineModel, or of a saved stage.

    Parameters
    ----------
    path : str or Path
        The directory that ``save`` wrote, on a local file system.
    types : mapping of str to str, optional
        The columns that it was fitted on with their Spark types, as ``dict(df.dtypes)`` gives them, which are not in
        the files. Without them values are not converted, and null in a column with an Imputer is filled as in one of
        doubles.
    java : int, optional
        The version of Java that Spark ran on. Where an answer depends on it and it is not known, there is an error.

    Raises
    ------
    DataError
        If there is no saved pipeline, a version of Spark saved it that is not supported, or a stage has no local form.

    Warns
    -----
    UnknownTypeWarning
        If an answer depends on a type that is not known.
    """
    steps: list[DslStep | LocalStage] = []
    outputs: dict[str, None] = {}
    names = Names(types or {}, complete=False)
    try:
        saved = SavedFiles(local_path(path, "a saved pipeline", COPY_HERE))
        runtime = {"spark": saved.spark_version, "java": "" if java is None else str(java)}
        for files in _stages(saved):
            step = _step(files)
            if isinstance(step, DslStep):
                names.request({binding["column"]: binding["type"] for binding in step.bindings.values()})
                made = dict.fromkeys(step.lambdas, "")
            else:
                step = step.fitted_on(runtime)
                _check_imputed(files, step, names)
                steps.extend(names.reading(step))
                made = names.made_by(step)
            steps.append(step)
            names.add(made)
            outputs.update(dict.fromkeys(made))
    except (KeyError, TypeError) as error:
        raise DataError(f"a saved stage in {str(path)!r} is not what Spark writes: {error!r}") from error
    remaining = tuple(column for column in outputs if names.resolve(column) == column)
    return Plan(tuple(steps), remaining, dict(types or {}), runtime)


def _stages(saved: SavedFiles) -> Iterator[SavedFiles]:
    """Yield the stages of a pipeline, those of pipelines inside it too, and the best model of a tuning."""
    _check_version(saved)
    if saved.spark_class in PIPELINES:
        uids = saved.params["stageUids"]
        width = len(str(len(uids)))
        for index, uid in enumerate(uids):
            yield from _stages(saved.inside(f"stages/{index:0{width}}_{uid}"))
    elif saved.spark_class in TUNED:
        yield from _stages(saved.inside("bestModel"))
    else:
        yield saved


def _step(saved: SavedFiles) -> DslStep | LocalStage:
    if saved.spark_class == EXPRESSIONS:
        return _dsl_step(saved)
    stage = saved_form(saved)
    if stage is None:
        raise DataError(
            f"stage {saved.name} ({saved.spark_class}) has no local form that reads saved stages; if it looks up "
            "features, save a bundle of its MLPipelineModel (save_bundle), else register a local form"
        )
    return stage


def _check_imputed(saved: SavedFiles, stage: LocalStage, names: Names) -> None:
    """Warn of means that Spark cuts off where the column is of integers; other surrogates are values of the column."""
    if getattr(stage, "kind", "") != "ImputerModel" or saved.params["strategy"] != "mean":
        return
    for column, surrogate in saved.row().items():
        if not names.type_of(column) and math.isfinite(surrogate) and surrogate % 1.0:
            message = (
                f"{saved.name} fills column {column!r} with {surrogate}, or with {int(surrogate)} if it has integers, "
                f"and its type is not saved: LocalPipeline.load(..., types={{{column!r}: 'double'}})"
            )
            warnings.warn(message, UnknownTypeWarning, stacklevel=4)


def _dsl_step(saved: SavedFiles) -> DslStep:
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
