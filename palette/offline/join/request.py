"""Validated join requests: everything that the plans are built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.columns import exact_column
from palette.offline.point_in_time import key_columns
from palette.offline.times import micros
from palette.times import now_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from palette.offline.delta.version import TableVersion
    from palette.offline.join.lookup import Lookup

__all__ = ["JoinRequest", "OutputColumn", "make_request", "spread_number", "status_column"]

HASHABLE = (T.NumericType, T.StringType, T.BooleanType, T.TimestampType, T.TimestampNTZType, T.DateType, T.BinaryType)


@dataclass(frozen=True)
class OutputColumn:
    """Value of an output column, and its status where that is requested."""

    value: Column
    status: Column | None


@dataclass(frozen=True)
class JoinRequest:
    """Look-ups to be joined to a basis, of certain table versions.

    Parameters
    ----------
    basis, lookups, point_in_time, status
        As in :func:`palette.offline.point_in_time_join`.
    versions : mapping of str to TableVersion
        The version of each group, by its full name.
    keys : mapping of str to Column
        Each join key column of the basis, as it is compared.
    time : Column
        The time of each row of the basis, in microseconds.
    """

    basis: DataFrame
    lookups: Sequence[Lookup]
    versions: Mapping[str, TableVersion]
    keys: Mapping[str, Column]
    time: Column
    point_in_time: str
    status: bool

    @property
    def spark(self) -> SparkSession:
        """The session of the basis."""
        return self.basis.sparkSession

    def version(self, lookup: Lookup) -> TableVersion:
        """Return the version that a look-up reads."""
        return self.versions[lookup.schema.name]

    def key_indices(self, lookup: Lookup) -> list[int]:
        """Return the indices of a look-up's join keys among all key columns."""
        names = list(self.keys)
        return [names.index(name) for name in lookup.join_keys]

    def content_key(self, lookup: Lookup) -> tuple[object, ...]:
        """Return a key of the history that a look-up reads: equal for equal rows."""
        definition = (lookup.schema.entity.model_dump_json(), lookup.group.model_dump_json())
        version = self.version(lookup)
        # Name and version alone would be those of a table that was deleted and made again.
        return (version.table, version.identity, version.number, *definition, self.point_in_time)


def make_request(
    basis: DataFrame,
    lookups: Sequence[Lookup],
    versions: Mapping[str, TableVersion],
    *,
    timestamp: str | None,
    point_in_time: str,
    status: bool,
    now: int | None = None,
) -> JoinRequest:
    """Return a join request; without a timestamp column its time is ``now``, the same for all rows."""
    types = {field.name: field.dataType for field in basis.schema}
    names = list(dict.fromkeys(key for lookup in lookups for key in lookup.join_keys))
    columns = key_columns([exact_column(name) for name in names], [types[name] for name in names])
    present = now_micros() if now is None else now
    time = F.lit(present) if timestamp is None else micros(exact_column(timestamp), types[timestamp])
    return JoinRequest(basis, lookups, versions, dict(zip(names, columns, strict=True)), time, point_in_time, status)


def spread_number(frame: DataFrame, count: int) -> Column:
    """Return a number below ``count`` that depends on the values of a row: bigint, 0 where no column can be hashed."""
    names = [name.lower() for name in frame.columns]
    simple = [
        exact_column(field.name)
        for field in frame.schema
        if names.count(field.name.lower()) == 1 and "`" not in field.name and isinstance(field.dataType, HASHABLE)
    ]
    return F.pmod(F.xxhash64(*simple), F.lit(count)) if simple else F.lit(0).cast("bigint")


def status_column(missing: Column, expired: Column, value: Column) -> Column:
    """Return the status of a value as a string."""
    return F.when(missing, "missing").when(expired, "expired").when(value.isNull(), "null").otherwise("present")
