"""FeatureStore: construction, configuration, pickling."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from palette.definitions.config import StoreConfig, read_config
from palette.errors import ArgumentError, DataError
from palette.online import MemoryStore, open_online
from palette.paths import COPY_HERE, local_path
from palette.store.definitions import DefinitionMethods
from palette.store.feeds import FeedMethods
from palette.store.models import ModelMethods
from palette.store.selection import SelectionMethods

if TYPE_CHECKING:
    from palette.catalog import SqlCatalog

__all__ = ["FeatureStore"]

CONFIG_FILE = "palette.yaml"
YAML = (".yaml", ".yml")
ELSEWHERE = (
    "take one, and keep the tables elsewhere by a palette.yaml for FeatureStore.open, with 'path: DIRECTORY', "
    "'tables: s3a://...' and, for a catalog that several machines share, 'catalog: postgresql+psycopg://...'"
)


class FeatureStore(DefinitionMethods, SelectionMethods, FeedMethods, ModelMethods):
    """Declare, write and read features.

    Connections are closed at the end of a ``with`` block, or by :meth:`close`; notebooks need neither.

    Parameters
    ----------
    path : str or Path
        A local directory, or its ``file:`` URI, created at the first change: it holds the catalog, the Delta tables
        and the bundles of models. Where it contains a ``palette.yaml``, that file configures the store, as in
        :meth:`open` and :meth:`from_config`.
    modules : sequence of str
        Modules and packages from which functions of batch sources may be imported, in addition to those of
        ``palette.yaml``.

    Raises
    ------
    DefinitionError
        If the path is not local, or ``palette.yaml`` is invalid.
    ArgumentError
        If the path is a file.

    Examples
    --------
    >>> import tempfile
    >>> from palette import Entity, Feature, FeatureGroup
    >>> store = FeatureStore(tempfile.mkdtemp())
    >>> store.apply(Entity("restaurant", keys={"restaurant_uuid": "string"}),
    ...             FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint", default=0)]))
    >>> store.feature("restaurant:menu:dishes:r_id").default
    0
    """

    def __init__(self, path: str | Path, *, modules: Sequence[str] = ()) -> None:
        directory = local_path(path, "a store's directory", ELSEWHERE)
        if directory.suffix in YAML and not directory.is_dir():
            raise ArgumentError(f"{str(path)!r} is a YAML file: open it by FeatureStore.from_config")
        if directory.is_file():
            raise ArgumentError(f"no store at {str(path)!r}: expected a directory, or a file that ends with .yaml")
        modules = (modules,) if isinstance(modules, str) else tuple(modules)
        file = directory / CONFIG_FILE
        if file.is_file():
            self._configure(os.path.abspath(file), read_config(file), modules)
        else:
            home = os.path.abspath(directory)
            self._configure(home, StoreConfig.model_construct(path=home), modules)

    def _configure(self, uri: str, config: StoreConfig, modules: tuple[str, ...] = ()) -> None:
        """Set the parts of the store; nothing is opened yet."""
        self.uri = uri
        self.home = None if uri == config.path else os.path.dirname(uri)
        self.modules = tuple(dict.fromkeys((*config.feeds.modules, *modules)))
        self.models_directory = config.models or os.path.join(config.path, "models")
        self._tables_root = config.tables or os.path.join(config.path, "tables")
        self.catalog = _open_catalog(config.path, config.catalog)
        if config.online is None:
            self.online = MemoryStore(self.resolve_group)
        else:
            self.online = open_online(config.online, self.resolve_group, cache=config.cache)

    def __repr__(self) -> str:
        return f"FeatureStore({self.uri!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments that open the store again."""
        if isinstance(self.online, MemoryStore) and self.online.filled:
            raise DataError(
                f"{self!r} cannot be sent to another process: its online store is in this process's memory; name one "
                "in palette.yaml (online:), or send a snapshot that was saved and loaded"
            )
        return _reopen, (self.uri, self.modules)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the catalog and to the online store.

        Examples
        --------
        >>> import tempfile
        >>> with FeatureStore(tempfile.mkdtemp()) as store:
        ...     store.search("price")
        []
        """
        self.catalog.close()
        self.online.close()

    @classmethod
    def from_config(cls, path: str | Path) -> FeatureStore:
        """Open the store that a YAML file describes.

        Parameters
        ----------
        path : str or Path
            A YAML file; relative paths are relative to it. Its keys:

            - ``path``: the directory of the store.
            - ``catalog``: the catalog's database, instead of a file in the directory
              (``postgresql+psycopg://USER@HOST:PORT/DATABASE``, with the password in the environment variable
              ``PALETTE_CATALOG_PASSWORD``).
            - ``tables``: the location of the Delta tables, any path that Spark can write (``s3a://...``), or
              ``metastore:catalog.schema``.
            - ``models``: the directory of the bundles of deployed models.
            - ``online``: the URI of the online store (``redis://host:6379/0``, ``lmdb:DIRECTORY``, see
              :func:`palette.online.open_online`), with the password in the environment variable
              ``PALETTE_REDIS_PASSWORD``; by default it is in this process's memory.
            - ``cache``: the arguments of a :class:`palette.online.NearCache` in front of it.
            - ``feeds: {modules: [my_features]}``: modules from which functions of batch sources may be imported, on
              Python's path or next to the file.

        Raises
        ------
        DefinitionError
            If the file is missing or invalid.
        """
        path = local_path(path, "a store's configuration", COPY_HERE)
        store = cls.__new__(cls)
        store._configure(os.path.abspath(path), read_config(path))
        return store

    @classmethod
    def open(cls, uri: str | Path) -> FeatureStore:
        """Open a store by its ``uri``: a YAML file, as :meth:`from_config` does, or a directory, as the class does.

        Parameters
        ----------
        uri : str or Path
            A path that ends with ``.yaml`` or ``.yml``, or the directory of a store.

        Raises
        ------
        DefinitionError
            If the YAML file is missing or invalid, or the path is not local.
        ArgumentError
            If the path is another file.
        """
        return cls.from_config(uri) if str(uri).endswith(YAML) else cls(uri)


def _reopen(uri: str, modules: tuple[str, ...]) -> FeatureStore:
    """Open a store that was sent to this process."""
    store = FeatureStore.open(uri)
    store.modules = modules
    return store


def _open_catalog(directory: str, url: str | None) -> SqlCatalog:
    # Here, because it is SQLAlchemy that takes long to import.
    from palette.catalog import SqlCatalog

    return SqlCatalog.in_directory(directory, url)
