"""The point-in-time join: each row of a basis with what was known of its entities at its time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from palette.offline import shuffle, travel
from palette.offline.basis import Lookup, check_join
from palette.offline.checks import quoted
from palette.offline.history import EFFECTIVE, ROW, key_column, key_columns, visible
from palette.offline.hot import HOT_ROWS, hot_keys
from palette.offline.planner import TRAVEL_LIMIT, choose
from palette.offline.times import micros, now_micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.tables import DeltaTables

__all__ = ["point_in_time_join"]

TRAVELLED = "__palette_travelled"
MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class _Question:
    """A join that has been checked: everything that is needed to build its plan."""

    tables: DeltaTables
    basis: DataFrame
    lookups: Sequence[Lookup]
    versions: Mapping[str, int]
    keys: Mapping[str, Column]
    time: Column
    point_in_time: str
    status: bool
    hot_rows: int


def point_in_time_join(
    tables: DeltaTables,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None = None,
    point_in_time: str = "event",
    versions: Mapping[str, int] | None = None,
    hint: str | None = None,
    status: bool = False,
    order: Sequence[str] | None = None,
    travel_limit: int = TRAVEL_LIMIT,
    hot_rows: int = HOT_ROWS,
) -> DataFrame:
    """Return the basis with the value of each feature at each row's time.

    Parameters
    ----------
    tables : DeltaTables
        Where the histories are.
    basis : DataFrame
        The rows that ask. It is not executed here.
    lookups : sequence of Lookup
        What is asked.
    timestamp : str, optional
        Column with each row's time: TIMESTAMP, or TIMESTAMP_NTZ or DATE, read as UTC. Without it the time is now.
    point_in_time : "event" or "created"
        Whether a row counts from its event time on, or only from when it was also written.
    versions : mapping of str to int, optional
        Table version for a group's full name; the newest where absent.
    hint : "travel" or "shuffle", optional
        Forces a plan.
    status : bool
        Add ``<column>__status`` after each column: ``present``, ``null``, ``expired`` or ``missing``.
    order : sequence of str, optional
        The new columns in the order in which they are wanted; by default that of the look-ups.
    travel_limit : int
        Bytes of history up to which the travelling plan is chosen.
    hot_rows : int
        Rows of history beyond which the shuffle plan splits a key by time.

    Raises
    ------
    SchemaError
        If a column is missing, exists already, or has the wrong type.
    DefinitionError
        If the group cannot answer ``point_in_time="created"``, or a parameter has an unknown value.
    DataError
        If nothing was written to a group, or a version does not exist.
    """
    check_join(basis.schema, lookups, timestamp=timestamp, point_in_time=point_in_time, status=status)
    spark = basis.sparkSession
    pins = {
        lookup.group.full_name: tables.resolve(spark, lookup.group, (versions or {}).get(lookup.group.full_name))
        for lookup in lookups
    }
    types = {field.name: field.dataType for field in basis.schema}
    names = list(dict.fromkeys(key for lookup in lookups for key in lookup.join_keys))
    keys = dict(zip(names, key_columns([quoted(name) for name in names], [types[name] for name in names]), strict=True))
    time = F.lit(now_micros()) if timestamp is None else micros(quoted(timestamp), types[timestamp])
    question = _Question(tables, basis, lookups, pins, keys, time, point_in_time, status, hot_rows)
    choices = choose(spark, tables, lookups, pins, hint, travel_limit)
    travellers = {choice.join_keys for choice in choices if choice.travels}
    going = [lookup for lookup in lookups if lookup.join_keys in travellers]
    staying = [lookup for lookup in lookups if lookup.join_keys not in travellers]
    answers: dict[str, tuple[Column, Column]] = {}
    if not staying:
        frame = basis.select("*", _travel(question, going, list(keys.values()), time)) if going else basis
    else:
        frame = shuffle.pack(basis, list(keys.values()), time)
        if going:
            inner = [F.col(key_column(place)) for place in range(len(keys))]
            frame = frame.select("*", _travel(question, going, inner, F.col(shuffle.TIME)))
        frame, answers = _shuffle(question, staying, frame)
    answers |= _travelled(question, going)
    outputs = [column for name in order or _columns(lookups) for column in _outputs(question, name, answers[name])]
    if staying:
        return shuffle.unpack(frame, outputs)
    return frame.select("*", *outputs).drop(TRAVELLED)


def _columns(lookups: Sequence[Lookup]) -> list[str]:
    return [column for lookup in lookups for column in lookup.columns]


def _outputs(question: _Question, name: str, answer: tuple[Column, Column]) -> Iterator[Column]:
    lookup = next(lookup for lookup in question.lookups if name in lookup.columns)
    metadata = lookup.metadata(lookup.columns[name], question.versions[lookup.group.full_name])
    yield answer[0].alias(name, metadata=metadata)
    if question.status:
        yield answer[1].alias(f"{name}__status")


def _travel(question: _Question, lookups: Sequence[Lookup], keys: Sequence[Column], time: Column) -> Column:
    """Return one struct column that holds the answers to all look-ups whose histories travel."""
    spark = question.basis.sparkSession
    wanted = [
        (
            lookup.entity,
            lookup.group,
            question.versions[lookup.group.full_name],
            tuple(sorted(set(lookup.columns.values()))),
        )
        for lookup in lookups
    ]
    paths = travel.prepare(spark, question.tables, wanted, question.point_in_time)
    travel.send(spark, paths)
    places = {name: place for place, name in enumerate(question.keys)}
    orders: list[dict[str, Any]] = []
    types: list[str] = []
    for lookup, path in zip(lookups, paths, strict=True):
        ttl = lookup.group.ttl
        features = list(lookup.columns.values())
        orders.append(
            {
                "path": path,
                "keys": [places[name] for name in lookup.join_keys],
                "columns": features,
                "ttl": None if ttl is None else ttl // MICROSECOND,
                "status": question.status,
            }
        )
        types += [lookup.group.feature(feature).dtype for feature in features]
        types += ["tinyint"] if question.status else []
    return travel.look_up(keys, time, orders, types).alias(TRAVELLED)


def _travelled(question: _Question, lookups: Sequence[Lookup]) -> dict[str, tuple[Column, Column]]:
    """Return value and status of each column, out of the struct that the workers filled."""
    answers = {}
    place = 0
    for lookup in lookups:
        state = F.col(TRAVELLED).getField(f"c{place + len(lookup.columns)}")
        for column in lookup.columns:
            value = F.col(TRAVELLED).getField(f"c{place}")
            told = _status(state == 0, state == 1, value)
            answers[column] = (value, told)
            place += 1
        place += question.status
    return answers


def _shuffle(
    question: _Question, lookups: Sequence[Lookup], frame: DataFrame
) -> tuple[DataFrame, dict[str, tuple[Column, Column]]]:
    """Return the packed basis with the winning row of each look-up, and value and status of each column."""
    spark = question.basis.sparkSession
    places = {name: place for place, name in enumerate(question.keys)}
    answers = {}
    for join_keys in dict.fromkeys(lookup.join_keys for lookup in lookups):
        inner = [key_column(places[name]) for name in join_keys]
        histories: dict[str, DataFrame] = {}
        content: list[tuple[object, ...]] = []
        for lookup in lookups:
            if lookup.join_keys != join_keys:
                continue
            entity, group = lookup.entity, lookup.group
            slot = f"__palette_{','.join(join_keys)}_{group.full_name}"
            version = question.versions[group.full_name]
            table = question.tables.read(spark, entity, group, version)
            history = visible(table, entity, group, question.point_in_time)
            renamed = [F.col(key_column(at)).alias(name) for at, name in enumerate(inner)]
            histories[slot] = history.select(*renamed, EFFECTIVE, ROW)
            answers |= {column: _answer(group, quoted(slot), feature) for column, feature in lookup.columns.items()}
            content.append(
                (question.tables.identifier(group), version, entity.model_dump_json(), group.model_dump_json())
            )
        known = (*content, question.point_in_time, question.hot_rows, *inner)
        frame = shuffle.meet(frame, inner, histories, hot_keys(spark, known, inner, histories, question.hot_rows))
    return frame, answers


def _answer(group: Any, row: Column, feature: str) -> tuple[Column, Column]:
    """Return the value of a feature and its status, given the winning row."""
    value = row.getField(feature)
    expired = F.lit(False)
    if group.ttl is not None:
        # In microseconds: an interval of days would follow the clock changes of the session's zone.
        age = F.col(shuffle.TIME) - F.unix_micros(row.getField(group.timestamp))
        expired = age > F.lit(group.ttl // MICROSECOND)
        value = F.when(~expired, value)
    return value, _status(row.isNull(), expired, value)


def _status(missing: Column, expired: Column, value: Column) -> Column:
    return F.when(missing, "missing").when(expired, "expired").when(value.isNull(), "null").otherwise("present")
