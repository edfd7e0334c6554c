"""Choice of a join plan for each join key: small histories are broadcast, large ones partitioned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palette.errors import ArgumentError
from palette.offline.cache import LRUCache
from palette.offline.join.histories import open_history
from palette.offline.join.latest_values import untimed_groups
from palette.offline.join.partitioned import shuffles_basis
from palette.offline.join.validate import check_join
from palette.offline.prepared.history import PreparedHistory
from palette.offline.prepared.partitions import plan_parts
from palette.offline.prepared.store import find_prepared, is_reachable, open_prepared

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline.delta.tables import DeltaTables
    from palette.offline.delta.version import TableVersion
    from palette.offline.join.lookup import Lookup

__all__ = ["BROADCAST_LIMIT", "HINTS", "JoinPlan", "choose_plans", "explain", "open_versions", "prepare_large"]

HINTS = ("broadcast", "partitioned", "shuffle")
# Bytes of all histories that are broadcast in one join. They are mapped, so the workers of a machine share them.
BROADCAST_LIMIT = 1 << 29
# The shuffle plan's cost grows with the square of the groups that share a join key: with MANY_GROUPS or more, histories
# are broadcast up to LIMIT_FACTOR times the limit, if each alone is within it.
MANY_GROUPS, LIMIT_FACTOR = 32, 8
WHAT = {
    ("broadcast", False): "broadcast: no shuffle of the basis",
    ("partitioned", False): "partitioned: no shuffle of the basis, each task maps the files",
    ("partitioned", True): "partitioned: one shuffle, of the basis",
    ("shuffle", True): "shuffle: one, of the basis and all groups",
}
_sizes: LRUCache[int] = LRUCache(limit=4096)


@dataclass(frozen=True)
class JoinPlan:
    """The plan for one join key.

    Parameters
    ----------
    join_keys : tuple of str
        Columns of the basis.
    kind : "broadcast", "partitioned" or "shuffle"
        How basis and histories meet.
    reason : str
        Explanation shown by ``explain``.
    """

    join_keys: tuple[str, ...]
    kind: str
    reason: str


def open_versions(
    spark: SparkSession, tables: DeltaTables, lookups: Sequence[Lookup], versions: Mapping[str, int] | None
) -> dict[str, TableVersion]:
    """Return the version to read of each group, by its full name: the requested one, or the newest.

    Raises
    ------
    DataError
        If nothing was written to a group, a version does not exist, or its files were vacuumed.
    """
    schemas = {lookup.schema.name: lookup.schema for lookup in lookups}
    numbers = versions or {}
    return {name: tables.open(spark, schema, numbers.get(name)) for name, schema in schemas.items()}


def choose_plans(
    lookups: Sequence[Lookup],
    versions: Mapping[str, TableVersion],
    hint: str | None,
    limit: int = BROADCAST_LIMIT,
) -> list[JoinPlan]:
    """Return the plan for each join key, in the order of the look-ups.

    All groups of a join key share one plan: where one of them must be shuffled, the others share that shuffle.
    The smallest histories are broadcast first, until the limit is reached; those of many groups also beyond it.

    Raises
    ------
    ArgumentError
        If the hint is unknown.
    """
    if hint is not None and hint not in HINTS:
        raise ArgumentError(f"hint must be 'broadcast', 'partitioned' or 'shuffle', found {hint!r}")
    join_keys = list(dict.fromkeys(lookup.join_keys for lookup in lookups))
    if hint is not None:
        return [JoinPlan(keys, hint, f"hint={hint!r}") for keys in join_keys]
    parts = {
        keys: [history_size(lookup, versions[lookup.schema.name]) for lookup in lookups if lookup.join_keys == keys]
        for keys in join_keys
    }
    sizes = {keys: sum(own) for keys, own in parts.items()}
    limits = {keys: _limit(own, limit) for keys, own in parts.items()}
    large = {
        keys: "partitioned"
        if all(is_reachable(versions[each.schema.name]) for each in lookups if each.join_keys == keys)
        else "shuffle"
        for keys in join_keys
    }
    total, broadcast = 0, set()
    for keys in sorted(sizes, key=sizes.__getitem__):
        if total + sizes[keys] <= limits[keys]:
            total += sizes[keys]
            broadcast.add(keys)
    return [
        JoinPlan(
            keys,
            "broadcast" if keys in broadcast else large[keys],
            f"{_megabytes(sizes[keys])} of history {'is within' if keys in broadcast else 'is beyond'} "
            f"the {_megabytes(limits[keys])} that may be broadcast in one join"
            + (f", more than {_megabytes(limit)} as {len(parts[keys])} groups share it" * (limits[keys] > limit)),
        )
        for keys in join_keys
    ]


def _limit(sizes: Sequence[int], limit: int) -> int:
    """Return up to which size the histories of one join key may be broadcast."""
    return limit * LIMIT_FACTOR if len(sizes) >= MANY_GROUPS and max(sizes) <= limit else limit


def history_size(lookup: Lookup, version: TableVersion) -> int:
    """Return about how many bytes the columns that a look-up needs take in memory; computed once per version."""
    names = tuple(dict.fromkeys([*lookup.schema.identity(), *lookup.columns.values()]))
    types = tuple(version.columns.get(name) for name in names)
    key = (version.table, version.identity, version.number, names, types)
    return _sizes.get(key, lambda: open_history(version).size(names))


def prepare_large(version: TableVersion, limit: int = BROADCAST_LIMIT) -> None:
    """Prepare a history that would be partitioned in a join."""
    if is_reachable(version) and open_history(version).size(list(version.columns)) > limit:
        open_prepared(version, by_created=False)


def explain(
    tables: DeltaTables,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None = None,
    point_in_time: str = "event",
    versions: Mapping[str, int] | None = None,
    hint: str | None = None,
    broadcast_limit: int = BROADCAST_LIMIT,
) -> str:
    """Return which plan :func:`palette.offline.point_in_time_join` chooses for these arguments, and why.

    Nothing is executed or prepared.
    """
    check_join(basis.schema, lookups, timestamp=timestamp, point_in_time=point_in_time)
    opened = open_versions(basis.sparkSession, tables, lookups, versions)
    plans = choose_plans(lookups, opened, hint, broadcast_limit)
    lines, shuffles = [], 0
    for plan in plans:
        own = [lookup for lookup in lookups if lookup.join_keys == plan.join_keys]
        shuffled = plan.kind == "shuffle" or (plan.kind == "partitioned" and _moves(own, opened, point_in_time))
        shuffles += shuffled
        lines.append(f"{', '.join(plan.join_keys)}: {WHAT[plan.kind, shuffled]} ({plan.reason})")
        for lookup in own:
            version = opened[lookup.schema.name]
            features = ", ".join(dict.fromkeys(lookup.columns.values()))
            detail = _detail(plan.kind, version, point_in_time)
            lines.append(f"  {lookup.schema.name}, version {version.number}: {features}{detail and f', {detail}'}")
    lines.append(f"{len(plans)} join keys, {shuffles} shuffles; time: {timestamp or 'now'} ({point_in_time})")
    if untimed := untimed_groups(lookups, timestamp):
        lines.append(f"no time for each row: the latest values of {', '.join(untimed)}; to train, pass timestamp=")
    return "\n".join(lines)


def _detail(kind: str, version: TableVersion, point_in_time: str) -> str:
    if kind == "broadcast":
        return _reader(version)
    return _prepared(version, point_in_time) if kind == "partitioned" else _reason(version)


def _reader(version: TableVersion) -> str:
    if version.files is None:
        return f"read through Spark ({version.reason})"
    return f"read from {len(version.files.paths)} Parquet files"


def _reason(version: TableVersion) -> str:
    return f"not partitioned ({version.reason})" if version.reason and not is_reachable(version) else ""


def _prepared(version: TableVersion, point_in_time: str) -> str:
    history = find_prepared(version, by_created=point_in_time == "created")
    if history is None:
        return f"to be prepared: about {_megabytes(open_history(version).size(list(version.columns)))}, one shuffle"
    slices = f" and {history.slices} slices of hot keys" if history.cuts else ""
    return f"prepared: {_megabytes(history.size)} in {history.parts} parts{slices}"


def _moves(lookups: Sequence[Lookup], versions: Mapping[str, TableVersion], point_in_time: str) -> bool:
    """Return whether the basis is shuffled to the parts of partitioned histories, as they are or will be prepared."""
    opened = [versions[lookup.schema.name] for lookup in lookups]
    return any(shuffles_basis(version.spark, _history(version, point_in_time)) for version in opened)


def _history(version: TableVersion, point_in_time: str) -> PreparedHistory:
    if (history := find_prepared(version, by_created=point_in_time == "created")) is not None:
        return history
    size = open_history(version).size(list(version.columns))
    return PreparedHistory({}, plan_parts(size), size=size)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
