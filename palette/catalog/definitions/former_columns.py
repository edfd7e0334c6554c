"""Columns that a table may still have from earlier versions of its group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.compatibility import FOLLOWS, REWRITE
from palette.catalog.definitions.serialize import chunks, parse_json
from palette.definitions import FeatureGroup
from palette.types import canonical_type, widens_in_place

__all__ = ["ReturningColumns", "former_types", "returning_columns"]

# Column to whether a written table can follow, and a message.
ReturningColumns = Mapping[str, tuple[bool, str]]


def former_types(connection: sa.Connection, groups: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return group to the latest type of each column that it ever had."""
    types: dict[str, dict[str, str]] = {}
    column = tables.versions.c
    for names in chunks(groups):
        rows = sa.select(column.name, column.definition).where(
            column.kind == "group", column.name.in_(names), column.definition.is_not(None)
        )
        for name, text in connection.execute(rows.order_by(column.version)):
            types.setdefault(name, {}).update(_column_types(parse_json(text, dict)))
    return types


def _column_types(definition: dict[str, Any]) -> dict[str, str]:
    times = [definition[role] for role in ("timestamp", "created") if definition.get(role)]
    features = {feature["name"]: canonical_type(feature["dtype"]) for feature in definition["features"]}
    return {**dict.fromkeys(times, "timestamp"), **features}


def returning_columns(former: Mapping[str, str], old: FeatureGroup | None, new: FeatureGroup) -> ReturningColumns:
    """Return the columns that come back with another type than they have in a written table.

    A removed feature or time leaves its column in the table. Features that stayed are not among them.

    Examples
    --------
    >>> from palette.definitions import Feature
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "string")])
    >>> returning_columns({"dishes": "bigint"}, None, menu)["dishes"]
    (False, "'dishes' was bigint in an earlier form, and is string now: a written table must be rewritten")
    """
    retained = {feature.name for feature in old.features} if old is not None else set()
    times = {name: "timestamp" for name in (new.timestamp, new.created) if name is not None}
    features = {feature.name: feature.dtype for feature in new.features}
    columns = {}
    for name, now in {**times, **features}.items():
        was = former.get(name, now)
        if was != now and not (name in features and name in retained):
            follows = widens_in_place(was, now)
            table = FOLLOWS if follows else REWRITE
            columns[name] = (follows, f"{name!r} was {was} in an earlier form, and is {now} now: {table}")
    return columns
