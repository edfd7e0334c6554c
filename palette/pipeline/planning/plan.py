"""Plan of a pipeline: its stages, their inputs and outputs, and the look-ups between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.ml import Estimator, Transformer

from dsl.compilers.analysis import expand, references
from dsl.compilers.bind import Binding
from dsl.dtypes import INT
from dsl.errors import DslError
from dsl.estimator import DSLEstimator, DSLModel
from dsl.refs import BasisRef, FeatureRef, parse_ref
from dsl.stages.statistics import bind_statistics
from dsl.syntax.nodes import Node, Read, walk
from palette.definitions import Feature
from palette.errors import PlanError, SchemaError, nearest
from palette.pipeline.planning.input_columns import added_columns, check_inputs, may_add_others
from palette.pipeline.planning.lookup_placement import StageNeeds, place_lookups
from palette.pipeline.planning.nested_stages import DSL, TUNERS, tuned_stages
from palette.pipeline.planning.stage_columns import input_columns
from palette.transformer import PaletteTransformer

__all__ = ["PipelinePlan"]


@dataclass(frozen=True)
class PipelinePlan:
    """Stages in order, and the features to look up before each.

    Parameters
    ----------
    stages : tuple
        The stages of the pipeline.
    parts : tuple of list
        The parts of each stage: itself, or the stages that tuning fits.
    needs : tuple of StageNeeds
        Inputs and outputs of each stage.
    lookups : dict of int to tuple of FeatureRef
        Position of a stage to the features that are looked up before it.
    """

    stages: tuple[Any, ...]
    parts: tuple[list[Any], ...]
    needs: tuple[StageNeeds, ...]
    lookups: dict[int, tuple[FeatureRef, ...]]

    @classmethod
    def of(cls, stages: Mapping[str, Any], feature: Callable[[str], Feature] | None) -> PipelinePlan:
        """Plan a pipeline.

        Parameters
        ----------
        stages : mapping of str to stage
            Number in messages to Spark ML or DSL stage, in order.
        feature : callable or None
            Returns the feature of an expression; None without a store.

        Raises
        ------
        PlanError
            If the stages cannot be ordered, or a store is needed; the message names the expression.
        FeatureNotFoundError, DslTypeError
            If a feature is not in the catalog, or has a type that its expression cannot read.
        """
        for number, stage in stages.items():
            if not isinstance(stage, (Estimator, Transformer)):
                raise PlanError(f"stage {number} is a {type(stage).__name__}, not a Spark ML stage")
        parts = tuple(tuned_stages(stage) for stage in stages.values())
        labels = [f"stage {number} ({stage.uid})" for number, stage in stages.items()]
        needs = tuple(_needs(labels, parts))
        if feature is None:
            for stage_needs in needs:
                if stage_needs.features:
                    name = stage_needs.features[0].name
                    raise PlanError(f"{stage_needs.label} needs {name!r}: pass store= to the pipeline")
        _check_outputs(parts, needs)
        lookups = place_lookups(needs)
        if feature is not None:
            _check_types(labels, parts, feature)
        return cls(tuple(stages.values()), parts, needs, lookups)

    @property
    def names(self) -> list[FeatureRef]:
        """All looked-up features."""
        return [ref for refs in self.lookups.values() for ref in refs]

    @property
    def explicit(self) -> list[PaletteTransformer]:
        """The look-ups that are stages of the pipeline."""
        return [stage for stage in self.stages if isinstance(stage, PaletteTransformer)]

    @property
    def expressions(self) -> list[Any]:
        """The DSL stages, including those that tuning fits."""
        return [part for parts in self.parts for part in parts if isinstance(part, DSL)]

    @cached_property
    def for_scoring(self) -> set[str]:
        """Names of the features needed after fit, which excludes those that only a statistic reads."""
        nodes = [node for stage in self.expressions for node in stage.nodes().values()]
        return {ref.name for ref in references(nodes, for_scoring=True) if isinstance(ref, FeatureRef)}

    def check_columns(self, basis: Iterable[str]) -> None:
        """Validate that the basis has the columns that stages and look-ups need, before anything is computed.

        Raises
        ------
        SchemaError
            If one is missing; the message names the expression that needs it.
        """
        known = list(basis)
        for position, (stage, needs) in enumerate(zip(self.stages, self.needs, strict=True)):
            keys = {key: f"the join key of {ref.name!r}" for ref in needs.features for key in ref.join_keys}
            _check_reads(needs.label, keys, known)
            for part in self.parts[position]:
                if isinstance(part, DSL):
                    refs = (ref for ref in _references(part) if isinstance(ref, BasisRef))
                    _check_reads(needs.label, {ref.column: f"{ref.name!r}" for ref in refs}, known)
                else:
                    check_inputs(needs.label, part, known, self.needs[position + 1 :])
                known.extend(added_columns(part))
            if isinstance(stage, TUNERS) and stage.isDefined("evaluator"):
                check_inputs(needs.label, stage.getEvaluator(), known)
            if any(may_add_others(part) for part in self.parts[position]):
                # From here on only Spark knows the columns: later stages are checked when they run.
                return

    def explain(self, times: Iterable[str] = ()) -> str:
        """Return the compute order as a string; ``times`` are lines about the times of the look-ups."""
        lines = ["basis", *times]
        for position, stage in enumerate(self.stages):
            for keys, names in _by_keys(self.lookups.get(position, ())).items():
                lines.append(f"  lookup  {keys} -> {', '.join(names)}")
            if isinstance(stage, DSL):
                lines.extend(f"  dsl     {column} = {text}" for column, text in stage.getLambdas().items())
            else:
                outputs = ", ".join(self.needs[position].outputs)
                parts = [type(part).__name__ for part in self.parts[position] if part is not stage]
                name = " of ".join([type(stage).__name__, *([", ".join(parts)] if parts else [])])
                lines.append(f"  stage   {name} -> {outputs or stage.uid}")
        return "\n".join(lines)


def _references(stage: Any) -> list[FeatureRef | BasisRef]:
    return references(stage.nodes().values(), for_scoring=isinstance(stage, DSLModel))


def _check_reads(label: str, columns: Mapping[str, str], known: Sequence[str]) -> None:
    for column, use in columns.items():
        if column not in known:
            raise SchemaError(
                f"{label}: there is no column {column!r}, {use}{nearest(column, known)} (columns: {', '.join(known)})"
            )


def _needs(labels: Sequence[str], parts: Sequence[Sequence[Any]]) -> Iterable[StageNeeds]:
    """Yield inputs and outputs of each stage; an output of one part is not an input of a later part."""
    provided: set[str] = set()
    for label, inner in zip(labels, parts, strict=True):
        features: dict[FeatureRef, None] = {}
        columns: dict[str, None] = {}
        outputs: dict[str, None] = {}
        for part in inner:
            reads = input_columns(part)
            if isinstance(part, PaletteTransformer):
                names = [parse_ref(name) for name in part.getFeatures().values()]
                reads = tuple(key for ref in names if isinstance(ref, FeatureRef) for key in ref.join_keys)
                provided |= {ref.name for ref in names}
            elif isinstance(part, DSL):
                refs = _references(part)
                features |= {ref: None for ref in refs if isinstance(ref, FeatureRef) and ref.name not in provided}
                reads = tuple(ref.column for ref in refs if isinstance(ref, BasisRef))
            columns |= {column: None for column in reads if column not in outputs}
            outputs |= dict.fromkeys(added_columns(part))
        yield StageNeeds(label, tuple(features), tuple(columns), tuple(outputs))


def _check_outputs(parts: Sequence[Sequence[Any]], needs: Sequence[StageNeeds]) -> None:
    """Validate that no two stages add the same column, unless the later one replaces it using its value."""
    producers: dict[str, str] = {}
    for inner, stage_needs in zip(parts, needs, strict=True):
        for column in stage_needs.outputs:
            producer = producers.get(column.casefold())
            if producer is not None and not _replaces(inner, column, stage_needs):
                raise PlanError(
                    f"{stage_needs.label} adds column {column!r}, which {producer} adds already; choose another name"
                )
            producers[column.casefold()] = stage_needs.label


def _replaces(parts: Sequence[Any], column: str, needs: StageNeeds) -> bool:
    producer = next((part for part in parts if isinstance(part, DSL) and column in part.getLambdas()), None)
    if producer is None:
        return column in needs.columns
    return BasisRef(column) in references([producer.nodes()[column]], for_scoring=True)


def _check_types(labels: Sequence[str], parts: Sequence[Sequence[Any]], feature: Callable[[str], Feature]) -> None:
    """Check every expression against the types of its features and of the columns that earlier ones derive."""
    derived: dict[str, str] = {}
    for label, inner in zip(labels, parts, strict=True):
        for stage in (part for part in inner if isinstance(part, DSL)):
            if isinstance(stage, DSLEstimator):
                try:
                    bind_statistics(stage.nodes(), _bindings(stage.nodes().values(), derived, feature))
                except DslError as error:
                    raise type(error)(f"{label}: {error.message}", error.position) from error
            derived |= {column: node.dtype.spark for column, node in stage.nodes().items()}


def _bindings(nodes: Iterable[Node], derived: dict[str, str], feature: Callable[[str], Feature]) -> dict[str, Binding]:
    """Return the known bindings; a basis column is assumed to have the type that it is read with."""
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
