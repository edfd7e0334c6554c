"""Imputer: a number instead of a missing one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import Bind, BundledStage
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, FittedStage, Param, Source, number
from palette.types import INTEGERS

__all__ = ["ImputerModel"]

_FLOAT = struct.Struct("f")


_BY_COLUMN = Data(lambda stage: stage.surrogateDF.first().asDict(), saved=SavedFiles.row)


def _surrogates(stage: FittedStage) -> list[float]:
    return [float(_BY_COLUMN(stage)[column]) for column in COLUMNS["inputs"](stage)]


@register
@dataclass(frozen=True)
class ImputerModel(BundledStage):
    """The local form of ``pyspark.ml.feature.ImputerModel``, whatever its strategy.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Columns of numbers, without and with a number instead of null and of the missing value.
    surrogates : list of float
        That number, of each column; Spark makes it one of the column's type.
    missing : float
        What counts as missing, besides null.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    surrogates: list[float]
    missing: float

    kind = "ImputerModel"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.ImputerModel"
    source = Source(COLUMNS, surrogates=_surrogates, missing=Param("missingValue", number))

    def result_types(self, types: Sequence[str]) -> tuple[str, ...]:
        """The types of the inputs.

        Raises
        ------
        DataError
            If a column is a decimal.
        """
        for column, dtype in zip(self.inputs, types, strict=True):
            if dtype.startswith("decimal"):
                raise DataError(f"ImputerModel: column {column!r} is {dtype}; cast it to double before")
        return tuple(types)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the numbers as they are where the types are not known: a surrogate is a double then."""
        return tuple(self._fill(surrogate, value) for surrogate, value in zip(self.surrogates, values, strict=True))

    def _fill(self, surrogate: float, value: Any) -> Any:
        missing = self.missing
        if value is None or value == missing or (value != value and missing != missing):
            return surrogate
        return value

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return a comparison a column."""
        lines = []
        for at, (value, dtype, output) in enumerate(zip(values, types, outputs, strict=True)):
            surrogate = _typed(self.surrogates[at], dtype)
            name = bind(surrogate, ("surrogate", id(self), at))
            if dtype == "bigint":
                # Spark makes doubles of all.
                fill = bind(partial(self._fill, surrogate), ("fill", id(self), at))
                lines.append(f"{output} = {bind(_long, _long)}({fill}({value}))")
                continue
            known = f"{value} == {bind(self.missing, ('missing', id(self)))}"
            if self.missing != self.missing:
                known = "" if dtype in INTEGERS else f"{value} != {value}"
            absent = " or ".join(part for part in (f"{value} is None", known) if part)
            lines.append(f"{output} = {name} if {absent} else {value}")
        return lines


def _typed(surrogate: float, dtype: str) -> float:
    """Return what Spark's cast from double makes of a surrogate."""
    if dtype == "float":
        return float(_FLOAT.unpack(_FLOAT.pack(surrogate))[0])
    if dtype in INTEGERS:
        return int(surrogate)
    return surrogate


def _long(value: float) -> int:
    return min(int(float(value)), 2**63 - 1)
