"""Permanent erasure of keys: tables with all their versions, the online store, snapshots."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.definitions import GroupSchema
from palette.errors import CatalogError, DataError
from palette.feeds.keys import deduplicate_keys, keys_frame
from palette.feeds.reports import Erased
from palette.feeds.windows.update import find_partials
from palette.offline.delta.erase import Erasure
from palette.offline.prepared.store import check_removable, remove_prepared
from palette.online.erase import erase_rows, rows_in_snapshot
from palette.online.store import require_store
from palette.paths import path_text
from palette.times import now_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.definitions import Entity, FeatureGroup
    from palette.feeds.context import Stores

__all__ = ["erase"]

KIND = "erase"
# The group's own table, as opposed to that of its partial aggregates.
OWN = "own"


@dataclass(frozen=True)
class _Work:
    """The keys to erase from one group.

    Parameters
    ----------
    schema : GroupSchema
        Entity and group.
    keys : list
        Distinct, as the online store holds them.
    tables : dict of str to Erasure
        The group's table, and that of its partial aggregates.
    report : Erased
        With the rows that each snapshot holds.
    """

    schema: GroupSchema
    keys: list[Any]
    tables: Mapping[str, Erasure]
    report: Erased


def erase(
    stores: Stores,
    definitions: Sequence[tuple[Entity, FeatureGroup]],
    keys: Iterable[Any] | DataFrame,
    *,
    snapshots: Iterable[str | Path] = (),
    dry_run: bool = False,
) -> list[Erased]:
    """Erase keys of feature groups; see :meth:`palette.FeatureStore.erase`."""
    paths = [path_text(path) for path in snapshots]
    # Validated for all groups before anything is erased.
    plans = [_plan(stores, GroupSchema(*pair), keys, paths, dry_run=dry_run) for pair in definitions]
    reports = []
    for work in plans:
        with require_store(stores.online, work.schema.name).with_definition(work.schema):
            reports.append(_count(stores, work) if dry_run else _erase(stores, work))
    return reports


def _plan(
    stores: Stores, schema: GroupSchema, keys: Iterable[Any] | DataFrame, paths: Sequence[str], *, dry_run: bool
) -> _Work:
    distinct = deduplicate_keys(schema, keys)
    check_removable(stores.tables, schema.group)
    held = {path: rows_in_snapshot(path, schema.name, distinct, erase=False) for path in paths}
    report = Erased(schema.name, len(distinct), snapshots=held, dry_run=dry_run)
    return _Work(schema, distinct, _tables(stores, schema, distinct), report)


def _tables(stores: Stores, schema: GroupSchema, keys: list[Any]) -> dict[str, Erasure]:
    """Return the existing ones of the group's table and that of its partial aggregates."""
    group, frame = schema.group, keys_frame(stores.spark, schema.entity, keys)
    if group.table is not None:
        _require_absent(stores, schema, frame)
        return {}
    tables = {}
    if stores.tables.version(stores.spark, group) is not None:
        tables[OWN] = Erasure(stores.tables.identifier(group), frame)
    if (partials := find_partials(stores.spark, stores.tables, group)) is not None:
        tables["partials"] = Erasure(partials, frame)
    return tables


def _require_absent(stores: Stores, schema: GroupSchema, keys: DataFrame) -> None:
    """Raise if an adopted table still has rows of the keys: they would be published again."""
    group = schema.group
    if stores.tables.version(stores.spark, group) is None:
        return
    rows = stores.tables.read(stores.spark, schema)
    if count := rows.join(keys, list(schema.keys), "left_semi").count():
        raise DataError(
            f"{schema.name}: its table {group.table} is filled by others and has {count:,} rows of these keys: "
            "delete them there, vacuum it, and erase again; nothing was erased"
        )


def _count(stores: Stores, work: _Work) -> Erased:
    """Return the report of a dry run."""
    report, _ = _count_in_tables(stores, work)
    answers = stores.online.read({work.schema.name: work.keys}, status=True)[work.schema.name]
    return replace(report, online=sum("missing" not in answer.values() for answer in answers))


def _erase(stores: Stores, work: _Work) -> Erased:
    """Erase under the group's lock, and record the run."""
    catalog, name = stores.catalog, work.schema.name
    with catalog.feeds.lock(name):
        catalog.feeds.end_lost_runs(name, KIND)
        report, latest = _count_in_tables(stores, work)
        lost_pins = {*report.lost_pins, *_pins_lost_before(stores, name)}
        report = replace(report, lost_pins=tuple(sorted(lost_pins)))
        # The number of keys, but never which. The pins are recorded first: they cannot be derived from deleted files.
        details = {"keys": len(work.keys), "lost_pins": list(report.lost_pins)}
        number = catalog.feeds.start_run(name, KIND, details=details)
        try:
            report = _delete(stores, work, report, latest)
        except BaseException as error:
            with contextlib.suppress(CatalogError):
                catalog.feeds.end_run(number, "failed", details={**details, "error": type(error).__name__})
            raise
        catalog.feeds.end_run(number, "done", details=report.to_json())
    return report


def _delete(stores: Stores, work: _Work, report: Erased, latest: int | None) -> Erased:
    group, name = work.schema.group, work.schema.name
    # Online first: the latest time of a row is read from the table, also when an interrupted erasure is repeated.
    online = erase_rows(stores.online, name, work.keys, max(now_micros(), latest or 0))
    for table in work.tables.values():
        table.delete()
    remove_prepared(stores.tables.prepared(group))
    snapshots = {path: rows_in_snapshot(path, name, work.keys, erase=True) for path in report.snapshots}
    version = stores.tables.version(stores.spark, group)
    return replace(report, version=version, online=online, snapshots=snapshots)


def _pins_lost_before(stores: Stores, name: str) -> set[str]:
    """Return the pins that interrupted erasures lost since the last complete one, which no report has named."""
    lost = set[str]()
    for run in stores.catalog.feeds.runs(name, limit=1000):
        if run["kind"] == KIND:
            if run["status"] == "done":
                break
            lost.update(run["details"].get("lost_pins", ()))
    return lost & set(stores.catalog.pins.all())


def _count_in_tables(stores: Stores, work: _Work) -> tuple[Erased, int | None]:
    """Return the report with rows, files and lost pins, and the latest time of a row."""
    group, name = work.schema.group, work.schema.name
    report = replace(work.report, files=sum(len(table.files) for table in work.tables.values()))
    own = work.tables.get(OWN)
    if own is None:
        return report, None
    pinned = {pin: versions[name] for pin, versions in stores.catalog.pins.all().items() if name in versions}
    rows, latest = own.rows(group.timestamp or group.created)
    version = stores.tables.version(stores.spark, group)
    return replace(report, rows=rows, version=version, lost_pins=own.lost(pinned)), latest
