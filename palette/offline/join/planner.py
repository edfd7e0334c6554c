"""Which histories travel to the rows, and which meet them in a shuffle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palette.errors import DefinitionError
from palette.offline.cache import Memo
from palette.offline.delta.log_reader import Unreadable
from palette.offline.join.histories import open_files, open_history
from palette.offline.join.latest_values import untimed_groups
from palette.offline.join.lookup import Lookup, check_join

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline.delta.tables import DeltaTables

__all__ = ["TRAVEL_LIMIT", "Choice", "choose", "explain", "pinned"]

# Bytes of all histories that travel in one join. They are mapped, so the workers of a machine share them.
TRAVEL_LIMIT = 1 << 29
# The shuffle plan's cost grows with the square of the groups that share a join key: where so many do, histories travel
# up to so many times the limit, if each alone is within it.
MANY_GROUPS, MANY_LIMITS = 32, 8
# Of histories that are read through Spark.
_sizes: Memo[int] = Memo(limit=512)


@dataclass(frozen=True)
class Choice:
    """The plan for one join key.

    Parameters
    ----------
    join_keys : tuple of str
        Columns of the basis.
    travels : bool
        Whether the histories travel; otherwise they are shuffled.
    reason : str
        For people.
    """

    join_keys: tuple[str, ...]
    travels: bool
    reason: str


def pinned(
    spark: SparkSession, tables: DeltaTables, lookups: Sequence[Lookup], versions: Mapping[str, int] | None
) -> dict[str, int]:
    """Return the version to read of each group, by its full name: the one asked for, or the newest."""
    groups = {lookup.group.full_name: lookup.group for lookup in lookups}
    return {name: tables.resolve(spark, group, (versions or {}).get(name)) for name, group in groups.items()}


def choose(
    spark: SparkSession,
    tables: DeltaTables,
    lookups: Sequence[Lookup],
    versions: Mapping[str, int],
    hint: str | None,
    limit: int = TRAVEL_LIMIT,
) -> list[Choice]:
    """Return the plan for each join key, in the order in which they are asked for.

    All groups of a join key take one plan: where one of them must be shuffled, the others share that shuffle.
    The smallest histories travel first, until the limit is reached; those of many groups also beyond it.

    Raises
    ------
    DefinitionError
        If the hint is unknown.
    """
    if hint not in (None, "travel", "shuffle"):
        raise DefinitionError(f"hint must be 'travel' or 'shuffle', found {hint!r}")
    join_keys = list(dict.fromkeys(lookup.join_keys for lookup in lookups))
    if hint is not None:
        return [Choice(keys, hint == "travel", f"hint={hint!r}") for keys in join_keys]
    parts = {
        keys: [_size(spark, tables, lookup, versions) for lookup in lookups if lookup.join_keys == keys]
        for keys in join_keys
    }
    sizes = {keys: sum(own) for keys, own in parts.items()}
    limits = {keys: _limit(own, limit) for keys, own in parts.items()}
    taken, travels = 0, set()
    for keys in sorted(sizes, key=sizes.__getitem__):
        if taken + sizes[keys] <= limits[keys]:
            taken += sizes[keys]
            travels.add(keys)
    return [
        Choice(
            keys,
            keys in travels,
            f"{_megabytes(sizes[keys])} of history {'is within' if keys in travels else 'is beyond'} "
            f"the {_megabytes(limits[keys])} that may travel in one join"
            + (f", more than {_megabytes(limit)} as {len(parts[keys])} groups share it" * (limits[keys] > limit)),
        )
        for keys in join_keys
    ]


def _limit(sizes: Sequence[int], limit: int) -> int:
    """Return up to which size the histories of one join key may travel."""
    return limit * MANY_LIMITS if len(sizes) >= MANY_GROUPS and max(sizes) <= limit else limit


def explain(
    tables: DeltaTables,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None = None,
    point_in_time: str = "event",
    versions: Mapping[str, int] | None = None,
    hint: str | None = None,
    travel_limit: int = TRAVEL_LIMIT,
) -> str:
    """Tell which plan :func:`palette.offline.point_in_time_join` takes for these arguments, and why.

    Nothing is executed or prepared.
    """
    check_join(basis.schema, lookups, timestamp=timestamp, point_in_time=point_in_time)
    spark = basis.sparkSession
    pins = pinned(spark, tables, lookups, versions)
    choices = choose(spark, tables, lookups, pins, hint, travel_limit)
    lines = []
    for choice in choices:
        what = "travel: no shuffle of the basis" if choice.travels else "shuffle: one, of the basis and all groups"
        lines.append(f"{', '.join(choice.join_keys)}: {what} ({choice.reason})")
        for lookup in lookups:
            if lookup.join_keys == choice.join_keys:
                features = ", ".join(dict.fromkeys(lookup.columns.values()))
                how = f", {_way(tables, lookup, pins)}" if choice.travels else ""
                lines.append(f"  {lookup.group.full_name}, version {pins[lookup.group.full_name]}: {features}{how}")
    shuffles = sum(not choice.travels for choice in choices)
    lines.append(f"{len(choices)} join keys, {shuffles} shuffles; time: {timestamp or 'now'} ({point_in_time})")
    if untimed := untimed_groups(lookups, timestamp):
        lines.append(f"no time for each row: the latest values of {', '.join(untimed)}; to train, pass timestamp=")
    return "\n".join(lines)


def _way(tables: DeltaTables, lookup: Lookup, versions: Mapping[str, int]) -> str:
    try:
        history = open_files(tables, lookup.entity, lookup.group, versions[lookup.group.full_name])
    except Unreadable as reason:
        return f"read through Spark ({reason})"
    return f"read from {len(history.paths)} Parquet files"


def _size(spark: SparkSession, tables: DeltaTables, lookup: Lookup, versions: Mapping[str, int]) -> int:
    group, version = lookup.group, versions[lookup.group.full_name]
    times = [name for name in (group.timestamp, group.created) if name is not None]
    names = list(dict.fromkeys([*lookup.entity.keys, *times, *lookup.columns.values()]))
    try:
        return open_files(tables, lookup.entity, group, version).size(names)
    except Unreadable:
        known = (tables.identifier(group), tables.identity(spark, group, version), version, *names)
        return _sizes.get(known, lambda: open_history(spark, tables, lookup.entity, group, version).size(names))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
