"""Deletion of the tables of removed feature groups, with all their versions."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.offline.delta.tables import METASTORE
from palette.paths import has_scheme

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from palette.definitions import FeatureGroup
    from palette.offline.delta.tables import DeltaTables

__all__ = ["check_droppable", "drop_table"]


def check_droppable(tables: DeltaTables, group: FeatureGroup) -> None:
    """Raise :class:`DefinitionError` if a group's table cannot be deleted by this process."""
    if has_scheme(tables.path(group)):
        raise DefinitionError(
            f"{group.full_name}: its table {tables.path(group)} is on another file system: remove the group without "
            f"dropping its table, and delete the directory there, and {tables.prepared(group)} if it exists"
        )


def drop_table(tables: DeltaTables, group: FeatureGroup, session: Callable[[], SparkSession]) -> bool:
    """Delete the table of a group, and the partial aggregates next to it; return whether it no longer exists.

    ``session`` is called for tables of a metastore only.
    """
    if tables.root.startswith(METASTORE):
        spark = session()
        if tables.version(spark, group) is None:
            return False
        spark.sql(f"DROP TABLE {tables.identifier(group)}").collect()
        return True
    path = tables.path(group)
    for directory in (f"{path}.partials", path):
        if os.path.isdir(os.path.join(directory, "_delta_log")):
            shutil.rmtree(directory)
    # What was prepared of it, see palette.offline.prepared.store.
    shutil.rmtree(tables.prepared(group), ignore_errors=True)
    return not os.path.exists(path)
