"""Products of columns: Interaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage, Sparsity
from palette.serving.stages.columns import present
from palette.serving.stages.features.metadata import attribute_of, attributes_of, values_of
from palette.serving.stages.registry import register
from palette.serving.stages.sources import LiveStage
from palette.serving.stages.vectors import Sparse, active, vector_of

__all__ = ["Interaction"]


@register
@dataclass(frozen=True)
class Interaction(BundledStage):
    """The local form of ``pyspark.ml.feature.Interaction``.

    Which of its inputs are categories is in the metadata of their columns, so that it takes a schema to make one.
    A zero that a sparse vector leaves out is not a category to Spark.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Columns of numbers and vectors, and that of their products.
    sizes : list of list of int
        Of each element of each input: how many categories it has; 1 for a number.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: list[list[int]]

    kind = "Interaction"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.Interaction"

    @classmethod
    def from_spark(cls, stage: Any) -> Interaction:
        """Raise DataError: the metadata is not available."""
        columns = ", ".join(stage.getInputCols())
        raise DataError(
            f"{stage.uid}: which of {columns} are categories is in the metadata of the columns, which is not "
            "available; fit it in an MLPipeline and save a bundle of the model"
        )

    @classmethod
    def from_schema(cls, stage: Any, schema: Any) -> Interaction:
        """Return the local form of Spark's stage."""
        params = LiveStage(stage).params
        sizes = []
        for column in params["inputCols"]:
            attribute, types = attribute_of(schema, column), {field.name: field.dataType for field in schema.fields}
            several = attributes_of(attribute) if types[column].simpleString() == "vector" else [attribute]
            counts = [None] if several is None else [values_of(element) for element in several]
            if None in counts:
                raise DataError(
                    f"{stage.uid}: column {column!r} has no metadata about its number of elements or values"
                )
            sizes.append([count for count in counts if count is not None])
        return cls(tuple(params["inputCols"]), (params["outputCol"],), sizes)

    @property
    def reads_sparsity(self) -> bool:
        """A zero that is left out is neither a category nor multiplied by NaN."""
        return True

    @property
    def sparsity(self) -> Sparsity:
        """Spark stores the output the smaller way."""
        return "smaller"

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the products of one element of each input; those of the last input are side by side."""
        size, products = 1, {0: 1.0}
        for column, value, sizes in zip(self.inputs[::-1], values[::-1], self.sizes[::-1], strict=True):
            products = {
                at + index * size: product * factor
                for index, factor in self._encoded(column, value, sizes)
                for at, product in products.items()
            }
            size *= sum(sizes)
        return (vector_of(size, products),)

    def _encoded(self, column: str, value: Any, sizes: list[int]) -> list[tuple[int, float]]:
        """Return index and value of the elements, those of categories as one-hot vectors."""
        if not isinstance(value, (list, Sparse)):
            if value is None:
                raise DataError(f"Interaction: {column} is null; fill it (nFill)")
            value = [float(value)]
        vector = present(self.kind, column, value, len(sizes))
        starts = [0]
        for size in sizes:
            starts.append(starts[-1] + size)
        return [
            (starts[at] + self._category(column, element, sizes[at]), 1.0) if sizes[at] > 1 else (starts[at], element)
            for at, element in active(vector)
        ]

    def _category(self, column: str, value: float, size: int) -> int:
        if 0.0 <= value < size and value == int(value):
            return int(value)
        raise DataError(f"Interaction: {column} has {value}, expected an integer from 0 to {size - 1}")
