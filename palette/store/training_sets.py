"""Training-set methods of FeatureStore: point-in-time joins, their plans and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dsl.row_mappings import check_frame
from palette.catalog.definitions.resolve import resolve_columns
from palette.definitions import GroupSchema
from palette.errors import DataError
from palette.lazy_imports import require_spark
from palette.store.arguments import versions
from palette.store.base import StoreBase
from palette.store.offline import OfflineMethods

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.offline import ResolvedLookups

__all__ = ["TrainingMethods", "group_versions", "join_features"]


class TrainingMethods(OfflineMethods):
    """Training-set methods of FeatureStore."""

    def training_set(
        self,
        basis: DataFrame,
        features: Mapping[str, str] | Sequence[str],
        *,
        timestamp: str | None = None,
        point_in_time: str = "event",
        version: Mapping[str, int] | int | None = None,
        hint: str | None = None,
        status: bool = False,
    ) -> DataFrame:
        """Return the basis plus one column a feature: the value that was known at each row's time.

        Parameters
        ----------
        basis : DataFrame
            The rows to which features are added, with the join key columns; every row comes out exactly once,
            unchanged. Of a stream each micro-batch (``foreachBatch``).
        features : mapping of str to str, or sequence of str
            Output column to expression ``entity:group:feature:join_key``; of a sequence the columns are named
            like the features, and ``entity:group:*:join_key`` stands for all features of a group.
        timestamp : str, optional
            Column of the basis with each row's time (TIMESTAMP; TIMESTAMP_NTZ and DATE are read as UTC). Without it
            the latest values are read, as for inference; for groups that have event times, a
            :class:`palette.errors.LatestValuesWarning` is issued, since training data would leak the future.
        point_in_time : {"event", "created"}
            ``created`` counts only rows that had also been written by that time.
        version : mapping of str to int, or int, optional
            Group to table version, as :meth:`pins` returns it; other groups are read as they are now. A number alone
            will do where features of one group are read.
        hint : {"broadcast", "partitioned", "shuffle"}, optional
            Forces a join plan.
        status : bool
            Adds ``<column>__status``: ``present``, ``null``, ``expired`` or ``missing``.

        Returns
        -------
        DataFrame
            Lazy; the basis is not executed here.

        Raises
        ------
        FeatureNotFoundError, SchemaError, DataError
            If a name is unknown, a column is missing, clashes or has the wrong type, or a group was never written.
        """
        check_frame(basis, "basis", DataError)
        from palette.offline.join.latest_values import untimed_groups, warn_latest_values

        lookups = self.lookups(features)
        rows = join_features(
            self,
            basis,
            lookups,
            timestamp=timestamp,
            point_in_time=point_in_time,
            version=version,
            hint=hint,
            status=status,
        )
        warn_latest_values(untimed_groups(lookups, timestamp), "timestamp= (--timestamp)", stacklevel=2)
        return rows

    def explain(
        self,
        basis: DataFrame,
        features: Mapping[str, str] | Sequence[str],
        *,
        timestamp: str | None = None,
        point_in_time: str = "event",
        version: Mapping[str, int] | int | None = None,
        hint: str | None = None,
    ) -> str:
        """Return which join plan :meth:`training_set` chooses for these arguments, and why.

        Parameters
        ----------
        basis, features, timestamp, point_in_time, version, hint
            As for :meth:`training_set`; nothing is executed.

        Returns
        -------
        str
            A line for each feature group and join key.

        Raises
        ------
        FeatureNotFoundError, SchemaError, DataError
            As there.
        """
        check_frame(basis, "basis", DataError)
        from palette.offline import explain

        lookups = self.lookups(features)
        return explain(
            self.tables,
            basis,
            lookups,
            timestamp=timestamp,
            point_in_time=point_in_time,
            versions=group_versions(self, lookups, version),
            hint=hint,
        )

    def lookups(self, features: Mapping[str, str] | Sequence[str]) -> ResolvedLookups:
        """Return one look-up for each feature group and join key, and the order of the output columns.

        Parameters
        ----------
        features : mapping of str to str, or sequence of str
            As for :meth:`training_set`.

        Raises
        ------
        FeatureNotFoundError, SchemaError
            If a name is unknown, or has another number of join keys than its entity has keys.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> store.apply(Entity("restaurant", keys={"uuid": "string"}),
        ...             FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")]))
        >>> (lookup,) = store.lookups({"n": "restaurant:menu:dishes:r_id"})
        >>> lookup.group.full_name, lookup.join_keys, lookup.columns
        ('restaurant:menu', ('r_id',), {'n': 'dishes'})
        """
        require_spark()
        from palette.offline import Lookup, ResolvedLookups

        groups: dict[tuple[str, tuple[str, ...]], tuple[GroupSchema, dict[str, str]]] = {}
        resolved = resolve_columns(self.catalog, features)
        for column, (ref, entity, group, feature) in resolved.items():
            _, columns = groups.setdefault((group.full_name, ref.join_keys), (GroupSchema(entity, group), {}))
            columns[column] = feature.name
        lookups = [Lookup(schema, join_keys, columns) for (_, join_keys), (schema, columns) in groups.items()]
        return ResolvedLookups(lookups, resolved)

    def pins(self, training_set: DataFrame) -> dict[str, int]:
        """Return the table versions that a training set was read from, as ``version=`` takes them.

        Parameters
        ----------
        training_set : DataFrame
            What :meth:`training_set` returned, or a selection of its columns.

        Returns
        -------
        dict of str to int
            Feature group to version.

        Raises
        ------
        DataError
            If no column carries its origin (metadata is lost in unions and in files), or columns of one group come
            from two versions.
        """
        check_frame(training_set, "training_set", DataError)
        from palette.offline import pinned_versions

        return pinned_versions(training_set.schema)


def join_features(
    store: StoreBase,
    basis: DataFrame,
    lookups: ResolvedLookups,
    *,
    timestamp: str | None,
    point_in_time: str,
    version: Mapping[str, int] | int | None,
    hint: str | None = None,
    status: bool = False,
    now: int | None = None,
) -> DataFrame:
    """Return the result of :meth:`TrainingMethods.training_set` without its warning: inference reads latest values."""
    from palette.offline import point_in_time_join

    return point_in_time_join(
        store.tables,
        basis,
        lookups,
        timestamp=timestamp,
        point_in_time=point_in_time,
        versions=group_versions(store, lookups, version),
        hint=hint,
        status=status,
        now=now,
    )


def group_versions(
    store: StoreBase, lookups: ResolvedLookups, version: Mapping[str, int] | int | None
) -> dict[str, int]:
    """Return group to table version, from the argument ``version`` of the methods."""
    return versions(version, lookups.groups, lambda name: store.group(name).full_name)
