"""External Delta tables: written by others, read by a feature group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.offline.delta.maintenance import sql_name
from palette.paths import has_scheme, local_or_none

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup

__all__ = ["METASTORE", "check_owned", "identifier", "in_metastore", "path"]

METASTORE = "metastore:"


def in_metastore(group: FeatureGroup, root: str) -> bool:
    """Return whether the table of a group is in a metastore, under a root for all tables of a store."""
    return root.startswith(METASTORE) if group.table is None else not _is_path(group.table)


def identifier(table: str) -> str:
    """Return the name of an external table in SQL.

    Examples
    --------
    >>> identifier("shop.orders"), identifier("/data/orders")
    ('`shop`.`orders`', 'delta.`/data/orders`')
    """
    if _is_path(table):
        return f"delta.{sql_name(path(table))}"
    return ".".join(map(sql_name, table.split(".")))


def path(table: str) -> str:
    """Return the path of an external table; for one in a metastore a name that no path has."""
    if not _is_path(table):
        return f"{METASTORE}{table}"
    return table if (local := local_or_none(table)) is None else str(local)


def check_owned(group: FeatureGroup, action: str) -> None:
    """Raise :class:`DefinitionError` if the table of a group is external."""
    if group.table is not None:
        raise DefinitionError(
            f"{group.full_name}: its table {group.table} is filled by others, and palette never {action} it: do that "
            "where the table is written, or declare a group without table="
        )


def _is_path(table: str) -> bool:
    return table.startswith("/") or has_scheme(table)
