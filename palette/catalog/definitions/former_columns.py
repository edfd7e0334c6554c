"""Columns that a table may still have from earlier forms of its group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.compatibility import ANEW, FOLLOWS
from palette.catalog.definitions.serialize import chunks, plain_of
from palette.definitions import FeatureGroup
from palette.types import canonical_type, widens_in_place

__all__ = ["Returned", "former_types", "returned"]

# Column to whether a written table can follow, and what is told of it.
Returned = Mapping[str, tuple[bool, str]]


def former_types(connection: sa.Connection, groups: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return for each group that has a history the type that each of its columns had last, in whatever form."""
    found: dict[str, dict[str, str]] = {}
    column = tables.versions.c
    for some in chunks(groups):
        rows = sa.select(column.name, column.definition).where(
            column.kind == "group", column.name.in_(some), column.definition.is_not(None)
        )
        for name, text in connection.execute(rows.order_by(column.version)):
            found.setdefault(name, {}).update(_types(plain_of(text, dict)))
    return found


def _types(definition: dict[str, Any]) -> dict[str, str]:
    times = [definition[role] for role in ("timestamp", "created") if definition.get(role)]
    features = {one["name"]: canonical_type(one["dtype"]) for one in definition["features"]}
    return {**dict.fromkeys(times, "timestamp"), **features}


def returned(former: Mapping[str, str], old: FeatureGroup | None, new: FeatureGroup) -> Returned:
    """Return the columns that come back with another type than a table that is written has them with.

    A removed feature leaves its column in the table, and so does a time. A feature that stays one is not among them.

    Examples
    --------
    >>> from palette.definitions import Feature
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "string")])
    >>> returned({"dishes": "bigint"}, None, menu)["dishes"]
    (False, "'dishes' was bigint in an earlier form, and is string now: a written table must be made anew")
    """
    stayed = {feature.name for feature in old.features} if old is not None else set()
    times = {name: "timestamp" for name in (new.timestamp, new.created) if name is not None}
    features = {feature.name: feature.dtype for feature in new.features}
    found = {}
    for name, now in {**times, **features}.items():
        was = former.get(name, now)
        if was != now and not (name in features and name in stayed):
            follows = widens_in_place(was, now)
            table = FOLLOWS if follows else ANEW
            found[name] = (follows, f"{name!r} was {was} in an earlier form, and is {now} now: {table}")
    return found
