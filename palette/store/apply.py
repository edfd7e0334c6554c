"""Apply of definitions: changes of the catalog, and of the tables with it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.definitions import Entity, FeatureGroup, GroupSchema, load_definitions
from palette.errors import ArgumentError
from palette.store.base import StoreBase

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.catalog import Changes

__all__ = ["apply_definitions", "apply_plan", "flatten"]


def flatten(definitions: Iterable[Any]) -> Iterator[Entity | FeatureGroup]:
    """Yield the definitions in arguments, nested lists and YAML files.

    Raises
    ------
    ArgumentError
        If an item is something else.
    """
    definitions = list(definitions)
    # All paths together, so that an error about a duplicate names both files.
    if paths := [item for item in definitions if isinstance(item, (str, Path))]:
        yield from load_definitions(*paths)
    for item in definitions:
        if isinstance(item, (Entity, FeatureGroup)):
            yield item
        elif isinstance(item, (list, tuple)):
            yield from flatten(item)
        elif not isinstance(item, (str, Path)):
            raise ArgumentError(f"expected Entity, FeatureGroup or a path, found {type(item).__name__}")


def apply_definitions(
    store: StoreBase,
    definitions: Sequence[Entity | FeatureGroup],
    *,
    allow_breaking: bool,
    prune: bool,
    remove: Sequence[str],
) -> None:
    """Apply definitions to the catalog, all or nothing."""
    _check_adopted_tables(store, definitions)
    store.catalog.definitions.apply(definitions, allow_breaking=allow_breaking, prune=prune, remove=remove)
    store.online.refresh()


def apply_plan(store: StoreBase, plan: Changes, *, allow_breaking: bool) -> None:
    """Carry out a plan; the tables of renamed and removed groups follow."""
    if not allow_breaking and (plan.renames or plan.drop_tables):
        plan.check_breaking()
    dropped = _tables_to_drop(store, plan)
    _check_adopted_tables(store, plan.definitions)
    with _rename_tables(store, plan):
        store.catalog.definitions.apply(plan, allow_breaking=allow_breaking)
    store.online.refresh()
    for group in dropped:
        from palette.offline.delta.drop import drop_table

        drop_table(store.tables, group, _delta_session)


def _check_adopted_tables(store: StoreBase, definitions: Iterable[Entity | FeatureGroup]) -> None:
    """Raise if an adopted table does not fit its group, where an active Spark session can read it."""
    definitions = list(definitions)
    groups = [item for item in definitions if isinstance(item, FeatureGroup) and item.table is not None]
    if not groups or (sql := sys.modules.get("pyspark.sql")) is None:
        return
    spark = sql.SparkSession.getActiveSession()
    if spark is not None and "delta" in spark.conf.get("spark.sql.extensions", "").lower():
        entities = store.catalog.definitions.entities()
        entities |= {item.name: item for item in definitions if isinstance(item, Entity)}
        for group in groups:
            if group.entity in entities:
                store.tables.check_existing(spark, GroupSchema(entities[group.entity], group))


@contextmanager
def _rename_tables(store: StoreBase, plan: Changes) -> Iterator[None]:
    """Rename tables and columns while the catalog changes, with the locks of their groups held."""
    if not plan.renames:
        yield
        return
    from palette.offline.delta.rename import copy_columns, move_table

    with ExitStack() as stack:
        groups = {item.full_name: item for item in plan.definitions if isinstance(item, FeatureGroup)}
        columns: dict[str, list[tuple[str, str]]] = {}
        for name in dict.fromkeys(rename.before.full_name for rename in plan.renames):
            stack.enter_context(store.catalog.feeds.lock(name))
        for rename in plan.renames:
            if rename.kind == "group":
                stack.enter_context(move_table(store.tables, rename.before, groups[rename.new], _delta_session))
            else:
                columns.setdefault(rename.before.full_name, []).append(rename.names)
        for name, pairs in columns.items():
            copy_columns(store.tables, store.group(name), pairs, _delta_session)
        yield


def _tables_to_drop(store: StoreBase, plan: Changes) -> list[FeatureGroup]:
    """Return the groups whose tables a plan drops; raise if one of them cannot be dropped."""
    if not plan.drop_tables:
        return []
    groups = [store.group(name) for kind, name in plan.dropped if kind == "group"]
    groups = [group for group in groups if group.table is None]
    if groups:
        from palette.offline.delta.drop import check_droppable

        for group in groups:
            check_droppable(store.tables, group)
    return groups


def _delta_session() -> SparkSession:
    from palette.session import active_session, require_delta

    spark = active_session()
    require_delta(spark)
    return spark
