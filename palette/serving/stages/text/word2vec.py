"""Means of word vectors: Word2Vec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, Param, Source, elements
from palette.serving.stages.text.counts import Vectorizer
from palette.serving.stages.text.words import words
from palette.serving.stages.vectors import Sparse

__all__ = ["Word2VecModel"]


_VECTORS = Data(
    lambda stage: {row.word: row.vector.toArray() for row in stage.getVectors().collect()},
    lambda vectors: {word: elements(vectors[word]) for word in sorted(vectors)},
    saved=lambda files: {row["word"]: row["vector"] for row in files.rows()},
)


@register
@dataclass(frozen=True)
class Word2VecModel(Vectorizer):
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
            vector = None if word is None else self.vectors.get(word)
            if vector is not None:
                sums = [total + other for total, other in zip(sums, vector, strict=True)]
        scale = 1.0 / len(document) if document else 0.0
        return ([total * scale for total in sums],)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the mean of the vectors, sparse only where there are no words."""
        return self.compute(*values) if values[0] != [] else (Sparse(self.size, [], []),)
