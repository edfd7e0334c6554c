"""The stores that a feed reads and fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from palette.feeds.batch.source_functions import Modules

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.catalog import SqlCatalog
    from palette.definitions import FeatureGroup
    from palette.offline import DeltaTables

__all__ = ["Stores", "Table"]


class Table(NamedTuple):
    """A version of a group's Delta table, and the identity of the table."""

    version: int
    identity: str


@dataclass(frozen=True)
class Stores:
    """The stores that a feed reads and fills.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    catalog, tables, online
        Of the feature store.
    modules : Modules
        From where functions of sources may be imported.
    """

    spark: SparkSession
    catalog: SqlCatalog
    tables: DeltaTables
    online: Any
    modules: Modules = Modules()  # noqa: RUF009  frozen

    def find_table(self, group: FeatureGroup) -> Table | None:
        """Return the newest version of a group's table; None if nothing was written yet.

        Where the log of the table is not local, this runs two commands of Spark: look it up once a run.
        """
        version = self.tables.version(self.spark, group)
        return None if version is None else Table(version, self.tables.identity(self.spark, group, version))
