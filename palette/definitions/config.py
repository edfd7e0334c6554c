"""Configuration of a store: the YAML file that names its parts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from palette.definitions.base import Definition
from palette.definitions.yaml.documents import read_yaml
from palette.errors import DefinitionError
from palette.paths import COPY_HERE, has_scheme, local_path

__all__ = ["FeedConfig", "StoreConfig", "read_config"]

METASTORE = "metastore:"
LMDB = "lmdb:"
LOCAL = "name a directory of this machine"
TABLES_ELSEWHERE = f"{LOCAL}; tables may be elsewhere, by 'tables: s3a://...'"
# The schema is part of SQL statements.
SCHEMA = re.compile(r"([A-Za-z_]\w*|`[^`\n]+`)(\.([A-Za-z_]\w*|`[^`\n]+`)){0,2}")
SECRET = re.compile(r"[^:/?#]+://[^/?#@]*:[^/?#]*@")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _printable(value: Any) -> Any:
    if value is not None and (not isinstance(value, str) or not value or not value.isprintable()):
        # The value is not shown: it may contain a password.
        raise ValueError("expected a string without control characters, in quotes if it is a number")
    return value


Location = Annotated[str, BeforeValidator(_printable)]


class FeedConfig(Definition):
    """Settings of feeds.

    Parameters
    ----------
    modules : tuple of str
        Modules from which functions of batch sources may be imported.
    """

    modules: tuple[str, ...] = ()


class StoreConfig(Definition):
    """Locations of the parts of a store.

    Parameters
    ----------
    path : str
        The store's directory, on this machine.
    catalog : str, optional
        URL of the catalog's database, instead of a file in the directory.
    tables : str, optional
        Location of the Delta tables, instead of the directory.
    models : str, optional
        Directory of the bundles of deployed models, instead of ``models`` in the directory.
    online : str, optional
        URI of the online store, instead of this process's memory; a relative directory of ``lmdb:DIRECTORY`` is
        relative to the file.
    cache : dict, optional
        Arguments of a :class:`palette.online.NearCache` in front of it.
    feeds : FeedConfig
        Settings of feeds.
    """

    path: Location
    catalog: Location | None = None
    tables: Location | None = None
    models: Location | None = None
    # Its URI may contain a password.
    online: Location | None = Field(default=None, repr=False)
    cache: dict[str, Any] | None = None
    feeds: FeedConfig = FeedConfig()

    @field_validator("cache", mode="before")
    @classmethod
    def _cache(cls, cache: Any) -> Any:
        if cache is not None and not (isinstance(cache, dict) and all(isinstance(key, str) for key in cache)):
            raise ValueError(f"expected 'cache: {{size: 100000, ttl: 1.0}}', found {cache!r:.200}")
        return cache

    @field_validator("feeds", mode="before")
    @classmethod
    def _feeds(cls, feeds: Any) -> Any:
        if feeds is None or isinstance(feeds, FeedConfig):
            return feeds or FeedConfig()
        names = feeds.get("modules", []) if isinstance(feeds, dict) and set(feeds) <= {"modules"} else None
        if not isinstance(names, list) or not all(isinstance(name, str) and MODULE.fullmatch(name) for name in names):
            raise ValueError(f"expected 'feeds: {{modules: [my_features]}}', found {feeds!r:.200}")
        return FeedConfig(modules=tuple(names))

    @field_validator("tables")
    @classmethod
    def _tables(cls, tables: str | None) -> str | None:
        if tables is not None and SECRET.match(tables):
            raise ValueError("the URL contains a password; put it into Spark's configuration")
        if tables is not None and tables.startswith(METASTORE) and not SCHEMA.fullmatch(tables.removeprefix(METASTORE)):
            raise ValueError(f"expected 'metastore:CATALOG.SCHEMA', found {tables!r:.200}")
        return tables


def read_config(file: str | Path) -> StoreConfig:
    r"""Read a configuration file with the keys of :class:`StoreConfig`; relative paths are relative to the file.

    Raises
    ------
    DefinitionError
        If the file is missing, is not a YAML mapping, or has an unknown key or an invalid value.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "palette.yaml"
    >>> _ = file.write_text("path: /data/store\nonline: redis://localhost:6379/0\n")
    >>> read_config(file).online
    'redis://localhost:6379/0'
    """
    file = local_path(file, "a store's configuration", COPY_HERE)
    where = f"the configuration {str(file)!r}"
    plain = read_yaml(file, where)
    if not isinstance(plain, dict) or plain.get("path") is None:
        raise DefinitionError(f"{where}: expected 'path: DIRECTORY'")
    try:
        config = StoreConfig.of(plain)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {str(error).removeprefix('StoreConfig: ')}") from None

    def absolute(key: str, path: str, remedy: str) -> str:
        return os.path.abspath(file.parent / local_path(path, f"'{key}:' of {where}", remedy))

    paths = {"path": absolute("path", config.path, TABLES_ELSEWHERE)}
    if config.online is not None and config.online.startswith(LMDB):
        paths["online"] = LMDB + absolute("online", config.online.removeprefix(LMDB), LOCAL)
    if config.tables is not None and not (has_scheme(config.tables) or config.tables.startswith((METASTORE, "dbfs:"))):
        paths["tables"] = os.path.abspath(file.parent / os.path.expanduser(config.tables))
    if config.models is not None:
        paths["models"] = absolute("models", config.models, LOCAL)
    return config.model_copy(update=paths)
