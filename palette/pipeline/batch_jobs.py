"""Batch jobs: score a table; arguments of jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from palette.errors import DefinitionError
from palette.offline.files.dataframes import read_frame, write_frame
from palette.offline.observations import read_observation
from palette.offline.training.basis import basis_types
from palette.offline.training.counts import count_when_written
from palette.offline.training.reports import JobResult
from palette.pipeline.model_ref import find_saved
from palette.pipeline.null_errors import SPARK_ERRORS, raise_cause, stage_inputs
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.pipeline.model import MLPipelineModel
    from palette.store import FeatureStore

__all__ = [
    "JobResult",
    "model_types",
    "parse_features",
    "parse_versions",
    "score_table",
]


def score_table(
    spark: SparkSession,
    model: str,
    basis: str,
    target: str,
    *,
    store: FeatureStore | None = None,
    keep: Sequence[str] | None = None,
    mode: str = "error",
) -> JobResult:
    """Score the rows of a table or file by a saved model.

    Parameters
    ----------
    spark : SparkSession
        The session.
    model : str
        Directory written by ``MLPipelineModel.save``, or ``model:NAME[@STAGE|@VERSION]``, a model of ``store``.
    basis, target : str
        Tables or paths to read and write; see :func:`palette.offline.files.dataframes.read_frame`.
    store : FeatureStore, optional
        Store of the features, if it is not the one of the training, and of the named model.
    keep : sequence of str, optional
        Columns to write; by default all except vectors, which only Spark ML reads.
    mode : {"error", "append", "overwrite"}
        What to do with existing rows at the target.

    Raises
    ------
    PaletteError
        If an argument is invalid or unknown; nothing is written then.
    """
    from pyspark.ml.linalg import VectorUDT

    fitted = find_saved(model, store).load(store)
    dropped = set() if fitted.getKeepFeatures() else set(fitted.looked_up)
    looked_up = [stage.getFeatures() for stage in fitted.stages if isinstance(stage, PaletteTransformer)]
    rows_in, rows_read = _read(spark, basis, **model_types(fitted))
    scored = fitted.setKeepFeatures(True).transform(rows_in)
    vectors = {field.name for field in scored.schema if isinstance(field.dataType, VectorUDT)}
    names = [name for name in scored.columns if name not in vectors | dropped]
    features = {column: name for features in looked_up for column, name in features.items()}
    counted, counts = count_when_written(scored, tuple(features))
    scored = counted.select(*(keep or names))
    try:
        rows = write_frame(scored, target, mode)
    except SPARK_ERRORS as error:
        raise_cause(error, stage_inputs(fitted.runnable(), rows_in))
        raise
    missing = dict(zip(features.values(), counts().shares(), strict=True))
    return JobResult(target, rows, tuple(scored.columns), {}, missing, rows_read())


def model_types(model: MLPipelineModel) -> dict[str, dict[str, str]]:
    """Return the types of the columns that a model reads from its basis."""
    stages = [stage for stage in model.runnable() if isinstance(stage, PaletteTransformer)]
    lookups = [lookup for stage in stages for lookup in stage.store.lookups(stage.getFeatures())]
    return {"types": basis_types(lookups, model.getTimestampCol()), "likely": model.getInputTypes()}


def _read(spark: SparkSession, source: str, **types: Any) -> tuple[DataFrame, Callable[[], int]]:
    """Return rows, and a function that returns their number once they were read."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    observation, rows = Observation(), read_frame(spark, source, **types)

    def number() -> int:
        count = read_observation(observation).get("rows")
        return rows.count() if count is None else int(count)

    return rows.observe(observation, F.count(F.lit(1)).alias("rows")), number


def parse_features(named: Sequence[str]) -> dict[str, str] | list[str]:
    """Parse features written as ``EXPRESSION`` or ``COLUMN=EXPRESSION``.

    Raises
    ------
    DefinitionError
        If one is invalid, or only some have a column.

    Examples
    --------
    >>> parse_features(["prep=restaurant:kitchen:prep:r_id"])
    {'prep': 'restaurant:kitchen:prep:r_id'}
    """
    pairs = [item.partition("=") for item in named]
    for item, (column, equals, expression) in zip(named, pairs, strict=True):
        if equals and not (column and expression):
            raise DefinitionError(f"{item!r}: expected EXPRESSION, or COLUMN=EXPRESSION")
    if not any(equals for _, equals, _ in pairs):
        return list(named)
    if not all(equals for _, equals, _ in pairs):
        raise DefinitionError("name a column for every feature (COLUMN=EXPRESSION), or for none")
    columns = [column for column, _, _ in pairs]
    if duplicate := next((column for column in columns if columns.count(column) > 1), None):
        raise DefinitionError(f"duplicate column {duplicate!r}")
    return {column: expression for column, _, expression in pairs}


def parse_versions(named: Sequence[str]) -> dict[str, int]:
    """Parse table versions written as ``ENTITY:GROUP=N``.

    Raises
    ------
    DefinitionError
        If one is invalid, or a group is a duplicate.

    Examples
    --------
    >>> parse_versions(["restaurant:kitchen=3"])
    {'restaurant:kitchen': 3}
    """
    versions: dict[str, int] = {}
    for item in named:
        group, _, number = item.rpartition("=")
        if not (group and number.isascii() and number.isdigit()):
            raise DefinitionError(f"{item!r}: expected ENTITY:GROUP=N, N the version of its table")
        if group in versions:
            raise DefinitionError(f"duplicate version of {group!r}")
        versions[group] = int(number)
    return versions
