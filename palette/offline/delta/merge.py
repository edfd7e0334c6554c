"""Writing the same rows twice: what counts as the same row, and what happens to a changed one.

A row is known by its keys and event time, and by its created time where the writer gives one. A row that is there
already is left untouched, a changed one is updated: the last write wins, whatever the values. Where created is stamped
at the write, a changed row is a new version of what was known: it is added beside the older one, so that
``point_in_time="created"`` still tells what was known when.

Rows that are in the table already are dropped before the merge, since Delta would rewrite their files all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.offline.times import spark_type
from palette.offline.zero_signs import zero_signs
from palette.times import to_datetime_or_none

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.definitions import Entity, FeatureGroup
    from palette.offline.delta.schema_evolution import Evolution

__all__ = ["Extent", "cached", "distinct", "merge"]

KNOWN = "__palette_known"
# Rows whose keys and times are sent to all tasks, so that of the table only those like them are compared.
FEW = 100_000


class Extent(NamedTuple):
    """How many rows there are, and from which to which event time, in microseconds."""

    rows: int
    first: int | None
    last: int | None


def distinct(rows: DataFrame, entity: Entity, group: FeatureGroup) -> DataFrame:
    """Return one row for each identity within the source: the one with the greatest values, as the tie rule says."""
    identity = _identity(entity, group, with_created=True)
    types = {feature.name: feature.dtype for feature in group.features}
    winner = rows.groupBy(*identity).agg(F.max(F.struct(*types, *zero_signs(types))).alias("__palette_row"))
    return winner.select(*identity, "__palette_row.*").select(*rows.columns)


@contextmanager
def cached(rows: DataFrame, group: FeatureGroup) -> Iterator[Extent]:
    """Compute rows once, whatever is done with them inside, and yield their extent.

    What gives other rows each time it is computed (``current_timestamp``, a table that grows) gives the same here.
    """
    event = F.lit(None).cast("bigint") if group.timestamp is None else F.unix_micros(F.col(group.timestamp))
    rows.persist()
    try:
        yield Extent(*rows.agg(F.count(F.lit(1)), F.min(event), F.max(event)).collect()[0])
    finally:
        rows.unpersist()


def merge(
    table: str,
    rows: DataFrame,
    entity: Entity,
    group: FeatureGroup,
    *,
    stamped: bool,
    changed: Evolution,
    extent: Extent | None = None,
    mark: str = "",
) -> int:
    """Merge rows into a Delta table in one transaction, and return how many were added or updated.

    Parameters
    ----------
    table : str
        As SQL knows it.
    stamped : bool
        Whether the created times of the rows are those of this write.
    changed : Evolution
        What the table lacks of the definition. In columns that are not used any more an updated row keeps its values.
    extent : Extent, optional
        That of the rows: files of other event times are not read.
    mark : str
        By which the commit is to be recognized.
    """
    session = rows.sparkSession
    stored = session.table(table)
    identity = _identity(entity, group, with_created=True)
    values = [feature.name for feature in group.features]
    added = changed.added
    bounds = _bounds(stored.schema, group, extent)
    stored = stored.filter(" AND ".join(bounds) or "true")
    stored = stored.select("*", *(F.lit(None).cast(spark_type(dtype)).alias(name) for name, dtype in added.items()))
    # Where files have no such times this costs a look at the log, and the merge only adds.
    meets = not bounds or not stored.isEmpty()
    if meets:
        few = extent is not None and extent.rows <= FEW
        rows = _changed(stored, rows, entity, group, stamped=stamped, few=few)
    equal = {name: f"{'NULL' if name in added else f't.`{name}`'} <=> s.`{name}`" for name in [*identity, *values]}
    same = " AND ".join([*(equal[name] for name in identity), *(f"t.{bound}" for bound in bounds)])
    unchanged = " AND ".join(equal[name] for name in values)
    # A merge takes no metadata of its commit, but the log keeps its conditions. This one is true of every row.
    marked = f"NOT (CAST({{}}.`{identity[0]}` AS STRING) <=> '{mark}')"
    if meets:
        clauses = f"WHEN MATCHED AND NOT ({unchanged}) AND {marked.format('t')} THEN UPDATE SET * WHEN NOT MATCHED"
    else:
        clauses = f"WHEN NOT MATCHED AND {marked.format('s')}"
    # A column that the rows do not have is left as it is only where the schema may evolve.
    evolve = "WITH SCHEMA EVOLUTION " if added or changed.unused else ""
    # Spark fills in the text as a format string, and a path may have braces.
    table = table.replace("{", "{{").replace("}", "}}")
    done = session.sql(
        f"MERGE {evolve}INTO {table} t USING {{source}} s ON {same} {clauses} THEN INSERT *", source=rows
    ).collect()
    return int(done[0]["num_affected_rows"])


def _changed(
    stored: DataFrame, rows: DataFrame, entity: Entity, group: FeatureGroup, *, stamped: bool, few: bool
) -> DataFrame:
    """Return the rows that are new, or other than what is stored.

    A stamped row is compared with the newest version of its keys and event time, others with all rows of their
    identity: these are several where duplicates were appended.

    Parameters
    ----------
    few : bool
        Whether the rows are so few that each task may have them all.
    """
    identity = _identity(entity, group, with_created=not stamped)
    names = [feature.name for feature in group.features]
    if few:
        stored = stored.alias("t").join(
            F.broadcast(rows.select(*identity)).alias("s"), _same("t", "s", identity), "semi"
        )
    if stamped:
        newest = stored.groupBy(*identity).agg(F.max(F.struct(str(group.created), *names)).alias("__palette_newest"))
        known = newest.select(*identity, F.struct(*[f"__palette_newest.{name}" for name in names]).alias(KNOWN))
    else:
        known = stored.select(*identity, F.struct(*names).alias(KNOWN))
    joined = rows.alias("s").join(known.alias("k"), _same("s", "k", identity), "left")
    given = F.struct(*[F.col(f"s.{name}") for name in names])
    return joined.filter(~given.eqNullSafe(F.col(KNOWN))).select("s.*").dropDuplicates(identity)


def _same(left: str, right: str, names: list[str]) -> list[Column]:
    return [F.col(f"{left}.{name}").eqNullSafe(F.col(f"{right}.{name}")) for name in names]


def _bounds(stored: T.StructType, group: FeatureGroup, extent: Extent | None) -> list[str]:
    """Return conditions on event times by which Delta skips files; none where the table holds other types of times.

    Examples
    --------
    >>> from palette.definitions import Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="r", timestamp="at", features=[Feature("dishes", "bigint")])
    >>> _bounds(T.StructType().add("at", "timestamp"), menu, Extent(2, 0, 86_400_000_000))
    ["`at` >= TIMESTAMP_LTZ '1970-01-01T00:00:00+00:00'", "`at` <= TIMESTAMP_LTZ '1970-01-02T00:00:00+00:00'"]
    """
    if extent is None or group.timestamp is None or stored[group.timestamp].dataType != T.TimestampType():
        return []
    sides = (">=", extent.first), ("<=", extent.last)
    return [f"`{group.timestamp}` {side} {_literal(micros)}" for side, micros in sides if micros is not None]


def _literal(micros: int) -> str:
    time = to_datetime_or_none(micros)
    return f"timestamp_micros({micros}L)" if time is None else f"TIMESTAMP_LTZ '{time.isoformat()}+00:00'"


def _identity(entity: Entity, group: FeatureGroup, *, with_created: bool) -> list[str]:
    times = [group.timestamp, group.created if with_created else None]
    return [*entity.keys, *(name for name in times if name is not None)]
