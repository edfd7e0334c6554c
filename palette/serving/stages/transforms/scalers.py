"""Vectors shifted and scaled: StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler, products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import add, mul, sub
from typing import Any, Self

from palette.serving.spark_files import SavedFiles
from palette.serving.spark_files import vector as saved_vector
from palette.serving.stages.base import Bind, BundledStage, Sparsity
from palette.serving.stages.columns import columns_of, present
from palette.serving.stages.models.base import live_params, number
from palette.serving.stages.registry import register
from palette.serving.stages.vectors import Sparse, active, dense

__all__ = [
    "ElementwiseProduct",
    "MaxAbsScalerModel",
    "MinMaxScalerModel",
    "RobustScalerModel",
    "StandardScalerModel",
]


def _inverse(spread: Sequence[float], of_zero: float) -> list[float]:
    return [1.0 / one if one else of_zero for one in spread]


@dataclass(frozen=True)
class _Scaled(BundledStage):
    """A stage that subtracts from each element, multiplies it, or both.

    Vectors of another size than in training are refused, some of which Spark takes.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    shift, scale : list of float, optional
        What is subtracted, and then multiplied.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shift: list[float] | None
    scale: list[float] | None

    numeric = True

    @property
    def reads_sparsity(self) -> bool:
        """Zeros that are stored become NaN where they are multiplied by what is not finite."""
        return self.shift is None and not all(map(math.isfinite, self.scale or ()))

    @property
    def sparsity(self) -> Sparsity:
        """What is subtracted makes the output dense."""
        return "input" if self.shift is None else "own"

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; one that is only multiplied stays sparse."""
        shift, scale = self.shift, self.scale
        if shift is None and scale is None:
            return values
        vector = present(self.kind, self.inputs[0], values[0], len(shift or scale or ()))
        if shift is not None:
            vector = list(map(sub, dense(vector), shift))
        if scale is None:
            return (vector,)
        if isinstance(vector, Sparse):
            return (Sparse(vector.size, vector.indices, [value * scale[at] for at, value in active(vector)]),)
        return (list(map(mul, vector, scale)),)

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return the two passes over a list in place."""
        call = super().generate(values, types, outputs, bind)
        (value,), (output,) = values, outputs
        size, passes = len(self.shift or self.scale or ()), value
        if not size:
            return call
        if self.shift is not None:
            passes = f"{bind(map, map)}({bind(sub, sub)}, {passes}, {bind(self.shift, ('shift', id(self)))})"
        if self.scale is not None:
            passes = f"{bind(map, map)}({bind(mul, mul)}, {passes}, {bind(self.scale, ('scale', id(self)))})"
        return _listed(value, size, f"{output} = [*{passes}]", call, bind)


def _listed(value: str, size: int, line: str, otherwise: list[str], bind: Bind) -> list[str]:
    known = f"{value}.__class__ is {bind(list, 'list')} and {bind(len, len)}({value}) == {bind(size, ('size', size))}"
    return [f"if {known}:", f"    {line}", "else:", *(f"    {other}" for other in otherwise)]


@register
@dataclass(frozen=True)
class StandardScalerModel(_Scaled):
    """The local form of ``pyspark.ml.feature.StandardScalerModel``: mean and standard deviation."""

    kind = "StandardScalerModel"
    spark_class = "org.apache.spark.ml.feature.StandardScalerModel"

    @classmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of Spark's stage."""
        return cls._of(live_params(stage), stage.mean.toArray().tolist(), stage.std.toArray().tolist())

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> Self:
        """Return the local form of a saved stage."""
        row = saved.row()
        return cls._of(saved.params, saved_vector(row["mean"]), saved_vector(row["std"]))

    @classmethod
    def _of(cls, params: dict[str, Any], mean: list[float], std: list[float]) -> Self:
        shift, scale = mean if params["withMean"] else None, _inverse(std, 0.0) if params["withStd"] else None
        return cls(**columns_of(params), shift=shift, scale=scale)


@register
@dataclass(frozen=True)
class RobustScalerModel(_Scaled):
    """The local form of ``pyspark.ml.feature.RobustScalerModel``: median and range between quantiles."""

    kind = "RobustScalerModel"
    spark_class = "org.apache.spark.ml.feature.RobustScalerModel"

    @classmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of Spark's stage."""
        return cls._of(live_params(stage), stage.median.toArray().tolist(), stage.range.toArray().tolist())

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> Self:
        """Return the local form of a saved stage."""
        row = saved.row()
        return cls._of(saved.params, saved_vector(row["median"]), saved_vector(row["range"]))

    @classmethod
    def _of(cls, params: dict[str, Any], median: list[float], spread: list[float]) -> Self:
        shift = median if params["withCentering"] else None
        scale = _inverse(spread, 0.0) if params["withScaling"] else None
        return cls(**columns_of(params), shift=shift, scale=scale)


