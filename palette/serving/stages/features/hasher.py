"""Feature hashing of columns: FeatureHasher."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, BundledStage
from palette.serving.stages.java.floats import SHORTEST, java_string
from palette.serving.stages.java.murmur3 import hash_index
from palette.serving.stages.registry import register
from palette.serving.stages.sources import MANY_TO_ONE, Param, Source
from palette.serving.stages.vectors import WIDE, Sparse, narrow, sparse_vector

__all__ = ["FeatureHasher"]


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
    # Bundles without it were written where Java 17 was needed.
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
                index, amount = hash_index(f"{column}={self._text(column, value, column in singles)}", self.size), 1.0
            elif isinstance(value, (int, float, Decimal)):
                index, amount = hash_index(column, self.size), float(value)
            else:
                raise DataError(
                    f"FeatureHasher: {column} is {value!r:.80}; it takes numbers, booleans and text: cast the column"
                )
            sums[index] = sums[index] + amount if index in sums else amount
        return sparse_vector(self.size, sums)

    def _text(self, column: str, value: Any, single: bool) -> str:
        if value.__class__ is float and not self.java:
            texts = {java_string(value, single=single, java=java) for java in (SHORTEST - 1, SHORTEST)}
            if len(texts) > 1:
                raise DataError(
                    f"FeatureHasher: {column} is {value!r}, which Java writes as {' or '.join(sorted(texts))}, and on "
                    "which version of it the pipeline was fitted is not known: LocalPipeline.load(..., java=17)"
                )
        return java_string(value, single=single, java=self.java or SHORTEST)

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
