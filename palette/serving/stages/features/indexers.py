"""Labels to indices and back: StringIndexer, IndexToString, VectorIndexer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import Bind, BundledStage, RowRejectedError
from palette.serving.stages.columns import present
from palette.serving.stages.features.labels import label_index, number_indices
from palette.serving.stages.features.metadata import attribute_of
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Data, FittedStage, LiveStage, Param, Source
from palette.serving.stages.vectors import Sparse, active
from palette.types import INTEGERS

__all__ = ["IndexToString", "StringIndexerModel", "VectorIndexerModel"]


@register
@dataclass(frozen=True)
class StringIndexerModel(BundledStage):
    """The local form of ``pyspark.ml.feature.StringIndexerModel``.

    A number has the label that Spark's cast to text gives it: 1 is ``1``, and 1.0 is ``1.0``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Columns of labels, and of their indices.
    labels : list of list of str
        The known labels of each column, in order.
    handle_invalid : {"error", "skip", "keep"}
        What a null or an unknown label does: an error, a :class:`RowRejectedError`, or the index after the last.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    labels: list[list[str]]
    handle_invalid: str

    kind = "StringIndexerModel"
    spark_class = "org.apache.spark.ml.feature.StringIndexerModel"
    source = Source(
        COLUMNS,
        labels=Data("labelsArray", lambda columns: [list(labels) for labels in columns]),
        handle_invalid=Param("handleInvalid"),
    )

    @cached_property
    def optional_parts(self) -> tuple[StringIndexerModel, ...]:
        """The indexer of each column."""
        columns = zip(self.inputs, self.outputs, self.labels, strict=True)
        return tuple(
            replace(self, inputs=(column,), outputs=(out,), labels=[labels]) for column, out, labels in columns
        )

    @property
    def output_types(self) -> tuple[str, ...]:
        """Doubles."""
        return ("double",) * len(self.outputs)

    @cached_property
    def _texts(self) -> list[dict[str, float]]:
        return [{label: float(index) for index, label in enumerate(labels)} for labels in self.labels]

    @cached_property
    def _numbers(self) -> list[dict[float, float]]:
        return [number_indices(labels, "") for labels in self.labels]

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the indices of the labels; a float may be of type double or float."""
        return tuple(self._index(at, self._numbers[at], value) for at, value in enumerate(values))

    def _index(self, at: int, numbers: dict[float, float], value: Any) -> float:
        index = label_index(value, self._texts[at], numbers)
        if index is not None:
            return index
        if self.handle_invalid == "keep":
            return float(len(self.labels[at]))
        what = (
            "null" if value is None else f"{value!r:.80}, which is not one of the {len(self.labels[at])} known labels"
        )
        message = f"StringIndexerModel: {self.inputs[at]} is {what}"
        if self.handle_invalid == "skip":
            raise RowRejectedError(f"{message}, so that the row is dropped")
        raise DataError(f"{message}; set handleInvalid to 'keep' to give such values an index of their own")

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return one look-up a column; what is not found there goes the careful way."""
        lines = []
        for at, (value, dtype, output) in enumerate(zip(values, types, outputs, strict=True)):
            key = (id(self), at, dtype)
            known = number_indices(self.labels[at], dtype)
            careful = f"{output} = {bind(partial(self._index, at, known), ('index', *key))}({value})"
            if dtype == "string":
                label = f"{bind(self._texts[at].get, ('texts', *key))}({value}"
                if self.handle_invalid == "keep":
                    unknown = float(len(self.labels[at]))
                    lines.append(f"{output} = {label}, {bind(unknown, ('float', unknown))})")
                    continue
                lines.append(f"{output} = {label})")
            elif dtype in INTEGERS:
                lines.append(f"{output} = {bind(known.get, ('numbers', *key))}({value})")
            elif dtype in ("double", "float"):
                # Zero has a sign, and so two labels.
                lines.append(f"{output} = {bind(known.get, ('numbers', *key))}({value}) if {value} else None")
            else:
                lines.append(careful)
                continue
            lines.append(f"if {output} is None: {careful}")
        return lines


