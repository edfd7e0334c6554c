"""MLPipeline: Spark ML stages and DSL stages, with the look-ups that they need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pyspark import keyword_only
from pyspark.ml import Estimator, Pipeline
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.sql.types import StructType

from dsl.estimator import DSLModel
from dsl.row_mappings import check_frame
from dsl.stages.persistence import PersistentStage
from dsl.zones import find_zones
from palette.errors import DataError, PlanError
from palette.offline.join.latest_values import warn_latest_values
from palette.offline.join.validate import check_time
from palette.params import HasStore
from palette.pipeline.deploy.scoring_plan import self_test
from palette.pipeline.fitting import Fitting
from palette.pipeline.model import MLPipelineModel
from palette.pipeline.persistence import PipelineReader, PipelineWriter
from palette.pipeline.planning.lookup_times import explain_times, untimed_groups
from palette.pipeline.planning.nested_stages import flat_stages, unnested
from palette.pipeline.planning.plan import PipelinePlan
from palette.pipeline.planning.stage_columns import with_outputs
from palette.serving.runtime import runtime_of

if TYPE_CHECKING:
    from pyspark.ml.param import ParamMap
    from pyspark.sql import DataFrame

    from palette.store import FeatureStore

__all__ = ["MLPipeline"]

HABITS = "pass the stages one after the other, or all of them in one list"


class MLPipeline(Estimator[MLPipelineModel], PersistentStage, HasStore):
    """Stages in a row, with features looked up where their join keys first exist.

    Parameters
    ----------
    *parts : DSLEstimator, Spark ML Estimator or Transformer
        The stages, in order, or one list of them. A PaletteTransformer among them takes store and times from the
        pipeline where it has none; so do pipelines, whose stages are planned as if they stood here.
    stages : list
        The same by name, as :class:`pyspark.ml.Pipeline` takes it.
    store : FeatureStore or str
        The store, or what opens it.
    timestampCol : str, optional
        Column of the basis with each row's time; without it the latest values are taken, and ``fit`` warns
        (:class:`palette.errors.LatestValuesWarning`) if a group that is looked up has event times.
    pointInTime : {"event", "created"}
        ``created`` counts only rows that were written by then, too.
    keepFeatures : bool
        Keeps the looked-up values, in columns called like their expressions; else they are dropped at the end.

    Raises
    ------
    FeatureNotFoundError
        If an expression is not in the catalog; near names are offered.
    PlanError
        If stages wait for each other, a join key is derived too late, or two stages make one column.
    DslTypeError
        If a feature is of a type that its expression cannot read.

    Examples
    --------
    >>> from dsl import DSLEstimator, nVal
    >>> print(MLPipeline(DSLEstimator(lambdas={"size": nVal("basis:order_size")})).explain())
    basis
      dsl     size = nVal('basis:order_size')
    """

    stages: Param[list[Any]] = Param(Params._dummy(), "stages", "the stages, in order", TypeConverters.toList)
    keepFeatures: Param[bool] = Param(
        Params._dummy(), "keepFeatures", "whether looked-up values stay as columns", TypeConverters.toBoolean
    )

    _input_kwargs: dict[str, Any]

    def __init__(
        self,
        *parts: Any,
        stages: Sequence[Any] | None = None,
        store: FeatureStore | str | None = None,
        timestampCol: str | None = None,
        pointInTime: str | None = None,
        keepFeatures: bool | None = None,
    ) -> None:
        super().__init__()
        self._setDefault(stages=[], pointInTime="event", keepFeatures=False)
        self.setParams(
            stages=_stage_list(parts, stages),
            store=store,
            timestampCol=timestampCol,
            pointInTime=pointInTime,
            keepFeatures=keepFeatures,
        )

    @keyword_only
    def setParams(
        self,
        *,
        stages: Sequence[Any] | None = None,
        store: FeatureStore | str | None = None,
        timestampCol: str | None = None,
        pointInTime: str | None = None,
        keepFeatures: bool | None = None,
    ) -> Self:
        """Set several Params; None leaves one as it is."""
        given = {name: value for name, value in self._input_kwargs.items() if value is not None}
        if "stages" in given:
            given["stages"] = _listed(given["stages"])
        if (opened := given.pop("store", None)) is not None:
            self.setStore(opened)
        self._set(**given)
        self.plan()
        return self

    def getStages(self) -> list[Any]:
        """Return the stages."""
        return list(self.getOrDefault(self.stages))

    def setStages(self, value: Sequence[Any]) -> Self:
        """Set the stages, a list of them."""
        return self._set(stages=_listed(value))

    def getKeepFeatures(self) -> bool:
        """Return whether looked-up values stay as columns."""
        return self.getOrDefault(self.keepFeatures)

    def setKeepFeatures(self, value: bool) -> Self:
        """Set whether looked-up values stay as columns."""
        return self._set(keepFeatures=value)

    def copy(self, extra: ParamMap | None = None) -> Self:
        """Return a copy with copies of the stages; ``extra`` reaches each of them."""
        extra = extra or {}
        that: Self = Params.copy(self, extra)
        return that.setStages([stage.copy(extra) for stage in that.getStages()])

    def plan(self) -> PipelinePlan:
        """Return what is looked up before which stage; raise what is wrong with the pipeline."""
        stages = unnested(self.getStages(), self)
        plan = PipelinePlan.of(dict(stages), self.store.feature if self.has_store else None)
        if plan.names:
            self._check_names(plan.names)
        for stage in plan.explicit:
            Fitting(self, plan).bound(stage).check()
        return plan

    def explain(self) -> str:
        """Return the compute order as text: what is looked up where, as of when, and what each stage makes of it."""
        plan = self.plan()
        return plan.explain(explain_times(Fitting(self, plan).lookups()))

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that the fitted model's ``transform`` gives.

        Raises
        ------
        SchemaError, DslError
            If a column is missing, exists already, or has the wrong type; or if only ``fit`` tells what an
            estimator adds.
        """
        plan = self.plan()
        check_time(schema, self.getTimestampCol())
        plan.check_columns(schema.names)
        fitting = Fitting(self, plan)
        for position, stage in enumerate(plan.stages):
            if refs := plan.lookups.get(position):
                schema = fitting.lookup(refs).transformSchema(schema)
            schema = with_outputs(fitting.bound(stage), schema)
        kept = plan.for_scoring if self.getKeepFeatures() else set()
        dropped = {ref.name for ref in plan.names} - kept
        return StructType([field for field in schema.fields if field.name not in dropped])

    def _fit(self, dataset: DataFrame) -> MLPipelineModel:
        check_frame(dataset, "dataset", DataError)
        plan = self.plan()
        check_time(dataset.schema, self.getTimestampCol())
        plan.check_columns(dataset.columns)
        types = {field.name: field.dataType.simpleString() for field in dataset.schema.fields}
        fitting = Fitting(self, plan)
        # The caller of fit, which pyspark's Estimator has in between.
        warn_latest_values(untimed_groups(fitting.lookups()), "timestampCol=", stacklevel=3)
        model = MLPipelineModel(fitting.fit(dataset))._resetUid(self.uid)
        model._store = self._store
        forms = json.dumps(fitting.forms) if fitting.forms else ""
        self._copyValues(model)._set(inputTypes=types, planned=fitting.planned, localForms=forms, ttls=fitting.ttls)
        expressions = (stage for stage in flat_stages(model.stages) if isinstance(stage, DSLModel))
        nodes = [node for stage in expressions for node in stage.nodes().values()]
        model._set(runtime=runtime_of(dataset.sparkSession, find_zones(nodes)))
        if fitting.pins:
            model._set(pins=fitting.pins, pinnedTables=self.store.tables.root)
        if fitting.sample is not None and (tested := self_test(model, *fitting.sample)):
            model._set(selfTest=tested)
        return model

    def write(self) -> PipelineWriter:
        """Return a writer of the pipeline."""
        return PipelineWriter(self, self.getStages())

    @classmethod
    def read(cls) -> PipelineReader:
        """Return a reader of saved pipelines."""
        return PipelineReader(cls)


def _stage_list(parts: Sequence[Any], stages: Sequence[Any] | None) -> list[Any] | None:
    """Return stages that were given one after the other, as one list, or by name."""
    if stages is not None:
        if parts:
            raise PlanError(f"MLPipeline(a, b), MLPipeline([a, b]) or MLPipeline(stages=[a, b]), not both: {HABITS}")
        return _listed(stages)
    if len(parts) == 1 and isinstance(parts[0], (list, tuple)):
        parts = parts[0]
    if any(isinstance(part, (list, tuple)) for part in parts):
        raise PlanError(f"a list of stages among stages: {HABITS}")
    return list(parts) or None


def _listed(stages: Any) -> list[Any]:
    if not isinstance(stages, (list, tuple)):
        raise PlanError(f"stages is a list of stages, found {type(stages).__name__}: {HABITS}")
    return list(stages)


# For Spark's tuning, which saves the Params of the stages of what it counts as a Pipeline; nothing is inherited.
Pipeline.register(MLPipeline)
