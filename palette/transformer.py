"""PaletteTransformer: feature look-up as a stage of a Spark ML pipeline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.sql.types import StringType, StructField, StructType

from dsl.row_mappings import check_frame
from dsl.stages.persistence import PersistentStage
from palette.catalog import named_columns
from palette.errors import DataError, SchemaError
from palette.params import HasStore, ScoresRows
from palette.serving.plan import LookupStep, Plan
from palette.store import FeatureStore
from palette.store.training_sets import join_features

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import FeatureGroup
    from palette.offline import Lookup, ResolvedLookups

__all__ = ["PaletteTransformer"]

MICROSECOND = dt.timedelta(microseconds=1)


class PaletteTransformer(Transformer, PersistentStage, ScoresRows):
    """Add one column for each feature: the value known at each row's timestamp, or the latest one.

    Parameters
    ----------
    store : FeatureStore or str
        The store, or its directory or configuration file.
    features : dict of str to str, or list of str
        Output column to expression ``entity:group:feature:join_key``; in a list, which then needs the
        store, ``entity:group:*:join_key`` is all features that the group has now.
    timestampCol : str, optional
        Column with each row's time; without it the latest values are looked up, for inference: set it to train.
        ``MLPipeline.fit`` and ``store.training_set`` warn if it is missing; a plain Pipeline cannot.
    pointInTime : {"event", "created"}
        ``created`` also requires that a row was written by then.
    status : bool
        Whether to add ``<column>__status``: ``present``, ``null``, ``expired`` or ``missing``.

    Raises
    ------
    FeatureNotFoundError
        If an expression is not in the store's catalog; near names are offered.

    Examples
    --------
    >>> stage = PaletteTransformer(features=["restaurant:order_history:prep_time:r_id"])
    >>> stage.getFeatures()
    {'prep_time': 'restaurant:order_history:prep_time:r_id'}
    """

    features: Param[dict[str, str]] = Param(
        Params._dummy(), "features", "output column to feature expression", named_columns
    )
    status: Param[bool] = Param(Params._dummy(), "status", "whether to add <column>__status", TypeConverters.toBoolean)

    _input_kwargs: dict[str, Any]
    # Group to ttl in microseconds, as fitted; other groups use their own.
    _ttls: Mapping[str, int | None] = {}

    @keyword_only
    def __init__(
        self,
        *,
        store: FeatureStore | str | None = None,
        features: Mapping[str, str] | Sequence[str] | None = None,
        timestampCol: str | None = None,
        pointInTime: str | None = None,
        status: bool | None = None,
    ) -> None:
        kwargs = self._input_kwargs
        super().__init__()
        self._setDefault(pointInTime="event", status=False, features={})
        self.setParams(**kwargs)

    @keyword_only
    def setParams(
        self,
        *,
        store: FeatureStore | str | None = None,
        features: Mapping[str, str] | Sequence[str] | None = None,
        timestampCol: str | None = None,
        pointInTime: str | None = None,
        status: bool | None = None,
    ) -> Self:
        """Set several Params; None leaves a Param unchanged."""
        passed = {name: value for name, value in self._input_kwargs.items() if value is not None}
        if (opened := passed.pop("store", None)) is not None:
            self.setStore(opened)
        if "features" in passed:
            self.setFeatures(passed.pop("features"))
        self._set(**passed)
        if self._store is not None:
            self.check()
        return self

    def check(self) -> None:
        """Validate that the store has the features, and that they support ``pointInTime``; needs no Spark."""
        if self.getFeatures():
            self._check_names(list(self.getFeatures().values()))

    def shares_store(self, pipeline: HasStore) -> bool:
        """Return whether this stage reads the pipeline's store."""
        return not self.has_store or (pipeline.has_store and self.getStoreUri() == pipeline.getStoreUri())

    def following(self, pipeline: HasStore) -> PaletteTransformer:
        """Return the look-up as part of a pipeline, with the pipeline's store and times where it has none.

        A look-up in another store keeps its own times.
        """
        if not pipeline.has_store or not self.shares_store(pipeline):
            return self
        bound: PaletteTransformer = self.copy().setStore(pipeline.store)
        time = pipeline.getTimestampCol()
        if time is not None and not self.isSet(self.timestampCol):
            bound.setTimestampCol(time)
        return bound if self.isSet(self.pointInTime) else bound.setPointInTime(pipeline.getPointInTime())

    def with_ttls(self, ttls: Mapping[str, int | None]) -> Self:
        """Return the look-up with the fitted ttl of each group, in microseconds."""
        copy = self.copy()
        copy._ttls = dict(ttls)
        return copy

    def ttls(self) -> dict[str, int | None]:
        """Return the ttl of each group, in microseconds."""
        return {lookup.group.full_name: _micros(lookup.group.ttl) for lookup in self._lookups()}

    def _lookups(self) -> ResolvedLookups:
        from palette.offline import ResolvedLookups

        lookups = self.store.lookups(self.getFeatures())
        return ResolvedLookups((_with_ttl(lookup, self._ttls) for lookup in lookups), lookups.order)

    def getFeatures(self) -> dict[str, str]:
        """Return output column to expression."""
        return dict(self.getOrDefault(self.features))

    def setFeatures(self, value: Mapping[str, str] | Sequence[str]) -> Self:
        """Set output column to expression."""
        # Converted here: a Param's converter would change the class of the error.
        return self._set(features=named_columns(value, self._group if self.has_store else None))

    def _group(self, name: str) -> FeatureGroup:
        return self.store.group(name)

    def getStatus(self) -> bool:
        """Return whether status columns are added."""
        return self.getOrDefault(self.status)

    def setStatus(self, value: bool) -> Self:
        """Set whether status columns are added."""
        return self._set(status=value)

    @property
    def output_columns(self) -> tuple[str, ...]:
        """The columns that this stage adds, in order."""
        return tuple(
            name
            for column in self.getFeatures()
            for name in ([column, f"{column}__status"] if self.getStatus() else [column])
        )

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema with the feature columns.

        Raises
        ------
        SchemaError
            If a join key or the timestamp column is missing, or an output column exists.
        """
        from palette.offline import check_join
        from palette.offline.times import data_type

        self._check_time(schema)
        lookups = self.store.lookups(self.getFeatures())
        check_join(
            schema,
            lookups,
            timestamp=self.getTimestampCol(),
            point_in_time=self.getPointInTime(),
            status=self.getStatus(),
        )
        added = StructType(list(schema.fields))
        declared = lookups.features
        for column, name in self.getFeatures().items():
            feature = declared[column]
            about = {"feature": {"ref": name, "type": feature.dtype, "default": feature.constant}}
            added.add(StructField(column, data_type(feature.dtype), metadata=about))
            if self.getStatus():
                added.add(StructField(f"{column}__status", StringType()))
        return added

    def _transform(self, dataset: DataFrame) -> DataFrame:
        check_frame(dataset, "dataset", DataError)
        return self.transform_versions(dataset, None)

    def transform_versions(self, dataset: DataFrame, versions: Mapping[str, int] | None) -> DataFrame:
        """Return the result of ``transform`` from the given table versions, the newest for other groups."""
        self._check_time(dataset.schema)
        return join_features(
            self.store,
            dataset,
            self._lookups(),
            timestamp=self.getTimestampCol(),
            point_in_time=self.getPointInTime(),
            version=versions,
            status=self.getStatus(),
        )

    def untimed_groups(self) -> list[str]:
        """Return the groups with event times whose latest values are looked up, since ``timestampCol`` is not set."""
        from palette.offline.join.latest_values import untimed_groups

        return untimed_groups(self.store.lookups(self.getFeatures()), self.getTimestampCol())

    def row_plan(self) -> Plan:
        """Return the scoring plan of one row.

        Raises
        ------
        SchemaError
            If ``status`` is set.
        """
        if self.getStatus():
            raise SchemaError(
                f"{self.uid}: single rows have no status columns; use store.online.read(..., status=True)"
            )
        steps = []
        for lookup in self._lookups():
            # Rows of a static group are valid at any time.
            time = None if lookup.group.timestamp is None else self.getTimestampCol()
            steps.append(LookupStep(lookup.schema.entity, lookup.group, lookup.join_keys, dict(lookup.columns), time))
        return Plan(tuple(steps), tuple(self.getFeatures()))


def _micros(ttl: dt.timedelta | None) -> int | None:
    return None if ttl is None else ttl // MICROSECOND


def _with_ttl(lookup: Lookup, ttls: Mapping[str, int | None]) -> Lookup:
    group = lookup.group
    if group.timestamp is None or ttls.get(group.full_name, _micros(group.ttl)) == _micros(group.ttl):
        return lookup
    fitted = ttls[group.full_name]
    ttl = None if fitted is None else fitted * MICROSECOND
    schema = replace(lookup.schema, group=group.model_copy(update={"ttl": ttl}))
    return replace(lookup, schema=schema)
