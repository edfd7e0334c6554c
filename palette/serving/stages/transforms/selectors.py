"""Some elements of a vector: VectorSlicer, and what the selectors of features fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import BundledStage
from palette.serving.stages.columns import columns_of, present
from palette.serving.stages.features.metadata import attribute_of, attributes_of
from palette.serving.stages.models.base import live_params
from palette.serving.stages.registry import register
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
            return ([vector[place] for place in places],)
        stored = dict(active(vector))
        return (sparse_vector(len(places), {at: stored[place] for at, place in enumerate(places) if place in stored}),)


@dataclass(frozen=True)
class _SelectorModel(_Selected):
    @classmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of Spark's model."""
        return cls._of(live_params(stage), stage.selectedFeatures)

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> Self:
        """Return the local form of a saved model."""
        return cls._of(saved.params, saved.row()["selectedFeatures"])

    @classmethod
    def _of(cls, params: dict[str, Any], features: list[int]) -> Self:
        return cls((params["featuresCol"],), (params["outputCol"],), sorted(int(feature) for feature in features))


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


@register
@dataclass(frozen=True)
class VectorSlicer(_Selected):
    """The local form of ``pyspark.ml.feature.VectorSlicer``; what it takes by name needs the column's metadata."""

    kind = "VectorSlicer"
    spark_class = "org.apache.spark.ml.feature.VectorSlicer"

    @classmethod
    def from_spark(cls, stage: Any) -> VectorSlicer:
        """Return the local form of Spark's stage."""
        return cls._of(live_params(stage), stage.uid, {})

    @classmethod
    def from_schema(cls, stage: Any, schema: Any) -> VectorSlicer:
        """Return the local form of Spark's stage, names found in the metadata of the column."""
        params = live_params(stage)
        found = attributes_of(attribute_of(schema, params["inputCol"])) or []
        return cls._of(params, stage.uid, {one["name"]: int(one["idx"]) for one in found if "name" in one})

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> VectorSlicer:
        """Return the local form of a saved stage."""
        return cls._of(saved.params, saved.name, {})

    @classmethod
    def _of(cls, params: dict[str, Any], name: str, known: dict[str, int]) -> VectorSlicer:
        unknown = [element for element in params["names"] if element not in known]
        if unknown:
            raise DataError(
                f"{name}: where {', '.join(unknown)} are is in the metadata of column {params['inputCol']!r}, which is "
                "not at hand; select by indices"
            )
        places = [*params["indices"], *(known[element] for element in params["names"])]
        return cls(**columns_of(params), places=[int(place) for place in places])
