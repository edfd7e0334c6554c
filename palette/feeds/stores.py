"""What a feed works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.catalog import SqlCatalog
    from palette.offline import DeltaTables

__all__ = ["Stores"]


@dataclass(frozen=True)
class Stores:
    """What a feed reads and fills.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    catalog, tables, online
        Of the feature store.
    modules : tuple of str
        From where functions of sources may be imported.
    """

    spark: SparkSession
    catalog: SqlCatalog
    tables: DeltaTables
    online: Any
    modules: tuple[str, ...] = ()
