"""Some elements of a vector: VectorSlicer, and what the selectors of features fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage
from palette.serving.stages.columns import present
from palette.serving.stages.features.metadata import attribute_of, attributes_of
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, FittedStage, LiveStage, Param, Source, as_tuple
from palette.serving.stages.vectors import active, narrow, sparse_vector

__all__ = [
    "ChiSqSelectorModel",
    "UnivariateFeatureSelectorModel",
    "VarianceThresholdSelectorModel",
    "VectorSlicer",
]


@dataclass(frozen=True)
class _Selected(BundledStage):
    """A stage that takes some elements of a vector.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The two vector columns.
    places : list of int
        The elements, in their new order.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    places: list[int]

    numeric = True

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the shorter vector."""
        return (narrow(*self.compute_sparse(*values)),)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the shorter vector, sparse where the longer is."""
        vector, places = present(self.kind, self.inputs[0], values[0]), self.places
        if max(places, default=-1) >= len(vector):
            raise DataError(f"{self.kind}: {self.inputs[0]} has {len(vector)} elements, and element {max(places)} is "
                            "selected; make it as it was in training")  # fmt: skip
        if isinstance(vector, list):
            return ([vector[index] for index in places],)
        stored = dict(active(vector))
        return (sparse_vector(len(places), {at: stored[index] for at, index in enumerate(places) if index in stored}),)


@dataclass(frozen=True)
class _SelectorModel(_Selected):
    source = Source(
        inputs=Param("featuresCol", as_tuple),
        outputs=Param("outputCol", as_tuple),
        places=Data("selectedFeatures", lambda features: sorted(int(feature) for feature in features)),
    )


@register
@dataclass(frozen=True)
class ChiSqSelectorModel(_SelectorModel):
    """The local form of ``pyspark.ml.feature.ChiSqSelectorModel``."""

    kind = "ChiSqSelectorModel"
    spark_class = "org.apache.spark.ml.feature.ChiSqSelectorModel"


@register
@dataclass(frozen=True)
class UnivariateFeatureSelectorModel(_SelectorModel):
    """The local form of ``pyspark.ml.feature.UnivariateFeatureSelectorModel``."""

    kind = "UnivariateFeatureSelectorModel"
    spark_class = "org.apache.spark.ml.feature.UnivariateFeatureSelectorModel"


@register
@dataclass(frozen=True)
class VarianceThresholdSelectorModel(_SelectorModel):
    """The local form of ``pyspark.ml.feature.VarianceThresholdSelectorModel``."""

    kind = "VarianceThresholdSelectorModel"
    spark_class = "org.apache.spark.ml.feature.VarianceThresholdSelectorModel"


def _places(stage: FittedStage) -> list[int]:
    if stage.params["names"]:
        raise DataError(
            f"{stage.name}: the indices of {', '.join(stage.params['names'])} are in the metadata of column "
            f"{stage.params['inputCol']!r}, which is not available; select by indices"
        )
    return [int(index) for index in stage.params["indices"]]


@register
@dataclass(frozen=True)
class VectorSlicer(_Selected):
    """The local form of ``pyspark.ml.feature.VectorSlicer``; what it takes by name needs the column's metadata."""

    kind = "VectorSlicer"
    spark_class = "org.apache.spark.ml.feature.VectorSlicer"
    source = Source(COLUMNS, places=_places)

    @classmethod
    def from_schema(cls, stage: Any, schema: Any) -> VectorSlicer:
        """Return the local form of Spark's stage; the metadata of its column knows where named elements are."""
        fitted = LiveStage(stage)
        known = {
            element["name"]: int(element["idx"])
            for element in attributes_of(attribute_of(schema, fitted.params["inputCol"])) or []
            if "name" in element
        }
        names = fitted.params["names"]
        fitted.params["indices"] = [*fitted.params["indices"], *(known[name] for name in names if name in known)]
        fitted.params["names"] = [name for name in names if name not in known]
        return cls.from_fitted(fitted)
