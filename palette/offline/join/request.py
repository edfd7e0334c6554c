"""A join that has been checked, with everything that its plans are built from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.offline.join.lookup import Lookup
from palette.offline.point_in_time import key_columns
from palette.offline.times import micros
from palette.times import now_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from palette.definitions import FeatureGroup
    from palette.offline.delta.tables import DeltaTables

__all__ = ["Answer", "Question", "make_question", "status_of", "ttl_of"]


@dataclass(frozen=True)
class Answer:
    """What a new column holds, and the status of its value."""

    value: Column
    status: Column


@dataclass(frozen=True)
class Question:
    """What is asked, of which versions.

    Parameters
    ----------
    tables, basis, lookups, point_in_time, status
        As in :func:`palette.offline.point_in_time_join`.
    versions : mapping of str to int
        The version of each group, by its full name.
    keys : mapping of str to Column
        Each join key column of the basis, as it is compared.
    time : Column
        The time of each row of the basis, in microseconds.
    """

    tables: DeltaTables
    basis: DataFrame
    lookups: Sequence[Lookup]
    versions: Mapping[str, int]
    keys: Mapping[str, Column]
    time: Column
    point_in_time: str
    status: bool

    @property
    def spark(self) -> SparkSession:
        """The session of the basis."""
        return self.basis.sparkSession

    def version(self, lookup: Lookup) -> int:
        """Return the version that a look-up reads."""
        return self.versions[lookup.group.full_name]

    def key_places(self, lookup: Lookup) -> list[int]:
        """Return the places of a look-up's join keys among all key columns."""
        names = list(self.keys)
        return [names.index(name) for name in lookup.join_keys]

    def content(self, lookup: Lookup) -> tuple[object, ...]:
        """Return what stands for the history that a look-up reads: equal for equal rows."""
        definition = (lookup.entity.model_dump_json(), lookup.group.model_dump_json())
        version = self.version(lookup)
        # By name and version alone, a table that was deleted and made again would be taken for the old one.
        identity = self.tables.identity(self.spark, lookup.group, version)
        return (self.tables.identifier(lookup.group), identity, version, *definition, self.point_in_time)


def make_question(
    tables: DeltaTables,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    versions: Mapping[str, int],
    *,
    timestamp: str | None,
    point_in_time: str,
    status: bool,
) -> Question:
    """Return a question; without a timestamp column its time is now, the same for all rows."""
    types = {field.name: field.dataType for field in basis.schema}
    names = list(dict.fromkeys(key for lookup in lookups for key in lookup.join_keys))
    columns = key_columns([exact_column(name) for name in names], [types[name] for name in names])
    time = F.lit(now_micros()) if timestamp is None else micros(exact_column(timestamp), types[timestamp])
    return Question(
        tables, basis, lookups, versions, dict(zip(names, columns, strict=True)), time, point_in_time, status
    )


def ttl_of(group: FeatureGroup) -> int | None:
    """Return a group's ttl in microseconds.

    Ages are compared as numbers: an interval of days would follow the clock changes of the session's zone.
    """
    return None if group.ttl is None else group.ttl // dt.timedelta(microseconds=1)


def status_of(missing: Column, expired: Column, value: Column) -> Column:
    """Return the status of a value as text."""
    return F.when(missing, "missing").when(expired, "expired").when(value.isNull(), "null").otherwise("present")
