"""LocalPipeline: scores rows without Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from palette.errors import DataError
from palette.online import GroupTable, OnlineReader, now_micros
from palette.serving.bundle import read_bundle, write_bundle
from palette.serving.pipelines import is_saved, saved_plan
from palette.serving.plan import check_plan, compile_plan
from palette.serving.steps import Plan

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["LocalPipeline"]

# The store given, its earliest moment, what is read of it, the function, and the reader's generation at that time.
Ready: TypeAlias = "tuple[Any, int, OnlineReader, Callable[[Mapping[str, Any], int], dict[str, Any]], int]"
NEVER = -(1 << 63)
KEPT = 4


class LocalPipeline:
    """A fitted pipeline as one prepared Python function.

    Parameters
    ----------
    plan : Plan
        What to compute.
    store : Snapshot, online store or FeatureStore, optional
        Where features are read; only plans with look-ups need one. Of a FeatureStore its online store is used.

    Attributes
    ----------
    needs_store : bool
        Whether the plan looks anything up.

    Raises
    ------
    SnapshotError
        If the store lacks a group or feature of the plan.

    Examples
    --------
    >>> from palette.serving.steps import DslStep
    >>> step = DslStep({"y": "nVal('basis:x') * 2"}, {"basis:x": {"column": "x", "type": "double"}}, {})
    >>> LocalPipeline(Plan((step,), ("y",))).score_instance({"x": 1.5})
    {'y': 3.0}
    """

    def __init__(self, plan: Plan, store: OnlineReader | FeatureStore | None = None) -> None:
        self.plan = plan
        self.needs_store = bool(plan.groups)
        # One tuple, exchanged whole: threads may score against different stores.
        self._ready: Ready | None = None
        self._recent: tuple[Ready, ...] = ()
        if store is not None or not self.needs_store:
            self._prepare(store)
        else:
            check_plan(plan)

    @classmethod
    def load(cls, path: str | Path, store: OnlineReader | FeatureStore | None = None) -> LocalPipeline:
        """Read a bundle, or a plain PipelineModel that Spark ML saved.

        Of the latter the types of the input columns are not known, so values are taken as they come.

        Raises
        ------
        DataError
            If there is neither, it is not whole, a newer release wrote it, or a saved stage has no local form.
        """
        return cls(saved_plan(path) if is_saved(path) else read_bundle(path), store)

    def save(self, path: str | Path) -> None:
        """Write the bundle: a directory of JSON; an older bundle there is replaced."""
        write_bundle(self.plan, path)

    def score_instance(
        self,
        row: Mapping[str, Any],
        now: dt.datetime | None = None,
        *,
        store: OnlineReader | FeatureStore | None = None,
    ) -> dict[str, Any]:
        """Return the columns that ``transform`` adds, for one row.

        Parameters
        ----------
        row : mapping
            The columns of the basis; a missing one is null.
        now : datetime, optional
            The moment at which ttl counts; naive is UTC; default this moment.
        store : Snapshot or online store, optional
            Takes the place of the one given before.

        Raises
        ------
        DataError, dsl.DslTypeError
            If the row is no mapping, a value has the wrong type, or there is no store and one is needed.
        SnapshotError
            If ``now`` is before the snapshot's time.
        RowRejectedError
            If Spark's ``handleInvalid="skip"`` would drop the row.
        """
        if row.__class__ is not dict and not isinstance(row, Mapping):
            raise DataError(f"a row is a mapping of column to value, found {type(row).__name__}")
        ready = self._ready
        if ready is None or (store is not None and store is not ready[0]) or ready[2].generation != ready[4]:
            ready = self._prepare(store if store is not None or ready is None else ready[0])
        at = now_micros(now)
        if at < ready[1]:
            ready[2].check_now(at)
        return ready[3](row, at)

    scoreInstance = score_instance

    def score_instances(
        self, rows: Iterable[Mapping[str, Any]], now: dt.datetime | None = None
    ) -> list[dict[str, Any]]:
        """Score rows, all at one moment; as :meth:`score_instance` does."""
        now = now if now is not None else dt.datetime.now(dt.UTC)
        return [self.score_instance(row, now) for row in rows]

    def _prepare(self, store: OnlineReader | FeatureStore | None) -> Ready:
        """Make a store the one that is read; the last few stay prepared, for callers that alternate."""
        same = (one for one in self._recent if one[0] is store and one[2].generation == one[4])
        ready = next(same, None) or self._compiled(store)
        self._recent = (ready, *(one for one in self._recent if one[0] is not store))[:KEPT]
        self._ready = ready
        return ready

    def _compiled(self, store: OnlineReader | FeatureStore | None) -> Ready:
        reader = NoStore() if store is None else getattr(store, "online", store)
        if not isinstance(reader, OnlineReader):
            raise DataError(f"store is a snapshot, an online store or a FeatureStore, found {store!r:.80}")
        generation, earliest = reader.generation, NEVER if reader.at is None else reader.at
        return store, earliest, reader, compile_plan(self.plan, reader.table), generation


class NoStore(OnlineReader):
    """What plans without look-ups read."""

    def table(self, group: str) -> GroupTable:
        """Refuse."""
        raise DataError(f"this pipeline reads features of {group}: pass store=, a snapshot or an online store")
