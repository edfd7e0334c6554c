"""The YAML file that describes a store."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from palette.definitions.yaml.documents import read_yaml
from palette.errors import DefinitionError, nearest
from palette.paths import COPY_HERE, has_scheme, local_path

__all__ = ["StoreConfig", "read_config"]


@dataclass(frozen=True)
class StoreConfig:
    """Where the parts of a store are.

    Parameters
    ----------
    path : str
        The store's directory, on this machine.
    catalog : str, optional
        The catalog's database by its URL, instead of a file in the directory.
    tables : str, optional
        Where the Delta tables are, instead of in the directory.
    models : str, optional
        The directory of the bundles of deployed models, instead of ``models`` in the directory.
    online : str, optional
        The online store by its URI, instead of this process's memory; of ``lmdb:DIRECTORY`` a relative one counts
        from the file.
    cache : dict, optional
        Arguments of a :class:`palette.online.NearCache` before it.
    modules : tuple of str
        From where functions of batch sources may be imported; written ``feeds: {modules: [...]}``.
    """

    path: str
    catalog: str | None = None
    tables: str | None = None
    models: str | None = None
    # Its URI may have a password in it.
    online: str | None = field(default=None, repr=False)
    cache: Mapping[str, Any] | None = None
    modules: tuple[str, ...] = ()


WORDS = (*(one.name for one in fields(StoreConfig) if one.name != "modules"), "feeds")
METASTORE = "metastore:"
LMDB = "lmdb:"
LOCAL = "name a directory of this machine"
TABLES_ELSEWHERE = f"{LOCAL}; tables may be elsewhere, by 'tables: s3a://...'"
# It stands in SQL.
SCHEMA = re.compile(r"([A-Za-z_]\w*|`[^`\n]+`)(\.([A-Za-z_]\w*|`[^`\n]+`)){0,2}")
SECRET = re.compile(r"[^:/?#]+://[^/?#@]*:[^/?#]*@")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def read_config(file: str | Path) -> StoreConfig:
    r"""Read a file with the words of :class:`StoreConfig`; relative paths count from the file.

    Raises
    ------
    DefinitionError
        If the file is missing, is no YAML mapping, or has an unknown word.

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
    config = read_yaml(file, where)
    if not isinstance(config, dict):
        raise DefinitionError(f"{where}: expected 'path: DIRECTORY'")
    for word in config:
        if word not in WORDS:
            raise DefinitionError(f"{where}: unknown word {word!r}{nearest(str(word), WORDS)}")
    texts = [word for word in WORDS if word not in ("cache", "feeds") and config.get(word) is not None]
    found = {word: _text(config[word], f"{where}: {word}") for word in texts}
    if "path" not in found:
        raise DefinitionError(f"{where}: expected 'path: DIRECTORY'")
    found["path"] = _from(file, found["path"], where, "path", TABLES_ELSEWHERE)
    if found.get("online", "").startswith(LMDB):
        found["online"] = LMDB + _from(file, found["online"].removeprefix(LMDB), where, "online", LOCAL)
    if "tables" in found:
        found["tables"] = _tables(file, found["tables"], where)
    if "models" in found:
        found["models"] = _from(file, found["models"], where, "models", LOCAL)
    cache = config.get("cache")
    if cache is not None and not (isinstance(cache, dict) and all(isinstance(word, str) for word in cache)):
        raise DefinitionError(f"{where}: expected 'cache: {{size: 100000, ttl: 1.0}}', found {cache!r:.200}")
    return StoreConfig(**found, cache=cache, modules=_modules(config.get("feeds"), where))


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        # Not shown: there may be a password in it.
        raise DefinitionError(f"{what}: expected a text without control characters, in quotes if it is a number")
    return value


def _tables(file: Path, tables: str, where: str) -> str:
    if SECRET.match(tables):
        raise DefinitionError(f"{where}: tables: the URL holds a password; Spark's configuration is its place")
    if tables.startswith(METASTORE) and not SCHEMA.fullmatch(tables.removeprefix(METASTORE)):
        raise DefinitionError(f"{where}: tables: expected 'metastore:CATALOG.SCHEMA', found {tables!r:.200}")
    elsewhere = has_scheme(tables) or tables.startswith((METASTORE, "dbfs:"))
    return tables if elsewhere else os.path.abspath(file.parent / os.path.expanduser(tables))


def _modules(feeds: Any, where: str) -> tuple[str, ...]:
    feeds = {} if feeds is None else feeds
    names = feeds.get("modules", []) if isinstance(feeds, dict) and set(feeds) <= {"modules"} else None
    if not isinstance(names, list) or not all(isinstance(name, str) and MODULE.fullmatch(name) for name in names):
        raise DefinitionError(f"{where}: expected 'feeds: {{modules: [my_features]}}', found {feeds!r:.200}")
    return tuple(names)


def _from(file: Path, path: str, where: str, word: str, remedy: str) -> str:
    return os.path.abspath(file.parent / local_path(path, f"'{word}:' of {where}", remedy))
