"""Renames in tables: the table of a group is moved, the column of a feature is copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.offline.delta.log_reader import newest_version
from palette.offline.delta.maintenance import sql_name
from palette.offline.delta.retry import retry_on_conflict
from palette.offline.delta.tables import METASTORE
from palette.paths import has_scheme

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import FeatureGroup
    from palette.offline.delta.tables import DeltaTables

__all__ = ["copy_columns", "move_table"]


@contextmanager
def move_table(
    tables: DeltaTables, old: FeatureGroup, new: FeatureGroup, session: Callable[[], SparkSession]
) -> Iterator[None]:
    """Move the table of a group to its new name; back again, if the block fails.

    A table that an interrupted run has moved stays moved. ``session`` is called only where Spark is needed.

    Raises
    ------
    DefinitionError
        If both names have a table, or it is on a file system where this process cannot move it.
    """
    if old.table is not None or not _exists(tables, old, session):
        yield
        return
    if _exists(tables, new, session):
        raise DefinitionError(
            f"{old.full_name} cannot be renamed: there is a table of {new.full_name} already, of a group that was "
            "removed; delete or move it first"
        )
    if has_scheme(tables.path(old)):
        raise DefinitionError(
            f"{old.full_name}: its table is on another file system: move the directory {tables.path(old)} to "
            f"{tables.path(new)} there, delete {tables.prepared(old)} if it exists, and repeat the rename"
        )
    _move(tables, old, new, session)
    try:
        yield
    except BaseException:
        _move(tables, new, old, session)
        raise


def _exists(tables: DeltaTables, group: FeatureGroup, session: Callable[[], SparkSession]) -> bool:
    if newest_version(tables.path(group)) is not None:
        return True
    elsewhere = tables.root.startswith(METASTORE) or has_scheme(tables.path(group))
    return elsewhere and tables.version(session(), group) is not None


def _move(tables: DeltaTables, old: FeatureGroup, new: FeatureGroup, session: Callable[[], SparkSession]) -> None:
    if tables.root.startswith(METASTORE):
        session().sql(f"ALTER TABLE {tables.identifier(old)} RENAME TO {tables.identifier(new)}").collect()
        return
    # The partial aggregates last: without them they are computed again.
    for ending in ("", ".partials"):
        if os.path.isdir(f"{tables.path(old)}{ending}"):
            os.rename(f"{tables.path(old)}{ending}", f"{tables.path(new)}{ending}")
    if os.path.isdir(tables.prepared(old)):
        os.rename(tables.prepared(old), tables.prepared(new))


def copy_columns(
    tables: DeltaTables, group: FeatureGroup, pairs: Sequence[tuple[str, str]], session: Callable[[], SparkSession]
) -> None:
    """Copy columns of a group's table to columns of other names, by Spark; older versions stay as they are.

    Raises
    ------
    DefinitionError
        If the table has a column of such a name with another type, of a feature that was removed.
    """
    if newest_version(tables.path(group)) is None and not _exists(tables, group, session):
        return
    spark, table = session(), tables.identifier(group)
    schema = tables.load(spark, group, None).schema
    types = {field.name: field.dataType.simpleString() for field in schema}
    pairs = [(old, new) for old, new in pairs if old in types]
    for old, new in pairs:
        if types.get(new, types[old]) != types[old]:
            raise DefinitionError(
                f"{group.full_name}: {old!r} cannot be renamed: the table has a column {new!r} of type {types[new]}, "
                "of a feature that was removed; choose another name"
            )
    if added := [f"{sql_name(new)} {types[old]}" for old, new in pairs if new not in types]:
        spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({', '.join(added)})").collect()
    if pairs:
        copies = ", ".join(f"{sql_name(new)} = {sql_name(old)}" for old, new in pairs)
        update = f"UPDATE {table} SET {copies}"  # noqa: S608 - its names are quoted
        retry_on_conflict(lambda: spark.sql(update).collect(), group.full_name)
