"""Base classes of the stages that read a feature store."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pyspark.ml.param import Param, Params, TypeConverters

from dsl.refs import FeatureRef
from palette.errors import DataError, DefinitionError, SchemaError, SnapshotError, nearest
from palette.online import MemoryStore
from palette.serving.local import LocalPipeline
from palette.serving.plan import Plan
from palette.store import FeatureStore

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

    from palette.online import FeatureReader

__all__ = ["HasStore", "ScoresRows"]


def _point_in_time(value: Any) -> str:
    if value not in ("event", "created"):
        raise DefinitionError(f"pointInTime is 'event' or 'created', found {value!r}")
    return str(value)


class HasStore(Params):
    """Params of a stage that reads a feature store."""

    storeUri: Param[str] = Param(
        Params._dummy(), "storeUri", "directory or YAML file of the feature store", TypeConverters.toString
    )
    timestampCol: Param[str] = Param(
        Params._dummy(), "timestampCol", "column with each row's time; without it the latest values are looked up",
        TypeConverters.toString,
    )  # fmt: skip
    pointInTime: Param[str] = Param(
        Params._dummy(), "pointInTime", "'event', or 'created' to count only rows written by then", _point_in_time
    )

    # An open store is not part of the state: it is opened again from storeUri, and copies share it.
    _store: FeatureStore | None = None

    def getStoreUri(self) -> str:
        """Return the directory or YAML file of the feature store."""
        return self.getOrDefault(self.storeUri)

    def setStoreUri(self, value: str) -> Self:
        """Set the directory or YAML file of the feature store, which is opened on first use."""
        return self._set(storeUri=value)

    def getTimestampCol(self) -> str | None:
        """Return the column with each row's time, or None."""
        return self.getOrDefault(self.timestampCol) if self.isDefined(self.timestampCol) else None

    def setTimestampCol(self, value: str) -> Self:
        """Set the column with each row's time; ``clear(stage.timestampCol)`` looks up the latest values."""
        return self._set(timestampCol=value)

    def getPointInTime(self) -> str:
        """Return ``event`` or ``created``."""
        return self.getOrDefault(self.pointInTime)

    def setPointInTime(self, value: str) -> Self:
        """Set ``event`` or ``created``."""
        return self._set(pointInTime=value)

    def setStore(self, store: FeatureStore | str) -> Self:
        """Set the feature store, open or by its URI."""
        self._store = store if isinstance(store, FeatureStore) else FeatureStore.open(store)
        return self._set(storeUri=self._store.uri)

    @property
    def has_store(self) -> bool:
        """Whether a feature store was set."""
        return bool(self.isDefined(self.storeUri))

    @property
    def store(self) -> FeatureStore:
        """The feature store, opened on first use.

        Raises
        ------
        DataError
            If no store was set.
        """
        if not self.has_store:
            raise DataError(f"{self.uid}: no feature store; pass store=, or call setStore(store)")
        if self._store is None or self._store.uri != self.getStoreUri():
            self._store = FeatureStore.open(self.getStoreUri())
        return self._store

    def _check_names(self, names: Sequence[str | FeatureRef]) -> None:
        """Validate that the store has the names, and that their groups support ``pointInTime``."""
        from palette.offline.point_in_time import check_point_in_time

        for lookup in self.store.lookups({str(name): str(name) for name in names}):
            check_point_in_time(lookup.schema, self.getPointInTime())

    def _check_time(self, schema: StructType) -> None:
        column = self.getTimestampCol()
        if column is not None and column not in schema.names:
            raise SchemaError(
                f"{self.uid}: there is no timestamp column {column!r}{nearest(column, schema.names)} "
                f"(columns: {', '.join(schema.names)}); to look up the latest values, for batch inference, "
                "call stage.clear(stage.timestampCol) first"
            )


class ScoresRows(HasStore):
    """A fitted stage that also scores single rows."""

    _local: LocalPipeline | None = None
    # The feature store whose online store has rows of the plan: checked once, not for each row.
    _filled: FeatureStore | None = None

    @abstractmethod
    def row_plan(self) -> Plan:
        """Return the scoring plan."""

    def score_instance(
        self, row: Mapping[str, Any], store: FeatureReader | FeatureStore | None = None, now: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Score one row: the columns that ``transform`` adds, as plain Python values.

        Parameters
        ----------
        row : mapping, pyspark.sql.Row or pandas.Series
            The basis columns that are read, without labels; a value may be None.
        store : Snapshot or online store, optional
            Store of the features; by default the online store of this stage's feature store.
        now : datetime, optional
            The time at which ttl applies, naive UTC; by default the present.

        Returns
        -------
        dict of str to value
            Timestamps as naive UTC datetimes, vectors as lists of float.

        Raises
        ------
        DataError, dsl.DslTypeError
            If a value of the row has the wrong type; :class:`palette.errors.MissingColumnError` if the row lacks a
            column that is read.
        SnapshotError
            If the snapshot lacks a group, or ``now`` is before its time; or no store is passed and the default
            one has no rows at all. :class:`palette.errors.RequestTimeError` if the row's own timestamp, in
            ``timestampCol``, is before the snapshot's time, or more than five minutes from ``now`` if the store is
            live.
        """
        local = self._local
        if local is None:
            local = self._local = LocalPipeline(self.row_plan())
        if store is None and local.needs_store:
            store = self.store
            if store is not self._filled:
                self._check_filled(store, local.plan)
        return local.score_instance(row, now, store=store)

    scoreInstance = score_instance

    def score_instances(
        self,
        rows: Iterable[Mapping[str, Any]],
        store: FeatureReader | FeatureStore | None = None,
        now: dt.datetime | None = None,
        *,
        errors: str = "raise",
    ) -> list[Any]:
        """Score rows like :meth:`score_instance`, all at the same ``now``, and read their features together.

        Parameters
        ----------
        rows : iterable of mappings, or DataFrame of pandas, polars or Arrow
            The rows; a Spark DataFrame is scored by :meth:`transform`.
        store, now
            As for :meth:`score_instance`.
        errors : {"raise", "return"}
            Whether the first row that cannot be scored raises, or its error is returned in place of its result.
        """
        local = self._local = self._local or LocalPipeline(self.row_plan())
        if store is None and local.needs_store:
            store = self.store
            if store is not self._filled:
                self._check_filled(store, local.plan)
        return local.score_instances(rows, now, errors=errors, store=store)

    def _check_filled(self, store: FeatureStore, plan: Plan) -> None:
        """Raise an error for a store without rows, like the one of a new process: all values would be missing."""
        online = store.online
        if isinstance(online, MemoryStore) and not any(len(online.table(group)) for group in plan.groups):
            groups = ", ".join(map(repr, plan.groups))
            raise SnapshotError(
                f"{self.uid}: the online store of {store.uri!r} has no rows of {groups}; call "
                "store.materialize(group) for each first, or pass store=, a snapshot or an online store"
            )
        self._filled = store

    def _invalidate(self) -> None:
        """Discard the prepared scorer, since a Param changes."""
        self._local = self._filled = None

    def _set(self, **kwargs: Any) -> Self:
        self._invalidate()
        return super()._set(**kwargs)

    def set(self, param: Param[Any], value: Any) -> None:
        """Set one Param."""
        self._invalidate()
        super().set(param, value)

    def clear(self, param: Param[Any]) -> None:
        """Clear a Param's value; its default applies again."""
        self._invalidate()
        super().clear(param)
