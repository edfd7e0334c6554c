"""Numbers to a few: Bucketizer, and so what QuantileDiscretizer fits, and Binarizer."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, BundledStage, RowRejectedError, Sparsity
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, FittedStage, Param, Source, number
from palette.serving.stages.vectors import Sparse, Vector, active, vector_of

__all__ = ["Binarizer", "Bucketizer"]

# Types of numbers that are compared as the doubles that Spark makes of them.
EXACT = ("double", "float", "tinyint", "smallint", "int")


def _splits(stage: FittedStage) -> list[list[float]]:
    columns = stage.params["splitsArray"] if stage.params.get("inputCols") else [stage.params["splits"]]
    return [[number(split) for split in column] for column in columns]


@register
@dataclass(frozen=True)
class Bucketizer(BundledStage):
    """The local form of ``pyspark.ml.feature.Bucketizer``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Columns of numbers, and of buckets.
    splits : list of list of float
        The bounds of the buckets of each column, ascending; a bucket has its lower bound, the last one both.
    handle_invalid : {"error", "skip", "keep"}
        What NaN does: an error, a :class:`RowRejectedError`, or the bucket after the last. Null is null, or dropped
        with "skip".
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    splits: list[list[float]]
    handle_invalid: str

    kind = "Bucketizer"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.Bucketizer"
    source = Source(COLUMNS, splits=_splits, handle_invalid=Param("handleInvalid"))

    @property
    def output_types(self) -> tuple[str, ...]:
        """Doubles."""
        return ("double",) * len(self.outputs)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the buckets."""
        if self.handle_invalid == "skip":
            bad = [column for column, value in zip(self.inputs, values, strict=True) if value is None or value != value]
            if bad:
                raise RowRejectedError(f"Bucketizer drops this row: {', '.join(bad)} is null or NaN")
        return tuple(self._bucket(at, value) for at, value in enumerate(values))

    def _bucket(self, at: int, value: float | None) -> float | None:
        splits = self.splits[at]
        if value is not None:
            value = float(value)
        if value is None or value != value:
            if self.handle_invalid == "skip":
                raise RowRejectedError(f"Bucketizer drops this row: {self.inputs[at]} is null or NaN")
            if value is not None and self.handle_invalid == "error":
                raise DataError(f"Bucketizer: {self.inputs[at]} is NaN; fill it (nFill) or set handleInvalid")
            return None if value is None else float(len(splits) - 1)
        if value == splits[-1]:
            return float(len(splits) - 2)
        index = bisect_right(splits, value)
        # In the order of Java, -0.0 is less than 0.0.
        if value == 0.0 and 0.0 in splits and math.copysign(1.0, value) < math.copysign(1.0, splits[index - 1]):
            index -= 1
        if 0 < index < len(splits):
            return float(index - 1)
        raise DataError(
            f"Bucketizer: {self.inputs[at]} is {value}, outside of {splits[0]} to {splits[-1]}; clip it (nClip), or "
            "let the splits begin and end at infinity"
        )

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return a binary search a column; what is in no bucket, null and zeros between buckets go the careful way."""
        lines = []
        for at, (value, dtype, output) in enumerate(zip(values, types, outputs, strict=True)):
            key, splits = (id(self), at), self.splits[at]
            careful = f"{output} = {bind(partial(self._bucket, at), ('bucket', *key))}({value})"
            if dtype not in EXACT:
                lines.append(careful)
                continue
            # By how many splits are less or equal; NaN is among the values that are beyond all.
            buckets = [None, *(float(bucket) for bucket in range(len(splits) - 1)), None]
            index = f"{bind(bisect_right, bisect_right)}({bind(splits, ('splits', *key))}, {value})"
            plain = value if 0.0 in splits else f"{value} is not None"
            lines.append(f"{output} = {bind(buckets, ('buckets', *key))}[{index}] if {plain} else None")
            lines.append(f"if {output} is None: {careful}")
        return lines


def _thresholds(stage: FittedStage) -> list[float]:
    params, count = stage.params, len(COLUMNS["inputs"](stage))
    several = params.get("thresholds") if params.get("inputCols") else None
    return [number(threshold) for threshold in several or [params["threshold"]] * count]


@register
@dataclass(frozen=True)
class Binarizer(BundledStage):
    """The local form of ``pyspark.ml.feature.Binarizer``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Columns of numbers or vectors, and of zeros and ones.
    thresholds : list of float
        Of each column; what is greater is one. Null and NaN are zero.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    thresholds: list[float]

    kind = "Binarizer"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.Binarizer"
    source = Source(COLUMNS, thresholds=_thresholds)

    def result_types(self, types: Sequence[str]) -> tuple[str, ...]:
        """Doubles of doubles, vectors of vectors."""
        return tuple(types)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return zeros and ones."""
        return tuple(
            _binary(value, threshold)
            if value is None or isinstance(value, (float, int))
            else _binary_vector(value, threshold)
            for value, threshold in zip(values, self.thresholds, strict=True)
        )

    @property
    def sparsity(self) -> Sparsity:
        """Spark stores the output the smaller way."""
        return "smaller"

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return a call, after a look at vectors that are null."""
        call = super().generate(values, types, outputs, bind)
        looks = [
            f"{bind(present, present)}({bind(self.kind, self.kind)}, {bind(column, ('name', column))}, {value})"
            for column, value, dtype in zip(self.inputs, values, types, strict=True)
            if dtype == "vector"
        ]
        return [*looks, *call]


def _binary(value: float | None, threshold: float) -> float:
    return 1.0 if value is not None and value > threshold else 0.0


def _binary_vector(vector: Vector, threshold: float) -> Vector:
    if threshold >= 0.0:
        ones = {index: 1.0 for index, value in active(vector) if value > threshold}
        if isinstance(vector, Sparse):
            return Sparse(vector.size, list(ones), list(ones.values()))
        return vector_of(len(vector), ones)
    ones_and_zeros = [1.0] * len(vector)
    for index, value in active(vector):
        if value <= threshold:
            ones_and_zeros[index] = 0.0
    return ones_and_zeros
