"""Vectors shifted and scaled: StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler, products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import add, mul, sub
from typing import Any

from palette.serving.stages.base import Bind, BundledStage, Sparsity
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, FittedStage, Param, Source, elements, number
from palette.serving.stages.vectors import Sparse, active, dense

__all__ = [
    "ElementwiseProduct",
    "MaxAbsScalerModel",
    "MinMaxScalerModel",
    "RobustScalerModel",
    "StandardScalerModel",
]


def _inverse(spread: Sequence[float], of_zero: float) -> list[float]:
    return [1.0 / value if value else of_zero for value in spread]


def _where(param: str, data: Data) -> Callable[[FittedStage], Any]:
    """Return a reader of a fitted value; None where a Param is false."""
    return lambda stage: data(stage) if stage.params[param] else None


@dataclass(frozen=True)
class _Scaled(BundledStage):
    """A stage that subtracts from each element, multiplies it, or both.

    Vectors of another size than in training are rejected, some of which Spark accepts.

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
        """Subtraction makes the output dense."""
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
    source = Source(
        COLUMNS,
        shift=_where("withMean", Data("mean", elements)),
        scale=_where("withStd", Data("std", lambda spread: _inverse(elements(spread), 0.0))),
    )


@register
@dataclass(frozen=True)
class RobustScalerModel(_Scaled):
    """The local form of ``pyspark.ml.feature.RobustScalerModel``: median and range between quantiles."""

    kind = "RobustScalerModel"
    spark_class = "org.apache.spark.ml.feature.RobustScalerModel"
    source = Source(
        COLUMNS,
        shift=_where("withCentering", Data("median", elements)),
        scale=_where("withScaling", Data("range", lambda spread: _inverse(elements(spread), 0.0))),
    )


@register
@dataclass(frozen=True)
class MaxAbsScalerModel(_Scaled):
    """The local form of ``pyspark.ml.feature.MaxAbsScalerModel``."""

    kind = "MaxAbsScalerModel"
    spark_class = "org.apache.spark.ml.feature.MaxAbsScalerModel"
    source = Source(
        COLUMNS, shift=lambda _: None, scale=Data("maxAbs", lambda greatest: _inverse(elements(greatest), 1.0))
    )


@register
@dataclass(frozen=True)
class ElementwiseProduct(_Scaled):
    """The local form of ``pyspark.ml.feature.ElementwiseProduct``."""

    kind = "ElementwiseProduct"
    spark_class = "org.apache.spark.ml.feature.ElementwiseProduct"
    source = Source(COLUMNS, shift=lambda _: None, scale=Param("scalingVec", elements))


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
    source = Source(
        COLUMNS,
        least=Data("originalMin", elements),
        greatest=Data("originalMax", elements),
        low=Param("min", number),
        high=Param("max", number),
    )

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
