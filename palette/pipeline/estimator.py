"""MLPipeline: Spark ML stages and DSL stages, with the look-ups that they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark import StorageLevel, keyword_only
from pyspark.ml import Estimator, Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import MLReadable, MLWritable

from dsl.bind import Binding, references, statistic_calls
from dsl.estimator import DSLEstimator, DSLModel
from dsl.refs import BasisRef, FeatureRef
from palette.errors import PlanError, SchemaError, nearest
from palette.pipeline.columns import input_columns, output_columns
from palette.pipeline.model import MLPipelineModel, is_planned
from palette.pipeline.order import StageNeeds, place_lookups
from palette.pipeline.persistence import PipelineReader, PipelineWriter
from palette.transformer import HasStore, PaletteTransformer

if TYPE_CHECKING:
    from pyspark.ml.param import ParamMap
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from palette.store import FeatureStore

__all__ = ["MLPipeline"]


class MLPipeline(Estimator, HasStore, MLReadable, MLWritable):
    """Stages in a row, with features looked up where their join keys first exist.

    Parameters
    ----------
    *stages : DSLEstimator, Spark ML Estimator or Transformer
        In order.
    store : FeatureStore or str
        The store, or what opens it.
    timestampCol : str, optional
        Column of the basis with each row's time; without it the latest values are taken.
    pointInTime : {"event", "created"}
        ``created`` counts only rows that were written by then, too.
    keepFeatures : bool
        Keeps the looked-up values, in columns called like their expressions; else they are dropped at the end.

    Raises
    ------
    FeatureNotFoundError
        If an expression is not in the catalog; near names are offered.
    PlanError
        If stages wait for each other, or a join key is derived too late.

    Examples
    --------
    >>> from dsl import DSLEstimator, nVal
    >>> print(MLPipeline(DSLEstimator(lambdas={"size": nVal("basis:order_size")})).explain())
    basis
      dsl     size = nVal('basis:order_size')
    """

    stages: Param[list[Any]] = Param(Params._dummy(), "stages", "the stages, in order")
    keepFeatures: Param[bool] = Param(
        Params._dummy(), "keepFeatures", "whether looked-up values stay as columns", TypeConverters.toBoolean
    )
    formatVersion: Param[int] = Param(
        Params._dummy(), "formatVersion", "format in which this pipeline is saved", TypeConverters.toInt
    )

    _input_kwargs: dict[str, Any]

    def __init__(
        self,
        *stages: Any,
        store: FeatureStore | str | None = None,
        timestampCol: str | None = None,
        pointInTime: str | None = None,
        keepFeatures: bool | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(stages=[], pointInTime="event", keepFeatures=False, formatVersion=1)
        self.setParams(
            stages=list(stages) or None,
            store=store,
            timestampCol=timestampCol,
            pointInTime=pointInTime,
            keepFeatures=keepFeatures,
        )

    @keyword_only
    def setParams(
        self,
        *,
        stages: list[Any] | None = None,
        store: FeatureStore | str | None = None,
        timestampCol: str | None = None,
        pointInTime: str | None = None,
        keepFeatures: bool | None = None,
    ) -> MLPipeline:
        """Set several Params; None leaves one as it is."""
        given = {name: value for name, value in self._input_kwargs.items() if value is not None}
        if (opened := given.pop("store", None)) is not None:
            self.setStore(opened)
        self._set(**given)
        self._plan()
        return self

    def getStages(self) -> list[Any]:
        """Return the stages."""
        return self.getOrDefault(self.stages)

    def setStages(self, value: list[Any]) -> MLPipeline:
        """Set the stages."""
        return self._set(stages=value)

    def getKeepFeatures(self) -> bool:
        """Return whether looked-up values stay as columns."""
        return self.getOrDefault(self.keepFeatures)

    def setKeepFeatures(self, value: bool) -> MLPipeline:
        """Set whether looked-up values stay as columns."""
        return self._set(keepFeatures=value)

    def copy(self, extra: ParamMap | None = None) -> MLPipeline:
        """Return a copy with copies of the stages; ``extra`` reaches each of them."""
        extra = extra or {}
        that: MLPipeline = Params.copy(self, extra)
        return that.setStages([stage.copy(extra) for stage in that.getStages()])

    def explain(self) -> str:
        """Return the compute order as text: what is looked up where, and what each stage makes of it."""
        lines = ["basis"]
        plan = self._plan()
        for position, stage in enumerate(self.getStages()):
            for keys, names in _by_keys(plan.get(position, ())).items():
                lines.append(f"  lookup  {keys} -> {', '.join(names)}")
            if isinstance(stage, (DSLEstimator, DSLModel)):
                lines.extend(f"  dsl     {column} = {text}" for column, text in stage.getLambdas().items())
            else:
                lines.append(f"  stage   {type(stage).__name__} -> {', '.join(output_columns(stage)) or stage.uid}")
        return "\n".join(lines)

    def _plan(self) -> dict[int, tuple[FeatureRef, ...]]:
        """Return which features are looked up before each stage; raise what is wrong with the pipeline."""
        provided: set[str] = set()
        needs = []
        for position, stage in enumerate(self.getStages()):
            label = f"stage {position + 1} ({stage.uid})"
            if not isinstance(stage, (Estimator, Transformer)):
                raise PlanError(f"stage {position + 1} is a {type(stage).__name__}, no Spark ML stage")
            if isinstance(stage, PaletteTransformer):
                provided |= set(stage.getFeatures().values())
                needs.append(StageNeeds(label, outputs=tuple(stage.getFeatures())))
            elif isinstance(stage, (DSLEstimator, DSLModel)):
                refs = references(stage.nodes().values())
                wanted = tuple(ref for ref in refs if isinstance(ref, FeatureRef) and ref.name not in provided)
                columns = tuple(ref.column for ref in refs if isinstance(ref, BasisRef))
                needs.append(StageNeeds(label, wanted, columns, tuple(stage.getLambdas())))
            else:
                needs.append(StageNeeds(label, columns=input_columns(stage), outputs=output_columns(stage)))
        for stage_needs in needs:
            for ref in stage_needs.features:
                if not self.isDefined(self.storeUri):
                    raise PlanError(f"{stage_needs.label} needs {ref.name!r}: pass store= to the pipeline")
                self.store.feature(ref.name)
        return place_lookups(needs)

    def _fit(self, dataset: DataFrame) -> MLPipelineModel:
        plan, stages, basis = self._plan(), self.getStages(), dataset.schema
        pins = self._current_versions(dataset.sparkSession, plan)
        fitted: list[Any] = []
        columns: dict[str, str] = {}
        with _persisting() as persist:
            for position, stage in enumerate(stages):
                if refs := plan.get(position):
                    names = {ref.name: ref.name for ref in refs}
                    lookup = self._lookup(names)
                    dataset = lookup.transform_versions(dataset, pins)
                    columns |= names
                    fitted.append(lookup)
                    if any(_executes(later) for later in stages[position:]):
                        # Several fits read these rows; without this each would look them up again.
                        dataset = persist(dataset)
                if isinstance(stage, PaletteTransformer):
                    columns |= {name: column for column, name in stage.getFeatures().items()}
                model = self._fit_stage(stage, dataset, columns)
                fitted.append(model)
                if position + 1 < len(stages):
                    dataset = model.transform(dataset)
        model = MLPipelineModel(_without_labels(fitted))._resetUid(self.uid)
        if self._store is not None:
            model._store = self._store
        self._copyValues(model)
        return model._set(pins=pins, inputTypes={field.name: field.dataType.simpleString() for field in basis.fields})

    def _fit_stage(self, stage: Any, dataset: DataFrame, columns: dict[str, str]) -> Any:
        if isinstance(stage, DSLEstimator):
            return stage.fit_bound(dataset, self._bindings(stage, dataset.schema, columns))
        return stage.fit(dataset) if isinstance(stage, Estimator) else stage

    def _bindings(self, stage: DSLEstimator, schema: StructType, columns: dict[str, str]) -> dict[str, Binding]:
        """Say where a DSL stage finds its references: metadata is not asked, unions lose it."""
        bindings = {}
        for ref in references(stage.nodes().values()):
            if isinstance(ref, FeatureRef):
                feature = self.store.feature(ref.name)
                bindings[ref.name] = Binding(columns[ref.name], feature.dtype, feature.constant)
            elif ref.column in schema.names:
                bindings[ref.name] = Binding(ref.column, schema[ref.column].dataType.simpleString())
            else:
                raise SchemaError(
                    f"{stage.uid}: no column {ref.column!r} for {ref.name!r}{nearest(ref.column, schema.names)} "
                    f"(there are {', '.join(schema.names)})"
                )
        return bindings

    def _lookup(self, features: dict[str, str]) -> PaletteTransformer:
        return PaletteTransformer(
            store=self.store,
            features=features,
            timestampCol=self.getTimestampCol(),
            pointInTime=self.getPointInTime(),
        )

    def _current_versions(self, spark: SparkSession, plan: dict[int, tuple[FeatureRef, ...]]) -> dict[str, int]:
        groups = {f"{ref.entity}:{ref.group}" for refs in plan.values() for ref in refs}
        if not groups:
            return {}
        tables = self.store.tables
        versions = {name: tables.version(spark, self.store.group(name)) for name in sorted(groups)}
        return {name: version for name, version in versions.items() if version is not None}

    def write(self) -> PipelineWriter:
        """Return a writer of the pipeline."""
        return PipelineWriter(self, self.getStages())

    @classmethod
    def read(cls) -> PipelineReader:
        """Return a reader of saved pipelines."""
        return PipelineReader(cls)


def _without_labels(fitted: list[Any]) -> list[Any]:
    """Take out of the look-ups what only statistics read: it is not needed any more."""
    needed = {
        ref.name
        for stage in fitted
        if isinstance(stage, DSLModel)
        for ref in references(stage.nodes().values(), for_scoring=True)
    }
    kept = []
    for stage in fitted:
        if is_planned(stage):
            features = {column: name for column, name in stage.getFeatures().items() if name in needed}
            if not features:
                continue
            stage = stage.setFeatures(features)
        kept.append(stage)
    return kept


def _executes(stage: Any) -> bool:
    """Tell whether fitting this stage runs the data."""
    if isinstance(stage, DSLEstimator):
        return bool(statistic_calls(stage.nodes().values()))
    return isinstance(stage, Estimator)


@contextmanager
def _persisting() -> Iterator[Any]:
    held: list[DataFrame] = []

    def persist(dataset: DataFrame) -> DataFrame:
        held.append(dataset.persist(StorageLevel.MEMORY_AND_DISK))
        return held[-1]

    try:
        yield persist
    finally:
        for dataset in held:
            dataset.unpersist()


def _by_keys(refs: tuple[FeatureRef, ...]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for ref in refs:
        grouped.setdefault(", ".join(ref.join_keys), []).append(f"{ref.group}.{ref.feature}")
    return grouped
