"""Which features each element of a feature vector is computed from, as the fitted stages tell."""

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

__all__ = ["Traced", "Tracer", "feature_of"]

# Element i of what comes out is computed from element i of what goes in.
ELEMENTWISE = (
    *("StandardScalerModel", "MinMaxScalerModel", "MaxAbsScalerModel", "RobustScalerModel", "Normalizer"),
    *("VectorIndexerModel", "ElementwiseProduct", "StringIndexerModel", "IndexToString", "Bucketizer"),
    *("Binarizer", "ImputerModel"),
)
SELECTORS = ("ChiSqSelectorModel", "UnivariateFeatureSelectorModel", "VarianceThresholdSelectorModel")
Names: TypeAlias = frozenset[str]


@dataclass(frozen=True)
class Traced:
    """What a column is computed from.

    Parameters
    ----------
    names : frozenset of str
        Features ``entity:group:feature`` and columns ``basis:column``.
    each : tuple of frozenset of str, or None
        The same of each element; one of a column that is no vector, None where their number is not known.
    """

    names: Names
    each: tuple[Names, ...] | None

    @classmethod
    def scalar(cls, names: Iterable[str]) -> Traced:
        """Return what is known of a column that is no vector."""
        one = frozenset(names)
        return cls(one, (one,))

    @classmethod
    def vector(cls, names: Iterable[str], size: int | None) -> Traced:
        """Return what is known of a vector of which each element may be computed from all of the names."""
        one = frozenset(names)
        return cls(one, None if size is None else (one,) * size)


def feature_of(name: str) -> str:
    """Return the feature that an expression names.

    Examples
    --------
    >>> feature_of("restaurant:menu:dishes:r_id")
    'restaurant:menu:dishes'
    """
    ref = parse_ref(name)
    return f"{ref.entity}:{ref.group}:{ref.feature}" if isinstance(ref, FeatureRef) else ref.name


class Tracer:
    """What is known of the columns of a fitted pipeline.

    Parameters
    ----------
    model : MLPipelineModel
        The pipeline.
    sizes : dict of str to int
        Vector column to the number of its elements, where the metadata of data tells it.
    """

    def __init__(self, model: MLPipelineModel, sizes: Mapping[str, int] | None = None) -> None:
        self._sizes = dict(sizes or {})
        self._found: dict[str, Traced | None] = {
            column: self._sized([f"basis:{column}"], column, dtype) for column, dtype in model.getInputTypes().items()
        }
        self._names = model.names()
        self.stages = list(flat_stages(model.runnable()))
        # What each stage takes, at the time when it does.
        self.taken: dict[str, Traced | None] = {}
        for stage in self.stages:
            self.taken[stage.uid] = self._joined(input_columns(stage))
            self._add(stage)

    def _sized(self, names: Iterable[str], column: str, dtype: str) -> Traced:
        plain = not dtype.startswith(("array", "vector", "udt"))
        return Traced.scalar(names) if plain else Traced.vector(names, self._sizes.get(column))

    def _joined(self, columns: Iterable[str]) -> Traced | None:
        """Return several columns as one vector; None if it is not known what one of them is computed from."""
        parts = [self._found.get(self._names.resolve(column)) for column in columns]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or not known:
            return None
        each = [part.each for part in known]
        counted = None if None in each else tuple(itertools.chain.from_iterable(one for one in each if one is not None))
        return Traced(frozenset().union(*(part.names for part in known)), counted)

    def _add(self, stage: Any) -> None:
        if isinstance(stage, PaletteTransformer):
            self._take(
                {
                    column: self._sized([feature_of(name)], column, stage.store.feature(name).dtype)
                    for column, name in stage.getFeatures().items()
                }
            )
        elif isinstance(stage, DSLModel):
            self._take(self._expressions(stage))
        else:
            inputs, outputs = input_columns(stage), output_columns(stage)
            if not inputs and not outputs:
                # It may have made anything of everything (SQLTransformer).
                self._found = {}
            pairs = zip(inputs, outputs, strict=True) if len(inputs) == len(outputs) else ()
            one_by_one = {output: (column,) for column, output in pairs}
            added = {
                output: self._made(stage, place, output, one_by_one.get(output, inputs))
                for place, output in enumerate(outputs)
            }
            self._take(added)

    def _take(self, added: Mapping[str, Traced | None]) -> None:
        self._found |= added
        self._names.add(dict.fromkeys(added, ""))

    def _expressions(self, stage: DSLModel) -> dict[str, Traced | None]:
        bindings = stage.getBindings()
        found: dict[str, Traced | None] = {}
        for output, node in stage.nodes().items():
            columns = [bindings[ref.name].column for ref in references([node], for_scoring=True)]
            read = [self._found.get(column) for column in columns]
            known = [one for one in read if one is not None]
            names = frozenset().union(*(one.names for one in known))
            found[output] = self._sized(names, output, node.dtype.spark) if len(known) == len(read) else None
        return found

    def _made(self, stage: Any, place: int, output: str, inputs: tuple[str, ...]) -> Traced | None:
        taken, kind = self._joined(inputs), type(stage).__name__
        if taken is None or kind == "VectorAssembler":
            return taken
        if kind in ELEMENTWISE:
            return taken
        if kind in SELECTORS or (kind == "VectorSlicer" and not stage.getNames()):
            chosen = stage.getIndices() if kind == "VectorSlicer" else stage.selectedFeatures
            each = None if taken.each is None else tuple(taken.each[place] for place in chosen)
            return Traced(taken.names, each)
        if stage.hasParam("predictionCol") and output == stage.getOrDefault("predictionCol"):
            return Traced.scalar(taken.names)
        return Traced.vector(taken.names, self._sizes.get(output, _size(stage, kind, place)))


def _size(stage: Any, kind: str, place: int) -> int | None:
    """Return the number of elements that a stage makes, where it can be told without data."""
    if kind == "OneHotEncoderModel":
        keeps, drops = stage.getHandleInvalid() == "keep", stage.getDropLast()
        return int(stage.categorySizes[place]) + keeps - drops
    if kind == "PCAModel":
        return int(stage.getK())
    return int(stage.getNumFeatures()) if kind in ("FeatureHasher", "HashingTF") else None
