"""Fitted pipelines that score rows without Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from dsl.row_mappings import to_mapping, to_mappings
from palette.errors import ArgumentError, DataError
from palette.serving.bundle import read_bundle, write_bundle
from palette.serving.compile import check_plan, request_columns
from palette.serving.executors import Options, Program
from palette.serving.plan import Plan
from palette.serving.prepared import Ready, Store, absolute_store, outdated, prepare
from palette.serving.spark_files import is_saved
from palette.times import resolve_now

__all__ = ["LocalPipeline"]

# Stores that stay prepared, for callers that alternate.
PREPARED = 4


class LocalPipeline:
    """A fitted pipeline as one prepared Python function.

    Parameters
    ----------
    plan : Plan
        What to compute.
    store : Snapshot, online store, FeatureStore or URI, optional
        Needed by plans with look-ups. Of a FeatureStore its online store is read; a URI (``redis://...``,
        ``lmdb:DIRECTORY``, the directory of a snapshot) is opened by :func:`palette.online.open_online`.
    on_store_error : {"raise", "default"}
        What happens where a store fails or is too slow: :class:`palette.errors.StoreError` is raised, or values that
        were not read are missing, so that defaults apply, and the answer's entry ``__store_error`` has the error.
    budget : float, optional
        Seconds that all reads of one call may take together.
    status : bool
        Adds ``<column>__status`` for each looked-up column: ``present``, ``null``, ``expired`` or ``missing``.
    strict : bool
        Whether a row with an unknown column is an error. Known are the columns that the plan reads and the others that
        ``fit`` saw.
    max_request_age : float
        Seconds that a row's own time, in ``timestampCol``, may be before or after now where the store is live; on a
        snapshot that time must not be before the snapshot's. A row without the column, or with null in it, is of now.

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
    >>> from palette.serving.plan import DslStep
    >>> step = DslStep({"y": "nVal('basis:x') * 2"}, {"basis:x": {"column": "x", "type": "double"}}, {})
    >>> LocalPipeline(Plan((step,), ("y",))).score_instance({"x": 1.5})
    {'y': 3.0}
    """

    def __init__(
        self,
        plan: Plan,
        store: Store | str | Path | None = None,
        *,
        on_store_error: str = "raise",
        budget: float | None = None,
        status: bool = False,
        strict: bool = False,
        max_request_age: float = 300.0,
    ) -> None:
        # The path that it was loaded from, its store, and the arguments of load.
        self._source: tuple[str, Any, dict[str, Any]] | None = None
        self._options = Options(on_store_error, budget, status, strict, max_request_age)
        self.plan = plan
        self.needs_store = bool(plan.groups)
        # Replaced as one: threads may score against different stores.
        self._ready: Ready | None = None
        self._recent: tuple[Ready, ...] = ()
        if isinstance(store, (str, Path)):
            from palette.online.factory import open_online

            store = open_online(store, plan.definitions, must_exist=self.needs_store)
        if store is not None or not self.needs_store:
            self._prepare(store)
        else:
            check_plan(plan)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the path that it was loaded from, and its store."""
        if self._source is None:
            raise DataError(
                "a LocalPipeline that was made in this process cannot be sent to another one: save it, and load it in "
                "the worker (LocalPipeline.load(path, store=...))"
            )
        path, store, arguments = self._source
        return _load, (path, store, {**asdict(self._options), **arguments})

    @classmethod
    def load(
        cls,
        path: str | Path,
        store: Store | str | Path | None = None,
        *,
        types: Mapping[str, str] | None = None,
        java: int | None = None,
        **options: Any,
    ) -> LocalPipeline:
        """Read a bundle, or a plain PipelineModel that Spark ML saved.

        Parameters
        ----------
        path : str or Path
            The directory.
        store
            As for the class.
        types : mapping of str to str, optional
            The columns that a saved PipelineModel was fitted on with their Spark types, ``dict(df.dtypes)``, which its
            files lack. Without them values are not converted, but must be numbers or vectors where a stage needs these.
        java : int, optional
            The version of Java that a saved PipelineModel was fitted on: before 19, Java wrote other digits for some
            numbers that are categories of a FeatureHasher.
        **options
            ``on_store_error``, ``budget``, ``status``, ``strict`` and ``max_request_age`` of the class.

        Raises
        ------
        DataError
            If there is neither, it is incomplete, a newer release wrote it, its self-test gives other answers here, or
            a saved stage has no local form.
        ArgumentError
            If there are ``types`` or ``java`` for a bundle, which has its own.

        Warns
        -----
        UnknownTypeWarning
            If an answer of a saved PipelineModel depends on a type that is not known.
        """
        if is_saved(path):
            from palette.serving.spark_pipelines import saved_plan  # Bundles do without it.

            local = cls(saved_plan(path, types, java), store, **options)
        elif types is not None or java is not None:
            raise ArgumentError(f"{str(path)!r} is not a saved PipelineModel: a bundle has its own types= and java=")
        else:
            local = cls(read_bundle(path), store, **options)
        arguments = {"types": None if types is None else dict(types), "java": java}
        local._source = str(Path(path).absolute()), absolute_store(store), arguments
        return local

    @cached_property
    def request_columns(self) -> dict[str, str]:
        """The columns of a request that are read, with their Spark types; empty where they are unknown."""
        return request_columns(self.plan)

    def save(self, path: str | Path) -> None:
        """Write the bundle: a directory of JSON; an older bundle there is replaced."""
        write_bundle(self.plan, path)

    def score_instance(
        self,
        row: Mapping[str, Any] | Any,
        now: dt.datetime | None = None,
        *,
        store: Store | None = None,
    ) -> dict[str, Any]:
        """Return the columns that ``transform`` adds, for one row.

        Parameters
        ----------
        row : mapping, pyspark.sql.Row or pandas.Series
            The columns of the basis that the plan reads (:attr:`request_columns`), labels apart; a value may be None.
        now : datetime, optional
            The time at which ttl counts; naive is UTC; default now.
        store : Snapshot or online store, optional
            Replaces the one given before.

        Raises
        ------
        DataError, dsl.DslTypeError
            If the row is not a mapping, a value has the wrong type, or a store is needed and there is none;
            :class:`palette.errors.MissingColumnError` if it lacks a column that is read.
        SnapshotError
            If ``now`` is before the snapshot's time; :class:`palette.errors.RequestTimeError` if the row's own time
            is, or is too far from now.
        RowRejectedError
            If Spark's ``handleInvalid="skip"`` would drop the row.
        """
        if row.__class__ is not dict and not isinstance(row, Mapping):
            row = to_mapping(row, self.request_columns, DataError)
        ready = self._ready
        if ready is None or (store is not None and store is not ready.store):
            ready = self._prepare(store)
        elif ready.reader.generation != ready.generation:
            ready = self._prepare(ready.store)
        at = resolve_now(now)
        if at < ready.earliest:
            ready.reader.check_now(at)
        return ready.score(row, at)

    scoreInstance = score_instance

    async def score_instance_async(
        self, row: Mapping[str, Any] | Any, now: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Score one row as :meth:`score_instance` does, without blocking the event loop while a store answers."""
        if row.__class__ is not dict and not isinstance(row, Mapping):
            row = to_mapping(row, self.request_columns, DataError)
        program, at = self._program(now)
        return await program.score_async(row, at)

    def score_instances(
        self,
        rows: Iterable[Mapping[str, Any]],
        now: dt.datetime | None = None,
        *,
        errors: str = "raise",
        store: Store | None = None,
    ) -> list[Any]:
        """Score rows, all at one time, and read what they need together.

        Parameters
        ----------
        rows : iterable of mappings, or DataFrame of pandas, polars or Arrow
            As for :meth:`score_instance`; of a DataFrame its rows.
        now : datetime, optional
            The time at which ttl counts.
        errors : {"raise", "return"}
            Whether the first row that cannot be scored raises, or its error is returned instead of its answer.
        store : Snapshot or online store, optional
            Replaces the one given before.
        """
        _check_errors(errors)
        mappings = self._mappings(rows)
        program, at = self._program(now, store)
        return _raise_first(program.score_many(mappings, at), errors)

    async def score_instances_async(
        self, rows: Iterable[Mapping[str, Any]], now: dt.datetime | None = None, *, errors: str = "raise"
    ) -> list[Any]:
        """Score rows as :meth:`score_instances` does, without blocking the event loop while a store answers."""
        _check_errors(errors)
        mappings = self._mappings(rows)
        program, at = self._program(now)
        return _raise_first(await program.score_many_async(mappings, at), errors)

    def _mappings(self, rows: Any) -> list[Mapping[str, Any]]:
        if rows.__class__ is list and _all_dicts(rows):
            return rows
        return to_mappings(rows, self.request_columns, DataError)

    def _program(self, now: dt.datetime | None, store: Store | None = None) -> tuple[Program, int]:
        ready = self._ready
        if ready is None or (store is not None and store is not ready.store):
            ready = self._prepare(store)
        elif outdated(ready):
            ready = self._prepare(ready.store)
        return ready.program, ready.reader.check_now(resolve_now(now))

    def _prepare(self, store: Store | None) -> Ready:
        """Make a store the one that is read; the last few stay prepared."""
        same = (ready for ready in self._recent if ready.store is store and not outdated(ready))
        ready = next(same, None) or prepare(self.plan, store, self._options)
        self._recent = (ready, *(other for other in self._recent if other.store is not store))[:PREPARED]
        self._ready = ready
        return ready


def _load(path: str, store: Any, options: dict[str, Any]) -> LocalPipeline:
    """Load a pipeline that was sent to this process."""
    return LocalPipeline.load(path, store, **options)


def _all_dicts(values: list[Any]) -> bool:
    """Return whether all values are dicts; faster than a check of each."""
    return set(map(type, values)) <= {dict}


def _raise_first(answers: list[Any], errors: str) -> list[Any]:
    """Return the answers, or raise the first error among them."""
    if errors == "raise" and not _all_dicts(answers):
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
    return answers


def _check_errors(errors: str) -> None:
    if errors not in ("raise", "return"):
        raise ArgumentError(f"errors must be 'raise' or 'return', not {errors!r}")
