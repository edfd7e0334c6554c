"""Pins: table versions that vacuum retains, by name."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.database import Database
from palette.errors import NotFoundError, nearest

__all__ = ["Pins"]


class Pins:
    """Table versions that vacuum retains.

    Parameters
    ----------
    database : Database
        The database of the catalog.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, dict[str, int]]:
        """Return the name of each pin to its versions, group to version."""
        pins: dict[str, dict[str, int]] = {}
        with self._database.reading() as connection:
            for row in [] if connection is None else connection.execute(sa.select(tables.pins)):
                pins.setdefault(row.name, {})[row.group_name] = row.version
        return pins

    def keep(self, name: str, versions: Mapping[str, int]) -> None:
        """Retain table versions under a name; an older pin of this name is replaced."""
        rows = [{"name": name, "group_name": group, "version": number} for group, number in versions.items()]

        def replace(connection: sa.Connection) -> None:
            connection.execute(tables.pins.delete().where(tables.pins.c.name == name))
            if rows:
                connection.execute(tables.pins.insert(), rows)

        self._database.change(replace)

    def release(self, name: str) -> None:
        """Delete the pin of this name.

        Raises
        ------
        NotFoundError
            If there is no such pin.
        """

        def delete(connection: sa.Connection) -> None:
            if not connection.execute(tables.pins.delete().where(tables.pins.c.name == name)).rowcount:
                known = connection.scalars(sa.select(tables.pins.c.name).distinct())
                raise NotFoundError(f"no pin {name!r}{nearest(name, known)}")

        self._database.change(delete)
