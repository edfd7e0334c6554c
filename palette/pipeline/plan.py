"""What a pipeline is made of: its stages, what each takes and gives, and the look-ups between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.ml import Estimator, Transformer

from dsl.bind import Binding, expand, references
from dsl.dtypes import INT
from dsl.errors import DslError
from dsl.estimator import DSLEstimator, DSLModel
from dsl.fitting import settle
from dsl.nodes import Node, Read, walk
from dsl.refs import BasisRef, FeatureRef, parse_ref
from palette.definitions import Feature
from palette.errors import PlanError, SchemaError, nearest
from palette.pipeline.columns import input_columns, output_columns
from palette.pipeline.order import StageNeeds, place_lookups
from palette.transformer import PaletteTransformer

__all__ = ["PipelinePlan"]

DSL = (DSLEstimator, DSLModel)


@dataclass(frozen=True)
class PipelinePlan:
    """Stages in order, and the features to look up before each.

    Parameters
    ----------
    stages : tuple
        The stages of the pipeline.
    needs : tuple of StageNeeds
        What each stage takes and gives.
    lookups : dict of int to tuple of FeatureRef
        By the position of the stage before which they are looked up.
    """

    stages: tuple[Any, ...]
    needs: tuple[StageNeeds, ...]
    lookups: dict[int, tuple[FeatureRef, ...]]

    @classmethod
    def of(cls, stages: Sequence[Any], feature: Callable[[str], Feature] | None) -> PipelinePlan:
        """Plan a pipeline.

        Parameters
        ----------
        stages : sequence
            Spark ML stages and DSL stages.
        feature : callable or None
            Returns the feature that an expression names; None without a store.

        Raises
        ------
        PlanError
            If there is no order in which all can be computed, or a store is needed; the expression is named.
        FeatureNotFoundError, DslTypeError
            If a feature is not in the catalog, or of a type that cannot be read as asked.
        """
        needs = tuple(_needs(stages))
        if feature is None:
            for stage_needs in needs:
                if stage_needs.features:
                    name = stage_needs.features[0].name
                    raise PlanError(f"{stage_needs.label} needs {name!r}: pass store= to the pipeline")
        _check_outputs(stages, needs)
        lookups = place_lookups(needs)
        if feature is not None:
            _check_types(stages, feature)
        return cls(tuple(stages), needs, lookups)

    @property
    def names(self) -> list[FeatureRef]:
        """All features that are looked up."""
        return [ref for refs in self.lookups.values() for ref in refs]

    @property
    def explicit(self) -> list[PaletteTransformer]:
        """The look-ups that stand in the pipeline as stages."""
        return [stage for stage in self.stages if isinstance(stage, PaletteTransformer)]

    @property
    def for_scoring(self) -> set[str]:
        """Names of the features that are still needed after fit: not those that only a statistic reads."""
        nodes = [node for stage in self.stages if isinstance(stage, DSL) for node in stage.nodes().values()]
        return {ref.name for ref in references(nodes, for_scoring=True) if isinstance(ref, FeatureRef)}

    def check_columns(self, basis: Iterable[str]) -> None:
        """Refuse a basis without a column that a stage or a look-up needs, before anything is computed.

        Raises
        ------
        SchemaError
            If one is missing; the expression that needs it is named.
        """
        known = list(basis)
        for position, needs in enumerate(self.needs):
            wanted = {key: f"the join key of {ref.name!r}" for ref in needs.features for key in ref.join_keys}
            if isinstance(self.stages[position], DSL):
                wanted |= {column: f"'basis:{column}'" for column in needs.columns}
            for column, what in wanted.items():
                if column not in known:
                    raise SchemaError(
                        f"{needs.label}: there is no column {column!r}, {what}{nearest(column, known)} "
                        f"(there are {', '.join(known)})"
                    )
            known.extend(needs.outputs)

    def explain(self, times: Iterable[str] = ()) -> str:
        """Return the compute order as text; ``times`` are lines about the times of the look-ups."""
        lines = ["basis", *times]
        for position, stage in enumerate(self.stages):
            for keys, names in _by_keys(self.lookups.get(position, ())).items():
                lines.append(f"  lookup  {keys} -> {', '.join(names)}")
            if isinstance(stage, DSL):
                lines.extend(f"  dsl     {column} = {text}" for column, text in stage.getLambdas().items())
            else:
                outputs = ", ".join(self.needs[position].outputs)
                lines.append(f"  stage   {type(stage).__name__} -> {outputs or stage.uid}")
        return "\n".join(lines)


def _needs(stages: Sequence[Any]) -> Iterable[StageNeeds]:
    provided: set[str] = set()
    for position, stage in enumerate(stages):
        label = f"stage {position + 1} ({getattr(stage, 'uid', stage)})"
        if not isinstance(stage, (Estimator, Transformer)):
            raise PlanError(f"stage {position + 1} is a {type(stage).__name__}, no Spark ML stage")
        if isinstance(stage, PaletteTransformer):
            names = [parse_ref(name) for name in stage.getFeatures().values()]
            keys = [key for ref in names if isinstance(ref, FeatureRef) for key in ref.join_keys]
            yield StageNeeds(label, columns=tuple(dict.fromkeys(keys)), outputs=stage.output_columns)
            provided |= {ref.name for ref in names}
        elif isinstance(stage, DSL):
            refs = references(stage.nodes().values(), for_scoring=isinstance(stage, DSLModel))
            wanted = tuple(ref for ref in refs if isinstance(ref, FeatureRef) and ref.name not in provided)
            columns = tuple(ref.column for ref in refs if isinstance(ref, BasisRef))
            yield StageNeeds(label, wanted, columns, tuple(stage.getLambdas()))
        else:
            yield StageNeeds(label, columns=input_columns(stage), outputs=output_columns(stage))


def _check_outputs(stages: Sequence[Any], needs: Sequence[StageNeeds]) -> None:
    """Refuse two stages that make one column, unless the later makes it out of the earlier one's."""
    makers: dict[str, str] = {}
    for stage, stage_needs in zip(stages, needs, strict=True):
        for column in stage_needs.outputs:
            maker = makers.get(column.casefold())
            if maker is not None and not _replaces(stage, column, stage_needs):
                raise PlanError(
                    f"{stage_needs.label} makes column {column!r}, which exists already: {maker} makes it; "
                    "choose another name"
                )
            makers[column.casefold()] = stage_needs.label


