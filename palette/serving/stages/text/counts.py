"""Words counted, weighed and averaged: CountVectorizer, IDF, Word2Vec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage
from palette.serving.stages.columns import present
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, Param, Source, elements, number
from palette.serving.stages.text.tokens import words
from palette.serving.stages.vectors import Sparse, narrow, sparse_vector

__all__ = ["CountVectorizerModel", "IDFModel", "Word2VecModel"]


@dataclass(frozen=True)
class _Vectorizer(BundledStage):
    """A stage that makes a vector."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)


@register
@dataclass(frozen=True)
class CountVectorizerModel(_Vectorizer):
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
    def _places(self) -> dict[str | None, int]:
        return {word: place for place, word in enumerate(self.vocabulary)}

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the counts of known words that are there often enough."""
        return (narrow(*self.compute_sparse(*values)),)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the counts, sparse."""
        document, places = words(self.kind, self.inputs[0], values[0]), self._places
        counts: dict[int, float] = {}
        for word in document:
            place = places.get(word)
            if place is not None:
                counts[place] = counts.get(place, 0.0) + 1.0
        least = self.least if self.least >= 1.0 else len(document) * self.least
        kept = {place: 1.0 if self.binary else count for place, count in counts.items() if count >= least}
        return (sparse_vector(len(places), kept),)


@register
@dataclass(frozen=True)
class IDFModel(_Vectorizer):
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
            weighed = [value * idf[place] for place, value in zip(counts.indices, counts.values, strict=True)]
            return (Sparse(counts.size, list(counts.indices), weighed),)
        return ([value * weight for value, weight in zip(counts, idf, strict=False)],)


_VECTORS = Data(
    lambda stage: {row.word: row.vector.toArray() for row in stage.getVectors().collect()},
    lambda vectors: {word: elements(vectors[word]) for word in sorted(vectors)},
    saved=lambda files: {row["word"]: row["vector"] for row in files.rows()},
)


@register
@dataclass(frozen=True)
class Word2VecModel(_Vectorizer):
    """The local form of ``pyspark.ml.feature.Word2VecModel``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The list of words, the vector.
    size : int
        How long the vectors are.
    vectors : dict of str to list of float
        The vector of each word.
    """

    size: int
    vectors: dict[str, list[float]]

    kind = "Word2VecModel"
    spark_class = "org.apache.spark.ml.feature.Word2VecModel"
    source = Source(COLUMNS, size=Param("vectorSize"), vectors=_VECTORS)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the mean of the vectors; words without one count as zeros."""
        document = words(self.kind, self.inputs[0], values[0])
        sums = [0.0] * self.size
        for word in document:
            found = None if word is None else self.vectors.get(word)
            if found is not None:
                sums = [one + other for one, other in zip(sums, found, strict=True)]
        scale = 1.0 / len(document) if document else 0.0
        return ([one * scale for one in sums],)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the mean of the vectors, sparse only where there are no words."""
        return self.compute(*values) if values[0] != [] else (Sparse(self.size, [], []),)
