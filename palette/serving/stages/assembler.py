"""VectorAssembler: numbers, booleans and vectors side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, RowRejectedError, SavedStage, register

__all__ = ["VectorAssembler"]

NAN = math.nan
SCALARS = ("double", "float", "tinyint", "smallint", "int", "bigint", "boolean")


@register
class VectorAssembler(SavedStage):
    """The local form of ``pyspark.ml.feature.VectorAssembler``; the vector is a list of float.

    Parameters
    ----------
    inputs : tuple of str
        Columns, in order.
    output : str
        The vector column.
    handle_invalid : {"error", "skip", "keep"}
        What a null or NaN does: an error, a :class:`RowRejectedError`, or NaN in the vector.
    """

    kind = "VectorAssembler"

    def __init__(self, inputs: tuple[str, ...], output: str, handle_invalid: str) -> None:
        self.inputs = inputs
        self.outputs = (output,)
        self._handle_invalid = handle_invalid

    @classmethod
    def from_spark(cls, stage: Any) -> VectorAssembler:
        """Return the local form of Spark's stage."""
        return cls(tuple(stage.getInputCols()), stage.getOutputCol(), stage.getHandleInvalid())

    def to_json(self) -> dict[str, Any]:
        """Return the stage as JSON holds it."""
        return {"inputs": list(self.inputs), "output": self.outputs[0], "handle_invalid": self._handle_invalid}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> VectorAssembler:
        """Return the stage that :meth:`to_json` wrote."""
        return cls(tuple(plain["inputs"]), plain["output"], plain["handle_invalid"])

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; like Spark's, it holds no negative zeros, and NaN inside a vector passes."""
        vector: list[float] = []
        for value in values:
            if value.__class__ is float:
                if value != value and self._handle_invalid != "keep":
                    raise self._invalid(values)
                vector.append(value + 0.0)
            elif value.__class__ is list:
                vector.extend([element + 0.0 for element in value])
            elif value is not None:
                vector.append(float(value))
            elif self._handle_invalid == "keep":
                vector.append(NAN)
            else:
                raise self._invalid(values)
        return (vector,)

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return lines that build the vector in place; rows with a null or NaN go to :meth:`compute`."""
        call = super().generate(values, types, outputs, bind)
        if any(dtype not in SCALARS for dtype in types):
            return call
        zero = bind(0.0, "zero")
        return [
            "try:",
            f"    {outputs[0]} = [{', '.join(f'{value} + {zero}' for value in values)}]",
            # NaN if one of them is, or if infinities meet: then the careful way decides.
            f"    if not {' + '.join([zero, *values])} <= {bind(math.inf, 'infinity')}:",
            f"        {call[0]}",
            f"except {bind(TypeError, 'TypeError')}:",
            f"    {call[0]}",
        ]

    def _invalid(self, values: tuple[Any, ...]) -> DataError:
        bad = ", ".join(
            column for column, value in zip(self.inputs, values, strict=True) if value is None or value != value
        )
        if self._handle_invalid == "skip":
            return RowRejectedError(f"VectorAssembler drops this row: {bad} is null or NaN")
        return DataError(f"VectorAssembler: {bad} is null or NaN; fill it (nFill) or set handleInvalid")
