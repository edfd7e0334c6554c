"""Writing the same rows twice: what counts as the same row, and what happens to a changed one.

A row is known by its keys and event time, and by its created time where the writer gives one. A row that is there
already is left untouched, a changed one is updated. Where created is stamped at the write, a changed row is a new
version of what was known: it is added beside the older one, so that ``point_in_time="created"`` still tells what was
known when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import Entity, FeatureGroup

__all__ = ["distinct", "merge"]


def distinct(rows: DataFrame, entity: Entity, group: FeatureGroup) -> DataFrame:
    """Return one row for each identity within the source, chosen by the tie rule."""
    identity = _identity(entity, group, with_created=True)
    rest = [feature.name for feature in group.features]
    winner = rows.groupBy(*identity).agg(F.max(F.struct(*rest)).alias("__palette_row"))
    return winner.select(*identity, "__palette_row.*").select(*rows.columns)


def merge(table: str, rows: DataFrame, entity: Entity, group: FeatureGroup, *, stamped: bool) -> None:
    """Merge rows into a Delta table in one transaction."""
    identity = _identity(entity, group, with_created=True)
    values = [feature.name for feature in group.features]
    if stamped:
        rows = _changed(table, rows, entity, group)
    same = " AND ".join(f"t.`{name}` <=> s.`{name}`" for name in identity)
    unchanged = " AND ".join(f"t.`{name}` <=> s.`{name}`" for name in values)
    update = ", ".join(f"t.`{name}` = s.`{name}`" for name in values)
    rows.sparkSession.sql(
        f"MERGE INTO {table} t USING {{source}} s ON {same} "
        f"WHEN MATCHED AND NOT ({unchanged}) THEN UPDATE SET {update} "
        f"WHEN NOT MATCHED THEN INSERT *",
        source=rows,
    ).collect()


def _changed(table: str, rows: DataFrame, entity: Entity, group: FeatureGroup) -> DataFrame:
    """Return the rows that differ from the newest version of the same keys and event time, or are new."""
    identity = _identity(entity, group, with_created=False)
    names = [feature.name for feature in group.features]
    stored = rows.sparkSession.table(table)
    newest = stored.groupBy(*identity).agg(F.max(F.struct(str(group.created), *names)).alias("__palette_row"))
    known = newest.select(*identity, F.struct(*[F.col(f"__palette_row.{name}") for name in names]).alias("known"))
    same = [F.col(f"s.{name}").eqNullSafe(F.col(f"k.{name}")) for name in identity]
    joined = rows.alias("s").join(known.alias("k"), same, "left")
    equal = F.struct(*[F.col(f"s.{name}") for name in names]).eqNullSafe(F.col("known"))
    return joined.filter(~equal).select("s.*")


def _identity(entity: Entity, group: FeatureGroup, *, with_created: bool) -> list[str]:
    times = [group.timestamp, group.created if with_created else None]
    return [*entity.keys, *(name for name in times if name is not None)]
