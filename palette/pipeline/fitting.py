"""Fit of a pipeline, stage by stage, with each look-up performed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark import StorageLevel
from pyspark.ml import Estimator

from dsl.compilers.analysis import references, statistic_calls
from dsl.compilers.bind import Binding
from dsl.estimator import DSLEstimator
from dsl.refs import FeatureRef
from palette.columns import exact_column
from palette.errors import DataError, SchemaError, nearest
from palette.pipeline.deploy.scoring_plan import BEFORE
from palette.pipeline.null_errors import SPARK_ERRORS, StageInput, raise_cause
from palette.pipeline.planning.input_columns import added_columns, check_inputs
from palette.pipeline.planning.nested_stages import flat_stages
from palette.pipeline.planning.plan import PipelinePlan
from palette.serving.stages import schema_form, stage_to_json
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from palette.params import HasStore

__all__ = ["Fitting"]

# Rows of the self-test of a bundle.
SAMPLED = 3


class Fitting:
    """Fit the stages of a plan.

    Parameters
    ----------
    pipeline : HasStore
        Pipeline with the store and the times.
    plan : PipelinePlan
        The stages, and the look-ups between them.

    Attributes
    ----------
    pins : dict of str to int
        Feature group to the table version that is read; all stages read the same.
    planned : list of str
        Uids of the fitted look-ups that the plan added; others are stages of the pipeline.
    forms : dict of str to JSON
        Uid to the local form of a stage that depends on the metadata of its input columns, which only fit has.
    ttls : dict of str to dict
        Uid of a fitted look-up to the ttl of its groups, in microseconds.
    sample : tuple of StructType and list of Row, or None
        A few rows with all columns; None if fit did not run the data.
    """

    def __init__(self, pipeline: HasStore, plan: PipelinePlan) -> None:
        self._pipeline = pipeline
        self._plan = plan
        self.pins: dict[str, int] = {}
        self.planned: list[str] = []
        self.sample: tuple[StructType, list[Any]] | None = None
        self.forms: dict[str, Any] = {}
        self._fitted: list[Any] = []
        self._trail: list[StageInput] = []
        # Expression to its column.
        self._columns: dict[str, str] = {}
        self.ttls: dict[str, dict[str, int | None]] = {}

    def lookup(self, refs: Iterable[FeatureRef]) -> PaletteTransformer:
        """Return the stage that looks features up, into columns named after their expressions."""
        return _planned(refs).following(self._pipeline)

    def bind(self, stage: Any) -> Any:
        """Return a runnable stage: a look-up without store or times gets those of the pipeline."""
        return stage.following(self._pipeline) if isinstance(stage, PaletteTransformer) else stage

    def lookups(self) -> list[PaletteTransformer]:
        """Return all look-ups, bound to store and times, the planned ones first."""
        planned = [self.lookup(refs) for refs in self._plan.lookups.values()]
        return [*planned, *(self.bind(stage) for stage in self._plan.explicit)]

    def fit(self, dataset: DataFrame) -> list[Any]:
        """Return the fitted stages: look-ups of what scoring needs, and a model for each stage.

        Raises
        ------
        SchemaError
            If a stage names a column that does not exist.
        DataError
            If there are no rows to fit on, or a stage does not accept the nulls or NaN of a column.
        """
        try:
            return self._fit(dataset)
        except SPARK_ERRORS as error:
            raise_cause(error, self._trail)
            raise

    def _fit(self, dataset: DataFrame) -> list[Any]:
        self.pins = self._versions(dataset.sparkSession)
        looked_up = checked = False
        for name in self._replaced(dataset.columns):
            dataset = dataset.withColumn(BEFORE + name, exact_column(name))
        with _persisting() as persist:
            for position, stage in enumerate(self._plan.stages):
                if refs := self._plan.lookups.get(position):
                    dataset, looked_up = self._look_up(refs, dataset), True
                self._record_columns(self._plan.parts[position])
                if isinstance(stage, PaletteTransformer):
                    pins = self.pins if stage.shares_store(self._pipeline) else None
                    dataset, looked_up = self.bind(stage).transform_versions(dataset, pins), True
                    self._fitted.append(self._without_own_store(stage))
                    self.ttls[stage.uid] = self.bind(stage).ttls()
                    continue
                if looked_up and _executes(stage):
                    # Most algorithms run their input more than once, and would repeat the look-up each time.
                    dataset, looked_up = persist(dataset), False
                label = self._plan.needs[position].label
                self._trail += [StageInput(label, part, dataset) for part in self._plan.parts[position]]
                check_inputs(label, stage, dataset.columns)
                if not checked and _executes(stage):
                    checked = True
                    if dataset.isEmpty():
                        raise DataError(f"{self._pipeline.uid}: the basis has no rows, so {stage.uid} cannot be fitted")
                dataset = self._fit_stage(stage, dataset)
            if checked:
                self.sample = _sample(dataset)
        return self._fitted

    def _look_up(self, refs: Sequence[FeatureRef], dataset: DataFrame) -> DataFrame:
        self._columns |= {ref.name: ref.name for ref in refs}
        needed = [ref for ref in refs if ref.name in self._plan.for_scoring]
        if needed:
            # The model has the store and the times.
            self._fitted.append(_planned(needed))
            self.planned.append(self._fitted[-1].uid)
            self.ttls[self._fitted[-1].uid] = self.lookup(needed).ttls()
        return self.lookup(refs).transform_versions(dataset, self.pins)

    def _record_columns(self, parts: Iterable[Any]) -> None:
        for part in parts:
            if isinstance(part, PaletteTransformer):
                self._columns |= {name: column for column, name in part.getFeatures().items()}

    def _replaced(self, columns: Iterable[str]) -> list[str]:
        """Return the basis columns that a stage replaces."""
        added = {name.lower() for parts in self._plan.parts for part in parts for name in added_columns(part)}
        # Spark also replaces a column whose name differs by case.
        return [name for name in columns if name.lower() in added]

    def _fit_stage(self, stage: Any, dataset: DataFrame) -> DataFrame:
        if isinstance(stage, DSLEstimator):
            stage = stage.fit_bound(dataset, self._bindings(stage, dataset.schema))
        self._fitted.append(stage.fit(dataset) if isinstance(stage, Estimator) else stage)
        for part in flat_stages(self._fitted[-1:]):
            if (form := schema_form(part, dataset.schema)) is not None:
                self.forms[part.uid] = stage_to_json(form)
            dataset = part.transform(dataset)
        return dataset

    def _bindings(self, stage: DSLEstimator, schema: StructType) -> dict[str, Binding]:
        """Bind the references of a DSL stage, without metadata, which unions lose."""
        bindings = {}
        types = {field.name: field.dataType for field in schema.fields}
        for ref in references(stage.nodes().values()):
            if isinstance(ref, FeatureRef):
                feature = self._pipeline.store.feature(ref.name)
                bindings[ref.name] = Binding(self._columns[ref.name], feature.dtype, feature.constant)
            elif ref.column in types:
                bindings[ref.name] = Binding(ref.column, types[ref.column].simpleString())
            else:
                raise SchemaError(
                    f"{stage.uid}: there is no column {ref.column!r}{nearest(ref.column, schema.names)} "
                    f"(columns: {', '.join(schema.names)})"
                )
        return bindings

    def _versions(self, spark: SparkSession) -> dict[str, int]:
        shared = [stage for stage in self._plan.explicit if stage.shares_store(self._pipeline)]
        names = [name for stage in shared for name in stage.getFeatures().values()]
        names += [ref.name for ref in self._plan.names]
        if not names:
            return {}
        store = self._pipeline.store
        groups = {lookup.group.full_name: lookup.group for lookup in store.lookups({name: name for name in names})}
        versions = {name: store.tables.version(spark, group) for name, group in sorted(groups.items())}
        return {name: version for name, version in versions.items() if version is not None}

    def _without_own_store(self, stage: PaletteTransformer) -> PaletteTransformer:
        """Return a look-up that reads the model's store; one in another store keeps it."""
        if not stage.shares_store(self._pipeline):
            return stage
        copy = stage.copy()
        copy.clear(copy.storeUri)
        return copy


def _planned(refs: Iterable[FeatureRef]) -> PaletteTransformer:
    return PaletteTransformer(features={ref.name: ref.name for ref in refs})


def _sample(dataset: DataFrame) -> tuple[StructType, list[Any]] | None:
    """Return a few rows; None if later stages fail on them, or Python cannot represent a timestamp."""
    try:
        return dataset.schema, dataset.limit(SAMPLED).collect()
    except (*SPARK_ERRORS, ValueError, OverflowError):
        return None


def _executes(stage: Any) -> bool:
    """Return whether fitting this stage runs the data."""
    if isinstance(stage, DSLEstimator):
        return bool(statistic_calls(stage.nodes().values()))
    return isinstance(stage, Estimator)


@contextmanager
def _persisting() -> Iterator[Any]:
    persisted: list[DataFrame] = []

    def persist(dataset: DataFrame) -> DataFrame:
        persisted.append(dataset.persist(StorageLevel.MEMORY_AND_DISK))
        return persisted[-1]

    try:
        yield persist
    finally:
        for dataset in persisted:
            dataset.unpersist()
