"""Windowed aggregates kept up to date: events in, partials kept in a table beside the group's, windows out.

The partials of an interval take the place of what was there in one commit, and windows are computed from what is
kept, so an interval can be repeated.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import Observation
from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.definitions import BatchSource
from palette.errors import PlanError
from palette.feeds.batch.intervals import EARLIEST, Interval
from palette.feeds.windows.aggregates import partials, roll_up, rows_to_replace, windows
from palette.feeds.windows.coverage import Coverage
from palette.feeds.windows.grid import MICROSECOND, Grid
from palette.feeds.windows.partials import BUCKET_END, BUCKET_SIZE, left_out
from palette.feeds.windows.states import get_states
from palette.offline.delta.maintenance import compact, delete_unused, sql_name
from palette.offline.delta.tables import METASTORE, PROPERTIES
from palette.offline.observations import read_observation
from palette.times import to_datetime, to_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import FeatureGroup, GroupSchema
    from palette.offline import DeltaTables

__all__ = ["Windowed", "floor", "partials_beside", "whole"]

# In the metadata of a column Delta keeps it with the schema.
COMMENT = "comment"


def floor(time: dt.datetime, source: BatchSource) -> dt.datetime:
    """Return the last end of windows that is not after a time.

    Examples
    --------
    >>> from palette.definitions import Aggregate, BatchSource
    >>> source = BatchSource(sql="...", every="1h", time="at", aggregates=[Aggregate("x", "sum", ["1d"])])
    >>> floor(dt.datetime(2026, 1, 1, 12, 30), source)
    datetime.datetime(2026, 1, 1, 12, 0)
    """
    every = Grid.of(source).every
    return to_datetime(to_micros(time) // every * every)


def whole(span: dt.timedelta | None, source: BatchSource) -> dt.timedelta | None:
    """Return a span of time as a whole number of steps of the grid, at least as long."""
    every = Grid.of(source).every * MICROSECOND
    return None if span is None else -(-span // every) * every


def partials_beside(spark: SparkSession, tables: DeltaTables, group: FeatureGroup) -> str | None:
    """Return the name by which SQL knows the partials beside a group's table, of whatever source; None without any."""
    if tables.root.startswith(METASTORE) or _stored(spark, path := _path(tables, group)) is None:
        return None
    return f"delta.{sql_name(path)}"


def _path(tables: DeltaTables, group: FeatureGroup) -> str:
    return f"{tables.path(group)}.partials"


def _stored(spark: SparkSession, path: str) -> DataFrame | None:
    try:
        found = spark.read.format("delta").load(path)
        _ = found.schema  # Spark Connect looks for the table only when it is asked something
    except AnalysisException as error:
        if "DELTA_" in (error.getCondition() or "") or "PATH_NOT_FOUND" in (error.getCondition() or ""):
            return None
        raise
    return found


def _comment(rows: DataFrame, column: str) -> str | None:
    return rows.schema[column].metadata.get(COMMENT)


