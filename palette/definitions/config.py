"""The YAML file that describes a store."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from palette.definitions.documents import plain_yaml
from palette.errors import DefinitionError, nearest

__all__ = ["StoreConfig", "read_config"]


@dataclass(frozen=True)
class StoreConfig:
    """Where the parts of a store are.

    Parameters
    ----------
    path : str
        The store's directory.
    catalog : str, optional
        The catalog's database by its URL, instead of a file in the directory.
    tables : str, optional
        Where the Delta tables are, instead of in the directory.
    models : str, optional
        The directory of the bundles of deployed models, instead of ``models`` in the directory.
    online : str, optional
        The online store by its URI, instead of this process's memory.
    cache : dict, optional
        Arguments of a :class:`palette.online.NearCache` before it.
    modules : tuple of str
        From where functions of batch sources may be imported; written ``feeds: {modules: [...]}``.
    """

    path: str
    catalog: str | None = None
    tables: str | None = None
    models: str | None = None
    online: str | None = None
    cache: Mapping[str, Any] | None = None
    modules: tuple[str, ...] = ()


WORDS = (*(field.name for field in fields(StoreConfig) if field.name != "modules"), "feeds")
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
    file = Path(file)
    where = f"the configuration {str(file)!r}"
    try:
        config = plain_yaml(file.read_text("utf-8"), where)
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"cannot read {where}: {error}") from error
    if not isinstance(config, dict) or "path" not in config:
        raise DefinitionError(f"{where}: expected 'path: DIRECTORY'")
    for word in config:
        if word not in WORDS:
            raise DefinitionError(f"{where}: unknown word {word!r}{nearest(str(word), WORDS)}")
    found = {word: str(value) for word, value in config.items() if word not in ("cache", "feeds") and value is not None}
    found["path"] = _from(file, found["path"])
    tables = found.get("tables", "metastore:")
    if "://" not in tables and not tables.startswith(("metastore:", "dbfs:", "file:")):
        found["tables"] = _from(file, tables)
    if "models" in found:
        if "://" in found["models"]:
            raise DefinitionError(f"{where}: models: {found['models']!r} is no directory of this machine")
        found["models"] = _from(file, found["models"])
    return StoreConfig(**found, cache=config.get("cache"), modules=_modules(config.get("feeds"), where))


def _modules(feeds: Any, where: str) -> tuple[str, ...]:
    feeds = {} if feeds is None else feeds
    names = feeds.get("modules", []) if isinstance(feeds, dict) and set(feeds) <= {"modules"} else None
    if not isinstance(names, list) or not all(isinstance(name, str) and MODULE.fullmatch(name) for name in names):
        raise DefinitionError(f"{where}: expected 'feeds: {{modules: [my_features]}}', found {feeds!r:.200}")
    return tuple(names)


def _from(file: Path, path: str) -> str:
    return os.path.abspath(file.parent / path)
