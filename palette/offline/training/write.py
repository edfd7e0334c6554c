"""Writes of a training set: at once, or in chunks that the same call resumes after it was killed."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from palette.errors import ArgumentError, DataError, LockedError
from palette.offline.delta.retry import retry_on_conflict
from palette.offline.files.dataframes import parse_location, write_frame
from palette.offline.join.pins import pinned_versions
from palette.offline.training import clustering
from palette.offline.training.basis import at_version, identify_basis
from palette.offline.training.counts import Counts, count_now, count_when_written
from palette.offline.training.record import JobRecord, differences, to_plain
from palette.offline.training.reports import JobResult, WriteProgress
from palette.offline.training.target import DeltaTarget, RecordedJob
from palette.session import require_delta
from palette.times import now_micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from palette.offline.training.basis import Basis

__all__ = ["TrainingTable"]

DELTA = ("delta", "table")

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingTable:
    """A training set and the table or file that it is written to.

    Parameters
    ----------
    spark : SparkSession
        The session.
    source : DataFrame or str
        The basis, as the caller named it.
    rows : DataFrame
        Its rows.
    join : callable
        Returns the training set of rows: ``join(rows, versions, now)``; without versions the requested or newest ones.
    types : mapping of str to str
        Columns of the training set to their types.
    features : mapping of str to str
        Output column to expression.
    target, mode, cluster_by
        As for :meth:`palette.FeatureStore.write_training_set`.
    call : callable
        Returns the arguments and definitions that a repeated call must have again, as JSON values.
    keep : callable
        Pins table versions, if a name was given.
    progress : callable
        Called with each step.
    """

    spark: SparkSession
    source: DataFrame | str
    rows: DataFrame
    join: Callable[[DataFrame, Mapping[str, int] | None, int | None], DataFrame]
    types: Mapping[str, str]
    features: Mapping[str, str]
    target: str
    mode: str
    cluster_by: Sequence[str]
    call: Callable[[], Mapping[str, Any]]
    keep: Callable[[Mapping[str, int]], None]
    progress: Callable[[WriteProgress], Any]

    def write(self) -> JobResult:
        """Write all rows, in one commit where the target is a Delta table."""
        began = time.perf_counter()
        columns = clustering.check_columns(self.cluster_by, self.types)
        training_set = self.join(self.rows, None, None)
        delta = None
        if parse_location(self.target, new=True)[0] in DELTA:
            require_delta(self.spark)
            delta = DeltaTarget(self.spark, self.target)
            if self.mode != "overwrite" and delta.version() is not None:
                self._reject(delta.unfinished())
            self._check_layout(delta, columns)
        self.progress(WriteProgress(self.target, "write", 0, 1, 0, 0.0))
        counted, counts = count_when_written(training_set, tuple(self.features))
        rows = write_frame(counted, self.target, self.mode, clustering.statistics(columns, training_set.schema))
        versions = pinned_versions(training_set.schema)
        self.keep(versions)
        if delta is not None:
            clustering.cluster(delta, columns)
            self._optimize(delta, columns, 1, rows, began)
        self.progress(WriteProgress(self.target, "done", 1, 1, rows, time.perf_counter() - began))
        return self._result(training_set, versions, replace(counts(), rows=rows))

    def write_chunks(self, chunks: int) -> JobResult:
        """Write rows in so many commits, those that are not in the table yet.

        Raises
        ------
        ArgumentError
            If the table exists and is not to be extended, or has a part of another job.
        DataError
            If the basis, or a table version that the job reads, is not what it was.
        LockedError
            If another run writes the same chunks.
        """
        began = time.perf_counter()
        require_delta(self.spark)
        delta = DeltaTarget(self.spark, self.target)
        columns = clustering.check_columns(self.cluster_by, self.types)
        is_new = delta.version() is None
        jobs = [] if is_new else delta.unfinished()
        if self.mode == "error" and not (is_new or jobs):
            raise ArgumentError(
                f"{self.target!r} cannot be written: it exists; set mode to append or overwrite (mode=, --mode)"
            )
        basis = identify_basis(self.spark, self.source, self.rows, chunks)
        call = to_plain({**self.call(), "basis": basis.identity})
        job = next((job for job in reversed(jobs) if not differences(job.record.call, call)), None)
        if job is None:
            self._reject(jobs, call)
            self._check_layout(delta, columns)
            written = Counts(0, (0,) * len(self.features))
            schema = self.join(basis.rows, None, None).schema
            versions = pinned_versions(schema)
            record = JobRecord(uuid.uuid4().hex, call, versions, now_micros(), basis.version, chunks, 0, written)
            is_created = is_new and (bool(columns) or delta.location[0] == "table")
            self.keep(versions)
            if is_created:
                delta.create(schema, record, clustering.statistics(columns, schema))
                clustering.cluster(delta, columns)
        else:
            LOG.info("%s: resumed after chunk %d of %d", self.target, job.record.chunk, chunks)
            record, written, is_created = job.record, self._count_written(delta, job), job.record.chunk == 0
            basis = at_version(self.spark, self.source, basis, record.basis)
            self.keep(record.versions)
            clustering.cluster(delta, columns)
        first, prepared = record.chunk, time.perf_counter()
        while not record.is_finished:
            now, done = time.perf_counter(), record.chunk - first
            remaining = (now - prepared) / done * (chunks - record.chunk) if done else None
            self.progress(
                WriteProgress(self.target, "write", record.chunk, chunks, written.rows, now - began, remaining)
            )
            record = record.next(written)
            training_set = self._join(basis.chunk(record.chunk, chunks), record)
            mode = self.mode if record.chunk == 1 and not is_created else "append"
            written += self._write_chunk(delta, basis, record, training_set, mode)
            if record.chunk == 1:
                # Delta drops the clustering of a table that is overwritten.
                clustering.cluster(delta, columns)
        self._optimize(delta, columns, chunks, written.rows, began)
        self.progress(WriteProgress(self.target, "done", chunks, chunks, written.rows, time.perf_counter() - began))
        return self._result(training_set, record.versions, written)

    def _join(self, rows: DataFrame, record: JobRecord) -> DataFrame:
        try:
            return self.join(rows, record.versions, record.now)
        except DataError as error:
            raise DataError(
                f"{self.target!r}: chunk {record.chunk:,} of {record.chunks:,} cannot be read at the versions of the "
                f"chunks before it: {error}; set mode to overwrite (mode=, --mode) to start again, with a name for a "
                "pin of the versions (pin=, --pin), which vacuum obeys"
            ) from error

    def _write_chunk(
        self, delta: DeltaTarget, basis: Basis, record: JobRecord, training_set: DataFrame, mode: str
    ) -> Counts:
        content = () if basis.chunks is None else basis.rows.columns
        since = delta.version()

        def attempt() -> tuple[str, Callable[[], Counts]]:
            counted, counts = count_when_written(training_set, tuple(self.features), content)
            return delta.write(counted, mode, record), counts

        mark, counts = retry_on_conflict(attempt, self.target)
        # Without a commit of its own the rows were not read, and their counts would never come.
        if delta.commit(mark, since) is None:
            raise LockedError(
                f"{self.target!r}: chunk {record.chunk} of {record.chunks} was written by another run of the same "
                "call: let it finish, or repeat the call when it has ended"
            )
        written = counts()
        if basis.chunks is not None and (written.rows, written.content) != basis.chunks[record.chunk - 1]:
            raise DataError(
                f"{self.target!r}: chunk {record.chunk} of {record.chunks} has {written.rows:,} rows that differ from "
                f"the {basis.chunks[record.chunk - 1][0]:,} which the basis had when this call began: rows that change "
                "cannot be read in chunks. Write the basis to a Delta table and pass its path or name; then set mode "
                "to overwrite (mode=, --mode) to start again"
            )
        return written

    def _count_written(self, delta: DeltaTarget, job: RecordedJob) -> Counts:
        """Return the counts of all chunks in the table; those of the last one are in no commit yet."""
        columns = tuple(self.features)
        if job.record.chunk == 0:
            return job.record.before
        chunk = count_now(delta.read(job.version), columns)
        if job.version > 0 and not job.replaced:
            chunk -= count_now(delta.read(job.version - 1), columns)
        return job.record.before + chunk

    def _reject(self, jobs: Sequence[RecordedJob], call: Mapping[str, Any] | None = None) -> None:
        """Raise :class:`ArgumentError` if the table has a part of another job, unless it is overwritten."""
        if not jobs or self.mode == "overwrite":
            return
        record, call = jobs[-1].record, self.call() if call is None else call
        before = {name: value for name, value in record.call.items() if name in call}
        raise ArgumentError(
            f"{self.target!r} has {record.chunk:,} of {record.chunks:,} chunks of a training set, and this is another "
            f"call: {differences(before, to_plain(call))}. Repeat the call that began it, to write the rest, or set "
            "mode to overwrite (mode=, --mode) to start again"
        )

    def _check_layout(self, delta: DeltaTarget, columns: Sequence[str]) -> None:
        """Raise :class:`ArgumentError` if the table exists and cannot be clustered by these columns."""
        if not columns or delta.version() is None:
            return
        if self.mode == "append":
            clustering.check_clustering(delta, columns)
        elif self.mode == "overwrite":
            clustering.cluster(delta, columns)

    def _optimize(self, delta: DeltaTarget, columns: Sequence[str], chunks: int, rows: int, began: float) -> None:
        if columns:
            seconds = time.perf_counter() - began
            self.progress(WriteProgress(self.target, "cluster", chunks, chunks, rows, seconds))
            clustering.optimize(delta)

    def _result(self, training_set: DataFrame, versions: Mapping[str, int], counts: Counts) -> JobResult:
        missing = dict(zip(self.features.values(), counts.shares(), strict=True))
        return JobResult(
            self.target, counts.rows, tuple(training_set.columns), versions, missing, rows_read=counts.rows
        )
