"""Partial aggregates: the states of the events of each key and bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.columns import exact_column
from palette.definitions import widens
from palette.errors import DefinitionError, SchemaError, nearest
from palette.feeds.windows.grid import Grid
from palette.feeds.windows.states import EVERY_EVENT, State, get_states
from palette.offline.delta.validate import cast_column
from palette.offline.times import micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation
    from pyspark.sql import types as T

    from palette.definitions import BatchSource

__all__ = [
    "BUCKET_END",
    "BUCKET_SIZE",
    "block_end_column",
    "in_key_order",
    "left_out",
    "partials",
    "within",
]

BUCKET_END = "bucket_end"
BUCKET_SIZE = "bucket_size"
TIME = "__palette_time"


def partials(
    events: DataFrame, source: BatchSource, keys: Mapping[str, str], seen: Observation | None = None
) -> DataFrame:
    """Return the partial aggregates of events: one row for each key and bucket that has events.

    Parameters
    ----------
    events : DataFrame
        Rows of the source's query or function, with all events of each bucket.
    source : BatchSource
        With aggregates.
    keys : mapping of str to str
        The entity's keys, name to type.
    seen : Observation, optional
        Receives ``events``, their number, and ``left_out``, the number of those with a null key or time.

    Returns
    -------
    DataFrame
        The keys, ``bucket_end``, and a column for each state.

    Raises
    ------
    SchemaError
        If the events lack a column, or one has a type that does not suit.
    DefinitionError
        If ``by`` has another number of columns than the entity has keys.

    Examples
    --------
    >>> from palette import Aggregate, BatchSource, spark_session
    >>> spark = spark_session(master="local[1]")
    >>> source = BatchSource(sql="...", every="1h", time="at", aggregates=[Aggregate("x", "sum", ["1h", "1d"])])
    >>> events = spark.sql("SELECT 'r1' AS r_id, TIMESTAMP '2026-01-01 00:30' AS at, 2.5 AS x")
    >>> partials(events, source, {"r_id": "string"}).first()
    Row(r_id='r1', bucket_end=datetime.datetime(2026, 1, 1, 1, 0), x__sum=2.5)
    """
    fields = {field.name: field for field in events.schema}
    states = get_states(source)
    if clash := {BUCKET_END, BUCKET_SIZE, *(state.name for state in states)} & set(keys):
        raise DefinitionError(f"a key cannot be called {clash.pop()!r} where its events are aggregated: rename it")
    columns = _keys(fields, source, keys)
    values = [f"__palette_value{index}" for index in range(len(states))]
    for name, state in zip(values, states, strict=True):
        field = None if state.column == EVERY_EVENT else _field(fields, state.column, f"column of {state.kind}")
        columns.append(state.value(field).alias(name))
    rows = events.select(*columns, _time(fields, source).alias(TIME))
    usable = _usable(keys)
    if seen is not None:
        rows = rows.observe(seen, F.count(F.lit(1)).alias("events"), F.count_if(~usable).alias("left_out"))
    end = F.timestamp_micros(block_end_column(F.col(TIME), Grid.of(source).every)).alias(BUCKET_END)
    aggregated = [
        state.aggregate(F.col(name), F.col(TIME)).alias(state.name) for name, state in zip(values, states, strict=True)
    ]
    return rows.filter(usable).groupBy(*map(exact_column, keys), end).agg(*aggregated)


def left_out(events: DataFrame, source: BatchSource, keys: Mapping[str, str]) -> int:
    """Count the events that have a null key or time."""
    fields = {field.name: field for field in events.schema}
    rows = events.select(*_keys(fields, source, keys), _time(fields, source).alias(TIME))
    return rows.filter(~_usable(keys)).count()


def _usable(keys: Iterable[str]) -> Column:
    usable = F.col(TIME).isNotNull()
    for key in keys:
        usable &= exact_column(key).isNotNull()
    return usable


def _keys(fields: Mapping[str, T.StructField], source: BatchSource, keys: Mapping[str, str]) -> list[Column]:
    names = source.by or tuple(keys)
    if len(names) != len(keys):
        raise DefinitionError(
            f"by names {len(names)} columns of the events ({', '.join(names)}), and the entity has {len(keys)} keys "
            f"({', '.join(keys)}): name one for each, in this order"
        )
    columns = []
    for name, (key, dtype) in zip(names, keys.items(), strict=True):
        field = _field(fields, name, "key column")
        if not widens(field.dataType.simpleString(), dtype):
            raise SchemaError(
                f"key column {name!r} of the events is {field.dataType.simpleString()}, the entity's {key!r} is "
                f"{dtype}: cast it in the query"
            )
        columns.append(cast_column(field, dtype).alias(key))
    return columns


def _time(fields: Mapping[str, T.StructField], source: BatchSource) -> Column:
    field = _field(fields, str(source.time), "time")
    dtype = field.dataType.simpleString()
    if dtype not in ("timestamp", "timestamp_ntz", "date"):
        raise SchemaError(f"time {field.name!r} of the events is {dtype}: cast it to a timestamp in the query")
    return micros(exact_column(field.name), field.dataType)


def _field(fields: Mapping[str, T.StructField], name: str, what: str) -> T.StructField:
    if name not in fields:
        raise SchemaError(
            f"the events have no column {name!r} ({what}){nearest(name, fields)} (they have {', '.join(fields)})"
        )
    return fields[name]


def block_end_column(time: Column, size: int) -> Column:
    """Return the end of the block of this size that holds a time, in microseconds."""
    return time + F.pmod(-time, F.lit(size))


def within(spans: Iterable[tuple[int, int]]) -> Column:
    """Return whether the end of a partial is in one of these spans, bounds included."""
    end = F.col(BUCKET_END)
    return any_of([end.between(F.timestamp_micros(F.lit(low)), F.timestamp_micros(F.lit(high))) for low, high in spans])


def any_of(conditions: list[Column]) -> Column:
    """Return whether one of many conditions holds, as a balanced tree."""
    while len(conditions) > 1:
        conditions = [reduce(or_, conditions[index : index + 2]) for index in range(0, len(conditions), 2)]
    return conditions[0] if conditions else F.lit(False)


def in_key_order(rows: DataFrame, keys: Mapping[str, str], states: Iterable[State]) -> DataFrame:
    """Return the rows of each key in one partition, in the order of time if sums are added."""
    together = rows.repartition(*map(exact_column, keys))
    if all(state.kind != "sum" for state in states):
        return together
    return together.sortWithinPartitions(*map(exact_column, keys), BUCKET_END, BUCKET_SIZE)
