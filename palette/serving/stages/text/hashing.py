"""Feature hashing of words: HashingTF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import BundledStage
from palette.serving.stages.java.murmur3 import SEED, hash_index
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Param, Source
from palette.serving.stages.text.words import words
from palette.serving.stages.vectors import narrow, sparse_vector

__all__ = ["HashingTF"]


@register
@dataclass(frozen=True)
class HashingTF(BundledStage):
    """The local form of ``pyspark.ml.feature.HashingTF`` on lists of text.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The list of words, the vector.
    size : int
        How long the vector is.
    binary : bool
        Whether a word counts once.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: int
    binary: bool

    kind = "HashingTF"
    spark_class = "org.apache.spark.ml.feature.HashingTF"
    source = Source(COLUMNS, size=Param("numFeatures"), binary=Param("binary"))

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> HashingTF:
        """Return the local form of a saved stage.

        Raises
        ------
        DataError
            If a version of Spark saved it that hashed otherwise.
        """
        if int(saved.spark_version.split(".")[0]) < 3:
            raise DataError(f"{saved.name}: Spark {saved.spark_version} hashed differently; save it again")
        return super().from_saved(saved)

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return how often each index was met; a word that is null has a index too."""
        return (narrow(*self.compute_sparse(*values)),)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return how often each index was met, sparse."""
        counts: dict[int, float] = {}
        for word in words(self.kind, self.inputs[0], values[0]):
            index = SEED % self.size if word is None else hash_index(word, self.size)
            counts[index] = 1.0 if self.binary else counts.get(index, 0.0) + 1.0
        return (sparse_vector(self.size, counts),)