@dataclass(frozen=True)
class Windowed:
    """The partials of a group, and the windows made of them."""

    spark: SparkSession
    tables: DeltaTables
    schema: GroupSchema
    source: BatchSource

    @classmethod
    def of(cls, spark: SparkSession, tables: DeltaTables, schema: GroupSchema) -> Windowed:
        """Return those of a group whose batch source has aggregates.

        Raises
        ------
        PlanError
            If the tables are in a metastore.
        """
        if tables.root.startswith(METASTORE):
            raise PlanError(
                f"{schema.name}: windowed aggregates keep partials in files beside the group's table: take a "
                f"store whose tables are at a path, not in a metastore"
            )
        assert isinstance(schema.group.source, BatchSource)
        return cls(spark, tables, schema, schema.group.source)

    @classmethod
    def find(cls, spark: SparkSession, tables: DeltaTables, schema: GroupSchema) -> Windowed | None:
        """Return those next to the table of a group, if there are any."""
        source = schema.group.source
        if tables.root.startswith(METASTORE) or not isinstance(source, BatchSource) or not source.aggregates:
            return None
        windowed = cls(spark, tables, schema, source)
        return None if windowed.stored() is None else windowed

    @property
    def path(self) -> str:
        """Where the partials are: a name that no group can have."""
        return _path(self.tables, self.schema.group)

    @property
    def identifier(self) -> str:
        """Return the name by which SQL knows the table of the partials."""
        return f"delta.{sql_name(self.path)}"

    def stored(self) -> DataFrame | None:
        """Return the partials that are there, of whatever aggregates; None if there are none yet."""
        return _stored(self.spark, self.path)

    def current(self) -> DataFrame | None:
        """Return the partials of these aggregates; None if there are none yet, or only those of others."""
        partials = self.stored()
        if partials is None:
            return None
        needed = {*self.schema.keys, BUCKET_SIZE, BUCKET_END, *(state.name for state in get_states(self.source))}
        if needed != set(partials.columns) or _comment(partials, BUCKET_END) != self._composition:
            return None
        return partials

    @property
    def longest(self) -> dt.timedelta:
        """The longest window."""
        return Grid.of(self.source).longest * MICROSECOND

    def has_new_features(self) -> bool:
        """Return whether the rows of an existing table lack a feature, or its present form, that the partials give."""
        stored = self.current()
        if stored is None:
            return False
        return not set(json.loads(self._features)) <= set(json.loads(_comment(stored, BUCKET_SIZE) or "[]"))

    def record_features(self) -> None:
        """Record which features the rows have, after those that were new are written."""
        stored = self.stored()
        if stored is not None and _comment(stored, BUCKET_SIZE) != self._features:
            self.spark.sql(f"ALTER TABLE {self.identifier} ALTER COLUMN {BUCKET_SIZE} COMMENT '{self._features}'")

    def replace_partials(self, events: DataFrame, interval: Interval, *, discard: bool = False) -> int:
        """Replace the partials of an interval, and return how many events had no key or no time.

        The bounds of the interval are ends of windows.

        Parameters
        ----------
        discard : bool
            Whether partials of other times are discarded.
        """
        keys, source, seen = self.schema.keys, self.source, Observation()
        fresh = partials(events, source, keys, seen)
        stored = None if discard or interval.start is None else self.current()
        if stored is None:
            rows = roll_up(fresh, source, keys).withMetadata(BUCKET_END, {COMMENT: self._composition})
            rows = rows.withMetadata(BUCKET_SIZE, {COMMENT: self._features})
            writer = rows.write.format("delta").mode("overwrite").option("overwriteSchema", True)
            writer.options(**PROPERTIES).save(self.path)
        else:
            rows = roll_up(fresh, source, keys, stored, interval).select(*map(exact_column, stored.columns))
            rows.writeTo(self.identifier).overwrite(rows_to_replace(source, interval))
        found = read_observation(seen)
        return int(found["left_out"]) if found else left_out(events, source, keys)

    def ends(self, interval: Interval, coverage: Coverage, *, renewed: bool = False) -> tuple[Interval, ...]:
        """Return where the windows end that change with the events of an interval: they hold some of it.

        They are one span of time, or two apart from each other.

        Parameters
        ----------
        coverage : Coverage
            Of the partials. Windows that end after the interval, and were computed before, change where all of their
            events are there.
        renewed : bool
            Whether all windows of known events are wanted, too.
        """
        until, last = coverage.until, interval.end
        if until is not None and until > last and coverage.reaches(last):
            last = min(last + self.longest, until)
        start = self._beginning(interval.end, coverage) if interval.start is None or renewed else interval.start
        found = Interval(start if interval.start is None else interval.start, last)
        if not renewed or until is None or start >= until:
            return (found,)
        assert found.start is not None
        if start > found.end or until < found.start:
            return tuple(sorted((Interval(start, until), found), key=lambda one: one.end))
        return (Interval(min(start, found.start), max(until, found.end)),)

    def _beginning(self, end: dt.datetime, coverage: Coverage) -> dt.datetime:
        """Return after which moment windows end whose events are all kept; of none, that of the interval's end."""
        stored = self.current()
        assert stored is not None
        lowest = stored.agg(F.min(F.unix_micros(BUCKET_END))).first()[0]
        first = end if lowest is None else to_datetime(max(lowest - Grid.of(self.source).every, to_micros(EARLIEST)))
        return first if coverage.since is None else max(first, coverage.since + self.longest)

    def newest(self, after: dt.datetime | None = None) -> dt.datetime | None:
        """Return the end of windows before the bucket of the newest event later than a time; None without events.

        That bucket may get more events.
        """
        stored = self.current()
        if stored is None:
            return None
        grid = Grid.of(self.source)
        if after is not None:
            stored = stored.filter(exact_column(BUCKET_END) > F.timestamp_micros(F.lit(to_micros(after))))
        last = (
            stored.filter(exact_column(BUCKET_SIZE) == grid.names[0])
            .agg(F.max(F.unix_micros(BUCKET_END)))
            .collect()[0][0]
        )
        return None if last is None else to_datetime(last - grid.every)

    def rows(self, ends: tuple[Interval, ...]) -> DataFrame:
        """Return the rows of the windows that end in intervals."""
        stored = self.current()
        assert stored is not None
        how = stored, self.source, self.schema.keys
        found = [windows(*how, one.start or EARLIEST, one.end, str(self.schema.timestamp)) for one in ends]
        return functools.reduce(lambda first, second: first.unionByName(second), found)

    @property
    def _composition(self) -> str:
        """What partials are made of: those of another grid, or of other columns, do not go together with these."""
        source = self.source
        types = {state.name: state.dtype for state in get_states(source) if state.dtype}
        told = {
            "every": Grid.of(source).names[0],
            "time": source.time,
            "by": list(source.by or self.schema.keys),
            "keys": dict(self.schema.keys),
            "types": types,
        }
        return json.dumps(told, sort_keys=True)

    @property
    def _features(self) -> str:
        """What features are computed from, each as a checksum."""
        told = [
            f"{feature.name} {aggregate.column} {aggregate.function} {aggregate.at} {span}"
            for aggregate in self.source.aggregates
            for feature, span in zip(aggregate.features, aggregate.spans, strict=True)
        ]
        return json.dumps(sorted(hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in told))

    def optimize(self) -> None:
        """Rewrite small files into large ones, with the partials of a key close together."""
        keys = [name for name, dtype in self.schema.keys.items() if dtype != "boolean"]
        compact(self.spark, self.identifier, [*keys, BUCKET_END])

    def vacuum(self, hours: float) -> None:
        """Delete files that no version of the last hours needs; nobody pins versions of partials."""
        delete_unused(self.spark, self.identifier, hours)
