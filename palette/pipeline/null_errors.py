"""Spark errors of a running pipeline, traced to columns with nulls that a stage does not accept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.ml import Estimator
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType

from palette.columns import exact_column
from palette.errors import DataError
from palette.pipeline.planning.input_columns import input_params
from palette.pipeline.planning.nested_stages import flat_stages

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["SPARK_ERRORS", "StageInput", "raise_cause", "stage_inputs"]

SPARK_ERRORS = (PySparkException, Py4JError)
# Stages that accept no NaN either.
NUMERIC = ("VectorAssembler", "Bucketizer", "QuantileDiscretizer")
# Unseen labels are searched for up to this number of labels of a fitted indexer.
LABELS = 10_000


class StageInput(NamedTuple):
    """A stage and its input data.

    Parameters
    ----------
    label : str
        Name of the stage in messages.
    stage : object
        The stage.
    frame : DataFrame
        Its input.
    """

    label: str
    stage: Any
    frame: DataFrame


def stage_inputs(stages: Iterable[Any], frame: DataFrame) -> Iterator[StageInput]:
    """Yield fitted stages with the input of each."""
    for stage in flat_stages(stages):
        yield StageInput(stage.uid, stage, frame)
        frame = stage.transform(frame)


def raise_cause(error: Exception, trail: Iterable[StageInput]) -> None:
    """Raise :class:`DataError` if nulls, NaN or unseen labels explain a Spark error; otherwise return.

    The columns are counted, stage by stage, which runs the data again.

    Parameters
    ----------
    error : Exception
        The Spark error.
    trail : iterable of StageInput
        The stages that may have raised it, in order.
    """
    for label, stage, frame in trail:
        if causes := _causes(stage, frame):
            # Java's own message takes pages.
            cause = RuntimeError(f"{type(error).__name__}: {reason(error)}")
            raise DataError(f"{label} does not accept {'; '.join(causes)}; {_remedy(stage, causes)}") from cause


def reason(error: Exception) -> str:
    r"""Return the reason of a Spark error in one line: the innermost cause.

    Examples
    --------
    >>> reason(ValueError("An error occurred\nCaused by: java.lang.RuntimeException: x is null\n\tat A.b"))
    'x is null'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    kind, colon, message = (causes or lines)[-1 if causes else 0].partition(": ")
    return f"{message if colon and ' ' not in kind else kind + colon + message:.500}"


def _causes(stage: Any, frame: DataFrame) -> list[str]:
    counted = dict(_suspects(stage, frame))
    if not counted:
        return []
    try:
        row = frame.agg(F.count(F.lit(1)), *(F.count_if(condition) for condition in counted.values())).head()
    except SPARK_ERRORS:
        # Another stage failed, or for another reason.
        return []
    assert row is not None
    return [
        f"{cause} in {number:,} of {row[0]:,} rows" for cause, number in zip(counted, row[1:], strict=True) if number
    ]


def _suspects(stage: Any, frame: DataFrame) -> Iterator[tuple[str, Column]]:
    """Yield possible causes of a failure, each with its condition."""
    named = {column: param for param, column in input_params(stage) if column in frame.columns}
    strict = stage.hasParam("handleInvalid") and stage.getOrDefault("handleInvalid") == "error"
    is_estimator = isinstance(stage, Estimator)
    for column, param in named.items():
        trains_on = is_estimator and param in ("labelCol", "weightCol")
        if not (strict or trains_on):
            continue
        value, dtype = exact_column(column), frame.schema[column].dataType
        yield f"null in column {column!r}", value.isNull()
        if isinstance(dtype, (DoubleType, FloatType)) and (type(stage).__name__ in NUMERIC or trains_on):
            yield f"NaN in column {column!r}", F.isnan(value)
    if strict and hasattr(type(stage), "labelsArray"):
        for column, labels in zip(named, stage.labelsArray, strict=False):
            if len(labels) <= LABELS:
                unseen = ~exact_column(column).cast("string").isin(list(labels))
                yield f"labels in column {column!r} that fit did not see", unseen


def _remedy(stage: Any, causes: Sequence[str]) -> str:
    if stage.hasParam("handleInvalid"):
        unseen = all("did not see" in cause for cause in causes)
        before = "" if unseen else "fill them before (nFill or sFill in a DSLEstimator, an Imputer), or "
        return f"{before}set its handleInvalid to 'keep' or 'skip'"
    return "leave such rows out, or fill them before (nFill in a DSLEstimator, an Imputer)"
