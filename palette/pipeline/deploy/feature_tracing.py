"""Tracing of feature vectors: the features from which each element is computed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dsl.compilers.analysis import references
from dsl.estimator import DSLModel
from dsl.refs import FeatureRef, parse_ref
from palette.pipeline.planning.nested_stages import flat_stages
from palette.pipeline.planning.stage_columns import input_columns, output_columns
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from palette.pipeline.model import MLPipelineModel

__all__ = ["Traced", "Tracer", "feature_name"]

# Element i of the output is computed from element i of the input.
ELEMENTWISE = (
    *("StandardScalerModel", "MinMaxScalerModel", "MaxAbsScalerModel", "RobustScalerModel", "Normalizer"),
    *("VectorIndexerModel", "ElementwiseProduct", "StringIndexerModel", "IndexToString", "Bucketizer"),
    *("Binarizer", "ImputerModel"),
)
SELECTORS = ("ChiSqSelectorModel", "UnivariateFeatureSelectorModel", "VarianceThresholdSelectorModel")
Names: TypeAlias = frozenset[str]


@dataclass(frozen=True)
class Traced:
    """The features and columns from which a column is computed.

    Parameters
    ----------
    names : frozenset of str
        Features ``entity:group:feature`` and columns ``basis:column``.
    each : tuple of frozenset of str, or None
        The same for each element; one set for a scalar column, None if the number of elements is not known.
    """

    names: Names
    each: tuple[Names, ...] | None

    @classmethod
    def scalar(cls, names: Iterable[str]) -> Traced:
        """Return the trace of a scalar column."""
        sources = frozenset(names)
        return cls(sources, (sources,))

    @classmethod
    def vector(cls, names: Iterable[str], size: int | None) -> Traced:
        """Return the trace of a vector whose elements may each be computed from all names."""
        sources = frozenset(names)
        return cls(sources, None if size is None else (sources,) * size)


def feature_name(name: str) -> str:
    """Return the feature of an expression, without its join keys.

    Examples
    --------
    >>> feature_name("restaurant:menu:dishes:r_id")
    'restaurant:menu:dishes'
    """
    ref = parse_ref(name)
    return f"{ref.entity}:{ref.group}:{ref.feature}" if isinstance(ref, FeatureRef) else ref.name


class Tracer:
    """Traces of the columns of a fitted pipeline.

    Parameters
    ----------
    model : MLPipelineModel
        The pipeline.
    sizes : dict of str to int
        Vector column to the number of its elements, if the metadata of the data contains it.
    """

    def __init__(self, model: MLPipelineModel, sizes: Mapping[str, int] | None = None) -> None:
        self._sizes = dict(sizes or {})
        self._traces: dict[str, Traced | None] = {
            column: self._sized([f"basis:{column}"], column, dtype) for column, dtype in model.getInputTypes().items()
        }
        self._names = model.names()
        self.stages = list(flat_stages(model.runnable()))
        # Input of each stage when it runs.
        self.inputs: dict[str, Traced | None] = {}
        for stage in self.stages:
            self.inputs[stage.uid] = self._joined(input_columns(stage))
            self._add(stage)

    def _sized(self, names: Iterable[str], column: str, dtype: str) -> Traced:
        plain = not dtype.startswith(("array", "vector", "udt"))
        return Traced.scalar(names) if plain else Traced.vector(names, self._sizes.get(column))

    def _joined(self, columns: Iterable[str]) -> Traced | None:
        """Return several columns as one vector; None if one of them cannot be traced."""
        parts = [self._traces.get(self._names.resolve(column)) for column in columns]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or not known:
            return None
        each = [part.each for part in known]
        counted = (
            None if None in each else tuple(itertools.chain.from_iterable(sets for sets in each if sets is not None))
        )
        return Traced(frozenset().union(*(part.names for part in known)), counted)

    def _add(self, stage: Any) -> None:
        if isinstance(stage, PaletteTransformer):
            self._record(
                {
                    column: self._sized([feature_name(name)], column, stage.store.feature(name).dtype)
                    for column, name in stage.getFeatures().items()
                }
            )
        elif isinstance(stage, DSLModel):
            self._record(self._expressions(stage))
        else:
            inputs, outputs = input_columns(stage), output_columns(stage)
            if not inputs and not outputs:
                # It may compute any column from all columns (SQLTransformer).
                self._traces = {}
            pairs = zip(inputs, outputs, strict=True) if len(inputs) == len(outputs) else ()
            one_by_one = {output: (column,) for column, output in pairs}
            added = {
                output: self._trace(stage, index, output, one_by_one.get(output, inputs))
                for index, output in enumerate(outputs)
            }
            self._record(added)

    def _record(self, added: Mapping[str, Traced | None]) -> None:
        self._traces |= added
        self._names.add(dict.fromkeys(added, ""))

    def _expressions(self, stage: DSLModel) -> dict[str, Traced | None]:
        bindings = stage.getBindings()
        traces: dict[str, Traced | None] = {}
        for output, node in stage.nodes().items():
            columns = [bindings[ref.name].column for ref in references([node], for_scoring=True)]
            read = [self._traces.get(column) for column in columns]
            known = [trace for trace in read if trace is not None]
            names = frozenset().union(*(trace.names for trace in known))
            traces[output] = self._sized(names, output, node.dtype.spark) if len(known) == len(read) else None
        return traces

    def _trace(self, stage: Any, index: int, output: str, inputs: tuple[str, ...]) -> Traced | None:
        source, kind = self._joined(inputs), type(stage).__name__
        if source is None or kind == "VectorAssembler":
            return source
        if kind in ELEMENTWISE:
            return source
        if kind in SELECTORS or (kind == "VectorSlicer" and not stage.getNames()):
            chosen = stage.getIndices() if kind == "VectorSlicer" else stage.selectedFeatures
            each = None if source.each is None else tuple(source.each[element] for element in chosen)
            return Traced(source.names, each)
        if stage.hasParam("predictionCol") and output == stage.getOrDefault("predictionCol"):
            return Traced.scalar(source.names)
        return Traced.vector(source.names, self._sizes.get(output, _size(stage, kind, index)))


def _size(stage: Any, kind: str, index: int) -> int | None:
    """Return the number of elements of a stage's output vector, if it is known without data."""
    if kind == "OneHotEncoderModel":
        keeps, drops = stage.getHandleInvalid() == "keep", stage.getDropLast()
        return int(stage.categorySizes[index]) + keeps - drops
    if kind == "PCAModel":
        return int(stage.getK())
    return int(stage.getNumFeatures()) if kind in ("FeatureHasher", "HashingTF") else None
