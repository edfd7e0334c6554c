"""Sizes of vectors: VectorSizeHint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import RowRejectedError
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Param, Source, as_tuple
from palette.serving.stages.transforms.base import VectorStage

__all__ = ["VectorSizeHint"]


@register
@dataclass(frozen=True)
class VectorSizeHint(VectorStage):
    """The local form of ``pyspark.ml.feature.VectorSizeHint``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The vector column, twice.
    size : int
        How many elements it has.
    handle_invalid : {"error", "skip", "optimistic"}
        What null or another size does: an error, a :class:`RowRejectedError`, or nothing.
    """

    size: int
    handle_invalid: str

    kind = "VectorSizeHint"
    spark_class = "org.apache.spark.ml.feature.VectorSizeHint"
    source = Source(
        inputs=Param("inputCol", as_tuple),
        outputs=Param("inputCol", as_tuple),
        size=Param("size", int),
        handle_invalid=Param("handleInvalid"),
    )

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector itself."""
        if self.handle_invalid != "optimistic":
            try:
                present(self.kind, self.inputs[0], values[0], self.size)
            except DataError as error:
                if self.handle_invalid == "skip":
                    raise RowRejectedError(f"the row is dropped: {error}") from error
                raise
        return values
