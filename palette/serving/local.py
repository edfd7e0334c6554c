"""LocalPipeline: scores rows without Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dsl.row_mappings import to_mapping, to_mappings
from palette.errors import DataError
from palette.online.local import LocalReader, LocalTable
from palette.online.reader import FeatureReader
from palette.serving.bundle import read_bundle, write_bundle
from palette.serving.compile import Score, check_plan, request_columns
from palette.serving.executors import Options, Program, program_of
from palette.serving.plan import Plan
from palette.serving.spark_pipelines import is_saved, saved_plan
from palette.times import resolve_now

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["LocalPipeline"]

# The store given, its earliest moment, what is read of it, what scores one row, the reader's generation at that time,
# and what scores in all other ways.
Ready: TypeAlias = "tuple[Any, int, FeatureReader, Score, int, Program]"
NEVER = -(1 << 63)
KEPT = 4


class LocalPipeline:
    """A fitted pipeline as one prepared Python function.

    Parameters
    ----------
    plan : Plan
        What to compute.
    store : Snapshot, online store, FeatureStore or URI, optional
        Where features are read; only plans with look-ups need one. Of a FeatureStore its online store is used; a URI
        (``redis://...``, ``lmdb:DIRECTORY``, the directory of a snapshot) is opened by
        :func:`palette.online.open_online`.
    on_store_error : {"raise", "default"}
        What a store does that fails or is too slow: raise :class:`palette.errors.StoreError`, or count what it does
        not tell as missing, so that defaults apply, and say so in the answer's entry ``__store_error``.
    budget : float, optional
        Seconds that all reads of one call may take together.
    status : bool
        Adds ``<expression>__status`` to the answer for each looked-up column: ``present``, ``null``, ``expired`` or
        ``missing``.
    strict : bool
        Whether a row with a column that the plan does not know is an error. Known are the columns that are read and
        the others that ``fit`` saw.
    max_request_age : float
        Seconds that a row's own time, in ``timestampCol``, may lie before or after now where the store is live: it has
        the present values only. On a snapshot that time must not lie before the snapshot's. A row without the column,
        or with a null in it, is of now.

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
        store: FeatureReader | FeatureStore | str | Path | None = None,
        *,
        on_store_error: str = "raise",
        budget: float | None = None,
        status: bool = False,
        strict: bool = False,
        max_request_age: float = 300.0,
    ) -> None:
        # From where it was loaded, and its store.
        self._source: tuple[str, Any, dict[str, Any]] | None = None
        self._options = Options(on_store_error, budget, status, strict, max_request_age)
        self.plan = plan
        self.needs_store = bool(plan.groups)
        # One tuple, exchanged whole: threads may score against different stores.
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
        """Travel to another process as where it was loaded from, its store likewise."""
        if self._source is None:
            raise DataError(
                "a LocalPipeline that was made in this process cannot be sent to another one: save it, and load it in "
                "the worker (LocalPipeline.load(path, store=...))"
            )
        path, store, known = self._source
        return _loaded, (path, store, {**asdict(self._options), **known})

    @classmethod
    def load(
        cls,
        path: str | Path,
        store: FeatureReader | FeatureStore | str | Path | None = None,
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
            The columns that a saved PipelineModel was fitted on with their Spark types, as ``dict(df.dtypes)`` gives
            them: they are not in its files. Without them values are taken as they come, but must be numbers or vectors
            where a stage needs these. :meth:`save` keeps them.
        java : int, optional
            The version of Java that a saved PipelineModel was fitted on: before 19, Java wrote other digits for some
            numbers that are categories of a FeatureHasher.
        **options
            ``on_store_error``, ``budget``, ``status``, ``strict`` and ``max_request_age`` of the class.

        Raises
        ------
        DataError
            If there is neither, it is not whole, a newer release wrote it, its rows with known answers are answered
            otherwise here, or a saved stage has no local form; or there are ``types`` or ``java`` for a bundle, which
            has its own.

        Warns
        -----
        UnknownTypeWarning
            If an answer of a saved PipelineModel depends on a type that is not known.
        """
        known = {"types": None if types is None else dict(types), "java": java}
        if is_saved(path):
            local = cls(saved_plan(path, types, java), store, **options)
        elif types is not None or java is not None:
            raise DataError(f"{str(path)!r} is no saved PipelineModel: a bundle says itself what types= and java= do")
        else:
            local = cls(read_bundle(path), store, **options)
        local._source = str(Path(path).absolute()), _absolute(store), known
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
        store: FeatureReader | FeatureStore | None = None,
    ) -> dict[str, Any]:
        """Return the columns that ``transform`` adds, for one row.

        Parameters
        ----------
        row : mapping, pyspark.sql.Row or pandas.Series
            The columns of the basis that the plan reads (:attr:`request_columns`), labels apart; a value may be None.
        now : datetime, optional
            The moment at which ttl counts; naive is UTC; default this moment.
        store : Snapshot or online store, optional
            Takes the place of the one given before.

        Raises
        ------
        DataError, dsl.DslTypeError
            If the row is no mapping, a value has the wrong type, or there is no store and one is needed;
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
        if ready is None or (store is not None and store is not ready[0]) or ready[2].generation != ready[4]:
            ready = self._prepare(store if store is not None or ready is None else ready[0])
        at = resolve_now(now)
        if at < ready[1]:
            ready[2].check_now(at)
        return ready[3](row, at)

    scoreInstance = score_instance

    async def score_instance_async(
        self, row: Mapping[str, Any] | Any, now: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Score one row as :meth:`score_instance` does; the event loop goes on while a store is asked."""
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
        store: FeatureReader | FeatureStore | None = None,
    ) -> list[Any]:
        """Score rows, all at one moment, and read what they need together.

        Parameters
        ----------
        rows : iterable of mappings, or DataFrame of pandas, polars or Arrow
            As for :meth:`score_instance`; of a DataFrame its rows.
        now : datetime, optional
            The moment at which ttl counts.
        errors : {"raise", "return"}
            Whether the first row that cannot be scored raises, or its error stands in the place of its answer.
        store : Snapshot or online store, optional
            Takes the place of the one given before.
        """
        _check_errors(errors)
        wanted = self._mappings(rows)
        program, at = self._program(now, store)
        return _checked(program.score_many(wanted, at), errors)

    async def score_instances_async(
        self, rows: Iterable[Mapping[str, Any]], now: dt.datetime | None = None, *, errors: str = "raise"
    ) -> list[Any]:
        """Score rows as :meth:`score_instances` does; the event loop goes on while a store is asked."""
        _check_errors(errors)
        wanted = self._mappings(rows)
        program, at = self._program(now)
        return _checked(await program.score_many_async(wanted, at), errors)

    def _mappings(self, rows: Any) -> list[Mapping[str, Any]]:
        if rows.__class__ is list and _all_dicts(rows):
            return rows
        return to_mappings(rows, self.request_columns, DataError)

    def _program(
        self, now: dt.datetime | None, store: FeatureReader | FeatureStore | None = None
    ) -> tuple[Program, int]:
        ready = self._ready
        if ready is None or (store is not None and store is not ready[0]) or ready[2].generation != ready[4]:
            ready = self._prepare(store if store is not None or ready is None else ready[0])
        return ready[5], ready[2].check_now(resolve_now(now))

    def _prepare(self, store: FeatureReader | FeatureStore | None) -> Ready:
        """Make a store the one that is read; the last few stay prepared, for callers that alternate."""
        same = (one for one in self._recent if one[0] is store and one[2].generation == one[4])
        ready = next(same, None) or self._compiled(store)
        self._recent = (ready, *(one for one in self._recent if one[0] is not store))[:KEPT]
        self._ready = ready
        return ready

    def _compiled(self, store: FeatureReader | FeatureStore | None) -> Ready:
        reader = NoStore() if store is None else getattr(store, "online", store)
        if not isinstance(reader, FeatureReader):
            raise DataError(f"store is a snapshot, an online store or a FeatureStore, found {store!r:.80}")
        generation, earliest = reader.generation, NEVER if reader.at is None else reader.at
        program = program_of(self.plan, reader, self._options)
        return store, earliest, reader, program.score, generation, program


def _absolute(store: Any) -> Any:
    """Return a store, or its URI with a directory that is the same whatever the working directory."""
    if not isinstance(store, (str, Path)):
        return store
    scheme, found, directory = str(store).rpartition("lmdb:")
    return f"{scheme}{found}{Path(directory).absolute()}" if found or Path(store).is_dir() else store


def _loaded(path: str, store: Any, options: dict[str, Any]) -> LocalPipeline:
    """Load a pipeline that was sent to this process."""
    return LocalPipeline.load(path, store, **options)


def _all_dicts(values: list[Any]) -> bool:
    """Tell whether there are dicts only; faster than asking one by one."""
    return set(map(type, values)) <= {dict}


def _checked(answers: list[Any], errors: str) -> list[Any]:
    if errors == "raise" and not _all_dicts(answers):
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
    return answers


def _check_errors(errors: str) -> None:
    if errors not in ("raise", "return"):
        raise DataError(f"errors is 'raise' or 'return', found {errors!r}")


class NoStore(LocalReader):
    """The reader of plans without look-ups."""

    def __init__(self) -> None:
        super().__init__(self.table)  # type: ignore[arg-type]

    def table(self, group: str) -> LocalTable:
        """Raise :class:`DataError`."""
        raise DataError(f"this pipeline reads features of {group}: pass store= (--store), a snapshot or online store")
