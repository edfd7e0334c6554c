"""The point-in-time join: each row of a basis with the feature values that were known at its time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from palette.offline.join import shuffle
from palette.offline.join.broadcast import broadcast
from palette.offline.join.hot_keys import HOT_ROWS
from palette.offline.join.lookup import Lookup, ResolvedLookups
from palette.offline.join.partitioned import meet, partitioned, shuffles_basis
from palette.offline.join.planner import BROADCAST_LIMIT, HINTS, choose_plans, open_versions
from palette.offline.join.request import JoinRequest, OutputColumn, make_request
from palette.offline.join.search import PreparedLookup, outputs, search_column
from palette.offline.join.validate import check_join, check_stream
from palette.offline.point_in_time import key_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from palette.offline.delta.tables import DeltaTables

__all__ = ["point_in_time_join"]

SEARCHED = "__palette_searched"

LOG = logging.getLogger(__name__)


def point_in_time_join(
    tables: DeltaTables,
    basis: DataFrame,
    lookups: Sequence[Lookup],
    *,
    timestamp: str | None = None,
    point_in_time: str = "event",
    versions: Mapping[str, int] | None = None,
    hint: str | None = None,
    status: bool = False,
    broadcast_limit: int = BROADCAST_LIMIT,
    hot_rows: int = HOT_ROWS,
    now: int | None = None,
) -> DataFrame:
    """Return the basis with the value of each feature at each row's time.

    Parameters
    ----------
    tables : DeltaTables
        Where the histories are.
    basis : DataFrame
        The rows to which features are added. It is not executed here.
    lookups : sequence of Lookup
        The features; of :class:`ResolvedLookups` the output columns come in their order.
    timestamp : str, optional
        Column with each row's time: TIMESTAMP, or TIMESTAMP_NTZ or DATE, read as UTC. Without it the time is now.
    point_in_time : "event" or "created"
        Whether a row counts from its event time on, or only from when it was also written.
    versions : mapping of str to int, optional
        Table version for a group's full name; the newest where absent.
    hint : "broadcast", "partitioned" or "shuffle", optional
        Forces a plan.
    status : bool
        Add ``<column>__status`` after each column: ``present``, ``null``, ``expired`` or ``missing``.
    broadcast_limit : int
        Bytes of history up to which the broadcast plan is chosen.
    hot_rows : int
        Rows of history beyond which a key is split by time.
    now : int, optional
        The time of all rows where there is no timestamp column, in microseconds; by default the clock's.

    Raises
    ------
    SchemaError
        If a column is missing, exists already, or has the wrong type.
    ArgumentError
        If a parameter has an unknown value, a group cannot answer ``point_in_time="created"``, or the basis is a
        stream without times or versions.
    DataError
        If nothing was written to a group, or a version does not exist.
    """
    check_join(basis.schema, lookups, timestamp=timestamp, point_in_time=point_in_time, status=status)
    check_stream(basis, lookups, timestamp=timestamp, versions=versions)
    opened = open_versions(basis.sparkSession, tables, lookups, versions)
    plans = {plan.join_keys: plan for plan in choose_plans(lookups, opened, hint, broadcast_limit)}
    for plan in plans.values():
        LOG.info("join on %s: %s, %s", ",".join(plan.join_keys), plan.kind, plan.reason)
    request = make_request(
        basis, lookups, opened, timestamp=timestamp, point_in_time=point_in_time, status=status, now=now
    )
    of_kind = {kind: [each for each in lookups if plans[each.join_keys].kind == kind] for kind in HINTS}
    large = of_kind["shuffle"]
    columns = dict(shuffle.outputs(request, large))
    frame, keys, time = basis, list(request.keys.values()), request.time
    if large:
        frame = shuffle.pack(request)
        keys, time = [F.col(key_column(index)) for index in range(len(request.keys))], F.col(shuffle.TIME)
    prepared = [*broadcast(request, of_kind["broadcast"]), *partitioned(request, of_kind["partitioned"], hot_rows)]
    # Those that need no shuffle are looked up together; then one shuffle for each of the other join keys.
    rounds: dict[tuple[str, ...], list[PreparedLookup]] = {}
    for each in prepared:
        join_keys = each.lookup.join_keys if shuffles_basis(request.spark, each.history) else ()
        rounds.setdefault(join_keys, []).append(each)
    for number, (join_keys, sharing) in enumerate(sorted(rounds.items())):
        if join_keys:
            frame = meet(request, frame, sharing, keys, time)
        name = f"{SEARCHED}{number}"
        frame = frame.select("*", search_column(request, sharing, keys, time).alias(name))
        columns |= outputs(request, [each.lookup for each in sharing], F.col(name))
    order = lookups.order if isinstance(lookups, ResolvedLookups) else ResolvedLookups(lookups).order
    results = [column for name in order for column in _named(request, name, columns[name])]
    if large:
        return shuffle.unpack(shuffle.shuffle(request, large, frame, hot_rows), results)
    return frame.select("*", *results).drop(*(f"{SEARCHED}{number}" for number in range(len(rounds))))


def _named(request: JoinRequest, name: str, output: OutputColumn) -> Iterator[Column]:
    """Yield an output column with its metadata, and its status where that is requested."""
    lookup = next(lookup for lookup in request.lookups if name in lookup.columns)
    metadata = lookup.metadata(lookup.columns[name], request.version(lookup).number)
    yield output.value.alias(name, metadata=metadata)
    if output.status is not None:
        yield output.status.alias(f"{name}__status")
