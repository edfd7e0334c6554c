"""Writing the same rows twice: what counts as the same row, and what happens to a changed one.

A row is known by its keys and event time, and by its created time where the writer gives one. A row that is there
already is left untouched, a changed one is updated. Where created is stamped at the write, a changed row is a new
version of what was known: it is added beside the older one, so that ``point_in_time="created"`` still tells what was
known when.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.times import spark_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import Entity, FeatureGroup
    from palette.offline.evolution import Evolution

__all__ = ["Times", "distinct", "merge"]

Times = tuple[dt.datetime | None, dt.datetime]


def distinct(rows: DataFrame, entity: Entity, group: FeatureGroup) -> DataFrame:
    """Return one row for each identity within the source, chosen by the tie rule."""
    identity = _identity(entity, group, with_created=True)
    rest = [feature.name for feature in group.features]
    winner = rows.groupBy(*identity).agg(F.max(F.struct(*rest)).alias("__palette_row"))
    return winner.select(*identity, "__palette_row.*").select(*rows.columns)


def merge(
    table: str,
    rows: DataFrame,
    entity: Entity,
    group: FeatureGroup,
    *,
    stamped: bool,
    changed: Evolution,
    times: Times | None = None,
) -> None:
    """Merge rows into a Delta table in one transaction.

    Parameters
    ----------
    table : str
        As SQL knows it.
    stamped : bool
        Whether the created times of the rows are those of this write.
    changed : Evolution
        What the table lacks of the definition. In columns that are not used any more an updated row keeps its values.
    times : (datetime or None, datetime), optional
        After which, and up to which event time all rows are: files of other times are not read.
    """
    identity = _identity(entity, group, with_created=True)
    values = [feature.name for feature in group.features]
    added = changed.added
    if stamped:
        rows = _changed(table, rows, entity, group, added, times)
    equal = {name: f"{'NULL' if name in added else f't.`{name}`'} <=> s.`{name}`" for name in [*identity, *values]}
    same = " AND ".join([*(equal[name] for name in identity), *_bounds(f"t.`{group.timestamp}`", times)])
    unchanged = " AND ".join(equal[name] for name in values)
    # A column that the rows do not have is left as it is only where the schema may evolve.
    evolve = "WITH SCHEMA EVOLUTION " if added or changed.unused else ""
    # Spark fills in the text as a format string, and a path may have braces.
    table = table.replace("{", "{{").replace("}", "}}")
    rows.sparkSession.sql(
        f"MERGE {evolve}INTO {table} t USING {{source}} s ON {same} "
        f"WHEN MATCHED AND NOT ({unchanged}) THEN UPDATE SET * "
        f"WHEN NOT MATCHED THEN INSERT *",
        source=rows,
    ).collect()


def _changed(
    table: str,
    rows: DataFrame,
    entity: Entity,
    group: FeatureGroup,
    added: Mapping[str, str],
    times: Times | None,
) -> DataFrame:
    """Return the rows that differ from the newest version of the same keys and event time, or are new."""
    identity = _identity(entity, group, with_created=False)
    names = [feature.name for feature in group.features]
    stored = rows.sparkSession.table(table)
    for bound in _bounds(f"`{group.timestamp}`", times):
        stored = stored.filter(bound)
    stored = stored.withColumns({name: F.lit(None).cast(spark_type(dtype)) for name, dtype in added.items()})
    newest = stored.groupBy(*identity).agg(F.max(F.struct(str(group.created), *names)).alias("__palette_row"))
    found = F.struct(*[F.col(f"__palette_row.{name}") for name in names])
    known = newest.select(*identity, found.alias("__palette_known"))
    same = [F.col(f"s.{name}").eqNullSafe(F.col(f"k.{name}")) for name in identity]
    joined = rows.alias("s").join(known.alias("k"), same, "left")
    equal = F.struct(*[F.col(f"s.{name}") for name in names]).eqNullSafe(F.col("__palette_known"))
    return joined.filter(~equal).select("s.*")


def _bounds(column: str, times: Times | None) -> list[str]:
    """Return conditions by which Delta skips files.

    Examples
    --------
    >>> from datetime import datetime
    >>> _bounds("t.`at`", (None, datetime(2026, 1, 1)))
    ["t.`at` <= TIMESTAMP_LTZ '2026-01-01T00:00:00+00:00'"]
    """
    if times is None:
        return []
    after, to = times
    found = [f"{column} <= TIMESTAMP_LTZ '{to.isoformat()}+00:00'"]
    return found if after is None else [f"{column} > TIMESTAMP_LTZ '{after.isoformat()}+00:00'", *found]


def _identity(entity: Entity, group: FeatureGroup, *, with_created: bool) -> list[str]:
    times = [group.timestamp, group.created if with_created else None]
    return [*entity.keys, *(name for name in times if name is not None)]
