"""Merges that can be repeated: which rows are the same, and what happens to a changed one.

A row is identified by its keys and event time, and by its created time where the writer gives one. A row that exists
already is left untouched, a changed one is updated: the last write wins, whatever the values. Where created is stamped
at the write, a changed row is new knowledge: it is added next to the older one, so that ``point_in_time="created"``
still returns what was known when.

Rows that the table has already are dropped before the merge, since Delta would rewrite their files all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.definitions import GroupSchema
from palette.offline.times import spark_type
from palette.offline.zero_signs import zero_signs
from palette.times import to_datetime_or_none

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.delta.schema_evolution import Evolution

__all__ = ["Extent", "cached", "drop_duplicates", "merge"]

KNOWN = "__palette_known"
# Up to this many rows their identities are broadcast, so that only matching rows of the table are compared.
FEW = 100_000


class Extent(NamedTuple):
    """Number of rows, and their first and last event time in microseconds."""

    rows: int
    first: int | None
    last: int | None


def drop_duplicates(rows: DataFrame, schema: GroupSchema) -> DataFrame:
    """Return one row for each identity within the source: the one with the greatest values, by the tie rule."""
    identity, types = schema.identity(), schema.features
    winner = rows.groupBy(*identity).agg(F.max(F.struct(*types, *zero_signs(types))).alias("__palette_row"))
    return winner.select(*identity, "__palette_row.*").select(*rows.columns)


@contextmanager
def cached(rows: DataFrame, schema: GroupSchema) -> Iterator[Extent]:
    """Cache rows within a block, and yield their extent.

    A plan that returns other rows at each execution (``current_timestamp``, a table that grows) is executed once.
    """
    event = F.lit(None).cast("bigint") if schema.timestamp is None else F.unix_micros(F.col(schema.timestamp))
    rows.persist()
    try:
        yield Extent(*rows.agg(F.count(F.lit(1)), F.min(event), F.max(event)).collect()[0])
    finally:
        rows.unpersist()


def merge(
    table: str,
    rows: DataFrame,
    schema: GroupSchema,
    *,
    stamped: bool,
    changes: Evolution,
    extent: Extent | None = None,
    mark: str = "",
) -> int:
    """Merge rows into a Delta table in one transaction, and return how many were added or updated.

    Parameters
    ----------
    table : str
        Its name in SQL.
    stamped : bool
        Whether the created times of the rows are those of this write.
    changes : Evolution
        What the table lacks of the definition. In unused columns an updated row retains its values.
    extent : Extent, optional
        Of the rows: files of other event times are not read.
    mark : str
        Identifies the commit.
    """
    session = rows.sparkSession
    stored = session.table(table)
    identity, values = schema.identity(), list(schema.features)
    added = changes.added
    bounds = _bounds(stored.schema, schema, extent)
    stored = stored.filter(" AND ".join(bounds) or "true")
    stored = stored.select("*", *(F.lit(None).cast(spark_type(dtype)).alias(name) for name, dtype in added.items()))
    # Where no file has such times this costs a look at the log, and the merge only adds.
    overlaps = not bounds or not stored.isEmpty()
    if overlaps:
        few = extent is not None and extent.rows <= FEW
        rows = _rows_to_merge(stored, rows, schema, stamped=stamped, few=few)
    equal = {name: f"{'NULL' if name in added else f't.`{name}`'} <=> s.`{name}`" for name in [*identity, *values]}
    same = " AND ".join([*(equal[name] for name in identity), *(f"t.{bound}" for bound in bounds)])
    unchanged = " AND ".join(equal[name] for name in values)
    # A merge accepts no commit metadata, but the log has its conditions. This one holds for every row.
    marked = f"NOT (CAST({{}}.`{identity[0]}` AS STRING) <=> '{mark}')"
    if overlaps:
        clauses = f"WHEN MATCHED AND NOT ({unchanged}) AND {marked.format('t')} THEN UPDATE SET * WHEN NOT MATCHED"
    else:
        clauses = f"WHEN NOT MATCHED AND {marked.format('s')}"
    # A column that the rows lack is left unchanged only where the schema may evolve.
    evolve = "WITH SCHEMA EVOLUTION " if added or changes.unused else ""
    # Spark expands the statement as a format string, and a path may contain braces.
    table = table.replace("{", "{{").replace("}", "}}")
    result = session.sql(
        f"MERGE {evolve}INTO {table} t USING {{source}} s ON {same} {clauses} THEN INSERT *", source=rows
    ).collect()
    return int(result[0]["num_affected_rows"])


def _rows_to_merge(stored: DataFrame, rows: DataFrame, schema: GroupSchema, *, stamped: bool, few: bool) -> DataFrame:
    """Return the rows that are new or changed.

    A stamped row is compared with the newest one of its keys and event time, others with all rows of their identity:
    there are several where duplicates were appended.

    Parameters
    ----------
    few : bool
        Whether the rows are few enough to be broadcast.
    """
    identity, names = schema.identity(with_created=not stamped), list(schema.features)
    if few:
        stored = stored.alias("t").join(
            F.broadcast(rows.select(*identity)).alias("s"), _same("t", "s", identity), "semi"
        )
    if stamped:
        newest = stored.groupBy(*identity).agg(F.max(F.struct(str(schema.created), *names)).alias("__palette_newest"))
        known = newest.select(*identity, F.struct(*[f"__palette_newest.{name}" for name in names]).alias(KNOWN))
    else:
        known = stored.select(*identity, F.struct(*names).alias(KNOWN))
    joined = rows.alias("s").join(known.alias("k"), _same("s", "k", identity), "left")
    values = F.struct(*[F.col(f"s.{name}") for name in names])
    return joined.filter(~values.eqNullSafe(F.col(KNOWN))).select("s.*").dropDuplicates(list(identity))


def _same(left: str, right: str, names: Iterable[str]) -> list[Column]:
    return [F.col(f"{left}.{name}").eqNullSafe(F.col(f"{right}.{name}")) for name in names]


def _bounds(stored: T.StructType, schema: GroupSchema, extent: Extent | None) -> list[str]:
    """Return conditions on event times by which Delta skips files; none where the table stores times in another type.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="r", timestamp="at", features=[Feature("dishes", "bigint")])
    >>> menu = GroupSchema(Entity("r", keys={"id": "string"}), menu)
    >>> _bounds(T.StructType().add("at", "timestamp"), menu, Extent(2, 0, 86_400_000_000))
    ["`at` >= TIMESTAMP_LTZ '1970-01-01T00:00:00+00:00'", "`at` <= TIMESTAMP_LTZ '1970-01-02T00:00:00+00:00'"]
    """
    if extent is None or schema.timestamp is None or stored[schema.timestamp].dataType != T.TimestampType():
        return []
    sides = (">=", extent.first), ("<=", extent.last)
    return [f"`{schema.timestamp}` {side} {_literal(micros)}" for side, micros in sides if micros is not None]


def _literal(micros: int) -> str:
    time = to_datetime_or_none(micros)
    return f"timestamp_micros({micros}L)" if time is None else f"TIMESTAMP_LTZ '{time.isoformat()}+00:00'"
