"""Indices to vectors: OneHotEncoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, BundledStage, Sparsity
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, Param, Source
from palette.serving.stages.vectors import WIDE, Sparse, Vector, narrow

__all__ = ["OneHotEncoderModel"]


@register
@dataclass(frozen=True)
class OneHotEncoderModel(BundledStage):
    """The local form of ``pyspark.ml.feature.OneHotEncoderModel``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Columns of indices, and of vectors.
    sizes : list of int
        How many indices each column has.
    drop_last : bool
        Whether the last index, or that of invalid values where they are kept, is a vector of zeros.
    handle_invalid : {"error", "keep"}
        Whether a index that was not seen in training is an error, or one more index.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: list[int]
    drop_last: bool
    handle_invalid: str

    kind = "OneHotEncoderModel"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.OneHotEncoderModel"
    source = Source(
        COLUMNS,
        sizes=Data("categorySizes", lambda sizes: [int(size) for size in sizes]),
        drop_last=Param("dropLast"),
        handle_invalid=Param("handleInvalid"),
    )

    @property
    def output_types(self) -> tuple[str, ...]:
        """Vectors."""
        return ("vector",) * len(self.outputs)

    @property
    def sparsity(self) -> Sparsity:
        """All vectors are sparse."""
        return "own"

    def _width(self, at: int) -> int:
        return self.sizes[at] + (self.handle_invalid == "keep") - self.drop_last

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vectors; of null it is null."""
        return tuple(self._vector(at, value) for at, value in enumerate(values))

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the vectors, all of them sparse."""
        return tuple(self._sparse(at, value) for at, value in enumerate(values))

    def _vector(self, at: int, value: float | None) -> Vector | None:
        return narrow(self._sparse(at, value))

    def _sparse(self, at: int, value: float | None) -> Sparse | None:
        if value is None:
            return None
        size, width = self.sizes[at], self._width(at)
        if 0.0 <= value < size:
            index = int(value)
        elif self.handle_invalid == "keep":
            index = size
        else:
            raise DataError(
                f"OneHotEncoderModel: {self.inputs[at]} is {value}, expected 0 to {size - 1}; set handleInvalid to "
                "'keep' to give other values an index of their own"
            )
        return Sparse(width, [index], [1.0]) if index < width else Sparse(width, [], [])

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return one look-up a column of the vector to copy; other values go the careful way."""
        del types
        lines = []
        for at, (value, output) in enumerate(zip(values, outputs, strict=True)):
            key = (id(self), at)
            careful = f"{bind(partial(self._vector, at), ('vector', *key))}({value})"
            if max(self._width(at), self.sizes[at]) > WIDE:
                lines.append(f"{output} = {careful}")
                continue
            known = {float(index): self._vector(at, index) for index in range(self.sizes[at])}
            lines.append(f"{output} = {bind(known.get, ('known', *key))}({value})")
            lines.append(f"{output} = {careful} if {output} is None else [*{output}]")
        return lines
