"""Counts of words and their weights: CountVectorizer, IDF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, Param, Source, elements, number
from palette.serving.stages.text.words import words
from palette.serving.stages.vectors import Sparse, narrow, sparse_vector

__all__ = ["CountVectorizerModel", "IDFModel", "Vectorizer"]


@dataclass(frozen=True)
class Vectorizer(BundledStage):
    """A stage that makes a vector."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)


@register
@dataclass(frozen=True)
class CountVectorizerModel(Vectorizer):
    """The local form of ``pyspark.ml.feature.CountVectorizerModel``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The list of words, the vector.
    vocabulary : list of str
        The words that count, in the order of the vector.
    least : float
        How often a word must be there to count; below 1, as a part of all words.
    binary : bool
        Whether a word counts once.
    """

    vocabulary: list[str]
    least: float
    binary: bool

    kind = "CountVectorizerModel"
    spark_class = "org.apache.spark.ml.feature.CountVectorizerModel"
    source = Source(COLUMNS, vocabulary=Data("vocabulary", list), least=Param("minTF", number), binary=Param("binary"))

    @cached_property
    def _indices(self) -> dict[str | None, int]:
        return {word: index for index, word in enumerate(self.vocabulary)}

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the counts of known words that are there often enough."""
        return (narrow(*self.compute_sparse(*values)),)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the counts, sparse."""
        document, indices = words(self.kind, self.inputs[0], values[0]), self._indices
        counts: dict[int, float] = {}
        for word in document:
            index = indices.get(word)
            if index is not None:
                counts[index] = counts.get(index, 0.0) + 1.0
        least = self.least if self.least >= 1.0 else len(document) * self.least
        selected = {index: 1.0 if self.binary else count for index, count in counts.items() if count >= least}
        return (sparse_vector(len(indices), selected),)


@register
@dataclass(frozen=True)
class IDFModel(Vectorizer):
    """The local form of ``pyspark.ml.feature.IDFModel``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The counts, the weighed counts.
    idf : list of float
        The weights.
    """

    idf: list[float]

    kind = "IDFModel"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.IDFModel"
    source = Source(COLUMNS, idf=Data("idf", elements))

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the products; like Spark's, a shorter vector passes.

        Raises
        ------
        DataError
            If the vector is longer than in training.
        """
        counts = present(self.kind, self.inputs[0], values[0])
        if len(counts) > len(self.idf):
            raise DataError(
                f"IDFModel: {self.inputs[0]} has {len(counts)} elements, the model knows {len(self.idf)}; "
                "make it as it was in training"
            )
        idf = self.idf
        if counts.__class__ is Sparse:
            weighed = [value * idf[index] for index, value in zip(counts.indices, counts.values, strict=True)]
            return (Sparse(counts.size, list(counts.indices), weighed),)
        return ([value * weight for value, weight in zip(counts, idf, strict=False)],)