@register
@dataclass(frozen=True)
class MaxAbsScalerModel(_Scaled):
    """The local form of ``pyspark.ml.feature.MaxAbsScalerModel``."""

    kind = "MaxAbsScalerModel"
    spark_class = "org.apache.spark.ml.feature.MaxAbsScalerModel"

    @classmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of Spark's stage."""
        return cls._of(live_params(stage), stage.maxAbs.toArray().tolist())

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> Self:
        """Return the local form of a saved stage."""
        return cls._of(saved.params, saved_vector(saved.row()["maxAbs"]))

    @classmethod
    def _of(cls, params: dict[str, Any], greatest: list[float]) -> Self:
        return cls(**columns_of(params), shift=None, scale=_inverse(greatest, 1.0))


@register
@dataclass(frozen=True)
class ElementwiseProduct(_Scaled):
    """The local form of ``pyspark.ml.feature.ElementwiseProduct``."""

    kind = "ElementwiseProduct"
    spark_class = "org.apache.spark.ml.feature.ElementwiseProduct"

    @classmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of Spark's stage."""
        params = live_params(stage)
        return cls(**columns_of(params), shift=None, scale=params["scalingVec"].toArray().tolist())

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> Self:
        """Return the local form of a saved stage."""
        scale = [number(one) for one in saved_vector(saved.params["scalingVec"])]
        return cls(**columns_of(saved.params), shift=None, scale=scale)


@register
@dataclass(frozen=True)
class MinMaxScalerModel(BundledStage):
    """The local form of ``pyspark.ml.feature.MinMaxScalerModel``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    least, greatest : list of float
        Of each element in training.
    low, high : float
        What they become.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    least: list[float]
    greatest: list[float]
    low: float
    high: float

    kind = "MinMaxScalerModel"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.MinMaxScalerModel"

    @classmethod
    def from_spark(cls, stage: Any) -> MinMaxScalerModel:
        """Return the local form of Spark's stage."""
        least, greatest = stage.originalMin.toArray().tolist(), stage.originalMax.toArray().tolist()
        return cls._of(live_params(stage), least, greatest)

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> MinMaxScalerModel:
        """Return the local form of a saved stage."""
        row = saved.row()
        return cls._of(saved.params, saved_vector(row["originalMin"]), saved_vector(row["originalMax"]))

    @classmethod
    def _of(cls, params: dict[str, Any], least: list[float], greatest: list[float]) -> MinMaxScalerModel:
        return cls(**columns_of(params), least=least, greatest=greatest, low=number(params["min"]),
                   high=number(params["max"]))  # fmt: skip

    @property
    def sparsity(self) -> Sparsity:
        """Spark stores the output the smaller way."""
        return "smaller"

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    @cached_property
    def _scale(self) -> list[float]:
        """By what elements are multiplied; 0 for those that were constant."""
        spans = (greatest - least for least, greatest in zip(self.least, self.greatest, strict=True))
        return [(self.high - self.low) / span if span else 0.0 for span in spans]

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; NaN stays, and elements that were constant become the middle."""
        vector = present(self.kind, self.inputs[0], values[0], len(self.least))
        low, middle = self.low, (self.low + self.high) / 2.0
        return (
            [
                (value - least) * scale + low if scale else value if value != value else middle
                for value, least, scale in zip(dense(vector), self.least, self._scale, strict=True)
            ],
        )

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return three passes over a list in place, unless some elements were constant."""
        call = super().generate(values, types, outputs, bind)
        if not self._scale or not all(self._scale):
            return call
        map_, key = bind(map, map), id(self)
        passes = f"{map_}({bind(sub, sub)}, {values[0]}, {bind(self.least, ('least', key))})"
        passes = f"{map_}({bind(mul, mul)}, {passes}, {bind(self._scale, ('scale', key))})"
        if self.low:
            # A pass less from 0 to 1: only the sign of zeros is another.
            passes = f"{map_}({bind(add, add)}, {passes}, {bind([self.low] * len(self.least), ('low', key))})"
        return _listed(values[0], len(self.least), f"{outputs[0]} = [*{passes}]", call, bind)
