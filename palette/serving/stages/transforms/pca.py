"""Principal components: PCA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palette.serving.spark_files import matrix
from palette.serving.stages.base import Sparsity
from palette.serving.stages.columns import present
from palette.serving.stages.linear.weights import dot
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, Source
from palette.serving.stages.transforms.base import VectorStage

__all__ = ["PCAModel"]


def _columns(plain: dict[str, Any]) -> list[list[float]]:
    return [list(column) for column in zip(*matrix(plain), strict=True)]


@register
@dataclass(frozen=True)
class PCAModel(VectorStage):
    """The local form of ``pyspark.ml.feature.PCAModel``.

    Sums are made in the order of the elements. Spark adds those of long dense vectors in an order that depends on the
    processor, so that last digits may differ.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    components : list of list of float
        The principal components.
    """

    components: list[list[float]]

    kind = "PCAModel"
    spark_class = "org.apache.spark.ml.feature.PCAModel"
    source = Source(COLUMNS, components=Data("pc", _columns))

    @property
    def sparsity(self) -> Sparsity:
        """The output is dense."""
        return "own"

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector in terms of the components."""
        vector = present(self.kind, self.inputs[0], values[0], len(self.components[0]))
        return ([dot(component, None, vector) for component in self.components],)
