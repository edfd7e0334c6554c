"""The hashing trick: text and numbers at places of a vector that a hash tells."""

from __future__ import annotations

import dataclasses
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import Bind, BundledStage
from palette.serving.stages.java.floats import SHORTEST, java_text
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, MANY_TO_ONE, Param, Source
from palette.serving.stages.text.tokens import words
from palette.serving.stages.vectors import WIDE, Sparse, narrow, sparse_vector

__all__ = ["FeatureHasher", "HashingTF", "murmur3"]

SEED = 42


def murmur3(data: bytes, seed: int = SEED) -> int:
    """Return MurmurHash3 (x86, 32 bits) as a signed integer.

    Examples
    --------
    >>> murmur3(b""), murmur3(b"spark")
    (142593372, -226056714)
    """
    whole = len(data) & ~3
    found = seed
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        found ^= _mixed(block)
        found = ((found << 13 | found >> 19) * 5 + 0xE6546B64) & 0xFFFFFFFF
    found ^= _mixed(int.from_bytes(data[whole:], "little")) ^ len(data)
    found = ((found ^ found >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    found = ((found ^ found >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    found ^= found >> 16
    return found - 0x1_0000_0000 if found >= 0x8000_0000 else found


def _mixed(block: int) -> int:
    block = (block * 0xCC9E2D51) & 0xFFFFFFFF
    return ((block << 15 | block >> 17) & 0xFFFFFFFF) * 0x1B873593 & 0xFFFFFFFF


@lru_cache(maxsize=1 << 16)
def _place(text: str, size: int) -> int:
    return murmur3(text.encode("utf-8", "replace")) % size


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
            raise DataError(f"{saved.name}: Spark {saved.spark_version} hashed otherwise; save it anew")
        return super().from_saved(saved)

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return how often each place was met; a word that is null has a place too."""
        return (narrow(*self.compute_sparse(*values)),)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return how often each place was met, sparse."""
        counts: dict[int, float] = {}
        for word in words(self.kind, self.inputs[0], values[0]):
            place = SEED % self.size if word is None else _place(word, self.size)
            counts[place] = 1.0 if self.binary else counts.get(place, 0.0) + 1.0
        return (sparse_vector(self.size, counts),)


@register
@dataclass(frozen=True)
class FeatureHasher(BundledStage):
    """The local form of ``pyspark.ml.feature.FeatureHasher``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Numbers, booleans and texts; the vector.
    size : int
        How long the vector is.
    categories : list of str
        Columns the numbers of which are categories.
    java : int
        The version of Java, on which it depends how numbers with fractions are written; 0 if it is not known.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: int
    categories: list[str]
    # Bundles that do not say it were written where Java 17 was needed.
    java: int = 17

    kind = "FeatureHasher"
    spark_class = "org.apache.spark.ml.feature.FeatureHasher"
    source = Source(
        MANY_TO_ONE,
        size=Param("numFeatures"),
        categories=lambda stage: sorted(stage.params.get("categoricalCols") or ()),
    )

    def fitted_on(self, runtime: Mapping[str, Any]) -> FeatureHasher:
        """Return the form for a version of Java."""
        if "java" not in runtime:
            return self
        version = re.match(r"(?:1\.)?(\d+)", runtime["java"])
        return dataclasses.replace(self, java=int(version[1]) if version else 0)

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    def result_types(self, types: Sequence[str]) -> tuple[str, ...]:
        """A vector.

        Raises
        ------
        DataError
            If categories are decimals, the scale of which is lost.
        """
        typed = dict(zip(self.inputs, types, strict=True))
        for column in self.categories:
            if typed.get(column, "").startswith("decimal"):
                raise DataError(f"FeatureHasher: {column!r} is a decimal among categoricalCols; cast it to string")
        return ("vector",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; a null adds nothing."""
        return (narrow(self._sparse((), *values)),)

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector, sparse; a number that is zero is stored."""
        return (self._sparse((), *values),)

    def _sparse(self, singles: Sequence[str], *values: Any) -> Sparse:
        sums: dict[int, float] = {}
        for column, value in zip(self.inputs, values, strict=True):
            if value is None:
                continue
            if value.__class__ is str or value.__class__ is bool or column in self.categories:
                place, amount = _place(f"{column}={self._text(column, value, column in singles)}", self.size), 1.0
            elif isinstance(value, (int, float, Decimal)):
                place, amount = _place(column, self.size), float(value)
            else:
                raise DataError(
                    f"FeatureHasher: {column} is {value!r:.80}; it takes numbers, booleans and text: cast the column"
                )
            sums[place] = sums[place] + amount if place in sums else amount
        return sparse_vector(self.size, sums)

    def _text(self, column: str, value: Any, single: bool) -> str:
        if value.__class__ is float and not self.java:
            texts = {java_text(value, single=single, java=java) for java in (SHORTEST - 1, SHORTEST)}
            if len(texts) > 1:
                raise DataError(
                    f"FeatureHasher: {column} is {value!r}, which Java writes as {' or '.join(sorted(texts))}, and on "
                    "which version of it the pipeline was fitted is not known: LocalPipeline.load(..., java=17)"
                )
        return java_text(value, single=single, java=self.java or SHORTEST)

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return a call; categories of type float are written with fewer digits than those of type double."""
        lines = self.generate_sparse(values, types, outputs, bind)
        return lines if self.size > WIDE else [*lines, f"{outputs[0]} = {bind(narrow, narrow)}({outputs[0]})"]

    def generate_sparse(
        self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind
    ) -> list[str]:
        """Return a call for a sparse vector."""
        singles = [column for column, dtype in zip(self.inputs, types, strict=True) if dtype == "float"]
        sparse = bind(partial(self._sparse, singles), ("hashed", id(self)))
        return [f"{outputs[0]} = {sparse}({', '.join(values)})"]
