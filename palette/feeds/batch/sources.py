"""Rows of a batch source for an interval of event time."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.errors import DataError, DefinitionError, SchemaError, nearest
from palette.feeds.batch.source_functions import Modules
from palette.offline.session_setting import session_setting
from palette.offline.times import is_time, micros
from palette.times import to_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.definitions import BatchSource, FeatureGroup
    from palette.feeds.batch.intervals import Interval

__all__ = ["BEGINNING", "read_source"]

# The start that a query or function receives if the interval has none; rows are not filtered by it.
BEGINNING = dt.datetime(1900, 1, 1)
SUBSTITUTION = "spark.sql.legacy.parameterSubstitution.constantsOnly"


def read_source(
    spark: SparkSession,
    group: FeatureGroup,
    source: BatchSource,
    interval: Interval,
    modules: Modules = Modules(),  # noqa: B008  frozen
) -> DataFrame:
    """Return the rows of a group, or the events of its aggregates, with times in an interval; of a static group all.

    Rows without event time are returned, so that writing them fails.

    Parameters
    ----------
    interval : Interval
        A query may use it as ``:start`` and ``:end``; a function is called with the session and both, as datetimes
        with zone UTC.
    modules : Modules
        From where functions are imported.

    Raises
    ------
    DefinitionError
        If the SQL is not one query, the function's module is not allowed, or there is no such function.
    DataError
        If the query reads a table or column that does not exist.
    SchemaError
        If the event time is missing, or is not a time.
    """
    start, end = (time.replace(tzinfo=dt.UTC) for time in (interval.start or BEGINNING, interval.end))
    if source.function is not None:
        with modules.function(source.function) as function:
            rows = function(spark, start, end)
        if not hasattr(rows, "sparkSession"):
            raise DefinitionError(
                f"{group.full_name}: {source.function} returned {type(rows).__name__}, expected a DataFrame"
            )
    else:
        # Bounds are parameters, never part of the query's text.
        rows = _run_query(spark, group, str(source.sql), {"start": start, "end": end})
    time = source.time or group.timestamp
    return rows if time is None else _within(rows, group, time, interval)


def _run_query(spark: SparkSession, group: FeatureGroup, sql: str, bounds: dict[str, dt.datetime]) -> DataFrame:
    # A subquery cannot be a command, which Spark would execute at once: DROP TABLE, ADD JAR, SET.
    query = f"SELECT * FROM (\n{sql.strip().rstrip(';')}\n)"  # noqa: S608  the definition's own SQL
    try:
        with _parameters(spark):
            rows = spark.sql(query, args=bounds)
            _ = rows.schema  # Spark Connect analyses the query only now
    except ParseException as error:
        raise DefinitionError(
            f"{group.full_name}: the SQL of its source is not one query ({_first_line(error)}): a source only reads, "
            f"by SELECT, WITH, FROM, VALUES or TABLE"
        ) from error
    except AnalysisException as error:
        if error.getCondition() != "UNBOUND_SQL_PARAMETER":
            raise DataError(f"{group.full_name}: its query cannot be run: {_first_line(error)}") from error
        raise DefinitionError(
            f"{group.full_name}: a parameter of the query is not bound: it may use :start and :end, but not over Spark "
            f"Connect, where Delta loses them (delta-io/delta#7640): leave them out, rows are cut to the interval "
            f"anyway, or name a function"
        ) from error
    return rows


def _first_line(error: AnalysisException) -> str:
    return str(error).strip().partition("\n")[0]


def _parameters(spark: SparkSession) -> AbstractContextManager[None]:
    """Let any session accept parameters of queries, which Delta's parser drops otherwise."""
    return session_setting(spark, SUBSTITUTION, "true")


def _within(rows: DataFrame, group: FeatureGroup, name: str, interval: Interval) -> DataFrame:
    fields = {field.name.lower(): field for field in rows.schema}
    field = fields.get(name.lower())
    if field is None:
        raise SchemaError(
            f"{group.full_name}: the source gives no event time {name!r}{nearest(name, rows.columns)} "
            f"(it gives {', '.join(rows.columns)})"
        )
    if not is_time(field.dataType):
        raise SchemaError(
            f"{group.full_name}: the event time {name!r} of the source is {field.dataType.simpleString()}: "
            f"cast it to a timestamp"
        )
    column = exact_column(field.name)
    # The plain column if possible: then files without such times are skipped.
    plain = field.dataType.simpleString() == "timestamp"
    time = column if plain else micros(column, field.dataType)

    def bound(at: dt.datetime) -> Any:
        number = F.lit(to_micros(at))
        return F.timestamp_micros(number) if plain else number

    inside = time <= bound(interval.end)
    if interval.start is not None:
        inside &= time > bound(interval.start)
    return rows.filter(inside | column.isNull())
