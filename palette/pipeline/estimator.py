"""MLPipeline: Spark ML and DSL stages, and the look-ups that they need."""

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
from palette.pipeline.planning.nested_stages import flat_stages, unnest_stages
from palette.pipeline.planning.plan import PipelinePlan
from palette.pipeline.planning.stage_columns import with_outputs
from palette.serving.runtime import runtime_of

if TYPE_CHECKING:
    from pyspark.ml.param import ParamMap
    from pyspark.sql import DataFrame

    from palette.store import FeatureStore

__all__ = ["MLPipeline"]

REMEDY = "pass the stages as arguments, or all of them in one list"


class MLPipeline(Estimator[MLPipelineModel], PersistentStage, HasStore):
    """A sequence of stages, with features looked up where their join keys first exist.

    Parameters
    ----------
    *parts : DSLEstimator, Spark ML Estimator or Transformer
        The stages, in order, or one list of them. A PaletteTransformer without store or times
        gets those of the pipeline; nested pipelines too, whose stages are planned as stages of this one.
    stages : list
        The same as a keyword, as in :class:`pyspark.ml.Pipeline`.
    store : FeatureStore or str
        The store, or its directory or configuration file.
    timestampCol : str, optional
        Column of the basis with each row's time; without it the latest values are looked up, and ``fit`` warns
        (:class:`palette.errors.LatestValuesWarning`) if a group that is looked up has event times.
    pointInTime : {"event", "created"}
        ``created`` also requires that a row was written by then.
    keepFeatures : bool
        Whether the looked-up values stay, in columns named after their expressions.

    Raises
    ------
    FeatureNotFoundError
        If an expression is not in the catalog; near names are offered.
    PlanError
        If stages depend on each other, a join key is derived too late, or two stages add the same column.
    DslTypeError
        If a feature has a type that its expression cannot read.

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
        """Set several Params; None leaves a Param unchanged."""
        passed = {name: value for name, value in self._input_kwargs.items() if value is not None}
        if "stages" in passed:
            passed["stages"] = _as_list(passed["stages"])
        if (opened := passed.pop("store", None)) is not None:
            self.setStore(opened)
        self._set(**passed)
        self.plan()
        return self

    def getStages(self) -> list[Any]:
        """Return the stages."""
        return list(self.getOrDefault(self.stages))

    def setStages(self, value: Sequence[Any]) -> Self:
        """Set the stages, a list of them."""
        return self._set(stages=_as_list(value))

    def getKeepFeatures(self) -> bool:
        """Return whether looked-up values stay as columns."""
        return self.getOrDefault(self.keepFeatures)

    def setKeepFeatures(self, value: bool) -> Self:
        """Set whether looked-up values stay as columns."""
        return self._set(keepFeatures=value)

    def copy(self, extra: ParamMap | None = None) -> Self:
        """Return a copy with copies of the stages; ``extra`` applies to each of them."""
        extra = extra or {}
        copy: Self = Params.copy(self, extra)
        return copy.setStages([stage.copy(extra) for stage in copy.getStages()])

    def plan(self) -> PipelinePlan:
        """Return the plan; raise an error if the pipeline is invalid."""
        stages = unnest_stages(self.getStages(), self)
        plan = PipelinePlan.of(dict(stages), self.store.feature if self.has_store else None)
        if plan.names:
            self._check_names(plan.names)
        for stage in plan.explicit:
            Fitting(self, plan).bind(stage).check()
        return plan

    def explain(self) -> str:
        """Return the compute order as a string: look-ups with their times, expressions and stages."""
        plan = self.plan()
        return plan.explain(explain_times(Fitting(self, plan).lookups()))

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that the fitted model's ``transform`` returns.

        Raises
        ------
        SchemaError, DslError
            If a column is missing, exists already, or has the wrong type; or if the columns that an
            estimator adds are known only after fit.
        """
        plan = self.plan()
        check_time(schema, self.getTimestampCol())
        plan.check_columns(schema.names)
        fitting = Fitting(self, plan)
        for position, stage in enumerate(plan.stages):
            if refs := plan.lookups.get(position):
                schema = fitting.lookup(refs).transformSchema(schema)
            schema = with_outputs(fitting.bind(stage), schema)
        remaining = plan.for_scoring if self.getKeepFeatures() else set()
        dropped = {ref.name for ref in plan.names} - remaining
        return StructType([field for field in schema.fields if field.name not in dropped])

    def _fit(self, dataset: DataFrame) -> MLPipelineModel:
        check_frame(dataset, "dataset", DataError)
        plan = self.plan()
        check_time(dataset.schema, self.getTimestampCol())
        plan.check_columns(dataset.columns)
        types = {field.name: field.dataType.simpleString() for field in dataset.schema.fields}
        fitting = Fitting(self, plan)
        # The caller of fit; pyspark's Estimator is in between.
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
        if fitting.sample is not None and (test := self_test(model, *fitting.sample)):
            model._set(selfTest=test)
        return model

    def write(self) -> PipelineWriter:
        """Return a writer of the pipeline."""
        return PipelineWriter(self, self.getStages())

    @classmethod
    def read(cls) -> PipelineReader:
        """Return a reader of saved pipelines."""
        return PipelineReader(cls)


def _stage_list(parts: Sequence[Any], stages: Sequence[Any] | None) -> list[Any] | None:
    """Return stages passed as arguments, as one list, or as a keyword."""
    if stages is not None:
        if parts:
            raise PlanError(f"MLPipeline(a, b), MLPipeline([a, b]) or MLPipeline(stages=[a, b]), not both: {REMEDY}")
        return _as_list(stages)
    if len(parts) == 1 and isinstance(parts[0], (list, tuple)):
        parts = parts[0]
    if any(isinstance(part, (list, tuple)) for part in parts):
        raise PlanError(f"found a list among the stages: {REMEDY}")
    return list(parts) or None


def _as_list(stages: Any) -> list[Any]:
    if not isinstance(stages, (list, tuple)):
        raise PlanError(f"stages is a list of stages, found {type(stages).__name__}: {REMEDY}")
    return list(stages)


# Spark's tuning saves the Params of the stages only of a Pipeline; nothing is inherited.
Pipeline.register(MLPipeline)
