"""Delta tables that exist, and are filled by others: a feature group reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.offline.delta.maintenance import sql_name
from palette.paths import has_scheme, local_or_none

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup

__all__ = ["METASTORE", "identifier", "in_metastore", "path", "refuse"]

METASTORE = "metastore:"


def in_metastore(group: FeatureGroup, root: str) -> bool:
    """Tell whether the table of a group is known by name, under a root for all tables of a store."""
    return root.startswith(METASTORE) if group.table is None else not _is_path(group.table)


def identifier(table: str) -> str:
    """Return the name by which SQL knows such a table.

    Examples
    --------
    >>> identifier("shop.orders"), identifier("/data/orders")
    ('`shop`.`orders`', 'delta.`/data/orders`')
    """
    if _is_path(table):
        return f"delta.{sql_name(path(table))}"
    return ".".join(map(sql_name, table.split(".")))


def path(table: str) -> str:
    """Return where such a table is; of one in a metastore that is not known."""
    if not _is_path(table):
        return f"{METASTORE}{table}"
    return table if (local := local_or_none(table)) is None else str(local)


def refuse(group: FeatureGroup, what: str) -> None:
    """Raise :class:`DefinitionError` if the table of a group is not the store's own."""
    if group.table is not None:
        raise DefinitionError(
            f"{group.full_name}: its table {group.table} is filled by others, and palette never {what} it: do that "
            "where the table is written, or declare a group without table="
        )


def _is_path(table: str) -> bool:
    return table.startswith("/") or has_scheme(table)
