"""The catalog of a store: definitions, features, models, feeds and pins in one database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from palette.catalog.database import Database
from palette.catalog.definitions.definitions import Definitions
from palette.catalog.features.features import Features
from palette.catalog.feeds.feeds import Feeds
from palette.catalog.models.models import Models
from palette.catalog.pins import Pins

__all__ = ["SqlCatalog"]


class SqlCatalog:
    """Definitions of a store, and what people, models and feeds record about them.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql+psycopg://USER@HOST:PORT/DATABASE``.
    legacy : Path, optional
        A ``catalog.json`` of an earlier release, imported when the database is created.

    Attributes
    ----------
    database : Database
        Transactions on the database.
    definitions : Definitions
        Entities and feature groups.
    features : Features
        Search and annotations.
    models : Models
        Versions of models, the features that they use, their stages and statistics.
    feeds : Feeds
        Locks, runs and progress of feeds.
    pins : Pins
        Table versions that ``vacuum`` retains.

    Examples
    --------
    >>> import tempfile
    >>> from palette import Entity
    >>> catalog = SqlCatalog.in_directory(tempfile.mkdtemp())
    >>> _ = catalog.definitions.apply([Entity("plane", keys={"tailnum": "string"})])
    >>> catalog.features.note("plane", "of the registry")
    >>> [note.text for note in catalog.features.notes("plane")]
    ['of the registry']
    """

    def __init__(self, url: str, legacy: Path | None = None) -> None:
        self._arguments = (url, legacy)
        self.database = Database(url, legacy)
        self.definitions = Definitions(self.database)
        self.features = Features(self.database)
        self.models = Models(self.database)
        self.feeds = Feeds(self.database)
        self.pins = Pins(self.database)

    @classmethod
    def in_directory(cls, directory: str | Path, url: str | None = None) -> SqlCatalog:
        """Open the catalog of a store's directory: the database ``url``, or the file ``catalog.db``."""
        directory = Path(os.path.abspath(directory))
        file = sa.URL.create("sqlite", database=str(directory / "catalog.db"))
        return cls(url or file.render_as_string(), legacy=directory / "catalog.json")

    def __repr__(self) -> str:
        return f"SqlCatalog({self.database.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return SqlCatalog, self._arguments

    def close(self) -> None:
        """Close the connections of this process; the next call opens new ones."""
        self.database.close()
