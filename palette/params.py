"""What the stages that read a feature store have in common."""

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
        Params._dummy(), "storeUri", "what opens the feature store: a directory or a YAML file", TypeConverters.toString
    )
    timestampCol: Param[str] = Param(
        Params._dummy(), "timestampCol", "column with each row's time; without it the latest values are taken",
        TypeConverters.toString,
    )  # fmt: skip
    pointInTime: Param[str] = Param(
        Params._dummy(), "pointInTime", "'event', or 'created' to count only rows written by then", _point_in_time
    )

    # An open store is no state: it is opened again from storeUri, and copies share it.
    _store: FeatureStore | None = None

    def getStoreUri(self) -> str:
        """Return what opens the feature store."""
        return self.getOrDefault(self.storeUri)

    def setStoreUri(self, value: str) -> Self:
        """Set what opens the feature store; it is opened on first use."""
        return self._set(storeUri=value)

    def getTimestampCol(self) -> str | None:
        """Return the column with each row's time, or None."""
        return self.getOrDefault(self.timestampCol) if self.isDefined(self.timestampCol) else None

    def setTimestampCol(self, value: str) -> Self:
        """Set the column with each row's time; ``clear(stage.timestampCol)`` asks for the latest values."""
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
            If no store was given.
        """
        if not self.has_store:
            raise DataError(f"{self.uid}: no feature store; pass store=, or call setStore(store)")
        if self._store is None or self._store.uri != self.getStoreUri():
            self._store = FeatureStore.open(self.getStoreUri())
        return self._store

    def _check_names(self, names: Sequence[str | FeatureRef]) -> None:
        """Refuse names that the store does not have, and groups that cannot answer ``pointInTime``."""
        from palette.offline.point_in_time import check_point_in_time

        for lookup in self.store.lookups({str(name): str(name) for name in names}):
            check_point_in_time(lookup.schema, self.getPointInTime())

    def _check_time(self, schema: StructType) -> None:
        column = self.getTimestampCol()
        if column is not None and column not in schema.names:
            raise SchemaError(
                f"{self.uid}: there is no timestamp column {column!r}{nearest(column, schema.names)} "
                f"(there are {', '.join(schema.names)}); to look the latest values up, as batch inference does, "
                "call stage.clear(stage.timestampCol) first"
            )


class ScoresRows(HasStore):
    """A fitted stage that answers for single rows, too."""

    _local: LocalPipeline | None = None
    # The feature store whose online store was seen to hold rows of the plan: asked once, not at each row.
    _filled: FeatureStore | None = None

    @abstractmethod
    def row_plan(self) -> Plan:
        """Return what is done to one row."""

    def score_instance(
        self, row: Mapping[str, Any], store: FeatureReader | FeatureStore | None = None, now: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Score one row: the columns that ``transform`` adds, as plain Python values.

        Parameters
        ----------
        row : mapping, pyspark.sql.Row or pandas.Series
            The columns of the basis that are read, labels apart; a value may be None.
        store : Snapshot or online store, optional
            Where features are read; default the online store of this stage's feature store.
        now : datetime, optional
            The moment at which ttl counts, naive UTC; default this moment.

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
            one holds no rows at all. :class:`palette.errors.RequestTimeError` if the row has a time of its own, in
            ``timestampCol``, that lies before the snapshot's, or more than five minutes away from ``now`` where the
            store is live.
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
        """Score rows as :meth:`score_instance` does, all at one time, and read what they need together.

        Parameters
        ----------
        rows : iterable of mappings, or DataFrame of pandas, polars or Arrow
            The rows; of a DataFrame of Spark :meth:`transform` scores them.
        store, now
            As for :meth:`score_instance`.
        errors : {"raise", "return"}
            Whether the first row that cannot be scored raises, or its error takes the place of its answer.
        """
        local = self._local = self._local or LocalPipeline(self.row_plan())
        if store is None and local.needs_store:
            store = self.store
            if store is not self._filled:
                self._check_filled(store, local.plan)
        return local.score_instances(rows, now, errors=errors, store=store)

    def _check_filled(self, store: FeatureStore, plan: Plan) -> None:
        """Refuse a store that nothing was materialized into, as that of a new process: all would be missing."""
        online = store.online
        if isinstance(online, MemoryStore) and not any(len(online.table(group)) for group in plan.groups):
            groups = ", ".join(map(repr, plan.groups))
            raise SnapshotError(
                f"{self.uid}: the online store of {store.uri!r} holds no rows of {groups}; call "
                "store.materialize(group) for each first, or pass store=, a snapshot or an online store"
            )
        self._filled = store

    def _forget(self) -> None:
        """Drop what was prepared for scoring: a Param changes."""
        self._local = self._filled = None

    def _set(self, **kwargs: Any) -> Self:
        self._forget()
        return super()._set(**kwargs)

    def set(self, param: Param[Any], value: Any) -> None:
        """Set one Param."""
        self._forget()
        super().set(param, value)

    def clear(self, param: Param[Any]) -> None:
        """Take a Param's value away; its default counts again."""
        self._forget()
        super().clear(param)
