"""The YAML file that describes a store."""

from __future__ import annotations

import os
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
    online : str, optional
        The online store by its URI, instead of this process's memory.
    cache : dict, optional
        Arguments of a :class:`palette.online.NearCache` before it.
    """

    path: str
    catalog: str | None = None
    tables: str | None = None
    online: str | None = None
    cache: Mapping[str, Any] | None = None


WORDS = tuple(field.name for field in fields(StoreConfig))


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
    >>> read_config(file)
    StoreConfig(path='/data/store', catalog=None, tables=None, online='redis://localhost:6379/0', cache=None)
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
    found = {word: str(value) for word, value in config.items() if word != "cache" and value is not None}
    found["path"] = _from(file, found["path"])
    tables = found.get("tables", "metastore:")
    if "://" not in tables and not tables.startswith(("metastore:", "dbfs:", "file:")):
        found["tables"] = _from(file, tables)
    return StoreConfig(**found, cache=config.get("cache"))


def _from(file: Path, path: str) -> str:
    return os.path.abspath(file.parent / path)