def _replaces(stage: Any, column: str, needs: StageNeeds) -> bool:
    if not isinstance(stage, DSL):
        return column in needs.columns
    return BasisRef(column) in references([stage.nodes()[column]], for_scoring=True)


def _check_types(stages: Sequence[Any], feature: Callable[[str], Feature]) -> None:
    """Check every expression against the types of its features and of the columns that earlier ones derive."""
    derived: dict[str, str] = {}
    for position, stage in enumerate(stages):
        if isinstance(stage, DSLEstimator):
            try:
                settle(stage.nodes(), _bindings(stage.nodes().values(), derived, feature))
            except DslError as error:
                raise type(error)(f"stage {position + 1} ({stage.uid}): {error.message}", error.position) from error
        if isinstance(stage, DSL):
            derived |= {column: node.dtype.spark for column, node in stage.nodes().items()}


def _bindings(nodes: Iterable[Node], derived: dict[str, str], feature: Callable[[str], Feature]) -> dict[str, Binding]:
    """Return bindings as far as they are known; a column of the basis is taken to be what it is read as."""
    bindings: dict[str, Binding] = {}
    for node in nodes:
        for read in walk(expand(node)):
            if not isinstance(read, Read):
                continue
            name = read.ref.name
            if isinstance(read.ref, FeatureRef):
                declared = feature(name)
                bindings[name] = Binding(name, declared.dtype, declared.constant)
            elif read.ref.column in derived:
                bindings[name] = Binding(name, derived[read.ref.column])
            elif name not in bindings or read.dtype is INT:
                bindings[name] = Binding(name, read.dtype.spark)
    return bindings


def _by_keys(refs: tuple[FeatureRef, ...]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for ref in refs:
        grouped.setdefault(", ".join(ref.join_keys), []).append(f"{ref.group}.{ref.feature}")
    return grouped
