"""VectorAssembler: numbers, booleans and vectors side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, BundledStage, RowRejectedError, Sparsity
from palette.serving.stages.linear.weights import sum_lines
from palette.serving.stages.registry import register
from palette.serving.stages.sources import MANY_TO_ONE, Param, Source
from palette.serving.stages.vectors import WIDE, Sparse, active

__all__ = ["VectorAssembler"]

NAN = math.nan
SCALARS = ("double", "float", "tinyint", "smallint", "int", "bigint", "boolean")


@register
@dataclass(frozen=True)
class VectorAssembler(BundledStage):
    """The local form of ``pyspark.ml.feature.VectorAssembler``.

    Parameters
    ----------
    inputs : tuple of str
        Columns, in order.
    outputs : tuple of str
        The vector column.
    handle_invalid : {"error", "skip", "keep"}
        What a null or NaN does: an error, a :class:`RowRejectedError`, or NaN in the vector.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    handle_invalid: str

    kind = "VectorAssembler"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.VectorAssembler"
    source = Source(MANY_TO_ONE, handle_invalid=Param("handleInvalid"))

    @property
    def sparsity(self) -> Sparsity:
        """Spark stores the output the smaller way."""
        return "smaller"

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; like Spark's, it holds no negative zeros, and NaN inside a vector passes."""
        if any(value.__class__ is Sparse for value in values):
            return (self._sparse(values),)
        vector: list[float] = []
        for value in values:
            if value.__class__ is float:
                if value != value and self.handle_invalid != "keep":
                    raise self._invalid(values)
                vector.append(value + 0.0)
            elif value.__class__ is list:
                vector.extend([element + 0.0 for element in value])
            elif value is not None:
                vector.append(float(value))
            elif self.handle_invalid == "keep":
                vector.append(NAN)
            else:
                raise self._invalid(values)
        return (vector,)

    def _sparse(self, values: tuple[Any, ...]) -> Any:
        size, indices, elements = 0, [], []
        for value in values:
            if value.__class__ is list or value.__class__ is Sparse:
                for index, element in active(value):
                    if element:
                        indices.append(size + index)
                        elements.append(element)
                size += len(value)
                continue
            element = NAN if value is None else float(value)
            if element != element and self.handle_invalid != "keep":
                raise self._invalid(values)
            if element:
                indices.append(size)
                elements.append(element)
            size += 1
        vector = Sparse(size, indices, elements)
        return vector if size > WIDE else list(vector)

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return lines that build the vector in place; rows with a null or NaN go to :meth:`compute`."""
        call = super().generate(values, types, outputs, bind)
        if any(dtype not in (*SCALARS, "vector") for dtype in types):
            return call
        zero = bind(0.0, "zero")
        lists = [value for value, dtype in zip(values, types, strict=True) if dtype == "vector"]
        numbers = [value for value, dtype in zip(values, types, strict=True) if dtype != "vector"]
        parts = [
            f"*{value}" if dtype == "vector" else f"{value} + {zero}"
            for value, dtype in zip(values, types, strict=True)
        ]
        plain = " and ".join(f"{value}.__class__ is {bind(list, 'list')}" for value in lists)
        build = ["try:", f"    {outputs[0]} = [{', '.join(parts)}]"]
        if numbers:
            # NaN if one of them is, or if infinities meet: then the careful way decides.
            *sums, last = sum_lines(f"{outputs[0]}_sum", [zero, *numbers])
            build += [
                *(f"    {line}" for line in sums),
                f"    if not {last.partition(' = ')[2]} <= {bind(math.inf, 'infinity')}:",
                f"        {call[0]}",
            ]
        build += [f"except {bind(TypeError, 'TypeError')}:", f"    {call[0]}"]
        if not lists:
            return build
        # How many NaNs Spark makes of a vector that is null is in the metadata of the column, and only Spark has it.
        absent = " or ".join(f"{value} is None" for value in lists)
        call = [f"if {absent}: {bind(self._no_vector, ('no vector', id(self)))}({', '.join(values)})", *call]
        return [f"if {plain}:", *(f"    {line}" for line in build), "else:", *(f"    {line}" for line in call)]

    def _no_vector(self, *values: Any) -> None:
        if self.handle_invalid != "keep":
            raise self._invalid(values)
        raise DataError(f"VectorAssembler: a vector among {', '.join(self.inputs)} is null, and how long it is unknown")

    def _invalid(self, values: tuple[Any, ...]) -> DataError:
        bad = ", ".join(
            column
            for column, value in zip(self.inputs, values, strict=True)
            if value is None or (value.__class__ is float and value != value)
        )
        if self.handle_invalid == "skip":
            return RowRejectedError(f"VectorAssembler drops this row: {bad} is null or NaN")
        return DataError(f"VectorAssembler: {bad} is null or NaN; fill it (nFill) or set handleInvalid")
