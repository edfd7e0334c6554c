"""PaletteTransformer: looks features up, as a stage of a Spark ML pipeline."""

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
    """Add one column a feature: the value known at each row's time, or the latest one.

    Parameters
    ----------
    store : FeatureStore or str
        The store, or what opens it.
    features : dict of str to str, or list of str
        Output column to expression ``entity:group:feature:join_key``; in a list, which needs the store then,
        ``entity:group:*:join_key`` stands for all features that the group has now.
    timestampCol : str, optional
        Column with each row's time; without it the latest values are taken, as for inference: set it to train.
        ``MLPipeline.fit`` and ``store.training_set`` warn where it is forgotten; a plain Pipeline cannot tell.
    pointInTime : {"event", "created"}
        ``created`` counts only rows that were written by then, too.
    status : bool
        Adds ``<column>__status``: ``present``, ``null``, ``expired`` or ``missing``.

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
    # Group to the ttl, in microseconds, of the model whose stage this is; of others the group's own counts.
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
        """Set several Params; None leaves one as it is."""
        given = {name: value for name, value in self._input_kwargs.items() if value is not None}
        if (opened := given.pop("store", None)) is not None:
            self.setStore(opened)
        if "features" in given:
            self.setFeatures(given.pop("features"))
        self._set(**given)
        if self._store is not None:
            self.check()
        return self

    def check(self) -> None:
        """Refuse features that the store does not have, or that cannot answer ``pointInTime``; without Spark."""
        if self.getFeatures():
            self._check_names(list(self.getFeatures().values()))

    def shares_store(self, pipeline: HasStore) -> bool:
        """Tell whether a pipeline's store is read: the same one, or none of its own."""
        return not self.has_store or (pipeline.has_store and self.getStoreUri() == pipeline.getStoreUri())

    def following(self, pipeline: HasStore) -> PaletteTransformer:
        """Return the look-up as part of a pipeline: store and times that are not its own are the pipeline's.

        A look-up in another store keeps its own times, too.
        """
        if not pipeline.has_store or not self.shares_store(pipeline):
            return self
        that: PaletteTransformer = self.copy().setStore(pipeline.store)
        time = pipeline.getTimestampCol()
        if time is not None and not self.isSet(self.timestampCol):
            that.setTimestampCol(time)
        return that if self.isSet(self.pointInTime) else that.setPointInTime(pipeline.getPointInTime())

    def with_ttls(self, ttls: Mapping[str, int | None]) -> Self:
        """Return the look-up with the ttl of each group as it was, in microseconds, when a model was fitted."""
        that = self.copy()
        that._ttls = dict(ttls)
        return that

    def ttls(self) -> dict[str, int | None]:
        """Return the ttl of each group that is read, in microseconds."""
        return {lookup.group.full_name: _micros(lookup.group.ttl) for lookup in self._lookups()}

    def _lookups(self) -> ResolvedLookups:
        from palette.offline import ResolvedLookups

        lookups = self.store.lookups(self.getFeatures())
        return ResolvedLookups((_kept(lookup, self._ttls) for lookup in lookups), lookups.order)

    def getFeatures(self) -> dict[str, str]:
        """Return output column to expression."""
        return dict(self.getOrDefault(self.features))

    def setFeatures(self, value: Mapping[str, str] | Sequence[str]) -> Self:
        """Set output column to expression."""
        # Converted here: a Param's own converter loses the class of our errors.
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
        """Return what ``transform`` does, out of the given table versions; of other groups the newest."""
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
        """Return the groups with event times of which the latest values are taken, for want of ``timestampCol``."""
        from palette.offline.join.latest_values import untimed_groups

        return untimed_groups(self.store.lookups(self.getFeatures()), self.getTimestampCol())

    def row_plan(self) -> Plan:
        """Return the look-ups of one row.

        Raises
        ------
        SchemaError
            If status columns are asked for.
        """
        if self.getStatus():
            raise SchemaError(
                f"{self.uid}: status columns have no form for single rows; ask store.online.read(..., status=True)"
            )
        steps = []
        for found in self._lookups():
            # Rows of a static group hold at any time.
            time = None if found.group.timestamp is None else self.getTimestampCol()
            steps.append(LookupStep(found.schema.entity, found.group, found.join_keys, dict(found.columns), time))
        return Plan(tuple(steps), tuple(self.getFeatures()))


def _micros(ttl: dt.timedelta | None) -> int | None:
    return None if ttl is None else ttl // MICROSECOND


def _kept(lookup: Lookup, ttls: Mapping[str, int | None]) -> Lookup:
    group = lookup.group
    if group.timestamp is None or ttls.get(group.full_name, _micros(group.ttl)) == _micros(group.ttl):
        return lookup
    kept = ttls[group.full_name]
    ttl = None if kept is None else kept * MICROSECOND
    schema = replace(lookup.schema, group=group.model_copy(update={"ttl": ttl}))
    return replace(lookup, schema=schema)
