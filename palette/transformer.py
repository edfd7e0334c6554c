"""PaletteTransformer: looks features up, as a stage of a Spark ML pipeline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql.types import StringType, StructField, StructType

from palette.errors import DataError, SchemaError
from palette.store import FeatureStore, named_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.online import OnlineReader
    from palette.serving.steps import LookupStep

__all__ = ["HasStore", "PaletteTransformer"]


class HasStore(Params):
    """Params of a stage that reads a feature store."""

    storeUri: Param[str] = Param(
        Params._dummy(), "storeUri", "what opens the feature store: a directory or a YAML file", TypeConverters.toString
    )
    timestampCol: Param[str] = Param(
        Params._dummy(), "timestampCol", "column with each row's time; without it the latest values are taken",
        TypeConverters.toString,
    )  # fmt: skip
    pointInTime: Param[str] = Param(
        Params._dummy(),
        "pointInTime",
        "'event', or 'created' to count only rows written by then",
        TypeConverters.toString,
    )

    # An open store is no state: it is opened again from storeUri, and copies share it.
    _store: FeatureStore | None = None

    def getStoreUri(self) -> str:
        """Return what opens the feature store."""
        return self.getOrDefault(self.storeUri)

    def getTimestampCol(self) -> str | None:
        """Return the column with each row's time, or None."""
        return self.getOrDefault(self.timestampCol) if self.isDefined(self.timestampCol) else None

    def setTimestampCol(self, value: str) -> Any:
        """Set the column with each row's time; ``clear(stage.timestampCol)`` asks for the latest values."""
        return self._set(timestampCol=value)

    def getPointInTime(self) -> str:
        """Return ``event`` or ``created``."""
        return self.getOrDefault(self.pointInTime)

    def setPointInTime(self, value: str) -> Any:
        """Set ``event`` or ``created``."""
        return self._set(pointInTime=value)

    def setStore(self, store: FeatureStore | str) -> Any:
        """Set the feature store, open or by its URI."""
        self._store = FeatureStore.open(store) if isinstance(store, str) else store
        return self._set(storeUri=self._store.uri)

    @property
    def store(self) -> FeatureStore:
        """The feature store, opened on first use.

        Raises
        ------
        DataError
            If no store was given.
        """
        if not self.isDefined(self.storeUri):
            raise DataError(f"{self.uid}: no feature store; pass store=")
        if self._store is None or self._store.uri != self.getStoreUri():
            self._store = FeatureStore.open(self.getStoreUri())
        return self._store


class PaletteTransformer(Transformer, HasStore, DefaultParamsReadable, DefaultParamsWritable):
    """Add one column a feature: the value known at each row's time, or the latest one.

    Parameters
    ----------
    store : FeatureStore or str
        The store, or what opens it.
    features : dict of str to str, or list of str
        Output column to expression ``entity:group:feature:join_key``.
    timestampCol : str, optional
        Column with each row's time; without it the latest values are taken.
    pointInTime : {"event", "created"}
        ``created`` counts only rows that were written by then, too.
    status : bool
        Adds ``<column>__status``: ``present``, ``null``, ``expired`` or ``missing``.

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
    formatVersion: Param[int] = Param(
        Params._dummy(), "formatVersion", "format in which this stage is saved", TypeConverters.toInt
    )

    _input_kwargs: dict[str, Any]

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
        self._setDefault(pointInTime="event", status=False, formatVersion=1)
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
    ) -> PaletteTransformer:
        """Set several Params; None leaves one as it is."""
        given = {name: value for name, value in self._input_kwargs.items() if value is not None}
        if (opened := given.pop("store", None)) is not None:
            self.setStore(opened)
        self._set(**given)
        if self._store is not None and self.isDefined(self.features):
            for name in self.getFeatures().values():
                self._store.feature(name)
        return self

    def getFeatures(self) -> dict[str, str]:
        """Return output column to expression."""
        return self.getOrDefault(self.features)

    def setFeatures(self, value: Mapping[str, str] | Sequence[str]) -> PaletteTransformer:
        """Set output column to expression."""
        return self._set(features=value)

    def getStatus(self) -> bool:
        """Return whether status columns are added."""
        return self.getOrDefault(self.status)

    def setStatus(self, value: bool) -> PaletteTransformer:
        """Set whether status columns are added."""
        return self._set(status=value)

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema with the feature columns.

        Raises
        ------
        SchemaError
            If a join key or the timestamp column is missing, or an output column exists.
        """
        from palette.offline import check_join

        lookups = self.store.lookups(self.getFeatures())
        check_join(
            schema,
            lookups,
            timestamp=self.getTimestampCol(),
            point_in_time=self.getPointInTime(),
            status=self.getStatus(),
        )
        added = StructType(list(schema.fields))
        for column, name in self.getFeatures().items():
            added.add(StructField(column, _spark_type(self.store.feature(name).dtype)))
            if self.getStatus():
                added.add(StructField(f"{column}__status", StringType()))
        return added

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return self.transform_versions(dataset, None)

    def transform_versions(self, dataset: DataFrame, versions: Mapping[str, int] | None) -> DataFrame:
        """Return what ``transform`` does, out of the given table versions; of other groups the newest."""
        return self.store.training_set(
            dataset,
            self.getFeatures(),
            timestamp=self.getTimestampCol(),
            point_in_time=self.getPointInTime(),
            version=versions,
            status=self.getStatus(),
        )

    def lookup_steps(self) -> list[LookupStep]:
        """Return what a plan without Spark does in this stage's place."""
        from palette.serving.steps import LookupStep

        if self.getStatus():
            raise SchemaError(
                f"{self.uid}: status columns have no form for single rows; use snapshot.read(status=True)"
            )
        lookups = self.store.lookups(self.getFeatures())
        return [LookupStep(found.entity, found.group, found.join_keys, dict(found.columns)) for found in lookups]

    def score_instance(
        self, row: Mapping[str, Any], store: OnlineReader | FeatureStore | None = None, now: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Return the feature values for one row, by column.

        Parameters
        ----------
        row : mapping
            The join keys, by column; a missing one is null.
        store : Snapshot or online store, optional
            Default: the online store of this stage's feature store.
        now : datetime, optional
            The moment at which ttl counts; default this moment.
        """
        from palette.serving.local import LocalPipeline
        from palette.serving.steps import Plan

        plan = Plan(tuple(self.lookup_steps()), tuple(self.getFeatures()))
        return LocalPipeline(plan, store or self.store).score_instance(row, now=now)

    scoreInstance = score_instance


def _spark_type(dtype: str) -> Any:
    from pyspark.sql.types import _parse_datatype_string

    return _parse_datatype_string(dtype)
