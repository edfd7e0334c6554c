"""Keys taken out of everything that a store keeps of them: the table and its past, the online store, snapshots."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.errors import CatalogError, DataError
from palette.feeds.keys import keys_frame, listed_keys
from palette.feeds.reports import Erased
from palette.feeds.windows.update import partials_beside
from palette.offline.delta.erase import Erasure
from palette.online.erase import defined, erase_rows, rows_in_snapshot
from palette.paths import path_text
from palette.times import now_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import Entity, FeatureGroup
    from palette.feeds.context import Stores

__all__ = ["erase"]

KIND = "erase"
# The table of the group itself, beside that of its partial aggregates.
OWN = "own"


def erase(
    stores: Stores,
    entity: Entity,
    group: FeatureGroup,
    keys: Iterable[Any] | DataFrame,
    *,
    snapshots: Iterable[str | Path] = (),
    dry_run: bool = False,
) -> Erased:
    """Erase keys of a feature group; see :meth:`palette.FeatureStore.delete`."""
    wanted = listed_keys(entity, group, keys)
    with defined(stores.online, entity, group):
        return _erased(stores, entity, group, wanted, snapshots, dry_run=dry_run)


def _erased(
    stores: Stores,
    entity: Entity,
    group: FeatureGroup,
    wanted: list[Any],
    snapshots: Iterable[str | Path],
    *,
    dry_run: bool,
) -> Erased:
    paths = [path_text(path) for path in snapshots]
    # Of each a look, before anything is erased: one that is none is an error.
    held = {path: rows_in_snapshot(path, group.full_name, wanted, erase=False) for path in paths}
    told = Erased(group.full_name, len(wanted), snapshots=held, dry_run=dry_run)
    tables = _tables(stores, entity, group, wanted)
    if dry_run:
        return _would(stores, group, wanted, tables, told)
    catalog, name = stores.catalog, group.full_name
    with catalog.lock(name):
        catalog.end_lost_runs(name, KIND)
        told, latest = _found(stores, group, tables, told)
        told = replace(told, lost_pins=tuple(sorted({*told.lost_pins, *_lost_before(stores, name)})))
        # How many keys, but never which. The pins are kept here, too: once the files are gone nothing tells them.
        about = {"keys": len(wanted), "lost_pins": list(told.lost_pins)}
        number = catalog.start_run(name, KIND, details=about)
        try:
            told = _erase(stores, group, wanted, tables, told, latest)
        except BaseException as error:
            with contextlib.suppress(CatalogError):
                catalog.end_run(number, "failed", details={**about, "error": type(error).__name__})
            raise
        catalog.end_run(number, "done", details=told.to_json())
    return told


def _would(stores: Stores, group: FeatureGroup, keys: list[Any], tables: Mapping[str, Erasure], told: Erased) -> Erased:
    told, _ = _found(stores, group, tables, told)
    answers = stores.online.read({group.full_name: keys}, status=True)[group.full_name]
    there = sum("missing" not in answer.values() for answer in answers)
    return replace(told, online=there)


def _erase(
    stores: Stores,
    group: FeatureGroup,
    keys: list[Any],
    tables: Mapping[str, Erasure],
    told: Erased,
    latest: int | None,
) -> Erased:
    # Before the table: how far the rows of a time to come go is read there, also when this is repeated.
    online = erase_rows(stores.online, group.full_name, keys, max(now_micros(), latest or 0))
    for table in tables.values():
        table.delete()
    gone = {path: rows_in_snapshot(path, group.full_name, keys, erase=True) for path in told.snapshots}
    version = stores.tables.version(stores.spark, group)
    return replace(told, version=version, online=online, snapshots=gone)


def _lost_before(stores: Stores, name: str) -> set[str]:
    """Return the pins that erasures lost which were broken off, and so told nobody."""
    pins, found = set(stores.catalog.pins()), set[str]()
    for run in stores.catalog.runs(name, limit=1000):
        if run["kind"] == KIND:
            if run["status"] == "done":
                break
            found.update(run["details"].get("lost_pins", ()))
    return found & pins


def _tables(stores: Stores, entity: Entity, group: FeatureGroup, keys: list[Any]) -> dict[str, Erasure]:
    """Return the table of the group and that of its partial aggregates, as far as they are there."""
    frame = keys_frame(stores.spark, entity, keys)
    if group.table is not None:
        _refuse_rows_of_others(stores, entity, group, frame)
        return {}
    found = {}
    if stores.tables.version(stores.spark, group) is not None:
        found[OWN] = Erasure(stores.tables.identifier(group), frame)
    if (partials := partials_beside(stores.spark, stores.tables, group)) is not None:
        found["partials"] = Erasure(partials, frame)
    return found


def _refuse_rows_of_others(stores: Stores, entity: Entity, group: FeatureGroup, keys: DataFrame) -> None:
    """Refuse to erase what a table of others still has: it would be put online again."""
    if stores.tables.version(stores.spark, group) is None:
        return
    rows = stores.tables.read(stores.spark, entity, group)
    if count := rows.join(keys, list(entity.keys), "left_semi").count():
        raise DataError(
            f"{group.full_name}: its table {group.table} is filled by others and has {count:,} rows of these keys: "
            "delete them there, vacuum it, and erase again; nothing was erased"
        )


def _found(
    stores: Stores, group: FeatureGroup, tables: Mapping[str, Erasure], told: Erased
) -> tuple[Erased, int | None]:
    """Return what there is in the tables, and the latest time of a row."""
    files = sum(len(table.files) for table in tables.values())
    own = tables.get(OWN)
    if own is None:
        return replace(told, files=files), None
    name = group.full_name
    pinned = {pin: versions[name] for pin, versions in stores.catalog.pins().items() if name in versions}
    rows, latest = own.rows(group.timestamp or group.created)
    version = stores.tables.version(stores.spark, group)
    return replace(told, rows=rows, files=files, version=version, lost_pins=own.lost(pinned)), latest
