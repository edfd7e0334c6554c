"""Update of windowed aggregates: events in, partials stored in a table next to the group's, windows out.

The partials of an interval are replaced in one commit, and windows are computed from the stored partials, so an
interval can be repeated.
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

__all__ = ["Windowed", "find_partials", "floor", "round_up"]

# Delta stores the metadata of a column with the schema.
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


def round_up(span: dt.timedelta | None, source: BatchSource) -> dt.timedelta | None:
    """Return a span rounded up to a multiple of the grid's step."""
    every = Grid.of(source).every * MICROSECOND
    return None if span is None else -(-span // every) * every


def find_partials(spark: SparkSession, tables: DeltaTables, group: FeatureGroup) -> str | None:
    """Return the SQL name of the partials of a group, whatever its source is now; None if there are none."""
    if tables.root.startswith(METASTORE) or _stored(spark, path := _path(tables, group)) is None:
        return None
    return f"delta.{sql_name(path)}"


def _path(tables: DeltaTables, group: FeatureGroup) -> str:
    return f"{tables.path(group)}.partials"


def _stored(spark: SparkSession, path: str) -> DataFrame | None:
    try:
        partials = spark.read.format("delta").load(path)
        _ = partials.schema  # Spark Connect looks for the table only now
    except AnalysisException as error:
        if "DELTA_" in (error.getCondition() or "") or "PATH_NOT_FOUND" in (error.getCondition() or ""):
            return None
        raise
    return partials


def _comment(rows: DataFrame, column: str) -> str | None:
    return rows.schema[column].metadata.get(COMMENT)


@dataclass(frozen=True)
class Windowed:
    """The stored partials of a group, and the windows computed from them."""

    spark: SparkSession
    tables: DeltaTables
    schema: GroupSchema
    source: BatchSource

    @classmethod
    def of(cls, spark: SparkSession, tables: DeltaTables, schema: GroupSchema) -> Windowed:
        """Return the partials of a group whose batch source has aggregates.

        Raises
        ------
        PlanError
            If the tables are in a metastore.
        """
        if tables.root.startswith(METASTORE):
            raise PlanError(
                f"{schema.name}: windowed aggregates store partials in files next to the group's table: use a "
                f"store whose tables are at a path, not in a metastore"
            )
        assert isinstance(schema.group.source, BatchSource)
        return cls(spark, tables, schema, schema.group.source)

    @classmethod
    def find(cls, spark: SparkSession, tables: DeltaTables, schema: GroupSchema) -> Windowed | None:
        """Return the partials of a group if they exist, else None."""
        source = schema.group.source
        if tables.root.startswith(METASTORE) or not isinstance(source, BatchSource) or not source.aggregates:
            return None
        windowed = cls(spark, tables, schema, source)
        return None if windowed.stored() is None else windowed

    @property
    def path(self) -> str:
        """Path of the partials: a name that no group can have."""
        return _path(self.tables, self.schema.group)

    @property
    def identifier(self) -> str:
        """SQL name of the table of the partials."""
        return f"delta.{sql_name(self.path)}"

    def stored(self) -> DataFrame | None:
        """Return the stored partials, whatever their aggregates; None if there are none yet."""
        return _stored(self.spark, self.path)

    def current(self) -> DataFrame | None:
        """Return the stored partials of these aggregates; None if there are none, or only those of others."""
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
        """Record the features that the rows have, after new ones were written."""
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
        counts = read_observation(seen)
        return int(counts["left_out"]) if counts else left_out(events, source, keys)

    def ends(self, interval: Interval, coverage: Coverage, *, renewed: bool = False) -> tuple[Interval, ...]:
        """Return the ends of the windows that hold events of an interval, as one span of time or two separate ones.

        Parameters
        ----------
        coverage : Coverage
            Of the partials. Windows that end after the interval, and were computed before, are included if the
            partials hold all of their events.
        renewed : bool
            Whether all windows of covered events are included.
        """
        until, last = coverage.until, interval.end
        if until is not None and until > last and coverage.reaches(last):
            last = min(last + self.longest, until)
        start = self._beginning(interval.end, coverage) if interval.start is None or renewed else interval.start
        changed = Interval(start if interval.start is None else interval.start, last)
        if not renewed or until is None or start >= until:
            return (changed,)
        assert changed.start is not None
        if start > changed.end or until < changed.start:
            return tuple(sorted((Interval(start, until), changed), key=lambda span: span.end))
        return (Interval(min(start, changed.start), max(until, changed.end)),)

    def _beginning(self, end: dt.datetime, coverage: Coverage) -> dt.datetime:
        """Return the time after which all windows are covered; the interval's end if there are no partials."""
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
        source, keys, timestamp = self.source, self.schema.keys, str(self.schema.timestamp)
        parts = [windows(stored, source, keys, span.start or EARLIEST, span.end, timestamp) for span in ends]
        return functools.reduce(lambda first, second: first.unionByName(second), parts)

    @property
    def _composition(self) -> str:
        """Grid, columns and types of the partials: with others they cannot be merged."""
        source = self.source
        types = {state.name: state.dtype for state in get_states(source) if state.dtype}
        composition = {
            "every": Grid.of(source).names[0],
            "time": source.time,
            "by": list(source.by or self.schema.keys),
            "keys": dict(self.schema.keys),
            "types": types,
        }
        return json.dumps(composition, sort_keys=True)

    @property
    def _features(self) -> str:
        """Checksums of the features' definitions."""
        definitions = [
            f"{feature.name} {aggregate.column} {aggregate.function} {aggregate.at} {span}"
            for aggregate in self.source.aggregates
            for feature, span in zip(aggregate.features, aggregate.spans, strict=True)
        ]
        return json.dumps(sorted(hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in definitions))

    def optimize(self) -> None:
        """Rewrite small files into large ones, with the partials of a key close together."""
        keys = [name for name, dtype in self.schema.keys.items() if dtype != "boolean"]
        compact(self.spark, self.identifier, [*keys, BUCKET_END])

    def vacuum(self, hours: float) -> None:
        """Delete files that no version of the last hours needs; versions of partials are never pinned."""
        delete_unused(self.spark, self.identifier, hours)
