"""What all parts of a store have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import require_spark

if TYPE_CHECKING:
    from palette.catalog import SqlCatalog
    from palette.offline import DeltaTables
    from palette.online import FeatureReader

__all__ = ["StoreBase"]


class StoreBase:
    """Where everything of a store is.

    Attributes
    ----------
    uri : str
        What opens this store again, in another process.
    catalog : SqlCatalog
        What is defined, who uses it, what ran.
    online : FeatureReader
        What serving reads.
    models_directory : str
        Where bundles are kept: ``<models_directory>/<name>/<checksum>``.
    modules : tuple of str
        From where functions of batch sources may be imported.
    home : str, optional
        Where else they are looked for: the directory of the configuration.
    """

    uri: str
    catalog: SqlCatalog
    online: FeatureReader
    models_directory: str
    modules: tuple[str, ...]
    home: str | None
    _tables_root: str

    @property
    def tables(self) -> DeltaTables:
        """The Delta tables."""
        require_spark()
        from palette.offline import DeltaTables

        return DeltaTables(self._tables_root)