def _labels(stage: FittedStage) -> list[str]:
    if not stage.params.get("labels"):
        raise DataError(
            f"{stage.name}: its labels are in the metadata of column {stage.params['inputCol']!r}, which is not "
            "available; set them, as in IndexToString(labels=indexer.labels, ...)"
        )
    return list(stage.params["labels"])


@register
@dataclass(frozen=True)
class IndexToString(BundledStage):
    """The local form of ``pyspark.ml.feature.IndexToString``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The column of indices, and that of labels.
    labels : list of str
        The labels, in order.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    labels: list[str]

    kind = "IndexToString"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.IndexToString"
    source = Source(COLUMNS, labels=_labels)

    @classmethod
    def from_schema(cls, stage: Any, schema: Any) -> IndexToString:
        """Return the local form of Spark's stage; labels that it lacks are in the metadata of its column."""
        fitted = LiveStage(stage)
        if not fitted.params.get("labels"):
            fitted.params["labels"] = attribute_of(schema, fitted.params["inputCol"]).get("vals")
        return cls.from_fitted(fitted)

    @property
    def output_types(self) -> tuple[str, ...]:
        """A string."""
        return ("string",)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the label; fractions are cut off."""
        value = values[0]
        if value is not None and -1.0 < value < len(self.labels):
            return (self.labels[int(value)],)
        raise DataError(f"IndexToString: {self.inputs[0]} is {value}, expected 0 to {len(self.labels) - 1}")


# Element to the index of each of its values.
_CATEGORIES = Data(
    lambda stage: {int(element): dict(indices.items()) for element, indices in stage.categoryMaps.items()},
    saved=lambda files: {element: dict(indices) for element, indices in dict(files.row()["categoryMaps"]).items()},
)


def _in_order(indices: Mapping[float, int]) -> list[float]:
    return sorted(indices, key=indices.__getitem__)


@register
@dataclass(frozen=True)
class VectorIndexerModel(BundledStage):
    """The local form of ``pyspark.ml.feature.VectorIndexerModel``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The vector column, and the one with indices in it.
    size : int
        How many elements a vector has.
    elements : list of int
        The elements that are categories.
    categories : list of list of float
        Their values, by index.
    handle_invalid : {"error", "skip", "keep"}
        What a value does that was not seen in training: an error, a :class:`RowRejectedError`, or the index after the
        last.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: int
    elements: list[int]
    categories: list[list[float]]
    handle_invalid: str

    kind = "VectorIndexerModel"
    numeric = True
    spark_class = "org.apache.spark.ml.feature.VectorIndexerModel"
    source = Source(
        COLUMNS,
        size=Data("numFeatures"),
        elements=lambda stage: sorted(_CATEGORIES(stage)),
        categories=lambda stage: [_in_order(indices) for _, indices in sorted(_CATEGORIES(stage).items())],
        handle_invalid=Param("handleInvalid"),
    )

    @property
    def reads_sparsity(self) -> bool:
        """A zero that is left out is not looked up, and stays 0 where it is not a category."""
        return any(0.0 not in values for values in self.categories)

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)

    @cached_property
    def _indices(self) -> dict[int, dict[float, float]]:
        return {
            element: {value: float(index) for index, value in enumerate(values)}
            for element, values in zip(self.elements, self.categories, strict=True)
        }

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the vector; like Spark's, a zero that a sparse vector leaves out is not looked up."""
        vector = present(self.kind, self.inputs[0], values[0], self.size)
        encoded = []
        for element, value in active(vector):
            indices = self._indices.get(element)
            index = value if indices is None else indices.get(value)
            encoded.append(self._invalid(element, value) if index is None else index)
        return (Sparse(vector.size, vector.indices, encoded) if isinstance(vector, Sparse) else encoded,)

    def _invalid(self, element: int, value: float) -> float:
        if self.handle_invalid == "keep":
            return float(len(self._indices[element]))
        message = f"VectorIndexerModel: element {element} of {self.inputs[0]} is {value}, unknown in training"
        if self.handle_invalid == "skip":
            raise RowRejectedError(f"{message}, so that the row is dropped")
        raise DataError(f"{message}; set handleInvalid to 'keep' to give such values an index of their own")
