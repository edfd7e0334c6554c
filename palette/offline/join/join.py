"""The point-in-time join: each row of a basis with what was known of its entities at its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.join import broadcast, shuffle
from palette.offline.join.hot_keys import HOT_ROWS
from palette.offline.join.lookup import Lookup, check_join, check_stream
from palette.offline.join.planner import TRAVEL_LIMIT, choose, pinned
from palette.offline.join.request import Answer, Question, make_question
from palette.offline.point_in_time import key_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.delta.tables import DeltaTables

__all__ = ["point_in_time_join"]


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
        If the group cannot answer ``point_in_time="created"``, a parameter has an unknown value, or the basis is a
        stream without times or versions.
    DataError
        If nothing was written to a group, or a version does not exist.
    """
    check_join(basis.schema, lookups, timestamp=timestamp, point_in_time=point_in_time, status=status)
    check_stream(basis, lookups, timestamp=timestamp, versions=versions)
    spark = basis.sparkSession
    pins = pinned(spark, tables, lookups, versions)
    choices = {one.join_keys: one for one in choose(spark, tables, lookups, pins, hint, travel_limit)}
    question = make_question(
        tables, basis, lookups, pins, timestamp=timestamp, point_in_time=point_in_time, status=status
    )
    going = [lookup for lookup in lookups if choices[lookup.join_keys].travels]
    staying = [lookup for lookup in lookups if not choices[lookup.join_keys].travels]
    found = {**broadcast.answers(question, going), **shuffle.answers(staying)}
    wanted = order or [column for lookup in lookups for column in lookup.columns]
    outputs = [column for name in wanted for column in _outputs(question, name, found[name])]
    if not staying:
        if going:
            basis = basis.select("*", broadcast.travel(question, going, list(question.keys.values()), question.time))
        return basis.select("*", *outputs).drop(broadcast.TRAVELLED)
    frame = shuffle.pack(question)
    if going:
        keys = [F.col(key_column(place)) for place in range(len(question.keys))]
        frame = frame.select("*", broadcast.travel(question, going, keys, F.col(shuffle.TIME)))
    return shuffle.unpack(shuffle.shuffle(question, staying, frame, hot_rows), outputs)


def _outputs(question: Question, name: str, answer: Answer) -> Iterator[Column]:
    """Yield a new column with its metadata, and its status where that is wanted."""
    lookup = next(lookup for lookup in question.lookups if name in lookup.columns)
    yield answer.value.alias(name, metadata=lookup.metadata(lookup.columns[name], question.version(lookup)))
    if question.status:
        yield answer.status.alias(f"{name}__status")
