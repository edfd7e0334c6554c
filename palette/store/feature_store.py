"""FeatureStore: where a store is, and how it is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from palette.definitions.config import read_config
from palette.errors import DataError, DefinitionError
from palette.online import MemoryStore, open_online
from palette.paths import COPY_HERE, local_path
from palette.store.feeds import FeedDoors
from palette.store.models import ModelDoors
from palette.store.selection import SelectionDoors

if TYPE_CHECKING:
    from palette.catalog import SqlCatalog

__all__ = ["FeatureStore"]

ELSEWHERE = (
    "take one, and keep the tables elsewhere by a palette.yaml for FeatureStore.open, with 'path: DIRECTORY', "
    "'tables: s3a://...' and, for a catalog that several machines share, 'catalog: postgresql+psycopg://...'"
)


class FeatureStore(FeedDoors, ModelDoors, SelectionDoors):
    """Declare, write and read features.

    It closes its connections at the end of a ``with`` block, or by :meth:`close`; notebooks need neither.

    Parameters
    ----------
    path : str or Path
        A local directory, or its ``file:`` URI, made at the first change: the catalog, and under it the Delta tables
        and the bundles of models. Tables may be on other file systems, see :meth:`from_config`.
    modules : sequence of str
        From where functions of batch sources may be imported: these modules, and what is in these packages.

    Raises
    ------
    DefinitionError
        If the path is not local.

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
        directory = os.path.abspath(local_path(path, "a store's directory", ELSEWHERE))
        self.uri = directory
        self._tables_root = os.path.join(directory, "tables")
        self.models_directory = os.path.join(directory, "models")
        self.catalog = _catalog(directory)
        self.online = MemoryStore(self.definitions)
        self.modules = (modules,) if isinstance(modules, str) else tuple(modules)
        self.home = None

    def __repr__(self) -> str:
        return f"FeatureStore({self.uri!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as what opens it."""
        if isinstance(self.online, MemoryStore) and self.online.filled:
            raise DataError(
                f"{self!r} cannot be sent to another process: its online store is in this process's memory; name one "
                "in palette.yaml (online:), or send a snapshot that was saved and loaded"
            )
        return _opened, (self.uri, None if self.home is not None else self.modules)

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
            A file with the words ``path``, the directory of the store, relative to the file; and optionally
            ``catalog``, the catalog's database instead of a file there
            (``postgresql+psycopg://USER@HOST:PORT/DATABASE``, the password in the environment variable
            ``PALETTE_CATALOG_PASSWORD``); ``tables``, where the Delta tables are: any path that Spark can write
            (``s3a://...``; a relative one counts from the file), or ``metastore:catalog.schema``; ``models``, the
            directory of the bundles of deployed models; ``online``, the
            online store by its URI (``redis://host:6379/0``, ``lmdb:DIRECTORY``, see
            :func:`palette.online.open_online`; by default in this process's memory), passwords in the environment
            variable ``PALETTE_REDIS_PASSWORD``; ``cache``, the arguments of a :class:`palette.online.NearCache`
            before it; ``feeds: {modules: [my_features]}``, from where functions of batch sources may be imported:
            modules that Python finds, or else beside the file.

        Raises
        ------
        DefinitionError
            If the file is missing, is no YAML mapping, or has an unknown word.
        """
        path = local_path(path, "a store's configuration", COPY_HERE)
        config = read_config(path)
        store = cls(config.path, modules=config.feeds.modules)
        store.uri = os.path.abspath(path)
        store.home = os.path.dirname(store.uri)
        if config.catalog is not None:
            store.catalog = _catalog(config.path, config.catalog)
        if config.tables is not None:
            store._tables_root = config.tables
        if config.models is not None:
            store.models_directory = config.models
        if config.online is not None:
            store.online = open_online(config.online, store.definitions, cache=config.cache)
        return store

    @classmethod
    def open(cls, uri: str | Path) -> FeatureStore:
        """Open a store by what its ``uri`` says: a YAML file for :meth:`from_config`, or a directory.

        In a directory ``palette.yaml`` counts, where it is.

        Raises
        ------
        DefinitionError
            If it is another file, or the YAML file is missing or wrong.
        """
        if str(uri).endswith((".yaml", ".yml")):
            return cls.from_config(uri)
        path = local_path(uri, "a store's directory", ELSEWHERE)
        if path.is_file():
            raise DefinitionError(f"no store at {str(uri)!r}: expected a directory, or a file that ends with .yaml")
        beside = path / "palette.yaml"
        return cls.from_config(beside) if beside.is_file() else cls(path)


def _opened(uri: str, modules: tuple[str, ...] | None) -> FeatureStore:
    """Open a store that was sent to this process: of a configuration, or of a directory."""
    return FeatureStore.from_config(uri) if modules is None else FeatureStore(uri, modules=modules)


def _catalog(directory: str, url: str | None = None) -> SqlCatalog:
    # Here, because it is SQLAlchemy that takes long to import.
    from palette.catalog import SqlCatalog

    return SqlCatalog.in_directory(directory, url)
