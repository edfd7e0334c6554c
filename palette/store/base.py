"""Parts of a store, and look-ups of its definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.catalog.definitions.resolve import resolve
from palette.definitions import Entity, Feature, FeatureGroup
from palette.lazy_imports import require_spark
from palette.store.arguments import entity_name, group_name

if TYPE_CHECKING:
    from palette.catalog import SqlCatalog
    from palette.offline import DeltaTables
    from palette.online import FeatureReader

__all__ = ["StoreBase"]


class StoreBase:
    """Parts of a store, which the methods of :class:`palette.FeatureStore` work on.

    Attributes
    ----------
    uri : str
        Opens this store again, in another process.
    catalog : SqlCatalog
        Definitions, models, runs of feeds, and annotations.
    online : FeatureReader
        Newest rows, for serving.
    models_directory : str
        Directory of the bundles: ``<models_directory>/<name>/<checksum>``.
    modules : tuple of str
        Modules from which functions of batch sources may be imported.
    home : str, optional
        Directory of the configuration, where these modules are searched too.
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

    def entity(self, name: str | Entity) -> Entity:
        """Return an entity.

        Raises
        ------
        FeatureNotFoundError
            If there is no such entity; near names are offered.
        """
        return self.catalog.definitions.entity(entity_name(name))

    def group(self, name: str | FeatureGroup) -> FeatureGroup:
        """Return a feature group by its full name ``entity:group``.

        Raises
        ------
        FeatureNotFoundError
            If there is no such group; near names are offered.
        """
        return self.catalog.definitions.group(group_name(name))

    def resolve_group(self, name: str | FeatureGroup) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name ``entity:group``.

        Raises
        ------
        FeatureNotFoundError
            If there is no such group; near names are offered.
        """
        group = self.group(name)
        return self.entity(group.entity), group

    def feature(self, name: str) -> Feature:
        """Return the feature of an expression ``entity:group:feature:join_key``.

        Raises
        ------
        FeatureNotFoundError
            If the entity, the group or the feature is not in the catalog; near names are offered.
        SchemaError
            If the number of join keys differs from the entity's number of keys.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> store.apply(Entity("route", keys={"origin": "string", "dest": "string"}),
        ...             FeatureGroup("trips", entity="route", features=[Feature("minutes", "double")]))
        >>> store.feature("route:trips:minutes:from,to").dtype
        'double'
        """
        return resolve(self.catalog, name).feature
