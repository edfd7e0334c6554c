"""What a feed works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palette.feeds.source_functions import Modules

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
    modules : Modules
        From where functions of sources may be imported.
    """

    spark: SparkSession
    catalog: SqlCatalog
    tables: DeltaTables
    online: Any
    modules: Modules = Modules()  # noqa: RUF009  frozen
